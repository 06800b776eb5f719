//! The commit log of the archive: one entry per Parquet object, dense and create-only, as UTF-8 JSON.
//!
//! What the log does not name is not archived, whatever lies in the bucket: the archiver takes its position from here
//! and query finds its files here. The facts of a batch ([`Batch`]) also stand in the footer of its Parquet file, so
//! that an object whose entry was never written can be adopted.
//!
//! Paths are relative to the root of the archive. This file refuses to read or write any of them.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where the entries are.
pub const COMMITS: &str = "log/commits";
/// Where the Parquet objects are.
pub const DATA: &str = "data/v1";
/// The stream of the audit rows.
pub const RECORDS_STREAM: &str = "records";
/// Name of the footer's key-value pair that holds the [`Batch`] as JSON.
pub const FOOTER_KEY: &str = "hansard.batch";
/// What [`Batch::schema`] says of the rows that we write.
pub const RECORD_SCHEMA: &str = "record/v1";
/// Longest list of rule sets or policies in an entry; a batch that saw more says so by `ids_truncated`.
pub const IDS_MAX: usize = 64;

const VERSION: u32 = 1;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Which topic a stream of the archive is made from: written once, before its first object. Offsets mean nothing in
/// any other topic, even of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    version: u32,
    pub topic: String,
    /// As the log gives it.
    pub identity: String,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitEntry {
    pub batch: Batch,
    /// Path of the Parquet object.
    pub object: String,
    /// SHA-256 of the whole object, lower-case hex.
    pub sha256: String,
    /// Size of the object.
    pub bytes: u64,
    /// When the archiver wrote this entry.
    pub committed_at: Timestamp,
}

/// What one Parquet object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub stream: String,
    pub partition: u32,
    /// Where this batch takes over: the `next_offset` of its predecessor, 0 where there is none. Names the object.
    pub start_offset: u64,
    /// Of the first message in it; offsets may have gaps.
    pub first_offset: u64,
    pub last_offset: u64,
    /// Where the next batch takes over.
    pub next_offset: u64,
    pub rows: u64,
    /// Messages in this range that are not rows, because they could not be read or their leaf hash did not match.
    pub quarantined: u64,
    /// RFC 6962 root over the leaf hashes of the rows in order, lower-case hex.
    pub rows_root: String,
    /// Schema of the rows, as `record/v1`.
    pub schema: String,
    /// None when there are no rows.
    pub occurred_at: Option<Span>,
    pub recorded_at: Option<Span>,
    /// Policies and rule sets that the rows name, sorted, at most [`IDS_MAX`] of each.
    pub policy_ids: Vec<String>,
    pub ruleset_ids: Vec<String>,
    pub ids_truncated: bool,
}

/// Earliest and latest of a column, both inclusive; microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub min_us: i64,
    pub max_us: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("not an entry of the commit log")]
    Malformed(#[from] serde_json::Error),
    #[error("the entry has version {0}, newer than this build can read; use a newer build")]
    Newer(u32),
    #[error("the entry says that it follows offset {prev} and starts at {start}; it was altered")]
    Contradictory { prev: u64, start: u64 },
}

/// The entry as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    entry: Kind,
    #[serde(flatten)]
    batch: Batch,
    /// Equals `start_offset`: an entry that does not continue its predecessor is refused.
    prev_next_offset: u64,
    object: String,
    sha256: String,
    bytes: u64,
    committed_at_us: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Batch,
}

impl CommitEntry {
    pub fn to_json(&self) -> Vec<u8> {
        let stored = Stored {
            version: VERSION,
            entry: Kind::Batch,
            batch: self.batch.clone(),
            prev_next_offset: self.batch.start_offset,
            object: self.object.clone(),
            sha256: self.sha256.clone(),
            bytes: self.bytes,
            committed_at_us: self.committed_at.0,
        };
        serde_json::to_vec(&stored).expect("an entry is strings and numbers")
    }

    pub fn from_json(bytes: &[u8]) -> Result<CommitEntry, EntryError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(EntryError::Newer(version));
        }
        let stored: Stored = serde_json::from_slice(bytes)?;
        let (prev, start) = (stored.prev_next_offset, stored.batch.start_offset);
        if prev != start {
            return Err(EntryError::Contradictory { prev, start });
        }
        Ok(CommitEntry {
            batch: stored.batch,
            object: stored.object,
            sha256: stored.sha256,
            bytes: stored.bytes,
            committed_at: Timestamp(stored.committed_at_us),
        })
    }
}

impl Origin {
    pub fn new(topic: &str, identity: String) -> Origin {
        Origin { version: VERSION, topic: topic.to_owned(), identity }
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an origin is strings and numbers")
    }

    pub fn from_json(bytes: &[u8]) -> Result<Origin, EntryError> {
        let origin: Origin = serde_json::from_slice(bytes)?;
        if origin.version > VERSION { Err(EntryError::Newer(origin.version)) } else { Ok(origin) }
    }
}

