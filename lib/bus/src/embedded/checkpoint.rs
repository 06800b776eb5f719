//! Copies the write-ahead log into the file, on a thread of its own, so that no send waits for megabytes.
//!
//! SQLite begins the write-ahead log anew only when all of it is copied, which beside a busy writer it never is. So this
//! thread copies the bulk while the writer goes on, and the writer then copies the little that came meanwhile. It
//! refuses to decide when: the writer knows how much there is.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tracing::warn;

use super::file;
use crate::Error;

#[derive(Debug)]
pub(super) struct Checkpoints {
    asks: Option<SyncSender<()>>,
    copied: Receiver<()>,
    at_work: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(path: PathBuf) -> Result<Checkpoints, Error> {
        let ((asks, asked), (told, copied)) = (sync_channel(1), sync_channel(1));
        let thread = std::thread::Builder::new()
            .name("hansard-copy".to_owned())
            .spawn(move || work(&path, &asked, &told))
            .map_err(|source| Error::because("cannot start the thread that keeps the log small", source))?;
        Ok(Checkpoints { asks: Some(asks), copied, at_work: false, thread: Some(thread) })
    }

    /// Starts copying, unless that is under way.
    pub(super) fn begin(&mut self) {
        if !self.at_work {
            self.at_work = true;
            // A thread that is gone has its receiver closed, which counts as copied: the writer does it all.
            let _ = self.asks.as_ref().map(|asks| asks.try_send(()));
        }
    }

    /// The bulk is copied; said once, and the rest is the writer's.
    pub(super) fn bulk_is_copied(&mut self) -> bool {
        let copied = self.at_work && self.copied.try_recv() != Err(TryRecvError::Empty);
        self.at_work &= !copied;
        copied
    }
}

/// Its connection closes before the writer's, which is to be the last and fold the write-ahead log into the file.
impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // One that has panicked has closed its connection as well.
            let _ = thread.join();
        }
    }
}

fn work(path: &Path, asked: &Receiver<()>, told: &SyncSender<()>) {
    let mut connection = None;
    while asked.recv().is_ok() {
        if let Err(error) = copy(path, &mut connection) {
            warn!(path = %path.display(), %error, "the log could not make a checkpoint");
            connection = None;
        }
        if told.send(()).is_err() {
            return;
        }
    }
}

fn copy(path: &Path, connection: &mut Option<Connection>) -> rusqlite::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(file::open_copier(path)?),
    };
    checkpoint(connection)
}

/// As much as can be copied while nobody waits for it.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
