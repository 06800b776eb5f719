//! A store in memory that counts what is read, and can be made to fail.

use std::{
    fmt,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

#[derive(Debug, Default)]
pub(crate) struct Watched {
    inner: InMemory,
    /// Path and size of each piece that was read.
    reads: Mutex<Vec<(String, u64)>>,
    pub(crate) failing: AtomicBool,
}

impl Watched {
    /// The Parquet objects that were opened since the last call, each once, and the bytes read of them.
    pub(crate) fn opened(&self) -> (Vec<String>, u64) {
        let reads = std::mem::take(&mut *self.reads.lock().expect("not poisoned"));
        let data: Vec<_> = reads.into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
        let bytes = data.iter().map(|(_, bytes)| bytes).sum();
        let mut paths: Vec<String> = data.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        (paths, bytes)
    }

    fn note(&self, path: &Path, bytes: u64) -> Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "watched", source: "made to fail".into() });
        }
        self.reads.lock().expect("not poisoned").push((path.to_string(), bytes));
        Ok(())
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("one PUT per object")
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.note(at, 0)?;
        let got = self.inner.get_opts(at, options).await?;
        self.note(at, got.range.end - got.range.start)?;
        Ok(got)
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.note(at, ranges.iter().map(|range| range.end - range.start).sum())?;
        self.inner.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("query deletes nothing")
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        unreachable!("query lists nothing")
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("query lists nothing")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("query copies nothing")
    }
}
