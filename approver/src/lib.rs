//! Approver: show held calls, take people's votes, and put them on the log.
//!
//! Approvals are a fold over the topic `hansard.approvals`, the same in every process; a vote is a sealed frame like
//! all else, and it counts when it comes back from the log and the fold says so. Any number of approvers may run.
//!
//! It refuses to keep a state of its own, to show anybody without a token anything, and to say that a vote counted
//! before the log does.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bus::Reader;
use identity::Authenticator;
use recorder::Recorder;
use schemas::{Approval, Clock};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod answer;
mod api;
mod caller;
mod follow;
mod ledger;
mod page;
mod reading;
mod session;
mod vote;

use answer::Refusal;
pub use answer::{approval as to_json, state_at};
use ledger::Ledger;

/// `[approver]` of the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a vote waits to see itself counted.
    pub vote_seconds_max: u64,
    pub comment_bytes_max: usize,
    /// Approvals that are kept in memory; the oldest decided ones go first.
    pub approvals_max: usize,
    /// Votes that wait to be counted at one time; more are told to come again.
    pub votes_waiting_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config { vote_seconds_max: 10, comment_bytes_max: 4096, approvals_max: 10_000, votes_waiting_max: 256 }
    }
}

/// What the approver works with; the command makes it.
pub struct Deps {
    pub recorder: Arc<Recorder>,
    pub approvals: Arc<dyn Reader>,
    pub authenticator: Arc<Authenticator>,
    pub clock: Clock,
    /// Why the approvals shown may be out of date; `None` when they are not.
    pub ready: watch::Sender<Option<String>>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("approvals", &self.approvals).finish_non_exhaustive()
    }
}

/// The approvals cannot be read, so nothing can be shown.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the approvals from the log")]
pub struct Error(#[from] bus::Error);

/// What every handler shares.
struct Approver {
    config: Config,
    recorder: Arc<Recorder>,
    authenticator: Arc<Authenticator>,
    clock: Clock,
    ledger: Arc<Ledger>,
}

/// Reads the log up to its present end, then serves while a task of its own follows it until `shutdown`. A log that
/// fails meanwhile is tried again by that task: everybody is told to come again until it is read.
pub async fn router(config: Config, deps: Deps, shutdown: CancellationToken) -> Router {
    let ledger = Arc::new(Ledger::new(config.approvals_max, config.votes_waiting_max));
    let places = follow::begin(&*deps.approvals, &ledger, &deps.ready).await;
    tokio::spawn(follow::follow(places, deps.approvals, ledger.clone(), deps.ready, shutdown));
    let approver = Arc::new(Approver {
        config,
        recorder: deps.recorder,
        authenticator: deps.authenticator,
        clock: deps.clock,
        ledger,
    });
    let routes = api::routes().merge(page::routes()).merge(session::routes());
    routes.layer(middleware::from_fn_with_state(approver.clone(), once_read)).with_state(approver)
}

/// While the log has not been read nothing is shown: it would look as if no call were held.
async fn once_read(State(approver): State<Arc<Approver>>, request: Request, next: Next) -> Response {
    if approver.ledger.is_read() {
        return next.run(request).await;
    }
    let reason = "the approvals are still to be read from the log; try again in a moment";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

/// All approvals that the log still has, oldest first. For reading them without a running approver.
pub async fn read_all(approvals: Arc<dyn Reader>) -> Result<Vec<Approval>, Error> {
    let ledger = Ledger::new(usize::MAX, 0);
    follow::catch_up(&*approvals, &ledger).await?;
    Ok(ledger.approvals())
}
