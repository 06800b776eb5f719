//! What ingress is told by the command: connections, credentials, and every limit by name.
//!
//! It refuses to read files or the environment: secrets arrive resolved.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The URL that clients use, without path; by default what the `Host` header says, which is safe on loopback only.
    pub public_url: Option<Url>,
    pub tls: Option<Tls>,
    pub connections: Vec<Connection>,
    pub limits: Limits,
}

impl Config {
    /// Does a connection mask what passes?
    pub fn masks(&self) -> bool {
        self.connections.iter().any(|connection| connection.mask_answers || connection.mask_requests)
    }
}

/// Certificate chain and private key, PEM files; read again when they change.
#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// One upstream, served at `/c/<name>`.
#[derive(Clone, Debug)]
pub struct Connection {
    pub name: String,
    pub kind: Kind,
    pub upstream: Url,
    pub credential: Option<Credential>,
    pub record: Mode,
    /// What the caller receives is masked.
    pub mask_answers: bool,
    /// What the upstream receives is masked.
    pub mask_requests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mcp,
    /// Any HTTP: recorded and decided on by method and path, its body taken as JSON where it is.
    Http,
}

/// What the gateway shows the upstream, in place of what the caller showed the gateway.
#[derive(Clone, Debug)]
pub struct Credential {
    pub header: HeaderName,
    /// The whole header value; marked sensitive when it is sent.
    pub value: HeaderValue,
}

/// What happens to a call that cannot be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does not happen.
    #[default]
    Required,
    /// It happens, and is counted.
    BestEffort,
    /// Nothing is recorded, only counted.
    Off,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub request_body_bytes_max: usize,
    /// For answers that are not streamed.
    pub answer_body_bytes_max: usize,
    /// One event of a streamed answer.
    pub event_bytes_max: usize,
    pub header_bytes_max: usize,
    /// From the first byte of a connection, or the last answer on it, to the end of the next request's head.
    pub header_read_seconds_max: u64,
    pub body_read_seconds_max: u64,
    pub upstream_connect_seconds_max: u64,
    pub upstream_first_byte_seconds_max: u64,
    /// Silence of either side within an answer.
    pub stream_idle_seconds_max: u64,
    /// How long an answer is still read for the record when its caller has left (session era).
    pub answer_after_disconnect_seconds_max: u64,
    pub connections_max: usize,
    pub drain_seconds_max: u64,
    pub hold_keepalive_seconds: u64,
    pub holds_max: usize,
    pub sessions_max: usize,
    /// Groups of calls in the stateless era, and how long one lasts without a call.
    pub conversations_max: usize,
    pub conversation_idle_seconds_max: u64,
    /// Tool definitions that are remembered, over all connections.
    pub tools_max: usize,
    /// How often traffic that is not recorded is counted in a record of its own.
    pub skipped_report_seconds: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request_body_bytes_max: 16 * 1024 * 1024,
            answer_body_bytes_max: 64 * 1024 * 1024,
            event_bytes_max: 16 * 1024 * 1024,
            header_bytes_max: 64 * 1024,
            header_read_seconds_max: 10,
            body_read_seconds_max: 60,
            upstream_connect_seconds_max: 10,
            upstream_first_byte_seconds_max: 300,
            stream_idle_seconds_max: 3600,
            answer_after_disconnect_seconds_max: 300,
            connections_max: 4096,
            drain_seconds_max: 15,
            hold_keepalive_seconds: 15,
            holds_max: 1000,
            sessions_max: 10_000,
            conversations_max: 10_000,
            conversation_idle_seconds_max: 1800,
            tools_max: 10_000,
            skipped_report_seconds: 60,
        }
    }
}
