//! Whether the log is the one that the archive was made from, by what the first archiver wrote down.
//!
//! A topic that was deleted and made anew, or another log beside an archive that was there before, may have offsets
//! beyond where the archive ends. Its rows joined to those of the archive would be a trail that never was, so nothing is
//! answered then. It is asked for after the log was read and before anything of it is given: no topic ever gets back the
//! identity that it had, so one that is the archive's now was so while it was read. An archive that does not say what it was
//! made from takes every log.
//!
//! It refuses to write anything down itself: that is the archiver's.

use std::{sync::Arc, time::Instant};

use bus::Reader;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use schemas::{
    commit::{Origin, RECORDS_STREAM, origin_path},
    topic,
};
use tokio::sync::Mutex;

use crate::Error;

#[derive(Debug)]
pub(crate) struct Origins {
    store: Arc<dyn ObjectStore>,
    reader: Arc<dyn Reader>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the archive was made from; once written it never changes.
    archive: Option<Origin>,
    /// When the log was asked last and both were one.
    asked_at: Option<Instant>,
}

impl Origins {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, reader: Arc<dyn Reader>) -> Origins {
        Origins { store, reader, seen: Mutex::default() }
    }

    /// That what was read from the log until now belongs to the archive, as far as both say. Who waits for somebody else
    /// to be told is content with an answer that was asked for meanwhile.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let read_at = Instant::now();
        let mut seen = self.seen.lock().await;
        if seen.asked_at.is_some_and(|asked_at| asked_at > read_at) {
            return Ok(());
        }
        if seen.archive.is_none() {
            seen.archive = self.written_down().await?;
        }
        let Some(archive) = &seen.archive else { return Ok(()) };
        let asked_at = Instant::now();
        let identity = self.reader.identity(topic::RECORDS).await.map_err(Error::Tail)?;
        if identity.is_some_and(|identity| *archive != Origin::new(topic::RECORDS, identity)) {
            return Err(Error::Foreign);
        }
        seen.asked_at = Some(asked_at);
        Ok(())
    }

    async fn written_down(&self) -> Result<Option<Origin>, Error> {
        let path = Path::from(origin_path(RECORDS_STREAM));
        let bytes = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| Error::archive(path.to_string(), error))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::archive(path.to_string(), error)),
        };
        Origin::from_json(&bytes).map(Some).map_err(|error| Error::archive(path.to_string(), error))
    }
}
