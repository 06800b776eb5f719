//! What of one partition waits to be archived.
//!
//! Every message is accounted for: it becomes a row, or, if it cannot be read or its leaf hash does not fit, a copy in
//! quarantine. A bad message never stops the partition.

use std::time::Duration;

use bus::{Message, Stored};
use bytes::Bytes;
use schemas::{
    Record,
    avro::FINGERPRINT_HEADER,
    commit::{Batch, RECORD_SCHEMA, RECORDS_STREAM, same_day},
    leaf, topic,
};
use tlog::Hash;
use tokio::time::Instant;

use crate::{Config, file::FileError, rows::Rows, setback};

/// Headers of a copy in quarantine: why it is there, and where it stands in the log.
const REASON_HEADER: &str = "reason";
const ORIGIN_HEADER: &str = "origin";

#[derive(Debug)]
pub(crate) struct Buffer {
    partition: u32,
    /// Where the batch takes over.
    start_offset: u64,
    /// The next offset that is expected; none below it is taken.
    next_offset: u64,
    first: Option<First>,
    bytes: usize,
    pub(crate) rows: Rows,
    pub(crate) quarantine: Vec<Message>,
}

#[derive(Clone, Copy, Debug)]
struct First {
    offset: u64,
    timestamp_us: i64,
    since: Instant,
}

impl Buffer {
    pub(crate) fn new(partition: u32, start_offset: u64) -> Buffer {
        Buffer {
            partition,
            start_offset,
            next_offset: start_offset,
            first: None,
            bytes: 0,
            rows: Rows::default(),
            quarantine: Vec::new(),
        }
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// When the log took the oldest message; names the day of the object.
    pub(crate) fn oldest_us(&self) -> Option<i64> {
        self.first.map(|first| first.timestamp_us)
    }

    /// Of its messages.
    pub(crate) fn byte_count(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_full(&self, config: &Config) -> bool {
        self.bytes >= config.batch_bytes_max || self.rows.len() + self.quarantine.len() >= config.batch_rows_max
    }

    /// When the batch is to be cut for its age.
    pub(crate) fn due_at(&self, config: &Config) -> Option<Instant> {
        self.first.map(|first| first.since + Duration::from_secs(config.batch_age_seconds_max))
    }

    /// A batch holds one UTC day of the log's time.
    pub(crate) fn is_of_day(&self, timestamp_us: i64) -> bool {
        self.first.is_none_or(|first| same_day(first.timestamp_us, timestamp_us))
    }

    /// Takes the next message; the caller has seen to it that none before it is missing.
    pub(crate) fn push(&mut self, message: Stored) -> Result<(), FileError> {
        let arrived = First { offset: message.offset, timestamp_us: message.timestamp_us, since: Instant::now() };
        self.first.get_or_insert(arrived);
        self.next_offset = message.offset + 1;
        self.bytes += message.value.len();
        match read(&message) {
            Ok((record, leaf)) => self.rows.push(record, leaf, message.value.len())?,
            Err(reason) => self.quarantine.push(copy(self.partition, message, &reason)),
        }
        Ok(())
    }

    /// What the batch holds; none when nothing came.
    pub(crate) fn batch(&self) -> Option<Batch> {
        let first = self.first?;
        let rows = &self.rows;
        Some(Batch {
            stream: RECORDS_STREAM.to_owned(),
            partition: self.partition,
            start_offset: self.start_offset,
            first_offset: first.offset,
            last_offset: self.next_offset - 1,
            next_offset: self.next_offset,
            rows: rows.len() as u64,
            quarantined: self.quarantine.len() as u64,
            rows_root: rows.root(),
            schema: RECORD_SCHEMA.to_owned(),
            occurred_at: rows.occurred_at,
            recorded_at: rows.recorded_at,
            policy_ids: rows.policy_ids.sorted(),
            ruleset_ids: rows.ruleset_ids.sorted(),
            ids_truncated: rows.policy_ids.truncated || rows.ruleset_ids.truncated,
        })
    }
}

fn read(message: &Stored) -> Result<(Record, Hash), String> {
    let fingerprint = message.header(FINGERPRINT_HEADER).map(AsRef::as_ref);
    let record = Record::from_message(&message.value, fingerprint).map_err(|error| setback::chain(&error))?;
    leaf::check(&record).map_err(|error| setback::chain(&error))?;
    let leaf = record.leaf_hash.as_slice().try_into().map_err(|_| "its leaf hash is none".to_owned())?;
    Ok((record, leaf))
}

fn copy(partition: u32, message: Stored, reason: &str) -> Message {
    let origin = format!("{}/{partition}/{}", topic::RECORDS, message.offset);
    tracing::error!(origin, reason, "a record is not what the masker wrote; it goes to quarantine");
    metrics::counter!("hansard_archiver_quarantined_total").increment(1);
    let mut headers = message.headers;
    headers.push((REASON_HEADER.to_owned(), Bytes::copy_from_slice(reason.as_bytes())));
    headers.push((ORIGIN_HEADER.to_owned(), Bytes::from(origin)));
    Message { topic: topic::QUARANTINE.to_owned(), key: message.key, headers, value: message.value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_counted_and_kept_apart() {
        let mut buffer = Buffer::new(2, 7);
        let garbage = Bytes::from_static(b"no record");
        buffer
            .push(Stored { offset: 9, timestamp_us: 5, key: Bytes::new(), headers: vec![], value: garbage.clone() })
            .expect("it is taken");
        let batch = buffer.batch().expect("one message");
        assert_eq!((batch.start_offset, batch.first_offset, batch.next_offset), (7, 9, 10));
        assert_eq!((batch.rows, batch.quarantined, batch.occurred_at), (0, 1, None));
        let copy = &buffer.quarantine[0];
        assert_eq!((copy.topic.as_str(), &copy.value), (topic::QUARANTINE, &garbage));
        assert_eq!(copy.headers[1], (ORIGIN_HEADER.to_owned(), Bytes::from("hansard.records/2/9")));
    }

    #[test]
    fn a_batch_is_cut_at_midnight_and_when_it_is_full() {
        let mut buffer = Buffer::new(0, 0);
        let config = Config { batch_rows_max: 1, ..Config::default() };
        assert!(buffer.is_of_day(i64::MIN) && !buffer.is_full(&config) && buffer.due_at(&config).is_none());
        buffer
            .push(Stored { offset: 0, timestamp_us: -1, key: Bytes::new(), headers: vec![], value: Bytes::new() })
            .expect("it is taken");
        assert!(!buffer.is_of_day(0) && buffer.is_of_day(-2) && buffer.is_full(&config));
        assert!(buffer.due_at(&config).is_some());
    }
}
