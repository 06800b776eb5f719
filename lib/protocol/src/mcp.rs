//! What an MCP message asks for, in both eras: revision, method, target, arguments, session.
//!
//! Policy reads the body, never the headers; a header that says otherwise is refused ([`headers`]). Where a message
//! lacks what its revision demands, nothing is invented: it is described as it is, and the upstream says so itself.

use http::HeaderMap;
use schemas::{Call, ConversationId, call::Arguments};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::jsonrpc::{self, Content, Malformed, Members, Message, Shape, string};

mod answer;
pub mod headers;
mod trace;

pub use answer::{Answer, ERROR_BYTES_MAX, answer, tool_digests};
pub use trace::{TraceParent, trace};

/// Codes of our own, outside the range that JSON-RPC reserves.
pub mod code {
    /// Refused before policy was asked: not authenticated, a foreign origin, malformed, too large, another's session.
    pub const REFUSED: i64 = 4300;
    pub const BLOCKED: i64 = 4301;
    pub const DENIED: i64 = 4302;
    pub const EXPIRED: i64 = 4303;
    pub const PENDING: i64 = 4304;
    pub const UNRECORDED: i64 = 5301;
    /// The upstream cannot be reached.
    pub const UNREACHABLE: i64 = 5302;
    /// The upstream kept silent too long.
    pub const TIMEOUT: i64 = 5303;
    /// The upstream's answer is not what its protocol allows.
    pub const GARBAGE: i64 = 5304;
    /// MCP's own, with HTTP status 400: a header does not equal the body.
    pub const HEADER_MISMATCH: i64 = -32020;
}

/// The revision of a message that names none.
pub const REVISION_DEFAULT: &str = "2025-03-26";
/// The first revision without sessions.
pub const REVISION_STATELESS: &str = "2026-07-28";
/// Longest name of a revision, in bytes.
pub const REVISION_BYTES_MAX: usize = 32;
/// Longest name of a client with its version, in bytes; what is longer is cut.
pub const CLIENT_BYTES_MAX: usize = 256;

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";

/// Members of `params` that this module reads.
const KNOWN_PARAMS: [&str; 8] = ["name", "uri", "taskId", "ref", "arguments", "_meta", "protocolVersion", "clientInfo"];

/// The newest revision with sessions is 2025-11-25; from 2026-07-28 on each request stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Sessions,
    Stateless,
}

/// What one request says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub era: Era,
    /// `method` is empty for a client's answer to a request of the server; its result then is the arguments.
    pub call: Call,
    /// `params._meta.progressToken`, as JSON.
    pub progress_token: Option<Value>,
    /// Client name and version, as in `_meta` or `initialize`.
    pub client: Option<String>,
    /// `traceparent` of `_meta`.
    pub traceparent: Option<String>,
}

/// Describes a client's message. Policy reads the body; a header that says otherwise is refused.
pub fn describe(connection: &str, headers: &HeaderMap, message: &Message<'_>) -> Result<Described, Malformed> {
    let params = Params::of(message)?;
    let revision = revision(headers, &params)?;
    let call = Call {
        connection: connection.to_owned(),
        protocol: format!("mcp/{revision}"),
        method: params.method.to_owned(),
        target: params.target()?.unwrap_or_default(),
        arguments: params.arguments().map(|text| Arguments::new(text.as_bytes())).unwrap_or_default(),
        arguments_digest: params.arguments().map(|text| digest(text.as_bytes())),
        ..Call::default()
    };
    headers::agree(headers, &call)?;
    Ok(Described {
        era: era(&revision),
        call,
        progress_token: params.progress_token(),
        client: params.client(),
        traceparent: params.meta("traceparent").and_then(string),
    })
}

/// May a batch come with these headers? Only revision 2025-03-26 has them, which is also that of no header.
pub fn takes_batches(headers: &HeaderMap) -> bool {
    headers.get(headers::PROTOCOL_VERSION).is_none_or(|version| version == REVISION_DEFAULT)
}

/// The conversation of a session: the same session of the same connection is the same conversation, in every process.
pub fn conversation_of(connection: &str, session_id: &str) -> ConversationId {
    let digest = digest(&[b"hansard/conversation/v1\0", connection.as_bytes(), b"\0", session_id.as_bytes()].concat());
    let bytes = *digest.first_chunk::<16>().expect("SHA-256 has 32 bytes");
    ConversationId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The revision by the body, else by the header. They must agree; `initialize` alone may ask for another one.
fn revision(headers: &HeaderMap, params: &Params<'_>) -> Result<String, Malformed> {
    let header = headers::single(headers, headers::PROTOCOL_VERSION)?;
    let meta = params.meta(META_VERSION).and_then(string);
    if let (Some(header), Some(meta)) = (header, &meta)
        && header != meta
    {
        return Err(Malformed::Headers(format!("the header {} does not equal the body", headers::PROTOCOL_VERSION)));
    }
    let asked = params.member("protocolVersion").filter(|_| params.method == "initialize");
    let revision = meta.or_else(|| asked.and_then(string)).or_else(|| header.map(str::to_owned));
    plain_revision(revision.unwrap_or_else(|| REVISION_DEFAULT.to_owned()))
}

fn plain_revision(revision: String) -> Result<String, Malformed> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if revision.is_empty() || revision.len() > REVISION_BYTES_MAX || !revision.bytes().all(plain) {
        return Err(Malformed::Message("the protocol version is not one: send a revision such as 2025-11-25".into()));
    }
    Ok(revision)
}

