//! Approvals and refusals as JSON, for the API.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{
    Approval, Principal, Timestamp,
    approval::{State, Vote},
};
use serde_json::{Value, json};

/// Why a request is not done, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl ToString) -> Refusal {
        Refusal { status, reason: reason.to_string() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "counted": false, "reason": self.reason }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What an approval looks like at `now`: one whose time is over is expired, also before the log says so.
pub fn state_at(approval: &Approval, now: Timestamp) -> State {
    match approval.state {
        State::Pending if now >= approval.expires_at() => State::Expired,
        state => state,
    }
}

pub fn approval(approval: &Approval, now: Timestamp) -> Value {
    let held = &approval.held;
    json!({
        "approval_id": approval.approval_id.to_string(),
        "exchange_id": approval.exchange_id.to_string(),
        "state": state_at(approval, now).as_str(),
        "requester": person(&held.requester),
        "connection": held.connection,
        "method": held.method,
        "target": held.target,
        "body": held.body,
        "rule": held.rule,
        "reviewers": held.terms.reviewers,
        "approve": held.terms.approve,
        "deny": held.terms.deny,
        "held_at": approval.held_at.to_string(),
        "expires_at": approval.expires_at().to_string(),
        "votes": approval.votes.iter().map(vote).collect::<Vec<_>>(),
    })
}

fn person(principal: &Principal) -> Value {
    json!({ "issuer": principal.issuer, "subject": principal.subject, "name": principal.name })
}

fn vote(vote: &Vote) -> Value {
    json!({
        "vote_id": vote.vote_id,
        "voter": person(&vote.voter),
        "decision": vote.decision.as_str(),
        "comment": vote.comment,
    })
}
