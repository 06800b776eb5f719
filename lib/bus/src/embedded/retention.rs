//! Old messages go: by age, and the oldest first when a topic is too large; a few at a time.
//!
//! It refuses to delete what a group has not committed: a stage that stood still for a week finds everything. Who
//! does not want to wait for a group any more forgets it.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalogue::PartitionId;

/// Messages that one step looks at.
const STEP_MESSAGES_MAX: u32 = 512;

#[derive(Debug, Default)]
pub(super) struct Step {
    /// The partition of which something was deleted, and where it begins now.
    pub(super) deleted: Option<(PartitionId, u64)>,
    pub(super) held: Option<Held>,
}

/// A topic that has messages past their time, and the group that has not read them.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) topic: String,
    pub(super) group: String,
}

#[derive(Debug)]
struct Kept {
    id: PartitionId,
    topic: String,
    first: u64,
    next: u64,
    bytes: u64,
    retention_us: i64,
    /// Bytes of the whole topic above what it may have.
    excess_bytes: u64,
    /// The smallest position of a group.
    floor: u64,
}

/// Deletes a few messages, in the caller's transaction.
pub(super) fn step(connection: &Connection, now_us: i64) -> rusqlite::Result<Step> {
    let mut step = Step::default();
    for partition in oldest_first(connection)? {
        let (end, freed) = passed(connection, &partition, now_us, &mut step)?;
        if end > partition.first {
            delete(connection, &partition, end, freed)?;
            step.deleted = Some((partition.id, end));
            break;
        }
    }
    Ok(step)
}

/// Partitions with messages that could go, the one with the oldest message first.
fn oldest_first(connection: &Connection) -> rusqlite::Result<Vec<Kept>> {
    let mut aged = kept(connection)?
        .into_iter()
        .map(|kept| Ok((first_timestamp_us(connection, kept.id)?, kept)))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    aged.sort_by_key(|(timestamp_us, _)| *timestamp_us);
    Ok(aged.into_iter().map(|(_, kept)| kept).collect())
}

fn first_timestamp_us(connection: &Connection, id: PartitionId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(&format!("SELECT timestamp_us FROM {} ORDER BY offset LIMIT 1", id.table()))?
        .query_row([], |row| row.get(0))
        .optional()
}

fn kept(connection: &Connection) -> rusqlite::Result<Vec<Kept>> {
    connection
        .prepare_cached(
            "SELECT id, topic, first, next, bytes, retention_us,
                max(0, (SELECT sum(bytes) FROM partitions AS other WHERE other.topic = partitions.topic)
                    - retention_bytes),
                coalesce((SELECT min(next) FROM positions WHERE partition = id), next)
             FROM partitions JOIN topics ON name = topic
             WHERE first < next",
        )?
        .query_map([], |row| {
            let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
            Ok(Kept {
                id: PartitionId(row.get(0)?),
                topic: row.get(1)?,
                first: count(2)?,
                next: count(3)?,
                bytes: count(4)?,
                retention_us: row.get(5)?,
                excess_bytes: count(6)?,
                floor: count(7)?,
            })
        })?
        .collect()
}

/// Where the messages end that go now, and how many bytes they are.
fn passed(connection: &Connection, kept: &Kept, now_us: i64, step: &mut Step) -> rusqlite::Result<(u64, u64)> {
    let (mut end, mut freed) = (kept.first, 0);
    let before_us = now_us.saturating_sub(kept.retention_us);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT offset, timestamp_us, length(key) + length(headers) + length(value) FROM {}
         WHERE offset < ?1 ORDER BY offset LIMIT ?2",
        kept.id.table()
    ))?;
    let mut rows = statement.query(params![kept.next as i64, STEP_MESSAGES_MAX])?;
    while let Some(row) = rows.next()? {
        let is_past = row.get::<_, i64>(1)? < before_us || freed < kept.excess_bytes;
        let offset = row.get::<_, i64>(0)? as u64;
        if !is_past {
            break;
        }
        if offset >= kept.floor {
            step.held = held(connection, kept)?;
            break;
        }
        end = offset + 1;
        freed += row.get::<_, i64>(2)? as u64;
    }
    Ok((end, freed))
}

fn delete(connection: &Connection, kept: &Kept, first: u64, freed: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!("DELETE FROM {} WHERE offset < ?1", kept.id.table()))?
        .execute([first as i64])?;
    let bytes = kept.bytes.saturating_sub(freed);
    connection.prepare_cached("UPDATE partitions SET first = ?2, bytes = ?3 WHERE id = ?1")?.execute(params![
        kept.id.0,
        first as i64,
        bytes as i64
    ])?;
    Ok(())
}

fn held(connection: &Connection, kept: &Kept) -> rusqlite::Result<Option<Held>> {
    connection
        .prepare_cached("SELECT group_name FROM positions WHERE partition = ?1 ORDER BY next LIMIT 1")?
        .query_row([kept.id.0], |row| Ok(Held { topic: kept.topic.clone(), group: row.get(0)? }))
        .optional()
}
