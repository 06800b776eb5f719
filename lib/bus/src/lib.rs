//! The log between the stages: what they need of it, and its implementations.
//!
//! Messages are shaped as Kafka's are (topic, partition, offset, timestamp, key, ordered headers, value), so nothing
//! above these traits knows which log it stands on. The **embedded** log is one SQLite file; the other one is **Kafka**.
//!
//! This room refuses to know what the messages mean: no schema, no seal, no stage.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

mod directory;
pub mod embedded;
#[cfg(feature = "fault")]
pub mod fault;
pub mod kafka;
mod lag;
mod murmur2;

pub use directory::{DirectoryLock, data_dir_lock};
pub use lag::{Behind, Lag};

/// One log, and the three ways to use it.
#[async_trait]
pub trait Bus: Send + Sync + fmt::Debug {
    fn producer(&self) -> Arc<dyn Producer>;
    fn reader(&self) -> Arc<dyn Reader>;
    /// Joins `group` for `topics`. The first `next` tells which partitions it was given.
    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error>;
}

#[async_trait]
pub trait Producer: Send + Sync + fmt::Debug {
    /// Resolves when the message is durable: embedded, fsynced; Kafka, acknowledged by all in-sync replicas. Messages
    /// of one key keep the order in which their `send` was first polled. When it fails, the message may or may not be
    /// in the log; it is never there twice.
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded>;
}

/// Reads without a group: the tail for SQL, the approvals for ingress. Sees committed messages only.
#[async_trait]
pub trait Reader: Send + Sync + fmt::Debug {
    async fn partitions(&self, topic: &str) -> Result<u32, Error>;
    /// What tells this topic from every other that has had or will have its name, in this log or in another one. `None`
    /// where the log does not know.
    async fn identity(&self, _topic: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }
    /// The first offset that is still kept, and the next one that will be written.
    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error>;
    /// Messages from `from` on, in order, at most `bytes_max` of values (but at least one message). Waits up to
    /// `patience` for the first; an empty answer means that there was none.
    async fn read(&self, at: &Partition, from: u64, bytes_max: usize, patience: Duration)
    -> Result<Vec<Stored>, Error>;
}

/// A member of a consumer group.
#[async_trait]
pub trait Consumer: Send + fmt::Debug {
    /// The next thing that happened to this member. Cancel safe.
    async fn next(&mut self) -> Result<Delivery, Error>;
    /// Reads `at` from `offset` on, whatever the group has committed.
    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error>;
    /// Publishes the outputs and advances the group's positions, all or nothing. Who reads sees the outputs soon
    /// after, whoever takes over a partition sees its position at once. A member that has lost one of the partitions
    /// is told [`CommitError::Fenced`], and nothing of its commit is ever seen; what it has lost is told by `next`.
    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError>;
    /// Leaves the group, so that others take over at once.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    /// Messages of one key go to one partition; see [`partition_of`].
    pub key: Bytes,
    pub headers: Vec<(String, Bytes)>,
    pub value: Bytes,
}

/// A message as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub offset: u64,
    /// When the log took it; microseconds since the Unix epoch.
    pub timestamp_us: i64,
    pub key: Bytes,
    pub headers: Vec<(String, Bytes)>,
    pub value: Bytes,
}

impl Stored {
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    pub topic: String,
    pub number: u32,
}

/// Where a message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    pub partition: u32,
    pub offset: u64,
}

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub at: Partition,
    /// The first offset that is not done.
    pub next: u64,
    /// What the member wants to know of it when it starts again; at most [`NOTE_BYTES_MAX`].
    pub note: String,
}

/// Longest note of a position, in bytes (Kafka's `offset.metadata.max.bytes`).
pub const NOTE_BYTES_MAX: usize = 4096;
/// Longest value of a message, in bytes.
pub const VALUE_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// These partitions are this member's from now on; each with the group's position (its `next` is the first
    /// kept offset and its `note` empty where the group had none).
    Assigned(Vec<Position>),
    /// These are not any more. What was not committed will be read by another member.
    Revoked(Vec<Partition>),
    /// The next messages of one partition, in order; offsets may have gaps.
    Messages(Partition, Vec<Stored>),
}

/// A topic as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: u32,
    pub retention: Duration,
    /// Per topic; the oldest go first.
    pub retention_bytes: u64,
}

/// The message is not durable, as far as is known.
#[derive(Debug, thiserror::Error)]
#[error("the log could not take the message")]
pub struct Unrecorded {
    #[source]
    pub source: Error,
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("another member owns the partition now")]
    Fenced,
    #[error("the log could not commit")]
    Failed(#[source] Error),
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Error {
        match error {
            CommitError::Failed(error) => error,
            fenced @ CommitError::Fenced => Error::new(fenced.to_string()),
        }
    }
}

/// What went wrong with the log itself.
#[derive(Debug, thiserror::Error)]
#[error("{tried}")]
pub struct Error {
    /// What was tried, and what to do.
    tried: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(tried: impl Into<String>) -> Error {
        Error { tried: tried.into(), source: None }
    }

    pub fn because(tried: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error { tried: tried.into(), source: Some(source.into()) }
    }
}

/// The partition of a key: murmur2, as Kafka's default partitioner has it, so that both logs agree.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    murmur2::partition(key, partitions)
}
