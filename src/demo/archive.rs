//! Waits until nothing of the log is left to archive: every frame is masked and every record is in a Parquet file that
//! the commit log names.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use archiver::{ObjectStore, ObjectStoreExt};
use bus::{Partition, Reader};
use schemas::{
    commit::{self, CommitEntry},
    topic,
};

/// The log must stand still for so long before it counts as told to the end.
const STILL_FOR: Duration = Duration::from_millis(700);
const POLL: Duration = Duration::from_millis(100);

/// How far the archive has come.
#[derive(Debug, Default)]
pub struct Archived {
    pub complete: bool,
    pub files: usize,
    pub rows: u64,
    pub bytes: u64,
}

impl fmt::Display for Archived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows in {} Parquet files, {} bytes", self.rows, self.files, self.bytes)
    }
}

pub async fn wait(store: &Arc<dyn ObjectStore>, log: &Arc<dyn Reader>, patience: Duration) -> Result<Archived> {
    let began = Instant::now();
    let mut still = (ends(log.as_ref()).await?, Instant::now());
    loop {
        let now = ends(log.as_ref()).await?;
        if now != still.0 {
            still = (now, Instant::now());
        }
        let (mut archived, next) = read_commits(store.as_ref()).await?;
        let behind = still.0.iter().any(|(partition, end)| next.get(partition).copied().unwrap_or(0) < *end);
        archived.complete = !behind && still.1.elapsed() >= STILL_FOR;
        if archived.complete || began.elapsed() > patience {
            return Ok(archived);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The next offset of each partition of the records.
async fn ends(log: &dyn Reader) -> Result<HashMap<u32, u64>> {
    let mut ends = HashMap::new();
    for number in 0..log.partitions(topic::RECORDS).await? {
        let bounds = log.bounds(&Partition { topic: topic::RECORDS.to_owned(), number }).await?;
        ends.insert(number, bounds.end);
    }
    Ok(ends)
}

/// What the commit log says, and where each partition stands.
async fn read_commits(store: &dyn ObjectStore) -> Result<(Archived, HashMap<u32, u64>)> {
    let (mut archived, mut next) = (Archived::default(), HashMap::new());
    for number in 0.. {
        let bytes = match store.get(&commit::entry_path(number).into()).await {
            Ok(object) => object.bytes().await.context("cannot read the commit log")?,
            Err(archiver::StoreError::NotFound { .. }) => break,
            Err(error) => return Err(error).context("cannot read the commit log"),
        };
        let entry = CommitEntry::from_json(&bytes)?;
        archived.files += 1;
        archived.rows += entry.batch.rows;
        archived.bytes += entry.bytes;
        next.insert(entry.batch.partition, entry.batch.next_offset);
    }
    Ok((archived, next))
}
