//! The objects of batches: found by name, read back, and held against what their name says.
//!
//! It refuses to believe a store's answer: what counts is what comes back.

use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use schemas::commit::{Batch, CommitEntry, RECORDS_STREAM, object_path_on, stream_path};

use crate::{
    Deps,
    file::{self, FileError},
    log::End,
    setback::Setback,
    store,
};

/// The object that is named by where the log ends. Its day is not known: it is the last object's or a later one.
pub(crate) async fn find(store: &dyn ObjectStore, number: u32, end: &End) -> Result<Option<Path>, Setback> {
    let stream = Path::from(stream_path(RECORDS_STREAM));
    let days = store.list_with_delimiter(Some(&stream)).await.map_err(Setback::at(&stream))?;
    for folder in days.common_prefixes {
        let day = folder.filename().unwrap_or_default();
        if day < end.day_folder.as_str() {
            continue;
        }
        let path = Path::from(object_path_on(RECORDS_STREAM, day, number, end.next_offset));
        match store.head(&path).await {
            Ok(_) => return Ok(Some(path)),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(Setback::at(&path)(error)),
        }
    }
    Ok(None)
}

/// The entry of the object at `path`, after it was read back and checked: against its checksum where it is `ours`, else
/// row by row.
pub(crate) async fn inspect(
    deps: &Deps,
    number: u32,
    path: &Path,
    ours: Option<String>,
) -> Result<CommitEntry, Setback> {
    let file = store::read(&*deps.store, path).await?;
    let (object, committed_at) = (path.to_string(), (deps.clock)());
    let describe = move || {
        let (sha256, bytes) = (file::checksum(&file), file.len() as u64);
        let batch = match ours {
            Some(checksum) if checksum == sha256 => file::label(file)?,
            Some(_) => return Err(FileError::Checksum),
            None => file::audit(file)?,
        };
        check_named(&batch, number, &object)?;
        Ok(CommitEntry { batch, object, sha256, bytes, committed_at })
    };
    let described = tokio::task::spawn_blocking(describe).await?;
    described.map_err(|source| Setback::Object { path: path.clone(), source })
}

/// Is the object what its name says?
fn check_named(batch: &Batch, number: u32, object: &str) -> Result<(), FileError> {
    let name = format!("part={number:03}/{:020}.parquet", batch.start_offset);
    let named = batch.stream == RECORDS_STREAM && batch.partition == number && object.ends_with(&name);
    if named { Ok(()) } else { Err(FileError::Misplaced) }
}
