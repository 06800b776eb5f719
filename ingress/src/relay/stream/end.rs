//! How streams end, what the trail says of it, and what the caller is told.

use protocol::{jsonrpc, mcp::code, sse};
use schemas::{Direction, FrameKind, Outcome};
use serde_json::json;

use crate::{exchange::Exchange, outlet::Outlet, stop::Stop};

/// How the upstream's side of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    Broken,
    Silent,
    CallerLeft,
    Closing,
    TooLong,
    /// It sends the caller to where the gate does not lead.
    Astray,
    /// Something in it cannot be masked, on a connection that masks.
    Unfit,
}

impl End {
    pub(super) fn outcome(self, nothing_awaited: bool) -> Outcome {
        match self {
            End::Clean if nothing_awaited => Outcome::Ok,
            End::Clean | End::Broken | End::Closing => Outcome::Interrupted,
            End::Silent => Outcome::Timeout,
            End::CallerLeft => Outcome::Cancelled,
            End::TooLong => Outcome::TooLarge,
            End::Astray => Outcome::Garbage,
            End::Unfit => Outcome::Blocked,
        }
    }

    fn code(self) -> i64 {
        match self {
            End::Silent => code::TIMEOUT,
            End::Unfit => code::BLOCKED,
            _ => code::GARBAGE,
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            End::Clean => "the upstream ended the stream before its answer was complete",
            End::Broken => "the stream from the upstream broke off; the upstream is at fault",
            End::Silent => "the upstream kept silent too long within its answer; the upstream is at fault",
            End::CallerLeft => "the caller left before the answer was complete",
            End::Closing => "the gateway is shutting down",
            End::Astray => {
                "the upstream's endpoint is not below the connection's URL: set `upstream` to what both have in common"
            }
            End::Unfit => {
                "the answer holds something that cannot be masked safely, so the rest is withheld; ask for less"
            }
            End::TooLong => "the upstream sent an event that is longer than allowed; the upstream is at fault",
        }
    }
}

/// The frame that ends an exchange which its answer has not ended.
pub(super) async fn record_end(exchange: &mut Exchange, end: End, outcome: Outcome, status: u16) -> Result<(), Stop> {
    let mut frame = exchange.trail.frame(FrameKind::Response, Direction::ToCaller, &[]);
    let mut ending = exchange.trail.end(&mut frame, outcome);
    ending.transport_status = Some(status);
    ending.error = (outcome != Outcome::Ok).then(|| end.explanation().to_owned());
    frame.ending = Some(ending);
    exchange.trail.write(frame).await.map_err(|_| Stop::unrecorded())
}

/// Ends a stream for a reason that the caller cannot see: an error event, where it waits for an answer.
pub(super) async fn tell(exchange: &Exchange, outlet: &mut Outlet, end: End) {
    for id in &exchange.awaited {
        let data = json!({ "exchange_id": exchange.trail.exchange_id.to_string() });
        let error = jsonrpc::error(Some(id), end.code(), end.explanation(), data);
        let _ = outlet.send(sse::message_event(&error)).await;
    }
    if exchange.awaited.is_empty() {
        outlet.break_off().await;
    }
}
