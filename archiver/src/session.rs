//! One membership of the consumer group: from the commit log to the first setback, or to a clean stop.
//!
//! A batch goes: copies for quarantine → object, create-only → read back and checked → entry of the commit log → the
//! group's position, which only tells the bus what it need not keep for us. If after that the log does not end where
//! our batch did, somebody else was faster: what is buffered is forgotten and read again from where the log ends.

use std::{collections::BTreeMap, time::Duration};

use bus::{Behind, CommitError, Consumer, Delivery, Lag, Message, Partition, Position, Stored};
use object_store::path::Path;
use schemas::{
    commit::{Batch, CommitEntry, RECORDS_STREAM, object_path},
    topic,
};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Deps, GROUP,
    buffer::Buffer,
    file::{self, FileError},
    log::{Appended, CommitLog},
    object, origin,
    setback::{Setback, chain},
    store,
};

/// At the end, a log that gives nothing for so long has nothing more to give.
const QUIET: Duration = Duration::from_millis(500);
/// How often the metrics are brought up to date when nothing happens.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How often it is told how far behind the log we are.
const LAG_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Session<'a> {
    config: &'a Config,
    deps: &'a Deps,
    consumer: Box<dyn Consumer>,
    log: CommitLog,
    places: BTreeMap<u32, Place>,
    lag: Lag,
    /// How long the oldest record that is not even buffered has waited, as far as is known.
    unread_us: i64,
}

/// What this member does with a partition of its own.
enum Place {
    Open(Box<Buffer>),
    /// Archiving on would hide a loss; an operator has to look.
    Stopped(String),
}

