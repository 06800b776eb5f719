//! The topics of the log and the numbers that their partitions have in the file.
//!
//! A topic keeps the number of partitions with which it was made, since keys would otherwise change their partition.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{Error, Partition, Topic};

/// A partition's number in the file, over all topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartitionId(pub(super) i64);

impl PartitionId {
    /// The table of its messages.
    pub(super) fn table(self) -> String {
        format!("log_{}", self.0)
    }

    pub(super) fn make_table(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(&format!(
            "CREATE TABLE {} (
                offset       INTEGER PRIMARY KEY,
                timestamp_us INTEGER NOT NULL,
                key          BLOB NOT NULL,
                headers      BLOB NOT NULL,
                value        BLOB NOT NULL
            )",
            self.table()
        ))
    }
}

/// Read once, when the log is opened.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    topics: BTreeMap<String, Vec<PartitionId>>,
}

impl Catalogue {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Catalogue> {
        let mut statement = connection.prepare("SELECT topic, id FROM partitions ORDER BY topic, number")?;
        let mut rows = statement.query([])?;
        let mut topics: BTreeMap<String, Vec<PartitionId>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            topics.entry(row.get(0)?).or_default().push(PartitionId(row.get(1)?));
        }
        Ok(Catalogue { topics })
    }

    pub(super) fn topic(&self, topic: &str) -> Result<&[PartitionId], Error> {
        self.topics.get(topic).map(Vec::as_slice).ok_or_else(|| {
            Error::new(format!("the log has no topic {topic}: open it with this topic in its configuration"))
        })
    }

    pub(super) fn partition(&self, at: &Partition) -> Result<PartitionId, Error> {
        let partitions = self.topic(&at.topic)?;
        partitions.get(at.number as usize).copied().ok_or_else(|| {
            Error::new(format!("topic {} has {} partitions, none is number {}", at.topic, partitions.len(), at.number))
        })
    }

    /// The name of a partition; `None` for one that was made after the log was opened here.
    pub(super) fn name(&self, id: PartitionId) -> Option<Partition> {
        self.topics.iter().find_map(|(topic, partitions)| {
            let number = partitions.iter().position(|partition| *partition == id)?;
            Some(Partition { topic: topic.clone(), number: number as u32 })
        })
    }
}

/// Makes the topics that are missing and takes over changed retention. Writes nothing when all is as it should be.
pub(super) fn make_topics(connection: &mut Connection, topics: &[Topic]) -> rusqlite::Result<()> {
    let mut stale = Vec::new();
    for topic in topics {
        if !is_current(connection, topic)? {
            stale.push(topic);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for topic in stale {
        make(&transaction, topic)?;
    }
    transaction.commit()
}

fn is_current(connection: &Connection, topic: &Topic) -> rusqlite::Result<bool> {
    let kept = connection
        .query_row("SELECT retention_us, retention_bytes FROM topics WHERE name = ?1", [&topic.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(kept == Some(retention(topic)))
}

fn make(transaction: &Transaction<'_>, topic: &Topic) -> rusqlite::Result<()> {
    let (retention_us, retention_bytes) = retention(topic);
    transaction.execute(
        "INSERT INTO topics (name, retention_us, retention_bytes) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET retention_us = ?2, retention_bytes = ?3",
        params![topic.name, retention_us, retention_bytes],
    )?;
    let made: u32 =
        transaction.query_row("SELECT count(*) FROM partitions WHERE topic = ?1", [&topic.name], |row| row.get(0))?;
    if made != 0 {
        return Ok(());
    }
    for number in 0..topic.partitions.max(1) {
        transaction.execute("INSERT INTO partitions (topic, number) VALUES (?1, ?2)", params![topic.name, number])?;
        PartitionId(transaction.last_insert_rowid()).make_table(transaction)?;
    }
    Ok(())
}

fn retention(topic: &Topic) -> (i64, i64) {
    let retention_us = i64::try_from(topic.retention.as_micros()).unwrap_or(i64::MAX);
    (retention_us, i64::try_from(topic.retention_bytes).unwrap_or(i64::MAX))
}