/// Revisions are dates, so they compare as text; what is no date is taken for a draft of the session eras.
fn era(revision: &str) -> Era {
    let is_date = revision.len() == 10 && revision.starts_with(|first: char| first.is_ascii_digit());
    if is_date && revision >= REVISION_STATELESS { Era::Stateless } else { Era::Sessions }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The params of a message, or an answer's result in their place.
struct Params<'a> {
    method: &'a str,
    content: Option<&'a Content<'a>>,
    meta: Members<'a>,
}

impl<'a> Params<'a> {
    fn of(message: &'a Message<'_>) -> Result<Params<'a>, Malformed> {
        let (method, content) = match &message.shape {
            Shape::Request { method, params, .. } | Shape::Notification { method, params } => {
                (method.as_str(), params.as_ref())
            }
            Shape::Response { result, .. } => ("", Some(result)),
            Shape::Error { .. } => ("", None),
        };
        if let Some(params) = content.filter(|_| !method.is_empty()) {
            refuse_respelled(&params.members)?;
        }
        let meta = content.and_then(|content| Members::of(content.members.get("_meta")?));
        Ok(Params { method, content, meta: meta.unwrap_or_default() })
    }

    fn member(&self, key: &str) -> Option<&'a str> {
        self.content?.members.get(key)
    }

    fn meta(&self, key: &str) -> Option<&'a str> {
        self.meta.get(key)
    }

    /// What the method acts on, if it acts on one thing.
    fn target(&self) -> Result<Option<String>, Malformed> {
        match self.method {
            "tools/call" | "prompts/get" => text(self.member("name"), "name"),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => text(self.member("uri"), "uri"),
            "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel" => text(self.member("taskId"), "taskId"),
            "completion/complete" => self.reference(),
            _ => Ok(None),
        }
    }

    /// What a completion is asked for: a prompt by its name, or a resource by its URI template.
    fn reference(&self) -> Result<Option<String>, Malformed> {
        let reference = self.member("ref").and_then(Members::of).unwrap_or_default();
        match text(reference.get("uri"), "uri")? {
            Some(uri) => Ok(Some(uri)),
            None => text(reference.get("name"), "name"),
        }
    }

    /// The exact text of the arguments. A tool called without any is called with `{}`, whatever `_meta` says beside it.
    fn arguments(&self) -> Option<&'a str> {
        match (self.member("arguments"), self.method) {
            (Some(arguments), _) => Some(arguments),
            (None, "tools/call" | "prompts/get") => Some("{}"),
            (None, _) => self.content.map(|content| content.text),
        }
    }

    fn progress_token(&self) -> Option<Value> {
        let token: Value = serde_json::from_str(self.meta("progressToken")?).ok()?;
        (token.is_string() || token.is_number()).then_some(token)
    }

    fn client(&self) -> Option<String> {
        let initialize = self.member("clientInfo").filter(|_| self.method == "initialize");
        let client = Members::of(self.meta(META_CLIENT).or(initialize)?)?;
        let name = client.get("name").and_then(string)?;
        let client = match client.get("version").and_then(string) {
            Some(version) => format!("{name}/{version}"),
            None => name,
        };
        Some(cut(client, CLIENT_BYTES_MAX))
    }
}

/// Some JSON readers take `Name` for `name`; policy would not see what they call.
fn refuse_respelled(params: &Members<'_>) -> Result<(), Malformed> {
    for key in params.keys() {
        let folded = jsonrpc::folded(key);
        if let Some(known) = KNOWN_PARAMS.iter().find(|known| known.eq_ignore_ascii_case(&folded) && **known != key) {
            return Err(Malformed::Message(format!("params has a key that is spelled like \"{known}\": spell it so")));
        }
    }
    Ok(())
}

fn text(member: Option<&str>, key: &str) -> Result<Option<String>, Malformed> {
    let Some(member) = member else { return Ok(None) };
    string(member).map(Some).ok_or_else(|| Malformed::Message(format!("\"{key}\" must be a string")))
}

/// At most `bytes_max` bytes of `text`, cut between characters.
fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests;
