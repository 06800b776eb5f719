//! Why there is no id: whose fault it is, and what to do.

use http::StatusCode;

use crate::{ANSWER_BYTES_MAX, SchemaId};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{0}")]
    Config(String),
    #[error("cannot reach the schema registry: check its URL, the network, and who signed its certificate")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the schema registry did not answer within {seconds} seconds")]
    Slow { seconds: u64 },
    #[error("the schema registry's answer broke off, or is longer than {ANSWER_BYTES_MAX} bytes")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "the schema registry refuses who we are or what we may do ({status}): {told}; check username and password, or token"
    )]
    Refused { status: StatusCode, told: String },
    #[error(
        "the schema does not fit what is registered under {subject}: {told}; a topic of Hansard's has a subject of its own, \
         whose compatibility may be BACKWARD or NONE"
    )]
    Incompatible { subject: String, told: String },
    #[error(
        "the schema registry takes no Avro schema like ours ({code}): {told}; use one that speaks Confluent's API, version 1"
    )]
    Invalid { code: i64, told: String },
    #[error("the schema registry knows no schema {0}")]
    UnknownId(SchemaId),
    #[error("the schema registry gave id {id} for {subject}, and holds another schema under it: is it one registry?")]
    Other { subject: String, id: SchemaId },
    #[error("the schema registry answered with status {status}: {told}; {}", remedy(*.status))]
    Status { status: StatusCode, told: String },
    #[error("the schema registry's answer lacks \"{member}\": is there a schema registry at this URL?")]
    Malformed { member: &'static str },
}

impl Error {
    /// Asking again later may help, with nothing changed.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Unreachable(_) | Error::Slow { .. } | Error::Broken(_) => true,
            Error::Status { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => false,
        }
    }
}

fn remedy(status: StatusCode) -> &'static str {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        "this may pass by itself"
    } else if status.is_redirection() {
        "give the URL it is moved to"
    } else {
        "check the URL"
    }
}
