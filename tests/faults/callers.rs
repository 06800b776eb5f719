//! Callers that remember what they were given: every answer that was complete, and every event of a stream, also of one
//! that broke off later.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::chance::Chance;
use crate::program::{PATIENCE, mcp_headers};

/// Longest wait of the upstream before a slow answer.
const SLOW_MILLISECONDS_MAX: u64 = 120;
const EVENTS_MAX: u64 = 5;

/// What callers were given.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// By the id of the call.
    pub(crate) answers: BTreeMap<String, Value>,
    /// Messages of streams that are not the answer.
    pub(crate) events: Vec<Value>,
    /// Calls that the gateway refused, and by which code.
    pub(crate) refused: BTreeMap<String, i64>,
}

/// Where a caller calls, and as who.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) ingress: SocketAddr,
    pub(crate) token: String,
}

/// One call as a caller makes it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    id: String,
    tool: &'static str,
    arguments: Value,
}

/// Several callers at once, until their connections break.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    tasks: JoinSet<Given>,
}

/// The connection broke.
#[derive(Debug)]
pub(crate) struct Broken;

impl Given {
    pub(crate) fn add(&mut self, other: Given) {
        self.answers.extend(other.answers);
        self.events.extend(other.events);
        self.refused.extend(other.refused);
    }

    fn take(&mut self, message: Value) {
        match (message["id"].as_str().map(str::to_owned), message["error"]["code"].as_i64()) {
            (Some(id), Some(code)) => drop(self.refused.insert(id, code)),
            (Some(id), None) => drop(self.answers.insert(id, message)),
            (None, _) => self.events.push(message),
        }
    }

    /// Events count when their last line is there.
    fn take_events(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let Some((whole, _)) = text.rsplit_once("\n\n") else { return };
        for data in whole.lines().filter_map(|line| line.strip_prefix("data:")) {
            self.take(serde_json::from_str(data).expect("an event is one message"));
        }
    }
}

impl Call {
    /// Plain, slow or streamed.
    pub(crate) fn random(id: String, chance: &mut Chance) -> Call {
        let text = "x".repeat(chance.below(1500) as usize);
        let (tool, arguments) = match chance.below(4) {
            0 => ("slow", json!({ "text": text, "milliseconds": chance.below(SLOW_MILLISECONDS_MAX) })),
            1 => ("stream", json!({ "text": text, "events": 1 + chance.below(EVENTS_MAX) })),
            _ => ("plain", json!({ "text": text })),
        };
        Call { id, tool, arguments }
    }

    pub(crate) fn plain(id: String) -> Call {
        Call { id, tool: "plain", arguments: json!({ "text": "hello" }) }
    }

    pub(crate) fn streamed(id: String) -> Call {
        Call { id, tool: "stream", arguments: json!({ "text": "hello", "events": EVENTS_MAX }) }
    }

    /// One that a person has to approve, where the policy says so.
    pub(crate) fn deploy(id: String) -> Call {
        Call { id, tool: "deploy", arguments: json!({ "text": "version 42" }) }
    }

    fn message(&self) -> String {
        let params = json!({ "name": self.tool, "arguments": self.arguments });
        json!({ "jsonrpc": "2.0", "id": self.id, "method": "tools/call", "params": params }).to_string()
    }
}

impl Callers {
    /// The calls of caller `n` are named `{name}c{n}n0`, `{name}c{n}n1` …
    pub(crate) fn start(door: &Door, name: &str, callers: u64, chance: &mut Chance) -> Callers {
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            tasks.spawn(call_until_broken(door.clone(), format!("{name}c{caller}"), chance.fork()));
        }
        Callers { tasks }
    }

    /// What they were given, once all their connections have broken.
    pub(crate) async fn given(mut self) -> Given {
        let mut all = Given::default();
        while let Some(given) = self.tasks.join_next().await {
            all.add(given.expect("no caller panics"));
        }
        all
    }
}

async fn call_until_broken(door: Door, name: String, mut chance: Chance) -> Given {
    let mut given = Given::default();
    let Ok(mut line) = open(&door).await else { return given };
    for number in 0_u64.. {
        let call = Call::random(format!("{name}n{number}"), &mut chance);
        if make(&mut line, &door, &call, &mut given).await.is_err() {
            break;
        }
    }
    given
}

/// One call after another on one connection; all must be answered, if only by a refusal.
pub(crate) async fn call_in_turn(door: &Door, calls: &[Call]) -> Given {
    let mut given = Given::default();
    let mut line = open(door).await.expect("ingress listens");
    for call in calls {
        make(&mut line, door, call, &mut given).await.expect("an answer");
    }
    given
}

/// All calls at the same time, each on a connection of its own.
pub(crate) async fn call_at_once(door: &Door, calls: Vec<Call>) -> Given {
    let mut tasks = JoinSet::new();
    for call in calls {
        let door = door.clone();
        tasks.spawn(async move {
            let mut given = Given::default();
            // What broke off may have been given in part.
            if let Ok(mut line) = open(&door).await {
                let _ = make(&mut line, &door, &call, &mut given).await;
            }
            given
        });
    }
    Callers { tasks }.given().await
}

async fn open(door: &Door) -> Result<SendRequest<Full<Bytes>>, Broken> {
    let stream = TcpStream::connect(door.ingress).await.map_err(|_| Broken)?;
    let (line, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Broken)?;
    tokio::spawn(connection);
    Ok(line)
}

async fn make(line: &mut SendRequest<Full<Bytes>>, door: &Door, call: &Call, given: &mut Given) -> Result<(), Broken> {
    line.ready().await.map_err(|_| Broken)?;
    let answered = timeout(PATIENCE, line.send_request(request(door, call))).await.expect("an answer in time");
    let (head, mut body) = answered.map_err(|_| Broken)?.into_parts();
    let is_stream = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let (bytes, whole) = timeout(PATIENCE, read(&mut body)).await.expect("the end of an answer in time");
    if is_stream {
        given.take_events(&bytes);
    } else if whole {
        let answer = serde_json::from_slice(&bytes);
        given.take(answer.unwrap_or_else(|_| panic!("status {}, no JSON: {:?}", head.status, Bytes::from(bytes))));
    }
    if whole { Ok(()) } else { Err(Broken) }
}

fn request(door: &Door, call: &Call) -> Request<Full<Bytes>> {
    let mut request = Request::post("/c/c").header(header::HOST, door.ingress.to_string());
    for (name, value) in mcp_headers(&format!("Bearer {}", door.token)) {
        request = request.header(name, value);
    }
    request.body(Full::new(call.message().into())).expect("a request")
}

/// What came, and whether that was all.
async fn read(body: &mut Incoming) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (bytes, false) };
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    (bytes, true)
}

/// Lets a load go on for so long.
pub(crate) async fn let_pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
