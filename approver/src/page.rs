//! The inbox for people: held calls with their masked arguments, and a form to vote. Plain HTML that works without
//! scripts, by keyboard and with a screen reader.
//!
//! Everything shown is escaped, and a form is only taken from a page of this same origin.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Form, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use pages::{Page, Room, STYLE_PATH, message, moment, visible, word};
use schemas::{Approval, Timestamp, approval::State as Decided, approval::Vote};

use crate::{
    Approver,
    answer::{Refusal, state_at},
    api::BODY_BYTES_MAX,
    caller::{Caller, Visitor},
    reading, session,
    vote::{self, Ballot},
};

mod text;

/// Decided calls that the inbox shows.
const DECIDED_MAX: usize = 100;

pub(crate) fn routes() -> Router<Arc<Approver>> {
    Router::new()
        .route("/approvals", get(inbox))
        .route("/approvals/{id}/votes", post(cast))
        .route(STYLE_PATH, get(async || pages::style()))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn inbox(State(approver): State<Arc<Approver>>, Visitor(visitor): Visitor) -> Response {
    match visitor {
        Ok(caller) => match reading::record(&approver, &caller, None).await {
            Ok(()) => show(&approver, &caller, None),
            Err(refusal) => refusal.into_response(),
        },
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
    let ballot = Ballot::parse(&id, field("decision"), field("comment"));
    match vote::cast(&approver, &caller, ballot).await {
        Ok(_) => Redirect::to("/approvals").into_response(),
        Err(refusal) => show(&approver, &caller, Some(&refusal)),
    }
}

fn show(approver: &Approver, caller: &Caller, refusal: Option<&Refusal>) -> Response {
    let now = (approver.clock)();
    let approvals = approver.ledger.approvals();
    let (pending, decided): (Vec<_>, Vec<_>) =
        approvals.iter().partition(|approval| state_at(approval, now) == Decided::Pending);
    let content = html! {
        h1 { "Waiting for a decision" }
        @if let Some(refusal) = refusal {
            p.wrong role="alert" { "Your vote does not count: " (refusal.reason) "." }
        }
        @if pending.is_empty() { p.quiet { "No call is held at the moment." } }
        @for approval in &pending { (pending_call(approval, caller, now)) }
        h2 { "Decided" }
        (decided_calls(&decided, now))
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    let visitor = caller.principal.name.as_deref().unwrap_or(&caller.principal.subject);
    Page { status, title: "Approvals", room: Room::Approvals, visitor: Some(visitor), content: &content }
        .into_response()
}

fn pending_call(approval: &Approval, caller: &Caller, now: Timestamp) -> Markup {
    let held = &approval.held;
    let title = format!("call-{}", approval.approval_id);
    html! {
        article.card.held aria-labelledby=(title) {
            h3 id=(title) { span.quiet { (visible(&held.method)) } " " (visible(&held.target)) }
            dl {
                dt { "Asked by" } dd { (visible(&text::person(&held.requester))) }
                dt { "Connection" } dd { (visible(&held.connection)) }
                dt { "Held by rule" } dd { (visible(&held.rule)) }
                dt { "Needs" } dd { (visible(&text::terms(&held.terms))) }
                dt { "Time left" } dd {
                    (text::span(approval.expires_at().micros_since(now)))
                    span.quiet { ", until " (moment(&approval.expires_at().to_string())) " UTC" }
                }
                @if !approval.votes.is_empty() { dt { "So far" } dd { (votes(&approval.votes)) } }
            }
            (message(&held.body))
            @match approval.may_vote(&caller.principal, now) {
                Ok(()) => (ballot(approval)),
                Err(why) => p.quiet { "You cannot decide on this call: " (why) "." },
            }
        }
    }
}

fn ballot(approval: &Approval) -> Markup {
    html! {
        form.ballot method="post" action={ "/approvals/" (approval.approval_id) "/votes" } {
            label { "Comment" input name="comment" type="text" autocomplete="off" maxlength="1000"; }
            button.main name="decision" value="approve" { "Approve" }
            button.against name="decision" value="deny" { "Deny" }
        }
    }
}

fn decided_calls(decided: &[&Approval], now: Timestamp) -> Markup {
    if decided.is_empty() {
        return html! { p.quiet { "None yet." } };
    }
    html! {
        div.wide tabindex="0" role="region" aria-label="Decided calls" {
            table {
                thead { tr {
                    th scope="col" { "Held at (UTC)" } th scope="col" { "Call" } th scope="col" { "Asked by" }
                    th scope="col" { "State" } th scope="col" { "Votes" }
                } }
                tbody { @for approval in decided.iter().rev().take(DECIDED_MAX) { (decided_call(approval, now)) } }
            }
        }
    }
}

fn decided_call(approval: &Approval, now: Timestamp) -> Markup {
    let held = &approval.held;
    html! {
        tr {
            td { (moment(&approval.held_at.to_string())) }
            td { span.quiet { (visible(&held.connection)) " · " (visible(&held.method)) " " } (visible(&held.target)) }
            td { (visible(held.requester.name.as_deref().unwrap_or(&held.requester.subject))) }
            td { (word(state_at(approval, now).as_str())) }
            td.long { (votes(&approval.votes)) }
        }
    }
}

fn votes(votes: &[Vote]) -> Markup {
    html! {
        @for vote in votes {
            div {
                (visible(&text::person(&vote.voter))) ": " (vote.decision.as_str())
                @if !vote.comment.is_empty() { " – “" (visible(&vote.comment)) "”" }
            }
        }
    }
}
