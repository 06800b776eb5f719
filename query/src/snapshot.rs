//! One moment of the trail: the files that the commit log names, and the tail from exactly where they end.
//!
//! First the commit log, then the tail: whatever is archived in between is still in the log's own keeping, because
//! it drops nothing that is not committed. Where it dropped something meanwhile, the commit log is asked again.

use std::sync::Arc;

use object_store::ObjectStore;
use schemas::commit::CommitEntry;

use crate::{
    Error,
    commits::Commits,
    tail::{Gone, Look, Source, Tail, Tails},
};

/// Looks at the commit log before messages count as lost.
const LOOKS_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Snapshots {
    commits: Commits,
    tail: Tail,
}

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) files: Arc<Vec<CommitEntry>>,
    pub(crate) tails: Tails,
    pub(crate) source: Source,
}

impl Snapshots {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, reader: Arc<dyn bus::Reader>, tail_bytes_max: usize) -> Snapshots {
        Snapshots { commits: Commits::new(store), tail: Tail::new(reader, tail_bytes_max) }
    }

    /// Whether the tail is that of the archive's own log is asked when all is read that is to be read of it: see `origin`.
    pub(crate) async fn take(&self, look: Look) -> Result<Snapshot, Error> {
        for turn in 1..=LOOKS_MAX {
            let gone = if turn < LOOKS_MAX { Gone::LookAgain } else { Gone::Complain };
            let committed = self.commits.now().await?;
            if let Some(tails) = self.tail.after(&committed, look, gone).await? {
                return Ok(Snapshot { files: committed.files, tails, source: self.tail.source().clone() });
            }
        }
        Err(Error::Internal("the log moves faster than it can be read".to_owned()))
    }
}
