//! What an answer says of the call: the three levels of success, and the tools it lists.
//!
//! It is strict in what it calls an answer and lenient in what it lets pass: JSON that is not JSON-RPC passes and is
//! recorded as garbage; what is no JSON at all does not pass, because no client could tell whose fault it is.

use bytes::Bytes;
use http::StatusCode;
use protocol::{
    jsonrpc::{self, Message, Shape},
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
}

impl Judged {
    fn plain(outcome: Outcome) -> Judged {
        Judged { outcome, rpc_code: None, is_error: None, error: None, is_rpc: false }
    }
}

pub(super) fn judge(exchange: &mut Exchange, status: StatusCode, bytes: &Bytes) -> Result<Judged, Stop> {
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
pub(super) fn of_messages(exchange: &mut Exchange, messages: &[Message]) -> Judged {
    let mut judged = Judged { is_rpc: true, ..Judged::plain(Outcome::Ok) };
    for message in messages {
        settle(exchange, message);
        let answer = mcp::answer(message);
        let outcome = outcome(&answer);
        if judged.outcome == Outcome::Ok {
            judged = Judged {
                outcome,
                rpc_code: answer.rpc_code,
                is_error: answer.is_error,
                error: answer.error,
                is_rpc: true,
            };
        }
    }
    judged
}

/// The request that this answers waits no more; tools that it lists are remembered.
fn settle(exchange: &mut Exchange, message: &Message) {
    let id = match &message.shape {
        Shape::Response { id, .. } => id,
        Shape::Error { id: Some(id), .. } => id,
        _ => return,
    };
    exchange.awaited.retain(|awaited| awaited != id);
    if exchange.trail.context.method.as_deref() == Some("tools/list") {
        exchange.gate.tools.learn(exchange.connection_name(), message, exchange.trail.now());
    }
}

fn outcome(answer: &mcp::Answer) -> Outcome {
    match answer {
        mcp::Answer { rpc_code: Some(_), .. } => Outcome::RpcError,
        mcp::Answer { is_error: Some(true), .. } => Outcome::ToolError,
        _ => Outcome::Ok,
    }
}
