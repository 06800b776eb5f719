//! The SQLite file: how it is made, opened and checked.
//!
//! It refuses a file of another program, of a newer version, or one that is damaged: nothing is repaired silently.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};
use tracing::info;

use super::catalogue::PartitionId;
use crate::Error;

/// "Hans", so that a database of something else is told from a log.
const APPLICATION_ID: i32 = 0x4861_6e73;
const VERSION: i32 = 3;
/// How long one process waits while another one writes.
const BUSY_SECONDS_MAX: u64 = 5;
/// Files up to this size are read in whole after an unclean stop; of larger ones only the tables of state.
const CHECKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Pages in the write-ahead log at which SQLite itself makes a checkpoint. The writer does so earlier, after its
/// answers; this is the limit for the case that it could not.
const WAL_PAGES_MAX: u32 = WAL_BYTES_KEPT / PAGE_BYTES;
/// What the write-ahead log is cut to after it has grown.
const WAL_BYTES_KEPT: u32 = 32 * 1024 * 1024;

/// Bytes of a page. Two or three records fit into one, and a transaction of one small message still writes little.
const PAGE_BYTES: u32 = 8192;
/// Statements of one connection that stay prepared: some for each partition.
const STATEMENTS_MAX: usize = 256;

/// Pages that a reader keeps, in KiB: those of the tree above what it reads, which it reads once.
const READER_CACHE_KIB: i32 = 256;

const SCHEMA_1: &str = include_str!("schema_1.sql");
const SCHEMA_2: &str = include_str!("schema_2.sql");
const SCHEMA_3: &str = include_str!("schema_3.sql");

/// An open log file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Held shared by everyone who has the log open.
    pub(super) presence: File,
    /// Nobody else had it open: whatever members it lists are of processes that have ended.
    pub(super) alone: bool,
}

pub(super) fn open(path: &Path) -> Result<Opened, Error> {
    let (presence, alone) = presence(path)?;
    let unclean = alone && std::fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0);
    let connection = opened(path, unclean, alone).map_err(|source| explained(path, source))?;
    presence.lock_shared().map_err(|source| {
        Error::because(format!("cannot lock {}: is it on a network disk?", beside(path, "-open").display()), source)
    })?;
    Ok(Opened { connection, presence, alone })
}

/// For reading only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

/// What SQLite said, in the operator's words.
pub(super) fn explained(path: &Path, source: rusqlite::Error) -> Error {
    Error::because(explanation(path, &source), source)
}

pub(super) fn explanation(path: &Path, source: &rusqlite::Error) -> String {
    let path = path.display();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("the disk of the log {path} is full: make room, it goes on by itself"),
        Some(ErrorCode::NotADatabase) => {
            format!("{path} is not a Hansard log or is damaged: move it away, or put back a sound copy")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("the log {path} is damaged: stop, keep a copy of it, check the disk, and put back a sound copy")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another process has kept the log {path} busy for too long: find and stop it")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("cannot open the log {path}: check that its directory exists and that both are writable")
        }
        Some(ErrorCode::SystemIoFailure) => format!("the disk of the log {path} fails: check it"),
        _ => format!("the log {path} failed"),
    }
}

/// Whoever has the log open holds a shared lock beside it; whoever could lock it alone is the only one. The lock
/// stays exclusive until the file is checked.
fn presence(path: &Path) -> Result<(File, bool), Error> {
    let beside = beside(path, "-open");
    let tried = || format!("cannot open {}: check that its directory exists and is writable", beside.display());
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&beside);
    let file = file.map_err(|source| Error::because(tried(), source))?;
    match file.try_lock() {
        Ok(()) => Ok((file, true)),
        Err(TryLockError::WouldBlock) => {
            file.lock_shared().map_err(|source| Error::because(tried(), source))?;
            Ok((file, false))
        }
        Err(TryLockError::Error(source)) => Err(Error::because(tried(), source)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn opened(path: &Path, unclean: bool, alone: bool) -> rusqlite::Result<Connection> {
    let new = !path.exists();
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    if version(&connection)? == 0 {
        make(&mut connection)?;
    }
    checked_version(&connection)?;
    upgrade(&mut connection, alone)?;
    if new {
        keep_name(path);
    }
    if unclean {
        check(path, &connection)?;
    }
    Ok(connection)
}

fn connect(path: &Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS_MAX))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    // Otherwise each new value of a bound parameter has its statement planned anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// All or nothing, and only by one of those who come at the same time.
fn make(connection: &mut Connection) -> rusqlite::Result<()> {
    let is_empty: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if !is_empty {
        return Ok(()); // Another program's, or made by now: the check of the version tells.
    }
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA_1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        to_version_2(&transaction)?;
        to_version_3(&transaction)?;
    }
    transaction.commit()
}

