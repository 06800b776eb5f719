//! Why there is no answer: whose fault it is, and what to do.

use std::time::Duration;

use datafusion::error::DataFusionError;
use http::StatusCode;
use schemas::Outcome;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The asker's fault: the message says what is wrong with the statement.
    #[error("the statement cannot be answered: {0}")]
    Statement(String),
    #[error("the statement is longer than {bytes_max} bytes; ask a shorter one")]
    TooLong { bytes_max: usize },
    #[error("the statement has {what}, more than the {max} that are allowed; ask a simpler one")]
    TooDeep { what: &'static str, max: usize },
    #[error("the statement ran longer than {} s; narrow it, for example by occurred_at", .0.as_secs())]
    TooSlow(Duration),
    #[error("the statement needs more than {} MiB of memory; narrow it, or sort and group by fewer columns", .bytes_max >> 20)]
    TooBig { bytes_max: usize },
    #[error("too many statements are at work; try again in a moment")]
    Busy,
    #[error("no exchange or conversation {0} is in the trail")]
    NotFound(String),
    #[error("{0} is not an id: give an exchange_id or a conversation_id (a UUID)")]
    NotAnId(String),
    #[error("who asks is in none of the groups that may read the trail")]
    Forbidden,
    #[error("not let in: {0}")]
    Unauthenticated(#[from] identity::Refused),
    #[error("the request is malformed: {0}")]
    Malformed(String),
    /// Our fault; nothing was answered.
    #[error("the read could not be recorded, so it is not answered; try again")]
    Unrecorded(#[source] bus::Unrecorded),
    #[error("the archive cannot be read: {what}")]
    Archive {
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error(
        "hansard.records is another log than the one that this archive was made from (log/origins/records in the archive says \
         which): ask with the [archive] url that belongs to this log"
    )]
    Foreign,
    #[error("what is not archived yet cannot be read")]
    Tail(#[source] bus::Error),
    #[error(
        "the log keeps no offsets {from} to {start} of partition {number} any more: they are in the archive, ask for them by \
             SQL, and go on from {number}:{start}"
    )]
    Gone { number: u32, from: u64, start: u64 },
    #[error(
        "the message at offset {offset}, read from {place}, is no record that this version can read ({why}): use the version of \
         the masker that wrote it, or go on behind it"
    )]
    Unreadable { place: String, offset: u64, why: String },
    #[error("the log moved on while the statement ran; ask again")]
    Moved,
    #[error("the answer could not be made: {0}")]
    Internal(String),
}

impl Error {
    /// The HTTP status that says the same.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::Statement(_) | Error::Malformed(_) | Error::NotAnId(_) => StatusCode::BAD_REQUEST,
            Error::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::TooDeep { .. } | Error::TooSlow(_) | Error::TooBig { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy => StatusCode::TOO_MANY_REQUESTS,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Gone { .. } => StatusCode::GONE,
            Error::Forbidden => StatusCode::FORBIDDEN,
            Error::Unauthenticated(identity::Refused::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Unrecorded(_) | Error::Archive { .. } | Error::Foreign | Error::Tail(_) | Error::Moved => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Unreadable { .. } | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word for the column `outcome` of the read that was refused.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Statement(_) | Error::Malformed(_) | Error::NotAnId(_) | Error::NotFound(_) | Error::Gone { .. } => {
                Outcome::Malformed
            }
            Error::TooLong { .. } | Error::TooDeep { .. } | Error::TooBig { .. } => Outcome::TooLarge,
            Error::TooSlow(_) | Error::Busy => Outcome::Timeout,
            Error::Forbidden => Outcome::Forbidden,
            Error::Unauthenticated(_) => Outcome::Unauthenticated,
            Error::Unrecorded(_) => Outcome::Unrecorded,
            Error::Archive { .. }
            | Error::Foreign
            | Error::Tail(_)
            | Error::Moved
            | Error::Unreadable { .. }
            | Error::Internal(_) => Outcome::Unreachable,
        }
    }

    pub(crate) fn gone(number: u32, from: u64, start: u64) -> Error {
        Error::Gone { number, from, start }
    }

    pub(crate) fn archive(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Archive { what: what.into(), source: Some(source.into()) }
    }

    /// What DataFusion says, by whose fault it is.
    pub(crate) fn from_engine(error: DataFusionError, memory_bytes_max: usize) -> Error {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Error::TooBig { bytes_max: memory_bytes_max },
            DataFusionError::ObjectStore(source) => {
                Error::Archive { what: source.to_string(), source: Some(Box::new(error)) }
            }
            DataFusionError::ParquetError(source) => {
                Error::Archive { what: format!("a Parquet file is damaged: {source}"), source: None }
            }
            DataFusionError::External(source) if source.is::<Error>() => {
                Error::Archive { what: source.to_string(), source: None }
            }
            DataFusionError::Internal(what) => Error::Internal(what.clone()),
            _ => Error::Statement(told(&error)),
        }
    }
}

/// DataFusion's own words, suggestions of columns included, without the labels that mean nothing to a person.
fn told(error: &DataFusionError) -> String {
    if let DataFusionError::SQL(parser, _) = error.find_root() {
        return parser.to_string();
    }
    let text = error.strip_backtrace();
    let labels =
        ["Error during planning: ", "Schema error: ", "Execution error: ", "This feature is not implemented: "];
    labels.iter().fold(text, |text, label| text.replace(label, ""))
}
