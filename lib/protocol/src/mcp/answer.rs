//! What an upstream's answer says on the levels above HTTP, and the tools it lists.

use super::{cut, digest};
use crate::jsonrpc::{Content, Members, Message, Shape, items, string};

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

pub fn answer(message: &Message<'_>) -> Answer {
    match &message.shape {
        Shape::Error { code, message, .. } => {
            Answer { rpc_code: Some(*code), error: Some(cut(message.clone(), ERROR_BYTES_MAX)), ..Answer::default() }
        }
        Shape::Response { result, .. } => of_result(result),
        Shape::Request { .. } | Shape::Notification { .. } => Answer::default(),
    }
}

fn of_result(result: &Content<'_>) -> Answer {
    let is_error = result.members.get("isError").and_then(|flag| flag.parse().ok());
    let content = result.members.get("content").filter(|_| is_error == Some(true));
    Answer { rpc_code: None, is_error, error: content.and_then(first_text) }
}

fn first_text(content: &str) -> Option<String> {
    let text = items(content)?.into_iter().find_map(|item| string(Members::of(item)?.get("text")?))?;
    Some(cut(text, ERROR_BYTES_MAX))
}

/// Of a `tools/list` result: each tool's name and the SHA-256 of its definition's exact bytes.
pub fn tool_digests(result: &Content<'_>) -> Vec<(String, [u8; 32])> {
    let tools = result.members.get("tools").and_then(items).unwrap_or_default();
    tools.into_iter().filter_map(named_digest).collect()
}

fn named_digest(tool: &str) -> Option<(String, [u8; 32])> {
    Some((string(Members::of(tool)?.get("name")?)?, digest(tool.as_bytes())))
}
