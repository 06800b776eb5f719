//! Approval events as JSON: the body of decision frames, and what people are shown.
//!
//! Times are text and not numbers here: sixteen digits in a row look like other things to those who search for secrets.
//! It refuses unknown and missing members, and events that lack what they carry or carry what they should not.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{ApprovalEvent, Held, Vote, What};
use crate::id::{ApprovalId, ExchangeId};

/// JSON that is no approval event. The fault is with whoever wrote it.
#[derive(Debug, thiserror::Error)]
#[error("not an approval event")]
pub struct NotAnEvent {
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Members(#[from] serde_json::Error),
    #[error(transparent)]
    Time(#[from] crate::time::NotATime),
    #[error("`{event}` does not go with what stands beside it")]
    Parts { event: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    approval_id: Uuid,
    exchange_id: Uuid,
    occurred_at: String,
    event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vote: Option<Vote>,
}

impl ApprovalEvent {
    pub fn to_json(&self) -> Value {
        let stored = Stored {
            approval_id: self.approval_id.0,
            exchange_id: self.exchange_id.0,
            occurred_at: self.occurred_at.to_string(),
            event: self.what.as_str().to_owned(),
            held: self.what.held().cloned(),
            vote: self.what.vote().cloned(),
        };
        serde_json::to_value(stored).expect("text, numbers and lists")
    }

    pub fn from_json(json: &Value) -> Result<ApprovalEvent, NotAnEvent> {
        let stored = Stored::deserialize(json).map_err(Why::from)?;
        stored.try_into().map_err(NotAnEvent::from)
    }
}

impl TryFrom<Stored> for ApprovalEvent {
    type Error = Why;

    fn try_from(stored: Stored) -> Result<ApprovalEvent, Why> {
        let Stored { event, held, vote, .. } = stored;
        Ok(ApprovalEvent {
            approval_id: ApprovalId(stored.approval_id),
            exchange_id: ExchangeId(stored.exchange_id),
            occurred_at: stored.occurred_at.parse()?,
            what: What::from_parts(&event, held, vote).ok_or(Why::Parts { event })?,
        })
    }
}

impl From<Why> for NotAnEvent {
    fn from(why: Why) -> NotAnEvent {
        NotAnEvent { why }
    }
}
