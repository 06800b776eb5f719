//! The page of one exchange or one conversation: what was said, in order, masked as it is kept.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use maud::{Markup, html};
use pages::{Room, message, moment, visible, word};
use schemas::{Record, RedactionStatus};

use super::{layout, rows};
use crate::{
    Replay,
    http::{Door, Entrance},
};

/// Masked places of one record that are named.
const PLACES_MAX: usize = 20;

pub(super) async fn page(State(door): State<Arc<Door>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::page(&parts), "trail/replay").await {
        Ok(who) => who,
        Err(error) => return layout::turned_away(Room::Trail, &error),
    };
    match door.trail.replay(&who, &id).await {
        Ok(replay) => layout::page(Room::Trail, "Replay", &who, &story(&id, &replay)),
        Err(error) => layout::refused(Room::Trail, &who, &error),
    }
}

fn story(id: &str, replay: &Replay) -> Markup {
    let one = replay.records.iter().all(|record| record.exchange_id.to_string() == id);
    let conversation = replay.records.iter().find_map(|record| record.conversation_id);
    html! {
        h1 { @if one { "Exchange" } @else { "Conversation" } }
        p { span.mono { (visible(id)) }
            @if one && let Some(conversation) = conversation { span.quiet { " in conversation " } (rows::conversation(&conversation.to_string())) }
        }
        @for record in &replay.records { (told(record, !one)) }
        @if replay.truncated { p.quiet { "There is more: the replay was cut off here." } }
    }
}

fn told(record: &Record, links: bool) -> Markup {
    let text = |text: &Option<String>| visible(text.as_deref().unwrap_or_default());
    let name = record.name.as_deref().or(record.subject.as_deref()).unwrap_or("nobody");
    html! {
        article.card {
            div.told {
                h2 { (record.kind.as_str()) " " span.quiet { (text(&record.method)) } " " (text(&record.target)) }
                @if let Some(outcome) = &record.outcome { (word(outcome)) }
                (moment(&record.occurred_at.to_string()))
            }
            div.quiet {
                (visible(name)) " · " (text(&record.connection))
                @if let Some(agent) = &record.agent { " · " (visible(agent)) }
                @if let Some(rule) = &record.rule { " · rule " (visible(rule)) }
                @if let Some(duration) = record.duration_us { " · " (duration / 1000) " ms" }
                @if links { " · " a href={ "/exchange/" (record.exchange_id) } { "this exchange alone" } }
            }
            @if let Some(error) = &record.error { p.bad { (visible(error)) } }
            @if let Some(body) = &record.body { (message(body)) }
            (masked(record))
        }
    }
}

fn masked(record: &Record) -> Markup {
    match record.redaction_status {
        RedactionStatus::Clean => html! {},
        RedactionStatus::Masked | RedactionStatus::Released => html! {
            p.quiet.note {
                "Masked: "
                @for (place, redaction) in record.redactions.iter().take(PLACES_MAX).enumerate() {
                    @if place > 0 { ", " }
                    (visible(&redaction.rule)) " in " span.mono { (visible(&redaction.field)) (visible(&redaction.pointer)) }
                }
                @if record.redactions.len() > PLACES_MAX { " and " (record.redactions.len() - PLACES_MAX) " more" }
            }
        },
        RedactionStatus::Withheld => {
            html! { p.bad.note { "The payload could not be read safely; its sealed original is in quarantine." } }
        }
    }
}
