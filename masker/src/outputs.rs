//! The messages that one batch of frames becomes: records, and the same as events for SIEMs in the formats that are wanted;
//! approval events; frames for quarantine. All of them are of one transaction.

use std::sync::Arc;

use bus::{Message, Stored};
use bytes::Bytes;
use schemas::{
    Record,
    avro::{FINGERPRINT_HEADER, Framed},
    topic,
};

use crate::{Publishing, row::Row};

/// Message header that says why a sealed frame is in quarantine.
const REASON_HEADER: &str = "reason";

#[derive(Debug)]
pub(crate) struct Outputs {
    publishing: Arc<Publishing>,
    messages: Vec<Message>,
}

impl Outputs {
    pub(crate) fn new(publishing: &Arc<Publishing>) -> Outputs {
        Outputs { publishing: publishing.clone(), messages: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.record(&row.record);
        if let Some(event) = row.event {
            let framed = event.to_message(self.publishing.approvals);
            self.avro(topic::APPROVALS, event.approval_id.0.as_bytes(), framed);
        }
    }

    pub(crate) fn record(&mut self, record: &Record) {
        let (kind, status) = (record.kind.as_str(), record.redaction_status.as_str());
        metrics::counter!("hansard_masker_records_total", "kind" => kind, "status" => status).increment(1);
        let key = record.exchange_id.0.as_bytes();
        self.avro(topic::RECORDS, key, record.to_message(self.publishing.records));
        for format in &self.publishing.events {
            self.messages.push(Message {
                topic: format.topic().to_owned(),
                key: Bytes::copy_from_slice(key),
                headers: Vec::new(),
                value: siem::line(record, *format).into(),
            });
        }
    }

    fn avro(&mut self, topic: &str, key: &[u8], framed: Framed) {
        let headers = framed.fingerprint.map(|fingerprint| (FINGERPRINT_HEADER.to_owned(), fingerprint.into()));
        self.messages.push(Message {
            topic: topic.to_owned(),
            key: Bytes::copy_from_slice(key),
            headers: headers.into_iter().collect(),
            value: framed.value.into(),
        });
    }

    /// The sealed frame as it was, so that it can be masked again when its cause is mended.
    pub(crate) fn quarantine(&mut self, message: &Stored, reason: &'static str) {
        metrics::counter!("hansard_masker_withheld_total", "reason" => reason).increment(1);
        let mut headers = message.headers.clone();
        headers.push((REASON_HEADER.to_owned(), Bytes::from_static(reason.as_bytes())));
        let (key, value) = (message.key.clone(), message.value.clone());
        self.messages.push(Message { topic: topic::QUARANTINE.to_owned(), key, headers, value });
    }

    pub(crate) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
