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
    origin::Origins,
    tail::{Gone, Look, Source, Tail, Tails},
};

/// Looks at the commit log before messages count as lost.
const LOOKS_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Snapshots {
    commits: Commits,
    origins: Origins,
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
        let origins = Origins::new(Arc::clone(&store), Arc::clone(&reader));
        Snapshots { commits: Commits::new(store), origins, tail: Tail::new(reader, tail_bytes_max) }
    }

    pub(crate) async fn take(&self, look: Look) -> Result<Snapshot, Error> {
        for turn in 1..=LOOKS_MAX {
            let gone = if turn < LOOKS_MAX { Gone::LookAgain } else { Gone::Complain };
            let (committed, ()) = futures::try_join!(self.commits.now(), self.origins.check())?;
            if let Some(tails) = self.tail.after(&committed, look, gone).await? {
                return Ok(Snapshot { files: committed.files, tails, source: self.tail.source().clone() });
            }
        }
        Err(Error::Internal("the log moves faster than it can be read".to_owned()))
    }
}
