//! Reads the approvals' log into the ledger: once up to its end, then for as long as the approver runs.
//!
//! An event that cannot be read is reported and skipped: it can only be a newer build's, or a fault of the masker.

use std::{sync::Arc, time::Duration};

use bus::{Partition, Reader, Stored};
use schemas::{ApprovalEvent, Timestamp, topic};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;

const READ_BYTES_MAX: usize = 1024 * 1024;
/// How long one read waits for news.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause after a failed read.
const PAUSE: Duration = Duration::from_secs(1);

/// The next offset to read of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    at: Partition,
    next: u64,
}

/// Folds all that the log has now.
pub(crate) async fn catch_up(log: &dyn Reader, ledger: &Ledger) -> Result<Vec<Place>, bus::Error> {
    let mut places = Vec::new();
    for number in 0..log.partitions(topic::APPROVALS).await? {
        let at = Partition { topic: topic::APPROVALS.to_owned(), number };
        let kept = log.bounds(&at).await?;
        let mut place = Place { at, next: kept.start };
        while place.next < kept.end {
            // No more to be read before the end: offsets may have gaps.
            if !place.advance(log, ledger, Duration::ZERO).await? {
                break;
            }
        }
        places.push(place);
    }
    Ok(places)
}

/// Tries to fold all that the log has; where it cannot be read, `ready` says why, and the ledger is as if nothing had
/// been tried.
pub(crate) async fn begin(
    log: &dyn Reader,
    ledger: &Ledger,
    ready: &watch::Sender<Option<String>>,
) -> Option<Vec<Place>> {
    match catch_up(log, ledger).await {
        Ok(places) => {
            ledger.show();
            ready.send_replace(None);
            Some(places)
        }
        Err(error) => {
            tracing::warn!(%error, "the approvals cannot be read yet; it is tried again");
            ready.send_replace(Some(format!("starting: cannot read the approvals: {error}")));
            ledger.forget();
            None
        }
    }
}

/// Follows every partition until `shutdown`; where the beginning failed, begins until it does not.
pub(crate) async fn follow(
    begun: Option<Vec<Place>>,
    log: Arc<dyn Reader>,
    ledger: Arc<Ledger>,
    ready: watch::Sender<Option<String>>,
    shutdown: CancellationToken,
) {
    let places = match begun {
        Some(places) => places,
        None => match shutdown.run_until_cancelled(begin_again(&*log, &ledger, &ready)).await {
            Some(places) => places,
            None => return,
        },
    };
    let ready = Arc::new(ready);
    let mut followers = JoinSet::new();
    for place in places {
        followers.spawn(follow_one(place, log.clone(), ledger.clone(), ready.clone()));
    }
    shutdown.cancelled().await;
    followers.shutdown().await;
}

async fn begin_again(log: &dyn Reader, ledger: &Ledger, ready: &watch::Sender<Option<String>>) -> Vec<Place> {
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Some(places) = begin(log, ledger, ready).await {
            return places;
        }
    }
}

async fn follow_one(
    mut place: Place,
    log: Arc<dyn Reader>,
    ledger: Arc<Ledger>,
    ready: Arc<watch::Sender<Option<String>>>,
) {
    let mut failed = false;
    loop {
        match place.advance(&*log, &ledger, PATIENCE).await {
            Ok(_) if failed => {
                failed = false;
                ready.send_replace(None);
            }
            Ok(_) => {}
            Err(error) => {
                failed = true;
                tracing::warn!(partition = place.at.number, %error, "cannot read the approvals");
                ready.send_replace(Some(format!("cannot read the approvals: {error}")));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Place {
    /// Folds what comes next; false when nothing came in time.
    async fn advance(&mut self, log: &dyn Reader, ledger: &Ledger, patience: Duration) -> Result<bool, bus::Error> {
        let messages = log.read(&self.at, self.next, READ_BYTES_MAX, patience).await?;
        let Some(last) = messages.last() else { return Ok(false) };
        self.next = last.offset + 1;
        messages.iter().for_each(|message| fold(message, &self.at, ledger));
        Ok(true)
    }
}

fn fold(message: &Stored, at: &Partition, ledger: &Ledger) {
    match ApprovalEvent::from_avro(&message.value) {
        Ok(event) => ledger.apply(&event, Timestamp(message.timestamp_us)),
        Err(error) => {
            metrics::counter!("hansard_approver_unreadable_total").increment(1);
            tracing::error!(partition = at.number, offset = message.offset, %error, "an approval event cannot be read");
        }
    }
}
