//! What an answer says of the call: the three levels of success, and the tools it lists.
//!
//! It is strict in what it calls an answer and lenient in what it lets pass: JSON that is not JSON-RPC passes and is
//! recorded as garbage; what is no JSON at all does not pass, because no client could tell whose fault it is.

use bytes::Bytes;
use http::StatusCode;
use protocol::{
    jsonrpc::{self, Id, Message, Shape},
    mcp,
};
use schemas::Outcome;

use crate::{config::Kind, exchange::Exchange, forward::garbage, stop::Stop};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) rpc_code: Option<i64>,
    pub(super) is_error: Option<bool>,
    pub(super) error: Option<String>,
    /// It is JSON-RPC, so it may travel as an event of a stream.
    pub(super) is_rpc: bool,
    /// The requests that it answers; they wait until it has passed.
    pub(super) answers: Vec<Id>,
}

impl Judged {
    fn plain(outcome: Outcome) -> Judged {
        Judged { outcome, rpc_code: None, is_error: None, error: None, is_rpc: false, answers: Vec::new() }
    }
}

pub(super) fn judge(exchange: &Exchange, status: StatusCode, bytes: &Bytes) -> Result<Judged, Stop> {
    let failed = status.is_client_error() || status.is_server_error();
    let plain = Judged::plain(if failed { Outcome::TransportError } else { Outcome::Ok });
    if exchange.kind() != Some(Kind::Mcp) || bytes.is_empty() || exchange.head.method != http::Method::POST {
        return Ok(plain);
    }
    match jsonrpc::parse(bytes) {
        Ok(messages) => {
            let judged = of_messages(exchange, &messages);
            Ok(if failed { Judged { outcome: Outcome::TransportError, ..judged } } else { judged })
        }
        Err(_) if failed || exchange.awaited.is_empty() => Ok(plain),
        Err(malformed) if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() => {
            Ok(Judged { error: Some(malformed.to_string()), ..Judged::plain(Outcome::Garbage) })
        }
        Err(_) => Err(Stop { evidence: bytes.clone(), ..garbage("the upstream's answer is not JSON") }),
    }
}

/// The first message that went wrong speaks for all.
pub(super) fn of_messages(exchange: &Exchange, messages: &[Message<'_>]) -> Judged {
    let mut judged = Judged { is_rpc: true, ..Judged::plain(Outcome::Ok) };
    for message in messages {
        learn(exchange, message);
        judged.answers.extend(answered_id(message).cloned());
        if judged.outcome == Outcome::Ok {
            let answer = mcp::answer(message);
            judged.outcome = outcome(&answer);
            (judged.rpc_code, judged.is_error, judged.error) = (answer.rpc_code, answer.is_error, answer.error);
        }
    }
    judged
}

/// Tools that are listed are remembered.
fn learn(exchange: &Exchange, message: &Message<'_>) {
    if exchange.trail.context.method.as_deref() == Some("tools/list") {
        exchange.gate.tools.learn(exchange.connection_name(), message, exchange.trail.now());
    }
}

fn answered_id<'a>(message: &'a Message<'_>) -> Option<&'a Id> {
    match &message.shape {
        Shape::Response { id, .. } => Some(id),
        Shape::Error { id, .. } => id.as_ref(),
        Shape::Request { .. } | Shape::Notification { .. } => None,
    }
}

fn outcome(answer: &mcp::Answer) -> Outcome {
    match answer {
        mcp::Answer { rpc_code: Some(_), .. } => Outcome::RpcError,
        mcp::Answer { is_error: Some(true), .. } => Outcome::ToolError,
        _ => Outcome::Ok,
    }
}
