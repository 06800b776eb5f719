//! One membership of the consumer group: from joining to shutdown, a rebalance that fences us, or a setback of the log.
//!
//! Outputs and positions are committed as one transaction, over all partitions that have something at the moment. When
//! it is not known whether a commit happened, the session ends and the next one begins where the log says.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::Arc,
    time::Duration,
};

use bus::{Behind, Bus, CommitError, Consumer, Delivery, Lag, Partition, Stored};
use schemas::{Clock, Timestamp, topic};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, GROUP, RETRY_MILLISECONDS_MIN,
    outputs::Outputs,
    partition::{Reading, Work},
    row::Masker,
    stream::Limits,
};

/// How long what else is there is waited for, so that it becomes one transaction with what came first. A transaction
/// takes about ten times that on Kafka.
const GATHERED: Duration = Duration::from_millis(2);
/// Values of one transaction, in bytes, at most; and one delivery more.
const GATHERED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often silent streams are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How often it is told how far behind the log we are.
const LAG_EVERY: Duration = Duration::from_secs(5);
/// At the end, a log that gives nothing for so long has nothing more to give.
const QUIET: Duration = Duration::from_millis(500);
/// How long the end may take.
const DRAIN_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) config: Config,
    pub(crate) masker: Arc<Masker>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Clock,
    pub(crate) ready: watch::Sender<Option<String>>,
}

/// Why a session ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Setback {
    #[error("the frames cannot be read")]
    Log(#[from] bus::Error),
    #[error("the records cannot be committed")]
    Commit(#[from] CommitError),
    #[error("a task of the masker failed")]
    Task(#[from] tokio::task::JoinError),
}

struct Session<'a> {
    stage: &'a Stage,
    consumer: Box<dyn Consumer>,
    readings: HashMap<Partition, Reading>,
    lag: Lag,
}

impl Setback {
    pub(crate) fn is_rebalance(&self) -> bool {
        matches!(self, Setback::Commit(CommitError::Fenced))
    }

    /// The error and its causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let (mut text, mut cause) = (self.to_string(), self.source());
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl Stage {
    /// Resolves well at shutdown only. `pause` is set back as soon as something was committed.
    pub(crate) async fn session(&self, shutdown: &CancellationToken, pause: &mut u64) -> Result<(), Setback> {
        let consumer = self.bus.consumer(GROUP, &[topic::FRAMES]).await?;
        let mut session = Session { stage: self, consumer, readings: HashMap::new(), lag: Lag::default() };
        self.ready.send_replace(None);
        let mut sweep = interval(SWEEP);
        let mut lag = interval(LAG_EVERY);
        for ticks in [&mut sweep, &mut lag] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = sweep.tick() => session.sweep((self.clock)()).await?,
                _ = lag.tick() => session.show_lag().await,
                delivery = session.consumer.next() => session.take(delivery?, pause).await?,
            }
        }
        // What is left after that is masked by the next start.
        let drained = timeout(DRAIN_MAX, session.drain(pause)).await.unwrap_or(Ok(()));
        session.consumer.close().await?;
        drained
    }
}

