//! Masker: open → reassemble → redact → mint the leaf → publish.
//!
//! It is the only one that publishes in clear, so there is one place where masking can fail, and it fails closed: a
//! frame that cannot be opened, read or masked becomes a `withheld` record with what is known of it, and the sealed
//! original goes to the quarantine topic.
//!
//! It refuses to publish what it could not mask, to drop or skip what it could not read, and to keep state that the
//! log does not hold (see `partition`).

mod evidence;
mod note;
mod open;
mod outputs;
mod partition;
pub mod quarantine;
mod row;
mod session;
mod shadow;
mod stream;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bus::Bus;
use envelope::Opener;
use redact::Redactor;
use schemas::Clock;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The consumer group of all maskers.
pub const GROUP: &str = "hansard-masker";
/// First pause after a setback; it doubles up to `retry_milliseconds_max`.
const RETRY_MILLISECONDS_MIN: u64 = 50;

/// `[masker]` of the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A streamed answer that is silent for so long is closed as interrupted.
    pub stream_silence_seconds_max: u64,
    /// What is kept of one streamed answer; the rest is counted and left out.
    pub stream_bytes_max: usize,
    /// Streamed answers open at one time in one partition; the oldest are closed as interrupted.
    pub open_streams_max: usize,
    /// Longest pause before the next try when the log fails.
    pub retry_milliseconds_max: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            stream_silence_seconds_max: 60,
            stream_bytes_max: 16 * 1024 * 1024,
            open_streams_max: 10_000,
            retry_milliseconds_max: 5_000,
        }
    }
}

/// What the masker works with; the command makes it.
pub struct Deps {
    pub bus: Arc<dyn Bus>,
    pub opener: Arc<Opener>,
    /// The rules in force; each record is masked with one set of them.
    pub redactor: watch::Receiver<Arc<Redactor>>,
    /// A set of rules on trial: only where it differs is counted.
    pub shadow: watch::Receiver<Option<Arc<Redactor>>>,
    /// Whose data a connection carries.
    pub tenants: HashMap<String, String>,
    /// HMAC key of `principal_id` and `arguments_digest`.
    pub identity_key: [u8; 32],
    pub clock: Clock,
    /// Why nothing is masked at the moment; `None` when it is.
    pub ready: watch::Sender<Option<String>>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("bus", &self.bus).finish_non_exhaustive()
    }
}

/// Masking cannot begin at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Masks until `shutdown`. Whatever the log does, it tries again, and says so by `ready`.
pub async fn run(config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), Error> {
    if config.open_streams_max == 0 || config.stream_silence_seconds_max == 0 {
        return Err(Error("[masker] open_streams_max and stream_silence_seconds_max must be at least 1".to_owned()));
    }
    outputs::begin_counting();
    let most = config.retry_milliseconds_max.max(RETRY_MILLISECONDS_MIN);
    let mut pause = RETRY_MILLISECONDS_MIN;
    let masker = Arc::new(row::Masker::new(deps.redactor, deps.shadow, deps.tenants, deps.opener, deps.identity_key));
    let stage = session::Stage { config, masker, bus: deps.bus, clock: deps.clock, ready: deps.ready };
    while let Err(setback) = stage.session(&shutdown, &mut pause).await {
        if setback.is_rebalance() {
            info!("another masker owns a partition now; joining again");
            continue;
        }
        warn!(error = %setback.chain(), pause_ms = pause, "masking stands still; nothing is lost, it goes on by itself");
        stage.ready.send_replace(Some(setback.to_string()));
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(pause)) => pause = (pause * 2).min(most),
        }
    }
    Ok(())
}
