//! What ends a membership early. The next one starts from the commit log, so none of these needs handling of its own.

use std::fmt::Write as _;

use object_store::path::Path;
use schemas::commit::EntryError;

use crate::{file::FileError, store::OpenError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Setback {
    #[error("the object store cannot hold an archive")]
    Unfit(#[from] OpenError),
    #[error("the object store failed at {path}; whether it took the object is not known")]
    Store { path: Path, source: object_store::Error },
    #[error("the object store says that {path} exists and does not have it")]
    Contradiction { path: Path },
    #[error("entry {path} of the commit log cannot be read; the archive was altered or is of a newer version")]
    Entry { path: Path, source: EntryError },
    #[error("entry {path} of the commit log does not continue the one before it; the archive was altered")]
    Discontinuous { path: Path },
    /// Ends the work on its partition, not the membership.
    #[error("the object {path} is not the batch that its name says")]
    Object { path: Path, source: FileError },
    #[error("the log between the stages failed")]
    Bus(#[from] bus::Error),
    #[error("the log between the stages could not take a message for quarantine")]
    Quarantine(#[from] bus::Unrecorded),
    #[error("cannot make a Parquet file")]
    File(#[from] FileError),
    #[error("the thread that makes Parquet files failed")]
    Thread(#[from] tokio::task::JoinError),
}

impl Setback {
    /// For `map_err` on what a store says of `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(object_store::Error) -> Setback {
        let path = path.clone();
        move |source| Setback::Store { path, source }
    }
}

/// The error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("a string takes all");
        source = cause.source();
    }
    text
}
