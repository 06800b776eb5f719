//! From a message of the log to the frame inside, or to the reason why there is none.
//!
//! It refuses to guess: what does not open exactly as it was sealed is unreadable.

use bus::Stored;
use envelope::{OpenError, Opener};
use schemas::{
    ExchangeId, Frame, FrameKind,
    frame::{KIND_HEADER, associated_data},
    topic,
};
use uuid::Uuid;

/// A message that gives no frame, and what its outside says of it.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) exchange_id: ExchangeId,
    pub(crate) kind: Option<FrameKind>,
    /// In one word, for metrics and the quarantine header.
    pub(crate) word: &'static str,
    /// For the record: what is wrong and what to do.
    pub(crate) reason: String,
}

pub(crate) fn open(opener: &Opener, message: &Stored) -> Result<Frame, Unreadable> {
    let exchange_id = Uuid::from_slice(&message.key).map(ExchangeId);
    let kind = message.header(KIND_HEADER).and_then(|word| FrameKind::parse(std::str::from_utf8(word).ok()?));
    let unreadable = |word, reason: String| Unreadable {
        exchange_id: exchange_id.clone().unwrap_or(ExchangeId(Uuid::nil())),
        kind,
        word,
        reason,
    };
    let (Ok(id), Some(known)) = (&exchange_id, kind) else {
        return Err(unreadable("unlabelled", "the message has no exchange id or no known kind".to_owned()));
    };
    let opened = opener.open(&message.value, &associated_data(topic::FRAMES, *id, known));
    let opened = opened.map_err(|error| unreadable(word(&error), error.to_string()))?;
    let frame = Frame::from_avro(&opened).map_err(|error| unreadable("undecodable", error.to_string()))?;
    if frame.exchange_id != *id || frame.kind != known {
        return Err(unreadable("mislabelled", "the frame inside is of another exchange or kind".to_owned()));
    }
    Ok(frame)
}

fn word(error: &OpenError) -> &'static str {
    match error {
        OpenError::UnknownKey(_) => "unknown_key",
        OpenError::Damaged => "damaged",
        OpenError::Malformed => "malformed",
    }
}
