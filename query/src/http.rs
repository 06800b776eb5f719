//! The door for programs: `POST /v1/sql`, `GET /v1/replay/{id}` and `GET /v1/tail`, and beside it the pages for people.
//!
//! It refuses whoever has no token, and records that it did.

mod door;
mod form;
mod tail;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use identity::Authenticator;

pub(crate) use self::door::{Door, Entrance};
use self::form::Form;
use crate::{Answer, Error, Trail, console};

/// Set on an answer that was cut off.
const TRUNCATED: HeaderName = HeaderName::from_static("hansard-truncated");

/// The routes of query. To be served with `ConnectInfo<SocketAddr>`, so that reads show where they came from.
pub async fn router(trail: Arc<Trail>, authenticator: Arc<Authenticator>) -> Router {
    let door = Arc::new(Door { trail, authenticator });
    Router::new()
        .route("/v1/sql", post(sql))
        .route("/v1/replay/{id}", get(replay))
        .route("/v1/tail", get(tail::tail))
        .merge(console::routes())
        .with_state(door)
}

async fn sql(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let who = match door.enter(&Entrance::api(&parts), "trail/sql").await {
        Ok(who) => who,
        Err(error) => return refused(&error),
    };
    let (form, statement) = match asked(&door, &parts, body).await {
        Ok(asked) => asked,
        Err(error) => return refused(&door.turn_away(&who, "trail/sql", error).await),
    };
    match door.trail.sql(&who, &statement).await {
        Ok(answer) => given(answer, form).await,
        Err(error) => refused(&error),
    }
}

async fn replay(State(door): State<Arc<Door>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::api(&parts), "trail/replay").await {
        Ok(who) => who,
        Err(error) => return refused(&error),
    };
    let form = match Form::wanted(&parts) {
        Ok(form) => form,
        Err(error) => return refused(&door.turn_away(&who, "trail/replay", error).await),
    };
    match door.trail.replay(&who, &id).await {
        Ok(replay) => given(replay.answer, form).await,
        Err(error) => refused(&error),
    }
}

async fn asked(door: &Door, parts: &Parts, body: Body) -> Result<(Form, String), Error> {
    let form = Form::wanted(parts)?;
    let body = door.read(body).await?;
    Ok((form, statement(parts, &body)?))
}

fn statement(parts: &Parts, body: &[u8]) -> Result<String, Error> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = std::str::from_utf8(body).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => json_statement(text),
        "text/plain" | "application/sql" => Ok(text.to_owned()),
        _ => Err(Error::Malformed(r#"send application/json {"sql": "…"}, or the statement as text/plain"#.to_owned())),
    }
}

fn json_statement(text: &str) -> Result<String, Error> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| Error::Malformed(format!("the body is not JSON: {error}")))?;
    let sql = json.get("sql").and_then(serde_json::Value::as_str);
    sql.map(str::to_owned).ok_or_else(|| Error::Malformed(r#"the body lacks "sql", a text"#.to_owned()))
}

/// Writing out a large answer is work: it is done where work may block.
async fn given(answer: Answer, form: Form) -> Response {
    let truncated = answer.truncated;
    let written = tokio::task::spawn_blocking(move || form.write(&answer)).await;
    let written = written.unwrap_or_else(|failed| Err(Error::Internal(failed.to_string())));
    let mut response = match written {
        Ok(bytes) => ([(header::CONTENT_TYPE, form.media_type())], bytes).into_response(),
        Err(error) => return refused(&error),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if truncated {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    response
}

fn refused(error: &Error) -> Response {
    let body = serde_json::json!({ "error": error.to_string() }).to_string();
    let mut response = (error.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if error.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
