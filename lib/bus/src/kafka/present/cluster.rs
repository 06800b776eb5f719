//! The cluster: connects, says why it cannot, and hands out what the rest of the house knows as a log.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{
    super::Config,
    catalogue::Catalogue,
    explain::{is_refusal, unreachable},
    member::Member,
    reader::Tails,
    sender::{Producers, Sender},
};
use crate::{Bus, Consumer, Error, Producer, Reader};

/// How long brokers may take to answer at a start.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// One try to get an answer.
const CONNECT_STEP: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) producers: Arc<Producers>,
    catalogue: Arc<Catalogue>,
    sender: Arc<Sender>,
}

impl Cluster {
    /// Resolves when a broker has answered.
    pub async fn connect(config: Config) -> Result<Cluster, Error> {
        let producers = Arc::new(Producers::new(config)?);
        await_answer(&producers).await?;
        let catalogue = Arc::new(Catalogue::new(producers.clone()));
        let sender = Arc::new(Sender::new(producers.clone(), catalogue.clone()));
        Ok(Cluster { producers, catalogue, sender })
    }

    pub fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.clone())
    }
}

async fn await_answer(producers: &Producers) -> Result<(), Error> {
    let until = Instant::now() + CONNECT_PATIENCE;
    loop {
        let answered = producers.ask(|client| client.fetch_metadata(None, CONNECT_STEP).is_ok()).await?;
        let trouble = producers.trouble.last();
        if answered {
            return Ok(());
        }
        if Instant::now() > until || trouble.as_ref().is_some_and(|(code, _)| is_refusal(*code)) {
            return Err(unreachable(&producers.config().bootstrap(), trouble));
        }
    }
}

#[async_trait]
impl Bus for Cluster {
    fn producer(&self) -> Arc<dyn Producer> {
        self.sender.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(Tails::new(self.producers.clone(), self.catalogue.clone()))
    }

    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        let config = self.producers.config();
        Ok(Box::new(Member::join(config, self.catalogue.clone(), group, topics).await?))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("brokers", &self.producers.config().brokers).finish_non_exhaustive()
    }
}
