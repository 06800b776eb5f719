//! The upstream: an MCP server in the test's own process, so that no kill touches what it remembers of what it saw.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = Upstream { address: listener.local_addr().expect("an address"), seen: Arc::default() };
        let pages = Router::new().route("/mcp", post(answer)).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, pages).await });
        upstream
    }

    /// The ids of all calls that arrived here, in order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics with it").clone()
    }
}

/// The call's tool says how it is answered: `plain`, `slow` or `stream`.
async fn answer(State(upstream): State<Upstream>, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).expect("callers send JSON");
    let id = message["id"].as_str().expect("callers number their calls").to_owned();
    upstream.seen.lock().expect("nobody panics with it").push(id.clone());
    let arguments = &message["params"]["arguments"];
    let result = result(&id, arguments["text"].as_str().unwrap_or_default());
    match message["params"]["name"].as_str() {
        Some("stream") => event_stream(&id, arguments["events"].as_u64().unwrap_or_default(), result),
        Some("slow") => {
            tokio::time::sleep(Duration::from_millis(arguments["milliseconds"].as_u64().unwrap_or_default())).await;
            json_answer(&result)
        }
        _ => json_answer(&result),
    }
}

fn result(id: &str, text: &str) -> Value {
    let text = format!("{text} for {id}");
    json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": text }], "isError": false } })
}

fn json_answer(message: &Value) -> Response {
    ([("content-type", "application/json")], message.to_string()).into_response()
}

/// Progress, one event after another, and then the answer.
fn event_stream(id: &str, events: u64, result: Value) -> Response {
    let token = id.to_owned();
    let progress = (1..=events).map(move |step| {
        let params = json!({ "progressToken": token, "progress": step });
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
    });
    let events = stream::iter(progress.chain([result])).then(|message| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(format!("event: message\ndata: {message}\n\n"))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}
