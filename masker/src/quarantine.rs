//! The quarantine: what could not be opened, read or masked, sealed as it was. It is listed without being opened, and
//! masked again when its cause is mended.
//!
//! Masking again is the masker's own work on another topic, as a group of its own: records and position are one
//! transaction, so that a frame is released once, however often and by how many it is tried. What is still unfit goes
//! back to the end of the quarantine, and the trail has nothing new of it.
//!
//! It refuses to open an approval or count a vote that late: what is released is a record and nothing else.

use std::{collections::HashMap, time::Duration};

use bus::{Bus, Consumer, Delivery, Partition, Position, Stored};
use schemas::{frame::KIND_HEADER, topic};
use tokio::time::timeout;

use crate::{
    Config, Deps,
    outputs::{Outputs, REASON_HEADER},
    partition::{Reading, Work},
    row,
    session::Setback,
};

/// The consumer group of those who mask again.
pub const RELEASE_GROUP: &str = "hansard-quarantine";
/// How long the log may take to give us a partition, or the next messages of one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages of one listing.
const LISTED_MAX: usize = 100_000;
/// Values that are read at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A frame in quarantine, by its outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    pub partition: u32,
    pub offset: u64,
    /// When it came here; microseconds since the Unix epoch.
    pub at_us: i64,
    /// As text, where the message has one.
    pub exchange_id: Option<String>,
    pub kind: Option<String>,
    /// In one word.
    pub reason: Option<String>,
    /// Of the sealed frame.
    pub bytes: usize,
}

/// What has come of masking again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Frames that are in the trail now.
    pub released: u64,
    /// Messages that went back.
    pub withheld: u64,
}

/// Masking again cannot begin, or did not come to its end; what was released stays released.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stuck(String);

impl From<Setback> for Stuck {
    fn from(setback: Setback) -> Stuck {
        Stuck(setback.chain())
    }
}

/// What waits in quarantine, oldest first in each partition.
pub async fn list(bus: &dyn Bus) -> Result<Vec<Quarantined>, Stuck> {
    let mut consumer = join(bus).await?;
    let positions = positions(&mut *consumer).await;
    // The positions are all that we wanted of the group.
    let _ = consumer.close().await;
    let mut all = Vec::new();
    for position in positions? {
        let reader = bus.reader();
        let bounds = reader.bounds(&position.at).await.map_err(Setback::from)?;
        let mut from = position.next.max(bounds.start);
        while from < bounds.end && all.len() < LISTED_MAX {
            let read = reader.read(&position.at, from, READ_BYTES_MAX, PATIENCE).await.map_err(Setback::from)?;
            let Some(last) = read.last() else { break };
            from = last.offset + 1;
            all.extend(read.iter().map(|message| outside(&position.at, message)));
        }
    }
    all.sort_by_key(|one| (one.partition, one.offset));
    Ok(all)
}

fn outside(at: &Partition, message: &Stored) -> Quarantined {
    let header = |name| message.header(name).map(|word| String::from_utf8_lossy(word).into_owned());
    Quarantined {
        partition: at.number,
        offset: message.offset,
        at_us: message.timestamp_us,
        exchange_id: uuid::Uuid::from_slice(&message.key).ok().map(|id| id.to_string()),
        kind: header(KIND_HEADER),
        reason: header(REASON_HEADER),
        bytes: message.value.len(),
    }
}

/// Masks what is in quarantine now with the rules and keys of now.
pub async fn reprocess(config: &Config, deps: Deps) -> Result<Released, Stuck> {
    let masker = row::Masker::new(deps.redactor, deps.shadow, deps.tenants, deps.opener, deps.identity_key);
    let mut consumer = join(&*deps.bus).await?;
    let positions = positions(&mut *consumer).await?;
    let mut pass = Pass { bus: &*deps.bus, masker: masker.into(), readings: HashMap::new(), ends: HashMap::new() };
    for position in &positions {
        let end = pass.bus.reader().bounds(&position.at).await.map_err(Setback::from)?.end;
        pass.ends.insert(position.at.clone(), end);
        let reading = Reading::resume(position, config.limits(), Work::Release);
        pass.readings.insert(position.at.clone(), reading);
    }
    let done = pass.run(&mut *consumer).await;
    let _ = consumer.close().await;
    done
}

async fn join(bus: &dyn Bus) -> Result<Box<dyn Consumer>, Stuck> {
    Ok(bus.consumer(RELEASE_GROUP, &[topic::QUARANTINE]).await.map_err(Setback::from)?)
}

/// What the group gives us. Somebody else who masks again at the same time has it, and we wait.
async fn positions(consumer: &mut dyn Consumer) -> Result<Vec<Position>, Stuck> {
    loop {
        match timeout(PATIENCE, consumer.next()).await {
            Ok(delivery) => {
                if let Delivery::Assigned(positions) = delivery.map_err(Setback::from)? {
                    return Ok(positions);
                }
            }
            Err(_) => {
                return Err(Stuck(
                    "the log gives no partition of the quarantine: does somebody else work on it?".to_owned(),
                ));
            }
        }
    }
}

/// One go through the quarantine, up to where it ended when we began: what goes back is not tried again.
struct Pass<'a> {
    bus: &'a dyn Bus,
    masker: std::sync::Arc<row::Masker>,
    readings: HashMap<Partition, Reading>,
    ends: HashMap<Partition, u64>,
}

impl Pass<'_> {
    async fn run(&mut self, consumer: &mut dyn Consumer) -> Result<Released, Stuck> {
        let mut total = Released::default();
        while self.is_behind() {
            let delivery = timeout(PATIENCE, consumer.next()).await;
            let delivery = delivery.map_err(|_| Stuck("the log gives nothing more of the quarantine".to_owned()))?;
            if let Delivery::Messages(at, messages) = delivery.map_err(Setback::from)? {
                let end = self.ends.get(&at).copied().unwrap_or_default();
                let messages: Vec<_> = messages.into_iter().filter(|message| message.offset < end).collect();
                self.step(consumer, &at, messages, &mut total).await?;
            }
        }
        Ok(total)
    }

    fn is_behind(&self) -> bool {
        self.readings.iter().any(|(at, reading)| reading.next() < self.ends.get(at).copied().unwrap_or_default())
    }

    /// Masks on a thread that may be busy for long, then commits.
    async fn step(
        &mut self,
        consumer: &mut dyn Consumer,
        at: &Partition,
        messages: Vec<Stored>,
        total: &mut Released,
    ) -> Result<(), Stuck> {
        let Some(mut reading) = self.readings.remove(at) else { return Ok(()) };
        let (masker, end) = (self.masker.clone(), self.ends.get(at).copied().unwrap_or_default());
        let (reading, outputs) = tokio::task::spawn_blocking(move || {
            let mut outputs = reading.take(&messages, &masker);
            if reading.next() >= end {
                outputs.extend(reading.end_all(&masker));
            }
            (reading, outputs)
        })
        .await
        .map_err(Setback::from)?;
        let (released, withheld) = outputs.counts();
        self.commit(consumer, &reading, outputs).await?;
        (total.released, total.withheld) = (total.released + released, total.withheld + withheld);
        self.readings.insert(at.clone(), reading);
        Ok(())
    }

    async fn commit(&self, consumer: &mut dyn Consumer, reading: &Reading, outputs: Outputs) -> Result<(), Stuck> {
        let committed = consumer.commit(&[reading.position()], outputs.into_messages()).await;
        Ok(committed.map_err(Setback::from)?)
    }
}