/// All or nothing. Whoever has the file open with an older program would not find its tables any more.
fn upgrade(connection: &mut Connection, alone: bool) -> rusqlite::Result<()> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    if !alone {
        let message = "an older program has it open: stop that one first".to_owned();
        return Err(refused(rusqlite::ffi::SQLITE_BUSY, message));
    }
    info!(to = VERSION, "the log is of an older version: upgrading it");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? < 2 {
        to_version_2(&transaction)?;
    }
    to_version_3(&transaction)?;
    transaction.commit()
}

fn to_version_2(connection: &Connection) -> rusqlite::Result<()> {
    for id in partitions(connection)? {
        id.make_table(connection)?;
        let table = id.table();
        // In version 1, the key of a row was the partition's id, shifted left by 40 bits, and the offset.
        connection.execute(
            &format!(
                "INSERT INTO {table} SELECT row & ((1 << 40) - 1), timestamp_us, key, headers, value FROM log
                 WHERE row >= ?1 << 40 AND row < (?1 + 1) << 40 ORDER BY row"
            ),
            [id.0],
        )?;
    }
    connection.execute_batch(SCHEMA_2)?;
    connection.pragma_update(None, "user_version", 2)
}

fn to_version_3(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA_3)?;
    connection.pragma_update(None, "user_version", 3)
}

fn partitions(connection: &Connection) -> rusqlite::Result<Vec<PartitionId>> {
    connection.prepare("SELECT id FROM partitions")?.query_map([], |row| row.get(0).map(PartitionId))?.collect()
}

fn checked_version(connection: &Connection) -> rusqlite::Result<()> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = version(connection)?;
    if application != APPLICATION_ID {
        return Err(refused(rusqlite::ffi::SQLITE_NOTADB, "it is a database of another program".to_owned()));
    }
    if version > VERSION {
        let message = format!("it has version {version}, this program knows {VERSION}: use the newer program");
        return Err(refused(rusqlite::ffi::SQLITE_ERROR, message));
    }
    Ok(())
}

pub(super) fn refused(code: i32, message: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(message))
}

/// A new file has its name only when its directory is on disk.
fn keep_name(path: &Path) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
        info!(path = %path.display(), %error, "the file system cannot sync a directory");
    }
}

fn check(path: &Path, connection: &Connection) -> rusqlite::Result<()> {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    info!(path = %path.display(), bytes, "the log was not closed cleanly: checking it");
    if bytes <= CHECKED_BYTES_MAX {
        sound(connection, "PRAGMA quick_check(1)")?;
    } else {
        for table in ["topics", "partitions", "groups", "members", "leases", "positions"] {
            sound(connection, &format!("PRAGMA quick_check('{table}')"))?;
        }
    }
    next_is_beyond_all(connection)
}

fn sound(connection: &Connection, check: &str) -> rusqlite::Result<()> {
    let said: String = connection.query_row(check, [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(refused(rusqlite::ffi::SQLITE_CORRUPT, said)) }
}

/// An offset must never be given twice.
fn next_is_beyond_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, next FROM partitions")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, next) = (PartitionId(row.get(0)?), row.get::<_, i64>(1)?);
        let after = connection.prepare(&format!("SELECT 1 FROM {} WHERE offset >= ?1", id.table()))?.exists([next])?;
        if after {
            return Err(refused(rusqlite::ffi::SQLITE_CORRUPT, "a partition has messages after its end".to_owned()));
        }
    }
    Ok(())
}
