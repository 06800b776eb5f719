//! An MCP server that does what its tools are named after, and keeps its own log of what it saw.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
};

/// What the server calls the session that `initialize` opens.
pub const SESSION: &str = "session-of-the-scripted-server";

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
    steps: Arc<Semaphore>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Upstream { address, seen: Arc::default(), steps: Arc::new(Semaphore::new(0)) };
        let pages = Router::new()
            .route("/mcp", post(answer))
            .route("/files/pieces", post(pieces))
            .fallback(echo)
            .with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, pages).await });
        upstream
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Lets the tool `step` send this many events more.
    pub fn allow(&self, events: usize) {
        self.steps.add_permits(events);
    }
}

/// A server that reads a request, says these bytes, whatever they are, and hangs up.
pub async fn saying(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            // A call without arguments ends with two braces; nothing before its end has them.
            while !request.ends_with(b"}}") && stream.read_buf(&mut request).await.is_ok_and(|bytes| bytes > 0) {}
            let _ = stream.write_all(bytes).await;
        }
    });
    address
}

/// An address where nobody listens, and nobody will as long as the socket is held.
pub fn absent() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Says what was asked of it, as text.
async fn echo(State(upstream): State<Upstream>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    upstream.seen.lock().unwrap().push(Seen { headers, body: body.clone() });
    format!("{method} {uri} {}", String::from_utf8_lossy(&body)).into_response()
}

/// Sends a body back in pieces of five bytes.
async fn pieces(body: Bytes) -> Response {
    let pieces: Vec<Bytes> = body.chunks(5).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(piece)
    });
    ([("content-type", "text/plain")], Body::from_stream(pieces)).into_response()
}

async fn answer(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response {
    upstream.seen.lock().unwrap().push(Seen { headers, body: body.clone() });
    let message: Value = serde_json::from_slice(&body).unwrap();
    let id = message["id"].clone();
    if id.is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    if message["method"] == "initialize" {
        return session(&id);
    }
    let arguments = &message["params"]["arguments"];
    let events = arguments["events"].as_u64().unwrap_or(3);
    // What the caller wants to hear again, where the tool has something to say.
    let note = arguments["note"].as_str().unwrap_or_default();
    match message["params"]["name"].as_str() {
        Some("stream") => event_stream(&id, events, note, None),
        Some("step") => event_stream(&id, events, note, Some(upstream.steps)),
        Some("hang") => std::future::pending().await,
        Some("garbage") => ([("content-type", "application/json")], "{\"jsonrpc\": tru").into_response(),
        Some("reset") => cut_off(),
        Some("fail") => (StatusCode::INTERNAL_SERVER_ERROR, format!("the server is on fire{note}")).into_response(),
        Some("tool-error") => tool_result(&id, &format!("no such order{note}"), true),
        Some("rpc-error") => rpc_error(&id, note),
        Some("large") => {
            tool_result(&id, &"many words ".repeat(arguments["words"].as_u64().unwrap_or(1) as usize), false)
        }
        _ => tool_result(&id, &arguments.to_string(), false),
    }
}

fn session(id: &Value) -> Response {
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "scripted", "version": "1" } });
    let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    ([("content-type", "application/json"), ("mcp-session-id", SESSION)], message.to_string()).into_response()
}

fn tool_result(id: &Value, text: &str, is_error: bool) -> Response {
    let result = json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
    let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    ([("content-type", "application/json")], message.to_string()).into_response()
}

fn rpc_error(id: &Value, note: &str) -> Response {
    let message =
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": format!("no such tool{note}") } });
    ([("content-type", "application/json")], message.to_string()).into_response()
}

/// Progress notifications, then the answer. With `steps`, each waits until the test lets it go.
fn event_stream(id: &Value, events: u64, note: &str, steps: Option<Arc<Semaphore>>) -> Response {
    let done = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": "done" }] } });
    let messages = (1..=events).map(|step| {
        let params = json!({ "progressToken": 1, "progress": step, "message": note });
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
    });
    let messages: Vec<Value> = messages.chain([done]).collect();
    let events = stream::iter(messages).then(move |message| {
        let steps = steps.clone();
        async move {
            match steps {
                Some(steps) => steps.acquire().await.unwrap().forget(),
                None => tokio::task::yield_now().await,
            }
            Ok::<_, Infallible>(format!("event: message\ndata: {message}\n\n"))
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

/// A stream that breaks off in the middle of an event. What came before it is on its way when it does.
fn cut_off() -> Response {
    let pieces = [Ok("event: message\ndata: {\"jsonrpc\":\"2.0\",\"met"), Err(std::io::Error::other("cut"))];
    let pieces = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    ([("content-type", "text/event-stream")], Body::from_stream(pieces)).into_response()
}
