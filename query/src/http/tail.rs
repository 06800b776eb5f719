//! `GET /v1/tail?format=json|ocsf|ecs|cef&from=earliest|latest|POSITION`: the records as they come.
//!
//! Asked plainly, it answers with a page of lines, and says in `hansard-position` where the next one begins and in
//! `hansard-more` whether there is one already. Asked for `text/event-stream`, it goes on: each event has the position
//! behind it as its id, so that a client of server-sent events that comes again by itself leaves nothing out.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, header, request::Parts};
use url::form_urlencoded;

use super::{
    door::{Door, Entrance},
    refused,
};
use crate::{
    Asker, Error,
    feed::{self, Form, Page, Start, Stream, Told, Wish},
};

const METHOD: &str = "trail/tail";
const POSITION: HeaderName = HeaderName::from_static("hansard-position");
const MORE: HeaderName = HeaderName::from_static("hansard-more");
const EVENTS: &str = "text/event-stream";
/// Where a client of server-sent events says how far it has come.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long such a client is to wait before it comes again, in milliseconds.
const COME_AGAIN: &str = "retry: 1000\n\n";

pub(super) async fn tail(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::api(&parts), METHOD).await {
        Ok(who) => who,
        Err(error) => return refused(&error),
    };
    let wish = match wish(&parts) {
        Ok(wish) => wish,
        Err(error) => return refused(&door.turn_away(&who, METHOD, error).await),
    };
    match answer(&door, &who, &wish, wants_events(&parts)).await {
        Ok(response) => response,
        Err(error) => refused(&error),
    }
}

async fn answer(door: &Door, who: &Asker, wish: &Wish, events: bool) -> Result<Response, Error> {
    if events {
        door.trail.stream(who, wish).await.map(streamed)
    } else {
        Ok(paged(door.trail.page(who, wish).await?, wish.form))
    }
}

fn wish(parts: &Parts) -> Result<Wish, Error> {
    let query = parts.uri.query().unwrap_or_default();
    let asked =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    let form = match asked("format") {
        Some(name) => Form::ALL.into_iter().find(|form| form.name() == name),
        None => Some(Form::Json),
    };
    let form = form.ok_or_else(|| Error::Malformed("format is one of json, ocsf, ecs, cef".to_owned()))?;
    let last = parts.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let start = match last.map(Into::into).or_else(|| asked("from")) {
        Some(from) => Start::parse(&from)?,
        None => Start::Latest,
    };
    Ok(Wish { form, start })
}

fn wants_events(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == EVENTS)
}

fn paged(page: Page, form: Form) -> Response {
    let kind =
        if form == Form::Event(siem::Format::Cef) { "text/plain; charset=utf-8" } else { "application/x-ndjson" };
    let mut body = page.lines.join("\n");
    if !body.is_empty() {
        body.push('\n');
    }
    let position = HeaderValue::try_from(page.place.to_string()).expect("digits and signs between them");
    let more = HeaderValue::from_static(if page.more { "true" } else { "false" });
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (POSITION, position), (MORE, more)];
    (headers, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn streamed(told: Stream) -> Response {
    let events = told.map(|told| match told {
        Ok(Told::Lines(lines)) => lines.iter().map(|(line, place)| format!("id: {place}\ndata: {line}\n\n")).collect(),
        Ok(Told::Nothing) => ":\n\n".to_owned(),
        Err(error) => format!("event: error\ndata: {}\n\n", feed::told(&error)),
    });
    let begin = stream::once(async { COME_AGAIN.to_owned() });
    let body = Body::from_stream(begin.chain(events).map(|text| Ok::<_, std::convert::Infallible>(Bytes::from(text))));
    ([(header::CONTENT_TYPE, EVENTS), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
