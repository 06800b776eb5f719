//! Archiver: records in batches to Parquet on an object store, exactly once.
//!
//! The position is what the commit log in the bucket says, never what the consumer group says. A batch is one Parquet
//! object, named by where its predecessor ended and put create-only; then one entry of the commit log, dense and
//! create-only too. Whatever goes wrong, the archiver drops what it holds and starts again from the log, so the normal
//! start and the recovery are one path. What may happen at each step, and why nothing is lost or doubled:
//!
//! | crash or fault | outcome |
//! |---|---|
//! | while buffering, during PUT | read again from the bus |
//! | PUT done, reply lost | the object is found under its name and adopted |
//! | after PUT, before the entry | the next owner adopts the object |
//! | two owners with different cuts | the first create wins, the other adopts it and seeks |
//! | a zombie wakes late | its name exists, the log is past it: fenced |
//! | the log is another one than the archive's | nothing is archived, and `ready` says so |
//! | the race for an entry is lost | read the winner, check again, take the next number |
//!
//! It refuses to overwrite an object, to run on a store that would, and to archive past messages that are gone.

use std::{fmt, sync::Arc, time::Duration};

use schemas::Clock;
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

mod buffer;
mod file;
mod log;
mod object;
mod origin;
mod rows;
mod session;
mod setback;
mod store;

pub use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};
use session::Session;
use setback::Setback;
pub use store::{OpenError, open_store};

/// The consumer group of all archivers of one log.
pub const GROUP: &str = "hansard-archiver";
/// First pause after a setback; it doubles up to `retry_milliseconds_max`.
const RETRY_MILLISECONDS_MIN: u64 = 100;

/// `[archive]` of the configuration, but for the URL.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A batch is cut when its messages are this large, before compression.
    pub batch_bytes_max: usize,
    /// … or those of all partitions together are, and it is the largest of them,
    pub buffered_bytes_max: usize,
    /// … or its oldest message has waited for this long,
    pub batch_age_seconds_max: u64,
    /// … or it has this many messages.
    pub batch_rows_max: usize,
    pub row_group_rows: usize,
    /// How long a clean stop may take to archive what is buffered.
    pub drain_seconds_max: u64,
    /// Longest pause before the next try when the store or the log fails.
    pub retry_milliseconds_max: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            batch_bytes_max: 128 * 1024 * 1024,
            buffered_bytes_max: 256 * 1024 * 1024,
            batch_age_seconds_max: 10,
            batch_rows_max: 1_000_000,
            row_group_rows: 16_384,
            drain_seconds_max: 20,
            retry_milliseconds_max: 30_000,
        }
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let least = [
            ("batch_bytes_max", self.batch_bytes_max),
            ("buffered_bytes_max", self.buffered_bytes_max),
            ("batch_rows_max", self.batch_rows_max),
            ("row_group_rows", self.row_group_rows),
        ];
        match least.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::Config(format!("{name} must be at least 1"))),
            None => Ok(()),
        }
    }
}

/// What the archiver works with; the command makes it.
pub struct Deps {
    pub bus: Arc<dyn bus::Bus>,
    pub store: Arc<dyn ObjectStore>,
    pub clock: Clock,
    /// Why nothing can be archived at the moment; `None` when it can.
    pub ready: watch::Sender<Option<String>>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("bus", &self.bus).field("store", &self.store).finish_non_exhaustive()
    }
}

/// Why the archiver cannot run at all; everything else it gets over by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("configuration of the archive: {0}")]
    Config(String),
    #[error("the object store cannot hold an archive")]
    Store(#[source] OpenError),
}

/// Archives until `shutdown`, then archives what is buffered and leaves the group.
pub async fn run(config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), Error> {
    config.check()?;
    let mut proven = false;
    let mut pause = RETRY_MILLISECONDS_MIN;
    loop {
        let started = Instant::now();
        let setback = match attempt(&config, &deps, &shutdown, &mut proven).await {
            Ok(()) => return Ok(()),
            Err(Setback::Unfit(error)) => return Err(Error::Store(error)),
            Err(setback) => setback,
        };
        metrics::counter!("hansard_archiver_setbacks_total").increment(1);
        let reason = setback::chain(&setback);
        tracing::warn!(reason, "the archiver starts again from its log");
        deps.ready.send_replace(Some(reason));
        if started.elapsed() > Duration::from_millis(config.retry_milliseconds_max) {
            pause = RETRY_MILLISECONDS_MIN;
        }
        pause = pause.min(config.retry_milliseconds_max);
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(pause)) => pause = pause.saturating_mul(2),
        }
    }
}

/// One membership of the group, from the self-test and the log to a clean stop or the first setback.
async fn attempt(config: &Config, deps: &Deps, shutdown: &CancellationToken, proven: &mut bool) -> Result<(), Setback> {
    let work = async {
        if !*proven {
            store::prove_create_only(&*deps.store).await?;
            *proven = true;
        }
        Session::join(config, deps).await?.run(shutdown).await
    };
    tokio::select! {
        worked = work => worked,
        () = overdue(config, shutdown) => {
            tracing::warn!("the store is too slow to archive what is buffered; the next start reads it again");
            Ok(())
        }
    }
}

/// Resolves when a clean stop has taken too long. Nothing is lost by it: it is as any crash.
async fn overdue(config: &Config, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(Duration::from_secs(config.drain_seconds_max)).await;
}
