//! Messages into the log, within the transaction of one batch.
//!
//! The end of each partition is read once per batch and written once, whatever the number of messages. It refuses
//! to write a message that is not sound; that message alone fails.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    catalogue::{Catalogue, PartitionId},
    headers,
    job::message_bytes,
};
use crate::{Error, Message, Offset, Stored, VALUE_BYTES_MAX, partition_of};

/// Longest key and headers of a message together, in bytes.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// The ends of the partitions that a batch has written to.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    connection: &'a Connection,
    catalogue: &'a Catalogue,
    now_us: i64,
    ends: BTreeMap<PartitionId, End>,
    written: Vec<(PartitionId, Stored)>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    next: u64,
    bytes: u64,
    timestamp_us: i64,
}

impl<'a> Ends<'a> {
    pub(super) fn new(connection: &'a Connection, catalogue: &'a Catalogue, now_us: i64) -> Ends<'a> {
        Ends { connection, catalogue, now_us, ends: BTreeMap::new(), written: Vec::new() }
    }

    /// The partition of a message that can be appended.
    pub(super) fn accept(&self, message: &Message) -> Result<(PartitionId, u32), Error> {
        let partitions = self.catalogue.topic(&message.topic)?;
        let head = message_bytes(message) - message.value.len();
        if head > HEAD_BYTES_MAX || message.value.len() > VALUE_BYTES_MAX {
            let bytes = message.value.len();
            return Err(Error::new(format!(
                "the message for {} is too large: {bytes} bytes of at most {VALUE_BYTES_MAX}, and {head} of key and \
                 headers of at most {HEAD_BYTES_MAX}",
                message.topic
            )));
        }
        let number = partition_of(&message.key, partitions.len() as u32);
        Ok((partitions[number as usize], number))
    }

    /// Appends what [`Ends::accept`] has found sound.
    pub(super) fn append(&mut self, message: &Message, (id, number): (PartitionId, u32)) -> rusqlite::Result<Offset> {
        let end = self.end(id)?;
        let offset = end.next;
        end.next += 1;
        end.bytes += message_bytes(message) as u64;
        let timestamp_us = end.timestamp_us;
        let headers = headers::to_blob(&message.headers);
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO {} (offset, timestamp_us, key, headers, value) VALUES (?1, ?2, ?3, ?4, ?5)",
                id.table()
            ))?
            .execute(params![offset as i64, timestamp_us, &message.key[..], headers, &message.value[..]])?;
        let Message { key, headers, value, .. } = message.clone();
        self.written.push((id, Stored { offset, timestamp_us, key, headers, value }));
        Ok(Offset { partition: number, offset })
    }

    /// Writes the ends back; what it gives is all that was appended.
    pub(super) fn finish(self) -> rusqlite::Result<Vec<(PartitionId, Stored)>> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE partitions SET next = ?2, bytes = ?3, timestamp_us = ?4 WHERE id = ?1")?;
        for (id, end) in &self.ends {
            update.execute(params![id.0, end.next as i64, end.bytes as i64, end.timestamp_us])?;
        }
        Ok(self.written)
    }

    /// Time never goes back within a partition, even if the clock does.
    fn end(&mut self, id: PartitionId) -> rusqlite::Result<&mut End> {
        if !self.ends.contains_key(&id) {
            let mut end = read_end(self.connection, id)?;
            end.timestamp_us = end.timestamp_us.max(self.now_us);
            self.ends.insert(id, end);
        }
        Ok(self.ends.get_mut(&id).expect("it was just put there"))
    }
}

fn read_end(connection: &Connection, id: PartitionId) -> rusqlite::Result<End> {
    connection.prepare_cached("SELECT next, bytes, timestamp_us FROM partitions WHERE id = ?1")?.query_row(
        [id.0],
        |row| {
            let (next, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(End { next: next as u64, bytes: bytes as u64, timestamp_us: row.get(2)? })
        },
    )
}
