//! The messages that one batch of frames becomes.

use bus::{Message, Stored};
use bytes::Bytes;
use schemas::{Record, topic};

use crate::row::Row;

/// Message header that says why a sealed frame is in quarantine.
pub(crate) const REASON_HEADER: &str = "reason";

/// All words for why a frame is withheld.
const REASONS: [&str; 13] = [
    "unlabelled",
    "unknown_key",
    "damaged",
    "malformed",
    "undecodable",
    "mislabelled",
    "not_text",
    "too_deep",
    "too_large",
    "too_many",
    "unsettled",
    "budget",
    "panic",
];

/// Shows what has not happened yet, so that the first time is seen as an increase.
pub(crate) fn begin_counting() {
    for reason in REASONS {
        metrics::counter!("hansard_masker_withheld_total", "reason" => reason).increment(0);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outputs {
    messages: Vec<Message>,
    records: u64,
    quarantined: u64,
}

impl Outputs {
    pub(crate) fn row(&mut self, row: Row) {
        self.record(&row.record);
        if let Some(event) = row.event {
            self.messages.push(Message {
                topic: topic::APPROVALS.to_owned(),
                key: Bytes::copy_from_slice(event.approval_id.0.as_bytes()),
                headers: Vec::new(),
                value: event.to_avro().into(),
            });
        }
    }

    pub(crate) fn record(&mut self, record: &Record) {
        let (kind, status) = (record.kind.as_str(), record.redaction_status.as_str());
        self.records += 1;
        metrics::counter!("hansard_masker_records_total", "kind" => kind, "status" => status).increment(1);
        self.messages.push(Message {
            topic: topic::RECORDS.to_owned(),
            key: Bytes::copy_from_slice(record.exchange_id.0.as_bytes()),
            headers: Vec::new(),
            value: record.to_avro().into(),
        });
    }

    /// The sealed frame as it was, so that it can be masked again when its cause is mended.
    pub(crate) fn quarantine(&mut self, message: &Stored, reason: &'static str) {
        metrics::counter!("hansard_masker_withheld_total", "reason" => reason).increment(1);
        self.quarantined += 1;
        let mut headers = message.headers.clone();
        headers.retain(|(name, _)| name != REASON_HEADER);
        headers.push((REASON_HEADER.to_owned(), Bytes::from_static(reason.as_bytes())));
        let (key, value) = (message.key.clone(), message.value.clone());
        self.messages.push(Message { topic: topic::QUARANTINE.to_owned(), key, headers, value });
    }

    /// Back to the end of the quarantine, as it was: it may also be no frame at all.
    pub(crate) fn back(&mut self, message: &Stored) {
        self.quarantined += 1;
        let (key, headers, value) = (message.key.clone(), message.headers.clone(), message.value.clone());
        self.messages.push(Message { topic: topic::QUARANTINE.to_owned(), key, headers, value });
    }

    pub(crate) fn extend(&mut self, more: Outputs) {
        self.messages.extend(more.messages);
        (self.records, self.quarantined) = (self.records + more.records, self.quarantined + more.quarantined);
    }

    /// How many records, and how many messages for the quarantine.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.records, self.quarantined)
    }

    pub(crate) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
