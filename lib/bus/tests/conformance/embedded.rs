//! The suite over the embedded log.

use std::sync::Arc;

use async_trait::async_trait;
use bus::{
    Bus,
    embedded::{Config, Embedded},
};

use crate::{Place, check, workbench};

struct Directory(tempfile::TempDir);

#[async_trait]
impl Place for Directory {
    async fn open(&self) -> Arc<dyn Bus> {
        let config = Config {
            path: self.0.path().join("log.sqlite"),
            topics: workbench::topics(),
            clock_us: Arc::new(|| 1_700_000_000_000_000),
        };
        Arc::new(Embedded::open(config).await.expect("the log opens"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_keeps_every_promise() {
    check(usize::MAX >> 3, || Arc::new(Directory(tempfile::tempdir().expect("a temporary directory")))).await;
}
