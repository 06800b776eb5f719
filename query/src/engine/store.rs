//! The registry of stores, with one store in it: no `file://`, no other bucket, and no way to add one.

use std::{fmt, sync::Arc};

use datafusion::{common::plan_err, error::Result, execution::object_store::ObjectStoreRegistry};
use object_store::ObjectStore;
use url::Url;

use crate::table::ARCHIVE_URL;

pub(super) struct OnlyArchive(pub(super) Arc<dyn ObjectStore>);

impl fmt::Debug for OnlyArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlyArchive")
    }
}

impl ObjectStoreRegistry for OnlyArchive {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().trim_end_matches('/') != ARCHIVE_URL {
            return plan_err!("only the trail can be read here, not {url}");
        }
        Ok(Arc::clone(&self.0))
    }
}
