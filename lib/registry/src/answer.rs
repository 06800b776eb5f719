//! What a registry answered: a status and JSON, whose `error_code` says more than the status.

use http::StatusCode;
use serde_json::Value;

use crate::{Error, SchemaId};

/// Error codes of the API.
const UNKNOWN_SUBJECT: i64 = 40401;
const UNKNOWN_SCHEMA: i64 = 40403;
/// What is shown of an answer that is no JSON, in characters.
const SHOWN_MAX: usize = 200;

#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, body: &[u8]) -> Answer {
        let text = || String::from_utf8_lossy(body).chars().take(SHOWN_MAX).collect::<String>().into();
        Answer { status, body: serde_json::from_slice(body).unwrap_or_else(|_| text()) }
    }

    pub(crate) fn is_unknown_subject(&self) -> bool {
        self.code() == UNKNOWN_SUBJECT
    }

    pub(crate) fn is_unknown_schema(&self) -> bool {
        self.code() == UNKNOWN_SCHEMA
    }

    /// An answer that says yes, or why it does not.
    pub(crate) fn good(self) -> Result<Answer, Error> {
        self.of_subject("")
    }

    /// The same, of a question about a subject.
    pub(crate) fn of_subject(self, subject: &str) -> Result<Answer, Error> {
        let (status, code, told) = (self.status, self.code(), self.told());
        match status {
            StatusCode::OK => Ok(self),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Refused { status, told }),
            StatusCode::CONFLICT => Err(Error::Incompatible { subject: subject.to_owned(), told }),
            StatusCode::UNPROCESSABLE_ENTITY => Err(Error::Invalid { code, told }),
            _ => Err(Error::Status { status, told }),
        }
    }

    pub(crate) fn id(&self) -> Result<SchemaId, Error> {
        let id = self.body.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.map(SchemaId).ok_or(Error::Malformed { member: "id" })
    }

    pub(crate) fn text(&self, member: &'static str) -> Result<String, Error> {
        self.body.get(member).and_then(Value::as_str).map(str::to_owned).ok_or(Error::Malformed { member })
    }

    fn code(&self) -> i64 {
        self.body.get("error_code").and_then(Value::as_i64).unwrap_or_default()
    }

    fn told(&self) -> String {
        let told = self.body.get("message").and_then(Value::as_str).or(self.body.as_str()).unwrap_or_default();
        if told.is_empty() { "it does not say why".to_owned() } else { told.replace(['\r', '\n'], " ") }
    }
}
