//! A folder as an object store that keeps its word over a power cut: object_store's own does not fsync.
//!
//! An object is written under a name of its own in `.staging`, fsynced, and linked to its place, which fails if there
//! is one already; then every folder down to it is fsynced. So an object is there whole and for good, or not at all.
//! Refuses to overwrite, copy, rename and put in parts.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    ops::Range,
    path::{Path as Folder, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};

use super::OpenError;

const STORE: &str = "Durable";
const STAGING: &str = ".staging";
/// What a crash left in `.staging` is removed when it is this old, in seconds; no put takes so long.
const STAGED_SECONDS_MAX: u64 = 3600;
/// Files in `.staging` of one process at one time.
const STAGED_MAX: u32 = 1000;

#[derive(Debug)]
pub(super) struct Durable {
    root: Arc<Folder>,
    reads: LocalFileSystem,
}

impl Durable {
    pub(super) fn open(folder: &Folder) -> Result<Durable, OpenError> {
        let shown = folder.display().to_string();
        let root = prepare(folder).map_err(|source| OpenError::Folder { folder: shown.clone(), source })?;
        let reads = LocalFileSystem::new_with_prefix(&root).map_err(|source| OpenError::Open { url: shown, source })?;
        Ok(Durable { root: root.into(), reads })
    }
}

fn prepare(folder: &Folder) -> io::Result<PathBuf> {
    fs::create_dir_all(folder.join(STAGING))?;
    let root = folder.canonicalize()?;
    let staging = root.join(STAGING);
    // The file system's own clock tells how old a leftover is.
    let probe = staging.join(format!("{}#now", std::process::id()));
    File::create(&probe)?;
    let now = fs::metadata(&probe)?.modified()?;
    fs::remove_file(&probe)?;
    for staged in fs::read_dir(&staging)? {
        let staged = staged?;
        let Ok(modified) = staged.metadata().and_then(|metadata| metadata.modified()) else { continue };
        if now.duration_since(modified).unwrap_or_default() > Duration::from_secs(STAGED_SECONDS_MAX) {
            let _gone_already = fs::remove_file(staged.path());
        }
    }
    Ok(root)
}

/// Writes and links; true when the object is new, false when there was one.
fn create(root: &Folder, target: &Folder, payload: &PutPayload) -> io::Result<bool> {
    let folder = target.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let staged = stage(&root.join(STAGING), payload)?;
    let linked = fs::hard_link(&staged, target);
    fs::remove_file(&staged)?;
    let new = match linked {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    // Also when it was there: who put it may have crashed before this point, and we are about to rely on it.
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
    }
    Ok(new)
}

fn stage(staging: &Folder, payload: &PutPayload) -> io::Result<PathBuf> {
    let (name, mut file) = unused(staging)?;
    for piece in payload {
        file.write_all(piece)?;
    }
    file.sync_all()?;
    Ok(name)
}

/// A new file for this put alone, whoever else uses the folder. Listings hide names that end in `#` and digits.
fn unused(staging: &Folder) -> io::Result<(PathBuf, File)> {
    for number in 0..STAGED_MAX {
        let name = staging.join(format!("{}#{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (name, file)),
        }
    }
    Err(io::Error::other(format!("{} is full of what crashes left; remove its files", staging.display())))
}

fn unsupported(what: &str) -> Error {
    Error::NotSupported { source: format!("an archive in a folder is create-only: {what}").into() }
}

#[async_trait]
impl ObjectStore for Durable {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode != PutMode::Create {
            return Err(unsupported("put without create-only"));
        }
        let root = self.root.clone();
        let target = self.reads.path_to_filesystem(location)?;
        let new = tokio::task::spawn_blocking(move || create(&root, &target, &payload)).await?;
        match new {
            Ok(true) => Ok(PutResult { e_tag: None, version: None }),
            Ok(false) => Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "an object of this name is in the folder".into(),
            }),
            Err(source) => Err(Error::Generic { store: STORE, source: source.into() }),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(unsupported("put in parts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reads.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.reads.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reads.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reads.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reads.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(unsupported("copy"))
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.root.display())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    use super::*;

    fn create_only() -> PutOptions {
        PutOptions::from(PutMode::Create)
    }

    async fn content(store: &Durable, path: &Path) -> Bytes {
        store.get(path).await.expect("get").bytes().await.expect("bytes")
    }

    #[tokio::test]
    async fn the_first_of_many_creates_wins_and_stays_whole() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = Path::from("log/commits/0");
        let puts = (0..16u8).map(|writer| {
            let store = Durable::open(folder.path()).expect("open");
            let path = path.clone();
            tokio::spawn(async move {
                let payload = PutPayload::from(vec![writer; 100_000]);
                store.put_opts(&path, payload, create_only()).await.map(|_| writer)
            })
        });
        let mut winners = Vec::new();
        for put in puts.collect::<Vec<_>>() {
            match put.await.expect("task") {
                Ok(writer) => winners.push(writer),
                Err(Error::AlreadyExists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let store = Durable::open(folder.path()).expect("open");
        assert_eq!(winners.len(), 1);
        assert_eq!(content(&store, &path).await, vec![winners[0]; 100_000]);
        assert_eq!(fs::read_dir(folder.path().join(STAGING)).expect("staging").count(), 0);
    }

    #[tokio::test]
    async fn what_a_crash_left_is_not_listed() {
        let folder = tempfile::tempdir().expect("tempdir");
        let store = Durable::open(folder.path()).expect("open");
        stage(&folder.path().join(STAGING), &"half".into()).expect("stage");
        store.put_opts(&Path::from("data/x"), "whole".into(), create_only()).await.expect("put");
        let listed: Vec<_> =
            store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.expect("list");
        assert_eq!(listed, ["data/x"]);
    }

    #[tokio::test]
    async fn nothing_overwrites() {
        let folder = tempfile::tempdir().expect("tempdir");
        let store = Durable::open(folder.path()).expect("open");
        let path = Path::from("data/x");
        assert!(matches!(store.put(&path, "x".into()).await, Err(Error::NotSupported { .. })));
        assert!(matches!(store.copy(&path, &Path::from("y")).await, Err(Error::NotSupported { .. })));
        assert!(matches!(store.put_multipart(&path).await, Err(Error::NotSupported { .. })));
    }
}
