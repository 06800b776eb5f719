//! A store that fails at the put that it was told to fail at: before it was done, or after.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use archiver::ObjectStore;
use async_trait::async_trait;
use bus::fault::Fault;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// The switch of a [`Faulty`] store; its clones are the same switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The next put below this folder fails in this way.
    planned: Arc<Mutex<Option<(&'static str, Fault)>>>,
    struck: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn fail_put(&self, below: &'static str, fault: Fault) {
        *self.planned.lock().expect("nobody panics with it") = Some((below, fault));
    }

    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    fn of(&self, path: &Path) -> Option<Fault> {
        let mut planned = self.planned.lock().expect("nobody panics with it");
        let (_, fault) = planned.take_if(|(below, _)| path.as_ref().starts_with(*below))?;
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }
}

#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) kept: Arc<dyn ObjectStore>,
    pub(crate) faults: Faults,
}

fn planned() -> Error {
    Error::Generic { store: "Faulty", source: "a planned fault".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.faults.of(path) {
            None => self.kept.put_opts(path, payload, options).await,
            Some(Fault::Done) => self.kept.put_opts(path, payload, options).await.and(Err(planned())),
            Some(_) => Err(planned()),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("parts cannot be create-only")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.kept.get_opts(path, options).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("the archiver deletes nothing")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.kept.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.kept.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("the archiver copies nothing")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}
