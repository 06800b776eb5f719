//! Follows the approvals in the log, and tells each held call what has become of it.
//!
//! Only calls that this process holds matter, so it reads from the end that the log had when it started. It decides
//! nothing: the state is the fold of `schemas`, which approver and archive compute as well.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{Partition, Reader, Stored};
use schemas::{Approval, ApprovalEvent, ApprovalId, Timestamp, approval::State, avro::FINGERPRINT_HEADER, topic};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

/// One read of the log, in bytes.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// How long one read waits for the first message.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// How long a failed read is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long the log may fail at the start.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What is known of the calls that this process holds.
#[derive(Debug, Default)]
pub(crate) struct Approvals(Mutex<HashMap<ApprovalId, Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// Absent until the masker has published the call.
    approval: Option<Approval>,
    shown: watch::Sender<Shown>,
}

/// What a held call sees of its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: State,
    /// By the log's clock, once the call is in the log.
    pub(crate) expires_at: Option<Timestamp>,
}

/// One held call's view; forgets the call when dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    approvals: Arc<Approvals>,
    pub(crate) approval_id: ApprovalId,
    pub(crate) shown: watch::Receiver<Shown>,
}

impl Approvals {
    /// To be called before the call is in the log, so that no event is missed.
    pub(crate) fn watch(self: &Arc<Self>, approval_id: ApprovalId) -> Watched {
        let (sender, shown) = watch::channel(Shown { state: State::Pending, expires_at: None });
        self.waiting().insert(approval_id, Waiting { approval: None, shown: sender });
        Watched { approvals: Arc::clone(self), approval_id, shown }
    }

    /// Reads all partitions from their current ends on, until `stop`. Resolves when the ends are known, before which
    /// nothing can be held; while the log cannot tell them, `ready` says so.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        reader: Arc<dyn Reader>,
        ready: &watch::Sender<Option<String>>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<(), bus::Error> {
        for (at, from) in ends_in_time(&*reader, ready).await? {
            let follower = Follower { approvals: Arc::clone(self), reader: Arc::clone(&reader), at, from };
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(follower.run()).await });
        }
        Ok(())
    }

    fn apply(&self, event: &ApprovalEvent, logged_at: Timestamp) {
        let mut waiting = self.waiting();
        let Some(waiting) = waiting.get_mut(&event.approval_id) else { return };
        match &mut waiting.approval {
            None => waiting.approval = Approval::open(event, logged_at),
            Some(approval) => {
                if let Err(reason) = approval.apply(event, logged_at) {
                    debug!(approval = %event.approval_id, %reason, "an event changes nothing");
                }
            }
        }
        if let Some(approval) = &waiting.approval {
            waiting.shown.send_replace(Shown { state: approval.state, expires_at: Some(approval.expires_at()) });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ApprovalId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ends_in_time(
    reader: &dyn Reader,
    ready: &watch::Sender<Option<String>>,
) -> Result<Vec<(Partition, u64)>, bus::Error> {
    let until = Instant::now() + START_PATIENCE;
    loop {
        match ends(reader).await {
            Err(error) if Instant::now() < until => {
                warn!(%error, "the approvals cannot be read yet; no call is taken");
                ready.send_replace(Some(format!("starting: the approvals cannot be read: {error}")));
                sleep(RETRY_AFTER).await;
            }
            known => return known,
        }
    }
}

async fn ends(reader: &dyn Reader) -> Result<Vec<(Partition, u64)>, bus::Error> {
    let mut ends = Vec::new();
    for number in 0..reader.partitions(topic::APPROVALS).await? {
        let at = Partition { topic: topic::APPROVALS.to_owned(), number };
        let end = reader.bounds(&at).await?.end;
        ends.push((at, end));
    }
    Ok(ends)
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.approvals.waiting().remove(&self.approval_id);
    }
}

/// Reads one partition.
struct Follower {
    approvals: Arc<Approvals>,
    reader: Arc<dyn Reader>,
    at: Partition,
    from: u64,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.reader.read(&self.at, self.from, READ_BYTES_MAX, READ_PATIENCE).await {
                Ok(messages) => messages.iter().for_each(|message| self.take(message)),
                Err(error) => {
                    warn!(partition = self.at.number, %error, "the approvals cannot be read; held calls wait");
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn take(&mut self, message: &Stored) {
        self.from = message.offset + 1;
        match ApprovalEvent::from_message(&message.value, message.header(FINGERPRINT_HEADER).map(AsRef::as_ref)) {
            Ok(event) => self.approvals.apply(&event, Timestamp(message.timestamp_us)),
            Err(error) => warn!(offset = message.offset, %error, "an approval event cannot be read"),
        }
    }
}
