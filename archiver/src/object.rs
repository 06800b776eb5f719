//! The objects of batches: found by name, read back, and held against what their name says.
//!
//! It refuses to believe a store's answer: what counts is what comes back.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use schemas::commit::{CommitEntry, RECORDS_STREAM, object_path_on, stream_path};

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

/// The entry of the object at `path`, after the object was read back and checked. `ours` is the checksum that it must
/// have, where we know.
pub(crate) async fn inspect(deps: &Deps, number: u32, path: &Path, ours: Option<&str>) -> Result<CommitEntry, Setback> {
    let file = store::read(&*deps.store, path).await?;
    let unusable = |source| Setback::Object { path: path.clone(), source };
    let entry = describe(deps, file, path).await?.map_err(unusable)?;
    check_named(&entry, number, ours).map_err(unusable)?;
    Ok(entry)
}

async fn describe(deps: &Deps, file: Bytes, path: &Path) -> Result<Result<CommitEntry, FileError>, Setback> {
    let (object, committed_at) = (path.to_string(), (deps.clock)());
    let describe = move || {
        let (sha256, bytes) = (file::checksum(&file), file.len() as u64);
        file::read(file).map(|batch| CommitEntry { batch, object, sha256, bytes, committed_at })
    };
    Ok(tokio::task::spawn_blocking(describe).await?)
}

/// Is the object what its name says, and what we put?
fn check_named(entry: &CommitEntry, number: u32, ours: Option<&str>) -> Result<(), FileError> {
    let batch = &entry.batch;
    let name = format!("part={number:03}/{:020}.parquet", batch.start_offset);
    if batch.stream != RECORDS_STREAM || batch.partition != number || !entry.object.ends_with(&name) {
        return Err(FileError::Misplaced);
    }
    match ours {
        Some(checksum) if checksum != entry.sha256 => Err(FileError::Checksum),
        _ => Ok(()),
    }
}