impl Session<'_> {
    async fn take(&mut self, delivery: Delivery, pause: &mut u64) -> Result<(), Setback> {
        let mut gathered = BTreeMap::new();
        self.gather(&mut gathered, delivery);
        let until = Instant::now() + GATHERED;
        while !gathered.is_empty()
            && bytes(&gathered) < GATHERED_BYTES_MAX
            && let Ok(delivery) = timeout_at(until, self.consumer.next()).await
        {
            self.gather(&mut gathered, delivery?);
        }
        if gathered.is_empty() {
            return Ok(());
        }
        let step = |messages: Vec<Stored>| {
            let masker = self.stage.masker.clone();
            move |reading: &mut Reading| reading.take(&messages, &masker)
        };
        let steps = gathered.into_iter().map(|(at, messages)| (at, step(messages))).collect();
        self.work(steps, true).await?;
        *pause = RETRY_MILLISECONDS_MIN;
        Ok(())
    }

    /// Partitions that are lost take with them what was gathered of them: whoever has them now masks it.
    fn gather(&mut self, gathered: &mut BTreeMap<Partition, Vec<Stored>>, delivery: Delivery) {
        match delivery {
            Delivery::Assigned(positions) => {
                let limits = self.stage.config.limits();
                self.readings
                    .extend(positions.iter().map(|at| (at.at.clone(), Reading::resume(at, limits, Work::Mask))));
            }
            Delivery::Revoked(partitions) => partitions.iter().for_each(|at| {
                self.readings.remove(at);
                gathered.remove(at);
            }),
            Delivery::Messages(at, messages) => gathered.entry(at).or_default().extend(messages),
        }
    }

    /// Masks what the log holds when the end comes, so that a clean stop leaves nothing sealed behind.
    async fn drain(&mut self, pause: &mut u64) -> Result<(), Setback> {
        let ends = self.ends().await?;
        let behind = |readings: &HashMap<Partition, Reading>| {
            ends.iter().any(|(at, end)| readings.get(at).is_some_and(|reading| reading.next() < *end))
        };
        while behind(&self.readings) {
            let Ok(delivery) = timeout(QUIET, self.consumer.next()).await else { break };
            self.take(delivery?, pause).await?;
        }
        Ok(())
    }

    async fn ends(&mut self) -> Result<Vec<(Partition, u64)>, Setback> {
        let reader = self.stage.bus.reader();
        let mut ends = Vec::new();
        for at in self.readings.keys() {
            ends.push((at.clone(), reader.bounds(at).await?.end));
        }
        Ok(ends)
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<(), Setback> {
        let open = self.readings.iter().filter(|(_, reading)| reading.has_open());
        let mut steps = Vec::new();
        for at in open.map(|(at, _)| at.clone()).collect::<Vec<_>>() {
            let end = self.stage.bus.reader().bounds(&at).await?.end;
            let masker = self.stage.masker.clone();
            steps.push((at, move |reading: &mut Reading| reading.sweep(now, end, &masker)));
        }
        self.work(steps, false).await
    }

    /// How much of the log is still to be masked, in our partitions. A log that does not say it now says it later.
    async fn show_lag(&mut self) {
        let (reader, Timestamp(now_us)) = (self.stage.bus.reader(), (self.stage.clock)());
        let nexts: Vec<_> = self.readings.iter().map(|(at, reading)| (at.clone(), reading.next())).collect();
        let Some(Behind { offsets, oldest_us }) = self.lag.look(&*reader, &nexts, now_us).await else { return };
        metrics::gauge!("hansard_masker_lag_messages").set(offsets as f64);
        metrics::gauge!("hansard_masker_oldest_unmasked_seconds").set(oldest_us as f64 / 1e6);
        metrics::gauge!("hansard_masker_looked_timestamp_seconds").set(now_us as f64 / 1e6);
    }

    /// Masks on one thread, which may be busy for long, then commits all of it as one: more cores are for more maskers,
    /// and where callers share them, not for this one alone. Without outputs there is only something to commit when the
    /// positions moved.
    async fn work<S>(&mut self, steps: Vec<(Partition, S)>, moved: bool) -> Result<(), Setback>
    where
        S: FnOnce(&mut Reading) -> Outputs + Send + 'static,
    {
        let held = steps.into_iter().filter_map(|(at, step)| Some((self.readings.remove(&at)?, at, step)));
        let held: Vec<_> = held.collect();
        let worked = spawn_blocking(move || {
            let work = held.into_iter().map(|(mut reading, at, step)| (step(&mut reading), at, reading));
            work.collect::<Vec<_>>()
        });
        let (mut positions, mut messages) = (Vec::new(), Vec::new());
        for (outputs, at, reading) in worked.await? {
            if moved || !outputs.is_empty() {
                positions.push(reading.position());
                messages.extend(outputs.into_messages());
            }
            self.readings.insert(at, reading);
        }
        if !positions.is_empty() {
            self.consumer.commit(&positions, messages).await?;
        }
        Ok(())
    }
}

fn bytes(gathered: &BTreeMap<Partition, Vec<Stored>>) -> usize {
    gathered.values().flatten().map(|message| message.value.len()).sum()
}

impl Config {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            silence_us: i64::try_from(self.stream_silence_seconds_max.saturating_mul(1_000_000)).unwrap_or(i64::MAX),
            bytes_max: self.stream_bytes_max,
            open_max: self.open_streams_max,
        }
    }
}
