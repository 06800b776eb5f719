//! The commit log of the archive, followed: which Parquet files there are, and where each partition goes on.
//!
//! Entries are create-only and dense, so what was read once stays true: each look asks for the next number until
//! there is none. No folder is ever listed, so an object that no entry names is never read.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use schemas::commit::{CommitEntry, RECORDS_STREAM, entry_path};
use tokio::sync::Mutex;

use crate::Error;

/// Entries asked for at once when there is much to catch up.
const ENTRIES_AHEAD_MAX: u64 = 64;

#[derive(Debug)]
pub(crate) struct Commits {
    store: Arc<dyn ObjectStore>,
    read: Mutex<Committed>,
}

/// The log of the records as it was at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    /// Entries of all streams that were read.
    length: u64,
    /// Files of records, in log order.
    pub(crate) files: Arc<Vec<CommitEntry>>,
    /// Where each partition goes on after its last file.
    next: BTreeMap<u32, u64>,
}

impl Committed {
    /// The first offset of `partition` that no file holds.
    pub(crate) fn next(&self, partition: u32) -> u64 {
        self.next.get(&partition).copied().unwrap_or(0)
    }

    /// Takes the next entry, or refuses it and stays as it was.
    fn take(&mut self, entry: CommitEntry) -> Result<(), Error> {
        if entry.batch.stream == RECORDS_STREAM {
            let next = self.next(entry.batch.partition);
            if next != entry.batch.start_offset {
                return Err(broken(&entry, next));
            }
            self.next.insert(entry.batch.partition, entry.batch.next_offset);
            Arc::make_mut(&mut self.files).push(entry);
        }
        self.length += 1;
        Ok(())
    }
}

impl Commits {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Commits {
        Commits { store, read: Mutex::new(Committed::default()) }
    }

    /// The log as it is now.
    pub(crate) async fn now(&self) -> Result<Committed, Error> {
        let mut read = self.read.lock().await;
        let mut ahead = 1;
        loop {
            let found = self.entries(read.length, ahead).await?;
            let last = (found.len() as u64) < ahead;
            for entry in found {
                read.take(entry)?;
            }
            if last {
                return Ok(read.clone());
            }
            ahead = (ahead * 2).min(ENTRIES_AHEAD_MAX);
        }
    }

    /// Entries from `first` on without a gap, at most `count`.
    async fn entries(&self, first: u64, count: u64) -> Result<Vec<CommitEntry>, Error> {
        let asked = stream::iter(first..first + count).map(|n| self.entry(n)).buffered(ENTRIES_AHEAD_MAX as usize);
        asked
            .try_take_while(|entry| futures::future::ready(Ok(entry.is_some())))
            .try_filter_map(futures::future::ok)
            .try_collect()
            .await
    }

    async fn entry(&self, n: u64) -> Result<Option<CommitEntry>, Error> {
        let path = object_store::path::Path::from(entry_path(n));
        let bytes = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| unreadable(n, error))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unreadable(n, error)),
        };
        CommitEntry::from_json(&bytes).map(Some).map_err(|error| unreadable(n, error))
    }
}

fn unreadable(n: u64, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::archive(format!("entry {n} of the commit log"), source)
}

fn broken(entry: &CommitEntry, next: u64) -> Error {
    let batch = &entry.batch;
    Error::Archive {
        what: format!(
            "the commit log is broken: {} starts at offset {}, but partition {} goes on at {next}",
            entry.object, batch.start_offset, batch.partition
        ),
        source: None,
    }
}
