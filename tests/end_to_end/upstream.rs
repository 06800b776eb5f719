//! An MCP server that does what its tools are named after, and keeps its own log of what it saw.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What one request brought.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let pages = Router::new().route("/mcp", post(answer)).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, pages).await });
        upstream
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response {
    upstream.seen.lock().unwrap().push(Seen { headers, body: body.clone() });
    let message: Value = serde_json::from_slice(&body).unwrap();
    let id = message["id"].clone();
    if id.is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    let arguments = &message["params"]["arguments"];
    match message["params"]["name"].as_str() {
        Some("stream") => event_stream(&id, arguments["events"].as_u64().unwrap_or(3)),
        Some("hang") => std::future::pending().await,
        Some("garbage") => ([("content-type", "application/json")], "{\"jsonrpc\": tru").into_response(),
        Some("reset") => cut_off(),
        Some("fail") => (StatusCode::INTERNAL_SERVER_ERROR, "the server is on fire").into_response(),
        Some("tool-error") => tool_result(&id, "no such order", true),
        _ => tool_result(&id, &arguments.to_string(), false),
    }
}

fn tool_result(id: &Value, text: &str, is_error: bool) -> Response {
    let result = json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
    let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    ([("content-type", "application/json")], message.to_string()).into_response()
}

/// Progress notifications, then the answer.
fn event_stream(id: &Value, events: u64) -> Response {
    let done = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": "done" }] } });
    let steps = (1..=events).map(|step| {
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": step } })
    });
    let events = stream::iter(steps.chain([done])).then(|message| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Infallible>(format!("event: message\ndata: {message}\n\n"))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

/// A stream that breaks off in the middle of an event.
fn cut_off() -> Response {
    let pieces = [Ok("event: message\ndata: {\"jsonrpc\":\"2.0\",\"met"), Err(std::io::Error::other("cut"))];
    ([("content-type", "text/event-stream")], Body::from_stream(stream::iter(pieces))).into_response()
}
