//! What must hold of JSON-RPC and SSE from strangers: never a panic; whatever is accepted is exact; a stream's events
//! do not depend on how it was cut up on the way. The fuzz target and the test of its seeds both ask this.

use hansard_protocol::{
    jsonrpc::{self, Message},
    mcp,
    sse::{Event, Splitter},
};

const EVENT_BYTES_MAX: usize = 4096;

pub(crate) fn check(bytes: &[u8], piece_bytes: usize) {
    messages(bytes);
    events(bytes, piece_bytes);
}

fn messages(body: &[u8]) {
    let Ok(messages) = jsonrpc::parse(body) else { return };
    let text = std::str::from_utf8(body).expect("only UTF-8 is accepted");
    serde_json::from_str::<serde_json::Value>(text).expect("what policy reads with takes all that is accepted");
    for message in &messages {
        describe(message);
        let again = jsonrpc::parse(text[message.place.clone()].as_bytes()).expect("a message alone is one, too");
        assert_eq!(again.len(), 1);
    }
}

fn describe(message: &Message<'_>) {
    mcp::answer(message);
    if let Ok(described) = mcp::describe("fuzz", &http::HeaderMap::new(), message) {
        let _ = described.traceparent.as_deref().and_then(mcp::trace);
    }
}

fn events(stream: &[u8], piece_bytes: usize) {
    let whole = split(stream, stream.len().max(1));
    assert_eq!(split(stream, piece_bytes), whole);
    assert_eq!(split(stream, 1), whole);
    let (events, rest) = whole;
    if let Some(rest) = rest {
        let all: Vec<u8> = events.iter().flat_map(|event| event.raw.iter()).chain(&rest).copied().collect();
        assert_eq!(all, stream);
    }
}

/// The events, and what is left; nothing is left to say where an event was too long.
fn split(stream: &[u8], piece_bytes: usize) -> (Vec<Event>, Option<Vec<u8>>) {
    let mut splitter = Splitter::new(EVENT_BYTES_MAX);
    let mut events = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        splitter.push(piece);
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, None),
            }
        }
    }
    (events, Some(splitter.finish().unwrap_or_default().to_vec()))
}
