//! Reads of the approvals are part of the trail, and so is whoever was turned away.
//!
//! It refuses to show anything before the read is durable. Nothing of what a stranger sent is kept.

use axum::http::StatusCode;
use schemas::{Context, Ending, Frame, FrameKind, Outcome, Principal};

use crate::{Approver, answer::Refusal, caller::Caller};

/// What reads are called in the column `method`.
const METHOD: &str = "approval/read";

/// Resolves when the read is recorded. `target`: the one approval that is asked for.
pub(crate) async fn record(approver: &Approver, caller: &Caller, target: Option<&str>) -> Result<(), Refusal> {
    let context = context(Some(caller.principal.clone()), caller.source_ip.clone());
    let context = Context { target: target.map(str::to_owned), ..context };
    let frame = frame(approver, FrameKind::Read, context);
    let unrecorded = "the trail could not take the record of this read, so nothing is shown; try again";
    let recorded = approver.recorder.record(frame).await;
    recorded.map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, unrecorded))
}

/// Records that somebody was not let in. They are not let in either way.
pub(crate) async fn turn_away(approver: &Approver, source_ip: Option<String>, refusal: &Refusal) {
    let mut frame = frame(approver, FrameKind::Refusal, context(None, source_ip));
    frame.ending = Some(Ending {
        transport_status: Some(refusal.status.as_u16()),
        error: Some(refusal.reason.clone()),
        ..Ending::new(Outcome::Unauthenticated)
    });
    if let Err(error) = approver.recorder.record(frame).await {
        tracing::warn!(error = %error, "a refusal could not be recorded");
    }
}

fn frame(approver: &Approver, kind: FrameKind, context: Context) -> Frame {
    Frame::internal(kind, approver.recorder.new_exchange_id(), (approver.clock)(), context)
}

fn context(principal: Option<Principal>, source_ip: Option<String>) -> Context {
    Context {
        auth_method: if principal.is_some() { "jwt" } else { "none" }.to_owned(),
        principal,
        source_ip,
        protocol: recorder::PROTOCOL.to_owned(),
        method: Some(METHOD.to_owned()),
        ..Context::default()
    }
}
