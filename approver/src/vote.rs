//! One vote: asked whether it may count, recorded, and awaited until the log has counted it.
//!
//! It refuses to answer "counted" by its own judgement: the log's fold is the only judge, and the check before is but
//! a courtesy to the voter. A vote that is refused here leaves a refusal in the trail.

use std::time::Duration;

use axum::http::StatusCode;
use schemas::{
    Approval, ApprovalEvent, ApprovalId, Context, Ending, Frame, FrameKind, Outcome,
    approval::{Decision, NotCounted, State, Vote, What},
    call::Ruling,
};
use uuid::Uuid;

use crate::{Approver, answer::Refusal, caller::Caller};

/// What votes are called in the column `method`.
const METHOD: &str = "approval/vote";

#[derive(Clone, Debug)]
pub(crate) struct Ballot {
    pub(crate) approval_id: ApprovalId,
    pub(crate) decision: Decision,
    pub(crate) comment: String,
}

impl Ballot {
    /// From what came over the wire, in words that tell what to correct.
    pub(crate) fn parse(id: &str, decision: &str, comment: &str) -> Result<Ballot, Refusal> {
        let malformed = |reason: &str| Refusal::new(StatusCode::BAD_REQUEST, reason);
        Ok(Ballot {
            approval_id: id.parse().map_err(|_| malformed("the approval's id is not a UUID"))?,
            decision: Decision::parse(decision).ok_or_else(|| malformed("decision must be \"approve\" or \"deny\""))?,
            comment: comment.to_owned(),
        })
    }
}

/// Casts a vote and waits until it counts. One that cannot be read is refused like one that may not count.
pub(crate) async fn cast(
    approver: &Approver,
    caller: &Caller,
    ballot: Result<Ballot, Refusal>,
) -> Result<State, Refusal> {
    let ballot = match ballot.and_then(|ballot| within_limit(approver, ballot)) {
        Ok(ballot) => ballot,
        Err(refusal) => return Err(refuse(approver, caller, None, refusal).await),
    };
    let Some(approval) = approver.ledger.approval(ballot.approval_id) else {
        return Err(refuse(approver, caller, None, not_counted(NotCounted::Unknown)).await);
    };
    if let Err(why) = approval.may_vote(&caller.principal, (approver.clock)()) {
        return Err(refuse(approver, caller, Some(&approval), not_counted(why)).await);
    }
    let vote_id = Uuid::now_v7().to_string();
    let mut waiting = approver.ledger.wait_for(vote_id.clone()).ok_or_else(busy)?;
    let frame = vote_frame(approver, caller, &approval, ballot, vote_id);
    approver.recorder.record(frame).await.map_err(|_| unrecorded())?;
    let patience = Duration::from_secs(approver.config.vote_seconds_max);
    match tokio::time::timeout(patience, waiting.counted()).await {
        Ok(counted) => counted.map_err(not_counted),
        Err(_) => Err(not_seen(approver.config.vote_seconds_max)),
    }
}

fn within_limit(approver: &Approver, ballot: Ballot) -> Result<Ballot, Refusal> {
    let longest = approver.config.comment_bytes_max;
    if ballot.comment.len() <= longest {
        return Ok(ballot);
    }
    Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the comment is longer than {longest} bytes")))
}

/// Records that the vote was refused, and says why. Without an approval it was about nothing that is known.
async fn refuse(approver: &Approver, caller: &Caller, approval: Option<&Approval>, refusal: Refusal) -> Refusal {
    metrics::counter!("hansard_approver_votes_refused_total").increment(1);
    let outcome = match refusal.status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Outcome::Malformed,
        _ => Outcome::Forbidden,
    };
    let mut frame = match approval {
        Some(approval) => frame(approver, caller, approval, FrameKind::Refusal),
        None => {
            let exchange_id = approver.recorder.new_exchange_id();
            Frame::internal(FrameKind::Refusal, exchange_id, (approver.clock)(), voter(caller))
        }
    };
    frame.ending = Some(Ending {
        transport_status: Some(refusal.status.as_u16()),
        error: Some(refusal.reason.clone()),
        ..Ending::new(outcome)
    });
    match approver.recorder.record(frame).await {
        Ok(()) => refusal,
        Err(_) => unrecorded(),
    }
}

fn vote_frame(approver: &Approver, caller: &Caller, approval: &Approval, ballot: Ballot, vote_id: String) -> Frame {
    let frame = frame(approver, caller, approval, FrameKind::Decision);
    let event = ApprovalEvent {
        approval_id: approval.approval_id,
        exchange_id: approval.exchange_id,
        occurred_at: frame.occurred_at,
        what: What::Vote(Vote {
            vote_id,
            voter: caller.principal.clone(),
            decision: ballot.decision,
            comment: ballot.comment,
        }),
    };
    frame.with_body(event.to_json().to_string().into_bytes())
}

/// A frame about the held exchange, by the voter. It stands alone: only the emitter of the exchange counts its frames.
fn frame(approver: &Approver, caller: &Caller, approval: &Approval, kind: FrameKind) -> Frame {
    Frame::internal(kind, approval.exchange_id, (approver.clock)(), context(caller, approval))
}

/// Who voted, and nothing of what on.
fn voter(caller: &Caller) -> Context {
    Context {
        principal: Some(caller.principal.clone()),
        auth_method: "jwt".to_owned(),
        source_ip: caller.source_ip.clone(),
        protocol: recorder::PROTOCOL.to_owned(),
        method: Some(METHOD.to_owned()),
        ..Context::default()
    }
}

fn context(caller: &Caller, approval: &Approval) -> Context {
    let held = &approval.held;
    Context {
        connection: Some(held.connection.clone()),
        target: Some(held.target.clone()),
        ruling: Some(Ruling {
            verdict: "hold".to_owned(),
            rule: Some(held.rule.clone()),
            policy_id: held.policy_id.clone(),
            approval_id: Some(approval.approval_id),
        }),
        ..voter(caller)
    }
}

fn not_counted(why: NotCounted) -> Refusal {
    let status = match why {
        NotCounted::Unknown => StatusCode::NOT_FOUND,
        NotCounted::Requester | NotCounted::NotReviewer => StatusCode::FORBIDDEN,
        NotCounted::Over(_) | NotCounted::TooLate | NotCounted::Twice => StatusCode::CONFLICT,
    };
    Refusal::new(status, why)
}

fn busy() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many votes wait to be counted; nothing was done, try again")
}

fn unrecorded() -> Refusal {
    let reason =
        "the trail could not take the record, so it is not known whether the vote counts; look again, then retry";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
}

fn not_seen(seconds: u64) -> Refusal {
    let reason = format!("the vote is recorded and was not counted within {seconds} s; look again before you retry");
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, reason)
}