impl<'a> Session<'a> {
    pub(crate) async fn join(config: &'a Config, deps: &'a Deps) -> Result<Session<'a>, Setback> {
        let log = CommitLog::open(deps.store.clone()).await?;
        let consumer = deps.bus.consumer(GROUP, &[topic::RECORDS]).await?;
        Ok(Session { config, deps, consumer, log, places: BTreeMap::new(), lag: Lag::default(), unread_us: 0 })
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) -> Result<(), Setback> {
        let worked = self.work(shutdown).await;
        let left = self.consumer.close().await;
        worked.and(left.map_err(Setback::from))
    }

    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), Setback> {
        let mut lag = tokio::time::interval(LAG_EVERY);
        lag.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.seal_due(Instant::now()).await?;
            self.report();
            let wake = self.wake_at();
            tokio::select! {
                () = shutdown.cancelled() => return self.drain().await,
                () = tokio::time::sleep_until(wake) => {}
                _ = lag.tick() => self.show_lag().await,
                delivery = self.consumer.next() => self.take(delivery?).await?,
            }
        }
    }

    /// Archives what the log holds when the end comes, so that a clean stop leaves nothing behind.
    async fn drain(&mut self) -> Result<(), Setback> {
        let mut ends = BTreeMap::new();
        for number in self.places.keys().copied() {
            ends.insert(number, self.deps.bus.reader().bounds(&records(number)).await?.end);
        }
        while self.buffers().any(|(number, buffer)| Some(&buffer.next_offset()) < ends.get(&number)) {
            let Ok(delivery) = timeout(QUIET, self.consumer.next()).await else { break };
            self.take(delivery?).await?;
        }
        self.seal_all().await
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), Setback> {
        match delivery {
            Delivery::Assigned(positions) => {
                self.log.refresh().await?;
                let foreign = origin::foreign(self.deps).await?;
                for position in positions {
                    match &foreign {
                        Some(reason) => self.stop(position.at.number, reason.clone()),
                        None => self.open(position).await?,
                    }
                }
            }
            Delivery::Revoked(partitions) => {
                for Partition { number, .. } in partitions {
                    self.seal(number).await?;
                    self.places.remove(&number);
                }
            }
            Delivery::Messages(at, messages) => self.take_messages(at.number, messages).await?,
        }
        Ok(())
    }

    /// Takes over a partition where the log says that its archive ends, after whatever lies there uncommitted.
    async fn open(&mut self, position: Position) -> Result<(), Setback> {
        let number = position.at.number;
        if let Err(reason) = self.adopt_waiting(number).await? {
            self.stop(number, reason);
            return Ok(());
        }
        let next = self.log.end(number).next_offset;
        if let Some(reason) = lost(self.deps, &position.at, next).await? {
            self.stop(number, reason);
            return Ok(());
        }
        self.consumer.seek(&position.at, next).await?;
        self.places.insert(number, Place::Open(Box::new(Buffer::new(number, next))));
        if next > position.next {
            self.release(number, next).await?;
        }
        Ok(())
    }

    /// Commits the objects that were put where the log ends, and whose entry was never written.
    async fn adopt_waiting(&mut self, number: u32) -> Result<Result<(), String>, Setback> {
        while let Some(path) = object::find(&*self.deps.store, number, &self.log.end(number)).await? {
            match self.commit_object(number, &path, None).await {
                Err(Setback::Object { path, source }) => return Ok(Err(unusable(&path, &source))),
                committed => committed?,
            };
            metrics::counter!("hansard_archiver_adopted_total").increment(1);
        }
        Ok(Ok(()))
    }

    async fn take_messages(&mut self, number: u32, messages: Vec<Stored>) -> Result<(), Setback> {
        let mut kept = false;
        for message in messages {
            if !self.take_message(number, message, &mut kept).await? {
                break;
            }
        }
        Ok(())
    }

    /// False when what follows the message is not to be taken: it will be read again, or never.
    ///
    /// `kept`: the bus was asked at an earlier gap of the same delivery. What it kept then, it kept when it delivered, so
    /// that other gaps behind that one are its own marks, of which every transaction leaves one.
    async fn take_message(&mut self, number: u32, message: Stored, kept: &mut bool) -> Result<bool, Setback> {
        let Some(Place::Open(buffer)) = self.places.get(&number) else { return Ok(false) };
        let (next, same_day) = (buffer.next_offset(), buffer.is_of_day(message.timestamp_us));
        if message.offset < next {
            return Ok(true);
        }
        // Gaps are legal, but not where the bus has dropped messages.
        if message.offset > next
            && !std::mem::replace(kept, true)
            && let Some(reason) = lost(self.deps, &records(number), next).await?
        {
            self.stop(number, reason);
            return Ok(false);
        }
        if !same_day && !self.seal(number).await? {
            return Ok(false);
        }
        let Some(Place::Open(buffer)) = self.places.get_mut(&number) else { return Ok(false) };
        buffer.push(message)?;
        let full = if buffer.is_full(self.config) { Some(number) } else { self.crowding() };
        match full {
            Some(full) => Ok(self.seal(full).await? || full != number),
            None => Ok(true),
        }
    }

    /// The largest batch, where all of them together are too large.
    fn crowding(&self) -> Option<u32> {
        let all: usize = self.buffers().map(|(_, buffer)| buffer.byte_count()).sum();
        let largest = self.buffers().max_by_key(|(_, buffer)| buffer.byte_count());
        largest.map(|(number, _)| number).filter(|_| all >= self.config.buffered_bytes_max)
    }

    async fn seal_due(&mut self, now: Instant) -> Result<(), Setback> {
        let due = |buffer: &Buffer| buffer.due_at(self.config).is_some_and(|due| due <= now);
        let numbers: Vec<u32> = self.buffers().filter(|(_, buffer)| due(buffer)).map(|(number, _)| number).collect();
        for number in numbers {
            self.seal(number).await?;
        }
        Ok(())
    }

    async fn seal_all(&mut self) -> Result<(), Setback> {
        for number in self.places.keys().copied().collect::<Vec<_>>() {
            self.seal(number).await?;
        }
        Ok(())
    }

    /// Archives what is buffered. False when the partition goes on elsewhere than right behind it.
    async fn seal(&mut self, number: u32) -> Result<bool, Setback> {
        let Some(Place::Open(buffer)) = self.places.get_mut(&number) else { return Ok(false) };
        let (Some(batch), Some(day_us)) = (buffer.batch(), buffer.oldest_us()) else { return Ok(true) };
        let buffer = std::mem::replace(&mut **buffer, Buffer::new(number, batch.next_offset));
        let path = Path::from(object_path(RECORDS_STREAM, day_us, number, batch.start_offset));
        let next = batch.next_offset;
        match self.archive(buffer, batch, &path).await {
            Err(Setback::Object { path, source }) => {
                self.stop(number, unusable(&path, &source));
                return Ok(false);
            }
            archived => archived?,
        }
        self.go_on(number, next).await
    }

    async fn archive(&mut self, mut buffer: Buffer, batch: Batch, path: &Path) -> Result<(), Setback> {
        let number = batch.partition;
        // The log never passes over a message whose copy is not durable.
        quarantine(self.deps, std::mem::take(&mut buffer.quarantine)).await?;
        let group_rows = self.config.row_group_rows;
        let make = move || -> Result<_, FileError> {
            let file = file::write(buffer.rows.into_slices()?, &batch, group_rows)?;
            Ok((file::checksum(&file), file))
        };
        let (checksum, file) = tokio::task::spawn_blocking(make).await??;
        let ours = match store::create(&*self.deps.store, path, file).await {
            Ok(()) => Some(checksum),
            // No verdict: it may be ours, put by a try whose answer was lost, or another owner's.
            Err(object_store::Error::AlreadyExists { .. }) => None,
            Err(error) => return Err(Setback::at(path)(error)),
        };
        self.commit_object(number, path, ours).await
    }

    /// Reads the object back, checks it, and adds its entry unless the log has gone on without it. `ours` is the
    /// checksum that it must have.
    async fn commit_object(&mut self, number: u32, path: &Path, ours: Option<String>) -> Result<(), Setback> {
        let entry = object::inspect(self.deps, number, path, ours).await?;
        match self.log.append(&entry).await? {
            Appended::Committed => self.tell(&entry),
            Appended::Fenced => tracing::info!(partition = number, object = %path, "another archiver was faster"),
        }
        Ok(())
    }

    /// After a batch that ended at `expected`: true if the log ends there too, else the partition is read again from
    /// where it does.
    async fn go_on(&mut self, number: u32, expected: u64) -> Result<bool, Setback> {
        let next = self.log.end(number).next_offset;
        if next != expected {
            self.places.insert(number, Place::Open(Box::new(Buffer::new(number, next))));
            self.consumer.seek(&records(number), next).await?;
        }
        Ok(self.release(number, next).await? && next == expected)
    }

    /// Tells the bus that it need not keep what is before `next` for us. False when the partition is another's now.
    async fn release(&mut self, number: u32, next: u64) -> Result<bool, Setback> {
        let position = Position { at: records(number), next, note: String::new() };
        match self.consumer.commit(&[position], Vec::new()).await {
            Ok(()) => Ok(true),
            Err(CommitError::Fenced) => {
                self.places.remove(&number);
                Ok(false)
            }
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    fn stop(&mut self, number: u32, reason: String) {
        tracing::error!(partition = number, reason, "this partition is not archived any more");
        self.places.insert(number, Place::Stopped(reason));
    }

    fn buffers(&self) -> impl Iterator<Item = (u32, &Buffer)> {
        self.places.iter().filter_map(|(number, place)| match place {
            Place::Open(buffer) => Some((*number, &**buffer)),
            Place::Stopped(_) => None,
        })
    }

    fn wake_at(&self) -> Instant {
        let due = self.buffers().filter_map(|(_, buffer)| buffer.due_at(self.config)).min();
        let report = Instant::now() + REPORT_EVERY;
        due.map_or(report, |due| due.min(report))
    }

    fn tell(&self, entry: &CommitEntry) {
        let batch = &entry.batch;
        metrics::counter!("hansard_archiver_batches_total").increment(1);
        metrics::counter!("hansard_archiver_rows_total").increment(batch.rows);
        metrics::counter!("hansard_archiver_bytes_total").increment(entry.bytes);
        tracing::debug!(
            partition = batch.partition,
            next = batch.next_offset,
            rows = batch.rows,
            object = entry.object,
            "archived"
        );
    }

    /// How much of the log is still to be buffered, in our partitions. A log that does not say it now says it later.
    async fn show_lag(&mut self) {
        let (reader, now_us) = (self.deps.bus.reader(), (self.deps.clock)().0);
        let nexts: Vec<_> = self.buffers().map(|(number, buffer)| (records(number), buffer.next_offset())).collect();
        let Some(Behind { offsets, oldest_us }) = self.lag.look(&*reader, &nexts, now_us).await else { return };
        self.unread_us = oldest_us;
        metrics::gauge!("hansard_archiver_lag_messages").set(offsets as f64);
        metrics::gauge!("hansard_archiver_looked_timestamp_seconds").set(now_us as f64 / 1e6);
    }

    fn report(&self) {
        let now = (self.deps.clock)();
        let oldest = self.buffers().filter_map(|(_, buffer)| buffer.oldest_us()).min();
        let waited_us = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest)).max(self.unread_us);
        metrics::gauge!("hansard_archiver_oldest_unarchived_seconds").set(waited_us as f64 / 1e6);
        let stopped: Vec<&str> = self.places.values().filter_map(Place::reason).collect();
        metrics::gauge!("hansard_archiver_stopped_partitions").set(stopped.len() as f64);
        let reason = (!stopped.is_empty()).then(|| stopped.join("; "));
        self.deps.ready.send_if_modified(|ready| {
            let modified = *ready != reason;
            *ready = reason;
            modified
        });
    }
}

impl Place {
    fn reason(&self) -> Option<&str> {
        match self {
            Place::Open(_) => None,
            Place::Stopped(reason) => Some(reason),
        }
    }
}

/// Why the bus cannot give us what comes at `next`.
async fn lost(deps: &Deps, at: &Partition, next: u64) -> Result<Option<String>, Setback> {
    let kept = deps.bus.reader().bounds(at).await?;
    let (topic, number) = (&at.topic, at.number);
    Ok(if kept.start > next {
        Some(format!("{topic}/{number}: messages {next} to {} are gone and were never archived", kept.start - 1))
    } else if kept.end < next {
        Some(format!("{topic}/{number} ends at {} and its archive at {next}: it is another log", kept.end))
    } else {
        None
    })
}

async fn quarantine(deps: &Deps, copies: Vec<Message>) -> Result<(), Setback> {
    let producer = deps.bus.producer();
    for copy in copies {
        producer.send(copy).await?;
    }
    Ok(())
}

fn records(number: u32) -> Partition {
    Partition { topic: topic::RECORDS.to_owned(), number }
}

fn unusable(path: &Path, source: &FileError) -> String {
    format!("{path} has the name of the next batch and cannot be it: {}", chain(source))
}
