//! The bucket: opened by URL, and put to the test before anything is trusted to it.
//!
//! Refuses stores that keep nothing (`memory:`), and stores that overwrite where they were asked to create.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path, prefix::PrefixStore};
use url::Url;

mod durable;

use durable::Durable;

use crate::setback::Setback;

/// Schemes of buckets; a plain path or `file:` is a folder.
const BUCKET_SCHEMES: [&str; 7] = ["s3", "s3a", "az", "azure", "abfs", "abfss", "gs"];
/// The object of the self-test. It stays, so a writer needs no right to delete.
const PROBE: &str = "log/self-test";
const FIRST: &str = "hansard: create-only self-test\n";
const SECOND: &str = "hansard: this store overwrites what it was asked to create; it cannot hold an archive\n";

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("not a URL of an archive: {url}; use a folder, file://, s3://, az:// or gs://")]
    Url { url: String },
    #[error("cannot open the archive {url}")]
    Open { url: String, source: object_store::Error },
    #[error("cannot use the folder {folder}")]
    Folder { folder: String, source: std::io::Error },
    #[error(
        "the store ignores create-only puts (If-None-Match: *), so two archivers could overwrite each other; \
         use a store that honours them"
    )]
    Overwrites,
}

/// The store at `url`, with `options` as object_store names them (`aws_region`, `azure_storage_account_name` …).
/// Nothing is taken from the environment. A folder is made if it is not there.
pub fn open_store(url: &str, options: BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, OpenError> {
    if !url.contains("://") {
        return Ok(Arc::new(Durable::open(std::path::Path::new(url))?));
    }
    let refused = || OpenError::Url { url: url.to_owned() };
    let parsed = Url::parse(url).map_err(|_| refused())?;
    if parsed.scheme() == "file" {
        let folder = parsed.to_file_path().map_err(|()| refused())?;
        return Ok(Arc::new(Durable::open(&folder)?));
    }
    if !BUCKET_SCHEMES.contains(&parsed.scheme()) {
        return Err(refused());
    }
    let (store, prefix) = object_store::parse_url_opts(&parsed, options)
        .map_err(|source| OpenError::Open { url: url.to_owned(), source })?;
    Ok(if prefix.as_ref().is_empty() { Arc::from(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
}

/// Puts one object; [`object_store::Error::AlreadyExists`] when there is one of that name.
pub(crate) async fn create(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: impl Into<PutPayload>,
) -> object_store::Result<()> {
    store.put_opts(path, bytes.into(), PutOptions::from(PutMode::Create)).await.map(drop)
}

/// Creates one object twice and looks after each try which content is there.
pub(crate) async fn prove_create_only(store: &dyn ObjectStore) -> Result<(), Setback> {
    let path = Path::from(PROBE);
    for content in [FIRST, SECOND] {
        match create(store, &path, content).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(Setback::at(&path)(error)),
        }
        // The second try only tells something once the first is known to be there, whatever the store said of it.
        if read(store, &path).await? != FIRST {
            return Err(OpenError::Overwrites.into());
        }
    }
    Ok(())
}

/// The whole object. That it is not there is a contradiction: the caller was told that it is.
pub(crate) async fn read(store: &dyn ObjectStore, path: &Path) -> Result<Bytes, Setback> {
    let answer = match store.get(path).await {
        Err(object_store::Error::NotFound { .. }) => return Err(Setback::Contradiction { path: path.clone() }),
        answer => answer.map_err(Setback::at(path))?,
    };
    answer.bytes().await.map_err(Setback::at(path))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_store_that_creates_only_passes_again_and_again() {
        let store = InMemory::new();
        for _ in 0..2 {
            prove_create_only(&store).await.expect("create-only");
        }
    }

    #[tokio::test]
    async fn a_store_that_has_overwritten_is_refused() {
        let store = InMemory::new();
        store.put(&Path::from(PROBE), SECOND.into()).await.expect("put");
        assert!(matches!(prove_create_only(&store).await, Err(Setback::Unfit(OpenError::Overwrites))));
    }

    #[test]
    fn urls_that_keep_nothing_or_mean_nothing_are_refused() {
        for url in ["memory:///", "https://bucket.example/x", "s4://bucket", "://", "file://host/x"] {
            let refused = open_store(url, BTreeMap::new());
            assert!(matches!(refused, Err(OpenError::Url { .. })), "{url}: {refused:?}");
        }
    }

    #[test]
    fn buckets_open_by_url_and_options_alone() {
        for (url, option) in [
            ("s3://audit/hansard", ("aws_region", "eu-central-1")),
            ("az://audit/hansard", ("azure_storage_account_name", "account")),
            ("gs://audit", ("google_skip_signature", "true")),
        ] {
            let options = BTreeMap::from([(option.0.to_owned(), option.1.to_owned())]);
            open_store(url, options).unwrap_or_else(|error| panic!("{url}: {}", crate::setback::chain(&error)));
        }
    }
}
