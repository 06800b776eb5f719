//! The API for programs: `GET /v1/approvals`, `GET /v1/approvals/{id}`, `POST /v1/approvals/{id}/votes`.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use schemas::{Approval, ApprovalId, Timestamp};
use serde_json::{Value, json};

use crate::{
    Approver,
    answer::{self, Refusal},
    caller::Caller,
    reading,
    vote::{self, Ballot},
};

/// Longest body of a request.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn routes() -> Router<Arc<Approver>> {
    Router::new()
        .route("/v1/approvals", get(list))
        .route("/v1/approvals/{id}", get(one))
        .route("/v1/approvals/{id}/votes", post(cast))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn list(
    State(approver): State<Arc<Approver>>,
    caller: Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Refusal> {
    reading::record(&approver, &caller, None).await?;
    let now = (approver.clock)();
    let wanted = query.get("state").map(String::as_str);
    let fits = |approval: &Approval| wanted.is_none_or(|state| answer::state_at(approval, now).as_str() == state);
    Ok(Json(approver.ledger.approvals().iter().filter(|approval| fits(approval)).map(shown_at(now)).collect()))
}

fn shown_at(now: Timestamp) -> impl Fn(&Approval) -> Value {
    move |approval| answer::approval(approval, now)
}

async fn one(
    State(approver): State<Arc<Approver>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    reading::record(&approver, &caller, Some(&id)).await?;
    let found = id.parse::<ApprovalId>().ok().and_then(|id| approver.ledger.approval(id));
    let approval = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "no such held call"))?;
    Ok(Json(answer::approval(&approval, (approver.clock)())))
}

async fn cast(
    State(approver): State<Arc<Approver>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let state = vote::cast(&approver, &caller, ballot(&id, &body)).await?;
    Ok(Json(json!({ "state": state.as_str(), "counted": true })))
}

fn ballot(id: &str, body: &[u8]) -> Result<Ballot, Refusal> {
    let malformed = |reason: &str| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let body: Value = serde_json::from_slice(body).map_err(|_| malformed("the body is not JSON"))?;
    let comment = match body.get("comment") {
        None | Some(Value::Null) => "",
        Some(comment) => comment.as_str().ok_or_else(|| malformed("comment must be a string"))?,
    };
    Ballot::parse(id, body["decision"].as_str().unwrap_or_default(), comment)
}
