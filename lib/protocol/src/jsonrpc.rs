//! JSON-RPC 2.0 messages, read strictly: what two readers could take for two different messages is none.
//!
//! What policy reads must be what the upstream reads, so nothing here is guessed, repaired or picked by position.

use std::ops::Range;

use serde_json::{Value, json};

mod members;
mod strict;

pub(crate) use self::members::{Members, items, string};
use self::strict::Outline;

#[derive(Debug)]
pub struct Message<'a> {
    pub shape: Shape<'a>,
    /// Where in the body this message stands: the whole of it, unless it came in a batch.
    pub place: Range<usize>,
}

/// What a JSON-RPC message is.
#[derive(Debug)]
pub enum Shape<'a> {
    Request { id: Id, method: String, params: Option<Content<'a>> },
    Notification { method: String, params: Option<Content<'a>> },
    Response { id: Id, result: Content<'a> },
    Error { id: Option<Id>, code: i64, message: String },
}

/// The params of a call, or the result of an answer.
#[derive(Debug)]
pub struct Content<'a> {
    /// As it stands in the body.
    pub text: &'a str,
    /// Empty where it is no object.
    pub(crate) members: Members<'a>,
}

/// `"1"` and `1` are different ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    Number(i64),
    Text(String),
}

/// Why bytes are no message that may pass. The text says what the sender must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0}")]
    Message(String),
    /// A header is not sound, or does not say what the body says; MCP has an error code of its own for it.
    #[error("{0}")]
    Headers(String),
}

/// Deepest nesting of a message, in levels. Less than the 127 that `serde_json` reads, so whoever reads on can.
pub const DEPTH_MAX: usize = 100;
/// Most messages of one batch.
pub const BATCH_MESSAGES_MAX: usize = 1000;
/// Longest id, in bytes.
pub const ID_BYTES_MAX: usize = 1024;

/// One message, or several where the protocol's revision has batches (see [`is_batch`]). Refuses duplicate keys, byte
/// order marks, UTF-16, NUL, invalid UTF-8, nesting deeper than [`DEPTH_MAX`], trailing bytes, and anything that is not
/// JSON-RPC 2.0.
pub fn parse(body: &[u8]) -> Result<Vec<Message<'_>>, Malformed> {
    let outlines = strict::check(body)?;
    if outlines.is_empty() {
        return Err(batch_size());
    }
    let is_batch = is_batch(body);
    let mut messages = Vec::with_capacity(outlines.len());
    for outline in outlines {
        let place = if is_batch { place(body, outline.text) } else { 0..body.len() };
        messages.push(Message { shape: shape(outline)?, place });
    }
    Ok(messages)
}

/// Is the body an array? Only revision 2025-03-26 has them; the caller knows the revision and decides.
pub fn is_batch(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// An error response of ours: HTTP 200, a code of ours, a sentence for the model and the record's id.
pub fn error(id: Option<&Id>, code: i64, message: &str, data: Value) -> Vec<u8> {
    let id = match id {
        Some(Id::Number(number)) => json!(number),
        Some(Id::Text(text)) => json!(text),
        None => Value::Null,
    };
    let error = json!({"code": code, "message": message, "data": data});
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into_bytes()
}

/// The form of a key by which readers that ignore case know it. They also take `ſ` for `s` and the Kelvin sign for `k`.
pub(crate) fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

fn place(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - body.as_ptr().addr();
    start..start + part.len()
}

fn shape(outline: Outline<'_>) -> Result<Shape<'_>, Malformed> {
    let Outline { text, members, params, result } = outline;
    if !text.starts_with('{') {
        return refuse("a JSON-RPC message is an object: send one");
    }
    if members.get("jsonrpc").and_then(string).as_deref() != Some("2.0") {
        return refuse("the message does not say \"jsonrpc\": \"2.0\"");
    }
    match (members.get("method"), members.get("result"), members.get("error")) {
        (Some(method), None, None) => call(&members, method, params),
        (None, Some(text), None) => match members.get("id") {
            Some(id) => Ok(Shape::Response { id: read_id(id)?, result: Content { text, members: result } }),
            None => refuse("the response has no id: answer with that of the request"),
        },
        (None, None, Some(error)) => failure(&members, error),
        _ => refuse("the message must have exactly one of method, result and error"),
    }
}

fn call<'a>(members: &Members<'a>, method: &str, params: Members<'a>) -> Result<Shape<'a>, Malformed> {
    let method = string(method)
        .filter(|method| !method.is_empty())
        .ok_or_else(|| Malformed::Message("the method must be a string that is not empty".into()))?;
    let params = members.get("params").map(|text| Content { text, members: params });
    if params.as_ref().is_some_and(|params| !params.text.starts_with(['{', '['])) {
        return refuse("params must be an object or an array");
    }
    match members.get("id") {
        Some(id) => Ok(Shape::Request { id: read_id(id)?, method, params }),
        None => Ok(Shape::Notification { method, params }),
    }
}

/// Only an error may come without an id: that of a request which could not be read.
fn failure<'a>(members: &Members<'a>, error: &'a str) -> Result<Shape<'a>, Malformed> {
    let id = members.get("id").filter(|id| *id != "null").map(read_id).transpose()?;
    let error = Members::of(error).unwrap_or_default();
    let code = error.get("code").and_then(|code| code.parse().ok());
    let message = error.get("message").and_then(string);
    match (code, message) {
        (Some(code), Some(message)) => Ok(Shape::Error { id, code, message }),
        _ => refuse("the error must have an integer code and a message"),
    }
}

fn read_id(text: &str) -> Result<Id, Malformed> {
    if text.len() > ID_BYTES_MAX {
        return refuse(format!("the id is longer than {ID_BYTES_MAX} bytes"));
    }
    match serde_json::from_str(text) {
        Ok(Value::String(text)) => Ok(Id::Text(text)),
        Ok(Value::Number(number)) if number.is_i64() => Ok(Id::Number(number.as_i64().expect("checked: is_i64"))),
        _ => refuse("the id must be a string or an integer of 64 bits"),
    }
}

fn batch_size() -> Malformed {
    Malformed::Message(format!("a batch holds 1 to {BATCH_MESSAGES_MAX} messages: split it"))
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed::Message(why.into()))
}

#[cfg(test)]
mod tests;
