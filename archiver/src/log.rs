//! The commit log: where each partition's archive ends, and the only way to move that on.
//!
//! Entries are dense and create-only, so a position can be moved by one writer alone, whoever else believes to own the
//! partition. Refuses to skip an entry that it cannot read, and one that does not continue the one before it.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, path::Path};
use schemas::commit::{COMMITS, CommitEntry, EntryError, entry_path};

use crate::{setback::Setback, store};

/// Entries that are read at once.
const READS_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct CommitLog {
    store: Arc<dyn ObjectStore>,
    /// Number of the next entry.
    length: u64,
    ends: BTreeMap<u32, End>,
}

/// Where the archive of one partition ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) next_offset: u64,
    /// Folder of the last object's day (`day=2026-07-28`); empty before the first.
    pub(crate) day_folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    Committed,
    /// Somebody else has moved the partition on; the log as read says where to.
    Fenced,
}

impl CommitLog {
    /// Reads the whole log.
    pub(crate) async fn open(store: Arc<dyn ObjectStore>) -> Result<CommitLog, Setback> {
        let mut log = CommitLog { store, length: 0, ends: BTreeMap::new() };
        log.refresh().await?;
        Ok(log)
    }

    /// Reads what others have added since.
    pub(crate) async fn refresh(&mut self) -> Result<(), Setback> {
        let added = self.count_added().await?;
        let store = &*self.store;
        let numbers = self.length..self.length + added;
        let mut entries = futures::stream::iter(numbers).map(|n| read_entry(store, n)).buffered(READS_MAX);
        let mut read = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            read.push(entry);
        }
        drop(entries);
        read.iter().try_for_each(|entry| self.take(entry))
    }

    pub(crate) fn end(&self, partition: u32) -> End {
        self.ends.get(&partition).cloned().unwrap_or_default()
    }

    /// Adds `entry` if it still continues the log. An error leaves open whether it was added.
    pub(crate) async fn append(&mut self, entry: &CommitEntry) -> Result<Appended, Setback> {
        let bytes = entry.to_json();
        while self.continues(entry) {
            let path = Path::from(entry_path(self.length));
            match store::create(&*self.store, &path, bytes.clone()).await {
                Ok(()) => {
                    self.take(entry)?;
                    return Ok(Appended::Committed);
                }
                Err(object_store::Error::AlreadyExists { .. }) => {
                    let winner = read_entry(&*self.store, self.length).await?;
                    self.take(&winner)?;
                    if winner == *entry {
                        return Ok(Appended::Committed);
                    }
                }
                Err(error) => return Err(Setback::at(&path)(error)),
            }
        }
        Ok(Appended::Fenced)
    }

    /// Names are dense and sort as their numbers, so the ones after the last that was read are the new ones. Some
    /// stores ignore where a list is to begin and name them all, so it is looked at here too.
    async fn count_added(&self) -> Result<u64, Setback> {
        let folder = Path::from(COMMITS);
        let last = self.length.checked_sub(1).map(|last| Path::from(entry_path(last)));
        let names = match &last {
            None => self.store.list(Some(&folder)),
            Some(last) => self.store.list_with_offset(Some(&folder), last),
        };
        let new =
            names.try_filter(|object| std::future::ready(last.as_ref().is_none_or(|last| object.location > *last)));
        let count = new.try_fold(0, async |count, _| Ok(count + 1)).await;
        count.map_err(Setback::at(&folder))
    }

    fn continues(&self, entry: &CommitEntry) -> bool {
        self.end(entry.batch.partition).next_offset == entry.batch.start_offset
    }

    fn take(&mut self, entry: &CommitEntry) -> Result<(), Setback> {
        if !self.continues(entry) || entry.batch.next_offset <= entry.batch.start_offset {
            return Err(Setback::Discontinuous { path: Path::from(entry_path(self.length)) });
        }
        let day_folder = entry.object.split('/').find(|part| part.starts_with("day=")).unwrap_or_default().to_owned();
        let end = End { next_offset: entry.batch.next_offset, day_folder };
        self.ends.insert(entry.batch.partition, end);
        self.length += 1;
        Ok(())
    }
}

async fn read_entry(store: &dyn ObjectStore, n: u64) -> Result<CommitEntry, Setback> {
    let path = Path::from(entry_path(n));
    let bytes = store::read(store, &path).await?;
    CommitEntry::from_json(&bytes).map_err(|source: EntryError| Setback::Entry { path, source })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use schemas::{
        Timestamp,
        commit::{Batch, RECORD_SCHEMA, RECORDS_STREAM, object_path},
    };

    use super::*;

    fn entry(partition: u32, start: u64, next: u64) -> CommitEntry {
        CommitEntry {
            batch: Batch {
                stream: RECORDS_STREAM.into(),
                partition,
                start_offset: start,
                first_offset: start,
                last_offset: next - 1,
                next_offset: next,
                rows: next - start,
                quarantined: 0,
                rows_root: String::new(),
                schema: RECORD_SCHEMA.into(),
                occurred_at: None,
                recorded_at: None,
                policy_ids: vec![],
                ruleset_ids: vec![],
                ids_truncated: false,
            },
            object: object_path(RECORDS_STREAM, 0, partition, start),
            sha256: String::new(),
            bytes: 1,
            committed_at: Timestamp(0),
        }
    }

    async fn log(store: &Arc<dyn ObjectStore>) -> CommitLog {
        CommitLog::open(store.clone()).await.expect("log")
    }

    #[tokio::test]
    async fn a_writer_that_fell_behind_is_fenced_and_learns_where_the_log_is() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (mut owner, mut zombie) = (log(&store).await, log(&store).await);
        assert_eq!(owner.append(&entry(0, 0, 5)).await.expect("append"), Appended::Committed);
        assert_eq!(owner.append(&entry(1, 0, 3)).await.expect("append"), Appended::Committed);
        assert_eq!(zombie.append(&entry(0, 0, 9)).await.expect("append"), Appended::Fenced);
        assert_eq!(zombie.end(0), End { next_offset: 5, day_folder: "day=1970-01-01".into() });
        assert_eq!(zombie.append(&entry(0, 5, 9)).await.expect("append"), Appended::Committed);
        owner.refresh().await.expect("refresh");
        assert_eq!((owner.end(0), owner.end(1)), (zombie.end(0), log(&store).await.end(1)));
    }

    #[tokio::test]
    async fn an_entry_whose_reply_was_lost_counts_as_ours() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut writer = log(&store).await;
        log(&store).await.append(&entry(0, 0, 5)).await.expect("the put whose reply is lost");
        assert_eq!(writer.append(&entry(0, 0, 5)).await.expect("append"), Appended::Committed);
    }

    #[tokio::test]
    async fn a_log_with_a_jump_a_hole_or_garbage_is_not_read() {
        for (n, bytes) in [(0, entry(0, 2, 5).to_json()), (1, entry(0, 0, 5).to_json()), (0, b"{}".to_vec())] {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            store::create(&*store, &Path::from(entry_path(n)), bytes).await.expect("put");
            assert!(CommitLog::open(store).await.is_err());
        }
    }
}
