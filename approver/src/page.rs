//! The inbox for people: held calls with their masked arguments, and a form to vote. Plain HTML that works without
//! scripts, by keyboard and with a screen reader.
//!
//! Everything shown is escaped, no script may run, and a form is only taken from a page of this same origin.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Form, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{DOCTYPE, Markup, html};
use schemas::{Approval, Timestamp, approval::State as Decided, approval::Vote};

use crate::{
    Approver,
    answer::{Refusal, state_at},
    api::BODY_BYTES_MAX,
    caller::{Caller, Visitor},
    session,
    vote::{self, Ballot},
};

mod text;

/// Decided calls that the inbox shows.
const DECIDED_MAX: usize = 100;
/// No script, nothing from elsewhere, never in a frame. The page's own styles and forms are all that it needs.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Not `no-referrer`: with that, browsers send forms with `Origin: null`, and we could not tell whose they are.
const REFERRER_POLICY: &str = "same-origin";

pub(crate) fn routes() -> Router<Arc<Approver>> {
    Router::new()
        .route("/approvals", get(inbox))
        .route("/approvals/{id}/votes", post(cast))
        .route("/approvals/style.css", get(style))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn inbox(State(approver): State<Arc<Approver>>, Visitor(visitor): Visitor) -> Response {
    match visitor {
        Ok(caller) => show(&approver, &caller, None),
        Err(refused) => session::ask(&refused),
    }
}

async fn cast(
    State(approver): State<Arc<Approver>>,
    Visitor(visitor): Visitor,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if let Err(refusal) = session::check_origin(&headers) {
        return refusal.into_response();
    }
    let caller = match visitor {
        Ok(caller) => caller,
        Err(refused) => return session::ask(&refused),
    };
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let voted = match Ballot::parse(&id, field("decision"), field("comment")) {
        Ok(ballot) => vote::cast(&approver, &caller, ballot).await,
        Err(refusal) => Err(refusal),
    };
    match voted {
        Ok(_) => Redirect::to("/approvals").into_response(),
        Err(refusal) => show(&approver, &caller, Some(&refusal)),
    }
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

fn show(approver: &Approver, caller: &Caller, refusal: Option<&Refusal>) -> Response {
    let now = (approver.clock)();
    let approvals = approver.ledger.approvals();
    let (pending, decided): (Vec<_>, Vec<_>) =
        approvals.iter().partition(|approval| state_at(approval, now) == Decided::Pending);
    let body = html! {
        @if let Some(refusal) = refusal {
            p.refusal role="alert" { "Your vote does not count: " (refusal.reason) "." }
        }
        h1 { "Waiting for a decision" }
        @if pending.is_empty() { p.hint { "No call is held at the moment." } }
        @for approval in &pending { (pending_call(approval, caller, now)) }
        h2 { "Decided" }
        (decided_calls(&decided, now))
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    document(status, "Approvals", Some(caller), &body)
}

/// A page with the house's head, for signed-in people and for others.
pub(crate) fn document(status: StatusCode, title: &str, caller: Option<&Caller>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Hansard" }
                link rel="stylesheet" href="/approvals/style.css";
            }
            body {
                header.bar {
                    strong { "Hansard" }
                    nav aria-label="Pages" { a href="/" { "Trail" } " " a href="/approvals" { "Approvals" } }
                    @if let Some(caller) = caller {
                        form.inline method="post" action="/session/end" {
                            span.hint { (text::visible(caller.principal.name.as_deref().unwrap_or(&caller.principal.subject))) }
                            button { "Sign out" }
                        }
                    }
                }
                main { (body) }
            }
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, REFERRER_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, page.into_string()).into_response()
}

fn pending_call(approval: &Approval, caller: &Caller, now: Timestamp) -> Markup {
    let held = &approval.held;
    let title = format!("call-{}", approval.approval_id);
    html! {
        article aria-labelledby=(title) {
            h3 id=(title) { span.mono { (text::visible(&held.method)) " " (text::visible(&held.target)) } }
            dl {
                dt { "Asked by" } dd { (text::visible(&text::person(&held.requester))) }
                dt { "Connection" } dd { (text::visible(&held.connection)) }
                dt { "Held by rule" } dd { (text::visible(&held.rule)) }
                dt { "Needs" } dd { (text::visible(&text::terms(&held.terms))) }
                dt { "Time left" } dd {
                    (text::span(approval.expires_at().micros_since(now)))
                    span.hint { " (until " (approval.expires_at()) ")" }
                }
                @if !approval.votes.is_empty() { dt { "So far" } dd { (votes(&approval.votes)) } }
            }
            pre.mono tabindex="0" aria-label="Masked message" { (text::visible(&text::indented(&held.body))) }
            @match approval.may_vote(&caller.principal, now) {
                Ok(()) => (ballot(approval)),
                Err(why) => p.hint { "You cannot decide on this call: " (why) "." },
            }
        }
    }
}

fn ballot(approval: &Approval) -> Markup {
    let (id, comment) = (approval.approval_id, format!("comment-{}", approval.approval_id));
    html! {
        form.inline method="post" action={ "/approvals/" (id) "/votes" } {
            label for=(comment) { "Comment" }
            input id=(comment) name="comment" type="text" autocomplete="off" maxlength="1000";
            button name="decision" value="approve" { "Approve" }
            button name="decision" value="deny" { "Deny" }
        }
    }
}

fn decided_calls(decided: &[&Approval], now: Timestamp) -> Markup {
    if decided.is_empty() {
        return html! { p.hint { "None yet." } };
    }
    html! {
        table {
            thead { tr {
                th scope="col" { "Held at" } th scope="col" { "Call" } th scope="col" { "Asked by" }
                th scope="col" { "State" } th scope="col" { "Votes" }
            } }
            tbody { @for approval in decided.iter().rev().take(DECIDED_MAX) { (decided_call(approval, now)) } }
        }
    }
}

fn decided_call(approval: &Approval, now: Timestamp) -> Markup {
    let (held, state) = (&approval.held, state_at(approval, now).as_str());
    html! {
        tr {
            td.mono { (approval.held_at) }
            td.mono { (text::visible(&held.connection)) ": " (text::visible(&held.method)) " " (text::visible(&held.target)) }
            td { (text::visible(&text::person(&held.requester))) }
            td class={ "state-" (state) } { (state) }
            td { (votes(&approval.votes)) }
        }
    }
}

fn votes(votes: &[Vote]) -> Markup {
    html! {
        @for vote in votes {
            div {
                (text::visible(&text::person(&vote.voter))) ": " (vote.decision.as_str())
                @if !vote.comment.is_empty() { " – “" (text::visible(&vote.comment)) "”" }
            }
        }
    }
}
