//! Stores that fail: before, after, with a lie, or long after they said so.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use hansard_archiver::ObjectStore;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, path::Path,
};
use tokio::task::JoinSet;

use crate::record::Chance;

#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) kept: Arc<dyn ObjectStore>,
    /// None when it is healed.
    chance: Mutex<Option<Chance>>,
    late: Mutex<JoinSet<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Not done, and said so.
    Before,
    /// Done, and said that it failed.
    After,
    /// Not done, and said that there is one already.
    Lie,
    /// Said that it failed, and done much later.
    Late,
}

impl Faulty {
    pub(crate) fn new(kept: Arc<dyn ObjectStore>, seed: u64) -> Faulty {
        Faulty { kept, chance: Mutex::new(Some(Chance::new(seed ^ 0xfa17))), late: Mutex::default() }
    }

    /// No more faults; what was late arrives.
    pub(crate) async fn heal(&self) {
        *self.chance.lock().expect("chance") = None;
        let mut late = std::mem::take(&mut *self.late.lock().expect("late"));
        while late.join_next().await.is_some() {}
    }

    fn draw(&self) -> Fault {
        let mut chance = self.chance.lock().expect("chance");
        match chance.as_mut().map_or(u64::MAX, |chance| chance.below(24)) {
            0 => Fault::Before,
            1 => Fault::After,
            2 => Fault::Lie,
            3 => Fault::Late,
            _ => Fault::None,
        }
    }

    fn put_late(&self, path: &Path, payload: PutPayload, options: PutOptions) {
        let (kept, path) = (self.kept.clone(), path.clone());
        let yields = self.chance.lock().expect("chance").as_mut().map_or(0, |chance| chance.below(400));
        self.late.lock().expect("late").spawn(async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let _lost = kept.put_opts(&path, payload, options).await;
        });
    }

    async fn read_fault(&self) -> Result<()> {
        tokio::task::yield_now().await;
        match self.draw() {
            Fault::Before => Err(broken()),
            _ => Ok(()),
        }
    }
}

fn broken() -> Error {
    Error::Generic { store: "Faulty", source: "injected".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        assert_eq!(options.mode, PutMode::Create, "the archive is create-only");
        // Somewhere to be killed, before and after.
        tokio::task::yield_now().await;
        let fault = self.draw();
        match fault {
            Fault::Before => return Err(broken()),
            Fault::Lie => return Err(Error::AlreadyExists { path: path.to_string(), source: "injected".into() }),
            Fault::Late => {
                self.put_late(path, payload, options);
                return Err(broken());
            }
            Fault::None | Fault::After => {}
        }
        let put = self.kept.put_opts(path, payload, options).await;
        tokio::task::yield_now().await;
        if fault == Fault::After { Err(broken()) } else { put }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("parts cannot be create-only")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.read_fault().await?;
        self.kept.get_opts(path, options).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("the archiver deletes nothing")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let fault = (self.draw() == Fault::Before).then(|| Err(broken()));
        futures::stream::iter(fault).chain(self.kept.list(prefix)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read_fault().await?;
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

/// A store that overwrites what it was asked to create.
#[derive(Debug)]
pub(crate) struct Careless(pub(crate) Arc<dyn ObjectStore>);

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, path: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
        self.0.put_opts(path, payload, PutOptions::from(PutMode::Overwrite)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("parts cannot be create-only")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("the archiver deletes nothing")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("the archiver copies nothing")
    }
}

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Careless")
    }
}