impl Batch {
    /// The footer's form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a batch is strings and numbers")
    }

    pub fn from_json(text: &str) -> Result<Batch, EntryError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl Span {
    /// Over all of `times`; none of none.
    pub fn over(times: impl IntoIterator<Item = Timestamp>) -> Option<Span> {
        times.into_iter().fold(None, |span, at| Some(Span::including(span, at)))
    }

    /// What `span` spans, and `at`.
    pub fn including(span: Option<Span>, Timestamp(us): Timestamp) -> Span {
        let span = span.unwrap_or(Span { min_us: us, max_us: us });
        Span { min_us: span.min_us.min(us), max_us: span.max_us.max(us) }
    }
}

/// Path of entry `n`; entries count from 0 without a gap.
pub fn entry_path(n: u64) -> String {
    format!("{COMMITS}/{n:020}")
}

/// Where it stands what a stream is made from.
pub fn origin_path(stream: &str) -> String {
    format!("log/origins/{stream}")
}

/// The folder of a stream's objects; below it one folder per day.
pub fn stream_path(stream: &str) -> String {
    format!("{DATA}/stream={stream}")
}

/// Path of a batch. `day_us` is any time on the UTC day in which the log took the batch's first message.
pub fn object_path(stream: &str, day_us: i64, partition: u32, start_offset: u64) -> String {
    object_path_on(stream, &format!("day={}", day(day_us)), partition, start_offset)
}

/// The same with the day's folder (`day=2026-07-28`) given, as a listing shows it.
pub fn object_path_on(stream: &str, day_folder: &str, partition: u32, start_offset: u64) -> String {
    format!("{}/{day_folder}/part={partition:03}/{start_offset:020}.parquet", stream_path(stream))
}

/// The UTC day of a time, as `2026-07-28`.
pub fn day(us: i64) -> String {
    let mut text = Timestamp(us).to_string();
    text.truncate("2026-07-28".len());
    text
}

/// Are these two times on one UTC day?
pub fn same_day(one_us: i64, other_us: i64) -> bool {
    one_us.div_euclid(MICROS_PER_DAY) == other_us.div_euclid(MICROS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> CommitEntry {
        CommitEntry {
            batch: Batch {
                stream: RECORDS_STREAM.to_owned(),
                partition: 3,
                start_offset: 41,
                first_offset: 42,
                last_offset: 99,
                next_offset: 100,
                rows: 57,
                quarantined: 1,
                rows_root: "ab".repeat(32),
                schema: RECORD_SCHEMA.to_owned(),
                occurred_at: Some(Span { min_us: 1_785_230_999_999_999, max_us: 1_785_231_000_000_000 }),
                recorded_at: None,
                policy_ids: vec!["sha256:01".to_owned()],
                ruleset_ids: vec![],
                ids_truncated: false,
            },
            object: object_path(RECORDS_STREAM, 1_785_231_000_000_000, 3, 41),
            sha256: "cd".repeat(32),
            bytes: 12_345,
            committed_at: Timestamp(1_785_231_000_000_007),
        }
    }

    #[test]
    fn version_1_reads_and_writes_its_golden_bytes() {
        let golden = include_bytes!("../golden/commit.v1.json").trim_ascii_end();
        assert_eq!(String::from_utf8_lossy(&entry().to_json()), String::from_utf8_lossy(golden));
        assert_eq!(CommitEntry::from_json(golden).expect("golden"), entry());
    }

    #[test]
    fn the_footer_tells_the_same_batch() {
        assert_eq!(Batch::from_json(&entry().batch.to_json()).expect("own JSON"), entry().batch);
    }

    #[test]
    fn an_origin_is_read_as_it_was_written() {
        let golden = br#"{"version":1,"topic":"hansard.records","identity":"b8tRS7h4TJ2Vt43Dp85v2A"}"#;
        let origin = Origin::new("hansard.records", "b8tRS7h4TJ2Vt43Dp85v2A".to_owned());
        assert_eq!((origin.to_json(), Origin::from_json(golden).expect("golden")), (golden.to_vec(), origin));
        let newer = br#"{"version":2,"topic":"t","identity":"i"}"#;
        assert!(matches!(Origin::from_json(newer), Err(EntryError::Newer(2))));
    }

    #[test]
    fn a_newer_version_another_kind_or_a_contradiction_is_refused() {
        let text = String::from_utf8(entry().to_json()).expect("JSON");
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(matches!(CommitEntry::from_json(newer.as_bytes()), Err(EntryError::Newer(2))));
        let altered = text.replace("\"start_offset\":41", "\"start_offset\":40");
        assert!(matches!(CommitEntry::from_json(altered.as_bytes()), Err(EntryError::Contradictory { .. })));
        let other = text.replace("\"entry\":\"batch\"", "\"entry\":\"rewrite\"");
        assert!(matches!(CommitEntry::from_json(other.as_bytes()), Err(EntryError::Malformed(_))));
    }

    #[test]
    fn paths_sort_as_their_numbers() {
        assert_eq!(entry_path(7), "log/commits/00000000000000000007");
        assert_eq!(
            object_path("records", 1_785_231_000_000_000, 7, 12),
            "data/v1/stream=records/day=2026-07-28/part=007/00000000000000000012.parquet"
        );
        assert!(same_day(0, MICROS_PER_DAY - 1) && !same_day(-1, 0));
    }

    #[test]
    fn a_span_covers_all_times_and_none_of_none() {
        assert_eq!(Span::over([]), None);
        assert_eq!(Span::over([Timestamp(5), Timestamp(-2)]), Some(Span { min_us: -2, max_us: 5 }));
    }
}
