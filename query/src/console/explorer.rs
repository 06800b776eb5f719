//! The first page: the last exchanges, by filter, and who and what they were.

mod filters;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use maud::{Markup, html};
use pages::{Room, moment, visible, word};
use schemas::Outcome;

use self::filters::{Filters, OUTCOME};
use super::{layout, rows};
use crate::{
    Answer, Error,
    http::{Door, Entrance},
};

/// Columns of the exchanges, in the order of their statement.
type Exchange = [Option<String>; 11];

pub(super) async fn page(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::page(&parts), "trail/explore").await {
        Ok(who) => who,
        Err(error) => return layout::turned_away(Room::Trail, &error),
    };
    let filters = match Filters::read(parts.uri.query().unwrap_or_default(), door.trail.now()) {
        Ok(filters) => filters,
        Err(error) => {
            return layout::refused(Room::Trail, &who, &door.turn_away(&who, "trail/explore", error).await);
        }
    };
    let answers = door.trail.explore(&who, filters.to_json(), filters.statements()).await;
    match answers.and_then(|answers| content(&filters, &answers)) {
        Ok(content) => layout::page(Room::Trail, "Trail", &who, &content),
        Err(error) => layout::refused(Room::Trail, &who, &error),
    }
}

fn content(filters: &Filters, answers: &[Answer]) -> Result<Markup, Error> {
    let [calls, who, what] = answers else {
        return Err(Error::Internal("three answers make this page".to_owned()));
    };
    Ok(html! {
        h1 { "Trail" }
        (form(filters))
        h2 { "Exchanges" }
        (exchanges(calls)?)
        div.beside {
            section { h2 { "Who" } (rows::table(who)?) }
            section { h2 { "What" } (rows::table(what)?) }
        }
    })
}

fn form(filters: &Filters) -> Markup {
    html! {
        form.card method="get" action="/" {
            div.fields {
                @for (name, value) in filters.texts() {
                    label { (name)
                        @if name == OUTCOME { (outcomes(value)) } @else { input name=(name) value=(value) autocomplete="off"; }
                    }
                }
                button.main { "Show" }
            }
            p.quiet.note { "Times are UTC, as 2026-07-28 or 2026-07-28T09:30; without one, the last day is shown." }
        }
    }
}

fn outcomes(chosen: &str) -> Markup {
    html! {
        select name=(OUTCOME) {
            option value="" { "any" }
            @for outcome in Outcome::ALL.map(Outcome::as_str) {
                option value=(outcome) selected[outcome == chosen] { (outcome.replace('_', " ")) }
            }
        }
    }
}

fn exchanges(answer: &Answer) -> Result<Markup, Error> {
    let rows = rows::texts(answer)?;
    if rows.is_empty() {
        return Ok(html! { p.quiet { "No call in this time and by these filters." } });
    }
    Ok(html! {
        div.wide tabindex="0" role="region" aria-label="Exchanges" {
            table {
                thead { tr {
                    @for name in ["When (UTC)", "Who", "Call", "Connection", "Outcome"] { th scope="col" { (name) } }
                    th.number scope="col" { "ms" }
                    th scope="col" { "Payload" }
                    th scope="col" { "Conversation" }
                } }
                tbody { @for row in rows { @if let Ok(row) = Exchange::try_from(row) { (exchange(&row)) } } }
            }
        }
        @if answer.truncated { p.quiet { "There is more: the answer was cut off here." } }
    })
}

fn exchange(row: &Exchange) -> Markup {
    let [id, conversation, at, who, connection, method, target, verdict, outcome, ms, payload] = row;
    let text = |text: &Option<String>| visible(text.as_deref().unwrap_or_default());
    html! {
        tr {
            td { a href={ "/exchange/" (text(id)) } { (moment(&text(at))) } }
            td { (text(who)) }
            td { span.quiet { (text(method)) } " " (text(target)) }
            td { (text(connection)) }
            td {
                @if verdict.as_deref() == Some("hold") { (word("hold")) " " }
                @if let Some(outcome) = outcome { (word(outcome)) }
            }
            td.number { (text(ms)) }
            td { @if let Some(payload) = payload { (word(payload)) } }
            td { @if let Some(conversation) = conversation { (rows::conversation(conversation)) } }
        }
    }
}
