//! What an upstream's answer says on the levels above HTTP, and the tools it lists.

use serde_json::value::RawValue;

use super::{cut, digest};
use crate::jsonrpc::{Message, Shape, members, string};

/// Longest text that is taken from an answer's error, in bytes; what is longer is cut.
pub const ERROR_BYTES_MAX: usize = 1024;

/// What an answer's three levels say: JSON-RPC code and `isError`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub rpc_code: Option<i64>,
    /// Set for answers of tools that say it.
    pub is_error: Option<bool>,
    /// The error's message, or the first text of a tool's error.
    pub error: Option<String>,
}

pub fn answer(message: &Message) -> Answer {
    match &message.shape {
        Shape::Error { code, message, .. } => {
            Answer { rpc_code: Some(*code), error: Some(cut(message.clone(), ERROR_BYTES_MAX)), ..Answer::default() }
        }
        Shape::Response { result, .. } => of_result(result),
        Shape::Request { .. } | Shape::Notification { .. } => Answer::default(),
    }
}

fn of_result(result: &RawValue) -> Answer {
    let result = members(result).unwrap_or_default();
    let is_error = result.get("isError").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let content = result.get("content").filter(|_| is_error == Some(true));
    Answer { rpc_code: None, is_error, error: content.and_then(|content| first_text(content)) }
}

fn first_text(content: &RawValue) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    let text = items.into_iter().find_map(|item| string(members(item)?.get("text")?))?;
    Some(cut(text, ERROR_BYTES_MAX))
}

/// Of a `tools/list` result: each tool's name and the SHA-256 of its definition's exact bytes.
pub fn tool_digests(result: &RawValue) -> Vec<(String, [u8; 32])> {
    let result = members(result).unwrap_or_default();
    let tools = result.get("tools").and_then(|tools| serde_json::from_str::<Vec<&RawValue>>(tools.get()).ok());
    tools.unwrap_or_default().into_iter().filter_map(named_digest).collect()
}

fn named_digest(tool: &RawValue) -> Option<(String, [u8; 32])> {
    Some((string(members(tool)?.get("name")?)?, digest(tool.get().as_bytes())))
}
