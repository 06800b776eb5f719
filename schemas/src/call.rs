//! What was called, what policy said of it, and how it ended.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::id::ApprovalId;

mod arguments;
mod microseconds;

pub use arguments::Arguments;

/// One call as policy sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The connection's name, as in `/c/<name>`.
    pub connection: String,
    /// Protocol and revision, as `mcp/2025-11-25`.
    pub protocol: String,
    /// `tools/call`, `initialize`, `GET` …
    pub method: String,
    /// Tool name, prompt name, resource URI or path; empty when the method has none.
    pub target: String,
    /// `params.arguments`, else `params`; of plain HTTP the body. Their text is what `call.text` matches on.
    pub arguments: Arguments,
    /// SHA-256 of the arguments' bytes; never stored as it is.
    pub arguments_digest: Option<[u8; 32]>,
    /// What the rules of redaction find in it.
    pub findings: Findings,
}

/// The entities that a call holds, where policy asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Findings {
    /// It was not looked at, or could not be looked at safely: a condition that asks fails.
    #[default]
    Unknown,
    /// The ids of the rules that find something in it, and their classes; in order, each once.
    Known(Vec<String>),
}

/// What policy said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Block { message: String },
    Hold(Terms),
}

/// On what terms a held call goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Groups whose members may vote; empty: anyone but the requester.
    pub reviewers: Vec<String>,
    /// Approvals by different people that release the call; at least 1.
    pub approve: u32,
    /// Denials by different people that refuse it; at least 1.
    pub deny: u32,
    /// How long the call may wait.
    #[serde(rename = "expires_us", with = "microseconds")]
    pub expires: Duration,
}

impl Terms {
    /// How long the call may wait, as every schema stores it.
    pub fn expires_us(&self) -> u64 {
        microseconds::of(self.expires)
    }
}

/// How much of a call is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing but a count.
    None,
    /// Everything but the payload.
    Metadata,
    #[default]
    Full,
}

/// How an exchange ended, in one word. The three levels stand beside it in the record: `transport_status`, `rpc_code`,
/// `is_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    /// The upstream answered with a JSON-RPC error.
    RpcError,
    /// The tool answered `isError: true`.
    ToolError,
    /// The upstream answered with an HTTP status of 400 or more.
    TransportError,
    /// The answer broke off.
    Interrupted,
    /// The caller went away or cancelled.
    Cancelled,
    /// The upstream could not be reached.
    Unreachable,
    /// The upstream kept silent too long.
    Timeout,
    /// The upstream's answer is not what its protocol allows.
    Garbage,
    Unauthenticated,
    Forbidden,
    Malformed,
    TooLarge,
    Blocked,
    Denied,
    Expired,
    /// The caller left while the call was held.
    Withdrawn,
    /// The call could not be recorded, so it did not happen.
    Unrecorded,
}

impl Outcome {
    pub const ALL: [Outcome; 18] = [
        Outcome::Ok,
        Outcome::RpcError,
        Outcome::ToolError,
        Outcome::TransportError,
        Outcome::Interrupted,
        Outcome::Cancelled,
        Outcome::Unreachable,
        Outcome::Timeout,
        Outcome::Garbage,
        Outcome::Unauthenticated,
        Outcome::Forbidden,
        Outcome::Malformed,
        Outcome::TooLarge,
        Outcome::Blocked,
        Outcome::Denied,
        Outcome::Expired,
        Outcome::Withdrawn,
        Outcome::Unrecorded,
    ];

    /// The word in the column `outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::RpcError => "rpc_error",
            Outcome::ToolError => "tool_error",
            Outcome::TransportError => "transport_error",
            Outcome::Interrupted => "interrupted",
            Outcome::Cancelled => "cancelled",
            Outcome::Unreachable => "unreachable",
            Outcome::Timeout => "timeout",
            Outcome::Garbage => "garbage",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::Forbidden => "forbidden",
            Outcome::Malformed => "malformed",
            Outcome::TooLarge => "too_large",
            Outcome::Blocked => "blocked",
            Outcome::Denied => "denied",
            Outcome::Expired => "expired",
            Outcome::Withdrawn => "withdrawn",
            Outcome::Unrecorded => "unrecorded",
        }
    }

    pub fn parse(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The verdict in one word, as the column `verdict` has it, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// `allow`, `block` or `hold`.
    pub verdict: String,
    /// The rule that decided; none when the default did.
    pub rule: Option<String>,
    /// Which policy was in force: `sha256:…` of its canonical form.
    pub policy_id: String,
    /// Set when the call was held.
    pub approval_id: Option<ApprovalId>,
}
