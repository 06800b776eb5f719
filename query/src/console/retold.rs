//! The page of one exchange or one conversation: what was said, in order, masked as it is kept.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use maud::{Markup, html};
use schemas::{Record, RedactionStatus};

use super::{layout, rows};
use crate::{
    Replay,
    http::{Door, Entrance},
};

pub(super) async fn page(State(door): State<Arc<Door>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::page(&parts), "trail/replay").await {
        Ok(who) => who,
        Err(error) => return layout::refused(&error),
    };
    match door.trail.replay(&who, &id).await {
        Ok(replay) => layout::page("Replay", &story(&id, &replay)),
        Err(error) => layout::refused(&error),
    }
}

fn story(id: &str, replay: &Replay) -> Markup {
    html! {
        h1 { "Replay" }
        p.mono { (id) }
        @for record in &replay.records { (told(record)) }
        @if replay.truncated { p.hint { "There is more: the replay was cut off here." } }
    }
}

fn told(record: &Record) -> Markup {
    let who = record.name.as_deref().or(record.subject.as_deref()).unwrap_or("nobody");
    html! {
        section {
            h2 { (record.kind.as_str()) " " (record.method.as_deref().unwrap_or_default()) " " (record.target.as_deref().unwrap_or_default()) }
            p {
                span.mono { (record.occurred_at) } " · " (who)
                @if let Some(connection) = &record.connection { " · " (connection) }
                @if let Some(outcome) = &record.outcome { " · " span class=(rows::colour(outcome)) { (outcome) } }
                @if let Some(duration) = record.duration_us { " · " (duration / 1000) " ms" }
                " · " a.mono href={ "/exchange/" (record.exchange_id) } { (record.exchange_id) }
            }
            @if let Some(error) = &record.error { p { (error) } }
            @if let Some(body) = &record.body { pre.mono { (laid_out(body)) } }
            (masked(record))
        }
    }
}

fn masked(record: &Record) -> Markup {
    match record.redaction_status {
        RedactionStatus::Clean => html! {},
        RedactionStatus::Masked => html! { p.hint { (record.redactions.len()) " places masked" } },
        RedactionStatus::Withheld => {
            html! { p.hint { "The payload could not be read safely; its sealed original is in quarantine." } }
        }
    }
}

/// JSON on several lines; anything else as it is.
fn laid_out(body: &str) -> String {
    let json: Result<serde_json::Value, _> = serde_json::from_str(body);
    json.and_then(|json| serde_json::to_string_pretty(&json)).unwrap_or_else(|_| body.to_owned())
}
