//! Ingress: the first stage, and the only one that callers and upstreams see. Authenticate, decide, record, hold,
//! forward, relay.
//!
//! It holds public keys only: what it records, it cannot read again. It refuses to pass a byte, in either direction,
//! whose record is not durable; to forward a caller's own credentials; to change what it passes; and to buffer a
//! stream. The life of one call is [`call::live`].

mod approvals;
mod call;
mod config;
mod door;
mod exchange;
mod findings;
mod forward;
mod head;
mod hold;
mod inflight;
mod listener;
mod measure;
mod metadata;
mod outlet;
mod parse;
mod read;
mod relay;
mod route;
mod session;
mod skipped;
mod span;
mod stop;
mod tls;
mod tools;
mod trail;

use std::{fmt, sync::Arc};

use schemas::Clock;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use config::{Config, Connection, Credential, Kind, Limits, Mode, Tls};

/// What ingress stands on; made by the command.
#[derive(Clone)]
pub struct Deps {
    pub recorder: Arc<recorder::Recorder>,
    /// Where the votes on held calls are read.
    pub approvals: Arc<dyn bus::Reader>,
    pub authenticator: Arc<identity::Authenticator>,
    /// Replaced when the policy file changes; a call is decided by the one in force when it arrives.
    pub policy: watch::Receiver<Arc<policy::Policy>>,
    /// What a request holds, for a policy that asks, and what is masked in flight. It has no keys. Its rules take
    /// memory, so there may be none where neither is asked for.
    pub redactor: Option<watch::Receiver<Arc<redact::Redactor>>>,
    pub clock: Clock,
    /// Where calls are told as spans; none where nobody wants them.
    pub spans: Option<spans::Spans>,
    /// Why ingress takes no calls at the moment; `None` when it does.
    pub ready: watch::Sender<Option<String>>,
}

/// Why ingress could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate {path} cannot be used: {fault}")]
    Certificate { path: String, fault: String },
    #[error("no certificate authorities of this system can be read, which upstreams by https need")]
    Roots(#[source] std::io::Error),
    #[error("a connection masks what passes, and there are no rules to mask by")]
    Rules,
    #[error("the approvals cannot be read from the log")]
    Approvals(#[source] bus::Error),
    #[error("the listening socket has failed")]
    Listener(#[source] std::io::Error),
}

/// Serves until `shutdown`, then drains: calls under way end by themselves or by `drain_seconds_max`, and what was not
/// recorded is counted.
pub async fn run(listener: TcpListener, config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), Error> {
    listener::serve(listener, config, deps, shutdown).await
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}
