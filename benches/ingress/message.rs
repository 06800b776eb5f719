//! The `tools/call` messages that are sent, and their answers: JSON of an exact length, with something to mask in it.

use bytes::Bytes;
use serde_json::{Value, json};

/// Lengths of messages, in bytes; an answer is as long as its request.
pub(crate) const LENGTHS: [usize; 2] = [1024, 16 * 1024];

/// A call with arguments as an agent has them: rows of text, here and there an e-mail address.
pub(crate) fn call(length: usize) -> Bytes {
    padded(length, |note| {
        let arguments = json!({ "table": "orders", "rows": rows(length), "note": note });
        json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "store_orders", "arguments": arguments }
        })
    })
}

pub(crate) fn answer(length: usize) -> Bytes {
    padded(length, |note| {
        let text = json!({ "stored": rows(length) }).to_string();
        let content = json!([{ "type": "text", "text": text }, { "type": "text", "text": note }]);
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": content, "isError": false } })
    })
}

/// A call whose answer is a stream that goes on.
pub(crate) fn stream_call() -> Bytes {
    let params = json!({ "name": "watch_orders", "arguments": { "table": "orders" }, "_meta": { "progressToken": 1 } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string().into()
}

/// One event of such a stream.
pub(crate) fn event(progress: u64) -> Bytes {
    let params = json!({ "progressToken": 1, "progress": progress, "message": "an order was shipped" });
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
    format!("event: message\ndata: {message}\n\n").into()
}

/// As many rows as fit, with room for what is around them.
fn rows(length: usize) -> Vec<Value> {
    let row = |number: usize| {
        let contact = if number.is_multiple_of(8) { "ada@shop.example" } else { "at the desk" };
        json!({ "order": 70_000 + number, "state": "shipped", "contact": contact, "remark": "two boxes, leave at the gate" })
    };
    (0..(length - 400) / 140).map(row).collect()
}

/// The message, its note made as long as it takes.
fn padded(length: usize, message: impl Fn(&str) -> Value) -> Bytes {
    let bare = message("").to_string().len();
    assert!(bare <= length, "{bare} bytes of a message of {length}");
    let note: String = "all of it is in order as far as anyone can tell ".chars().cycle().take(length - bare).collect();
    message(&note).to_string().into()
}
