//! A conversation or an exchange told again, message by message.

use arrow::error::ArrowError;
use datafusion::scalar::ScalarValue;
use schemas::Record;
use uuid::Uuid;

use crate::{Answer, Error, engine::Statement};

/// What was said, in the order in which it was seen.
#[derive(Clone, Debug)]
pub struct Replay {
    pub records: Vec<Record>,
    /// There was more than an answer may have.
    pub truncated: bool,
    pub(crate) answer: Answer,
}

impl Replay {
    pub(crate) fn of(answer: Answer) -> Result<Replay, Error> {
        let mut records = Vec::with_capacity(answer.rows());
        for batch in &answer.batches {
            records.extend(schemas::arrow::from_batch(batch).map_err(|error| Error::Internal(error.to_string()))?);
        }
        Ok(Replay { records, truncated: answer.truncated, answer })
    }

    /// One array of objects, a record each.
    pub fn to_json(&self) -> Result<Vec<u8>, ArrowError> {
        self.answer.to_json()
    }
}

/// What may be replayed: the column that the id stands in is not known beforehand.
pub(crate) fn id(text: &str) -> Result<Uuid, Error> {
    text.trim().parse().map_err(|_| Error::NotAnId(text.to_owned()))
}

pub(crate) fn exchange(id: Uuid) -> Statement {
    statement("exchange_id", id)
}

pub(crate) fn conversation(id: Uuid) -> Statement {
    statement("conversation_id", id)
}

fn statement(column: &str, id: Uuid) -> Statement {
    // Within one emitter its own count is the order; between emitters only the clock is.
    let sql = format!(
        "select * from records where {column} = $1 order by occurred_at, emitter_id, emitter_epoch, emitter_seq, recorded_at"
    );
    Statement { sql, values: vec![ScalarValue::from(id.to_string())] }
}
