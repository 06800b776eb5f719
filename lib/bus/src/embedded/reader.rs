//! Reading: connections of their own, which the writer never waits for.
//!
//! It refuses to read what is not committed, and to hold more than a read's limits in memory.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use tokio::sync::Semaphore;

use super::{catalogue::PartitionId, file, headers};
use crate::{Error, Stored};

/// Reads at the same time, and so connections.
const CONNECTIONS_MAX: usize = 8;
/// Messages of one read at most.
pub(super) const READ_MESSAGES_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Connections {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Connections {
    pub(super) fn new(path: PathBuf) -> Connections {
        Connections { path, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS_MAX) }
    }

    /// Runs `read` on a thread that may wait for the disk.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let connections = self.clone();
        let ran = tokio::task::spawn_blocking(move || connections.run_here(read)).await;
        ran.map_err(|source| Error::because("a read of the log did not end", source))?
    }

    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn run_here<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = self.idle().pop();
        let opened = idle.map_or_else(|| file::open_reader(&self.path), Ok);
        let read = opened.and_then(|connection| Ok((read(&connection)?, connection)));
        let (answer, connection) = read.map_err(|source| file::explained(&self.path, source))?;
        self.idle().push(connection);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first offset that is kept, and the next one that will be written.
pub(super) fn bounds(connection: &Connection, id: PartitionId) -> rusqlite::Result<std::ops::Range<u64>> {
    connection
        .prepare_cached("SELECT first, next FROM partitions WHERE id = ?1")?
        .query_row([id.0], |row| Ok(row.get::<_, i64>(0)? as u64..row.get::<_, i64>(1)? as u64))
}

/// What tells this log from any other.
pub(super) fn identity(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT id FROM identity", [], |row| row.get(0))
}

/// Messages from `from` on: at least one, if there is one, and then as many as fit.
pub(super) fn messages(
    connection: &Connection,
    id: PartitionId,
    from: u64,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT offset, timestamp_us, key, headers, length(value), value FROM {}
         WHERE offset >= ?1 ORDER BY offset LIMIT ?2",
        id.table()
    ))?;
    let mut rows = statement.query(params![from as i64, READ_MESSAGES_MAX as i64])?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, i64>(4)? as usize;
        if bytes > bytes_max && !messages.is_empty() {
            break;
        }
        messages.push(stored(row)?);
    }
    Ok(messages)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let headers = headers::from_blob(row.get_ref(3)?.as_blob()?).ok_or_else(|| {
        file::refused(rusqlite::ffi::SQLITE_CORRUPT, "the headers of a message are not readable".to_owned())
    })?;
    Ok(Stored {
        offset: row.get::<_, i64>(0)? as u64,
        timestamp_us: row.get(1)?,
        key: Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?),
        headers,
        value: Bytes::copy_from_slice(row.get_ref(5)?.as_blob()?),
    })
}
