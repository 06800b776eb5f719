//! Which topics there are, and how many partitions each has.
//!
//! It asks for all topics at once: to ask for one by its name could create it. What it has seen once stays, so that a
//! key keeps its partition while this program runs.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{ClientContext, client::Client, error::RDKafkaErrorCode as Code, metadata::Metadata};

use super::{explain::explained, sender::Producers};
use crate::{Error, Partition};

/// How long the brokers may take to answer a question, over all tries.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// One try.
const ANSWER_STEP: Duration = Duration::from_secs(3);
/// Between two tries.
const ANSWER_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Catalogue {
    producers: Arc<Producers>,
    partitions: Mutex<HashMap<String, u32>>,
}

impl Catalogue {
    pub(super) fn new(producers: Arc<Producers>) -> Catalogue {
        Catalogue { producers, partitions: Mutex::default() }
    }

    pub(super) async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        if let Some(partitions) = self.known().get(topic) {
            return Ok(*partitions);
        }
        self.look().await?;
        self.known().get(topic).copied().ok_or_else(|| {
            Error::new(format!(
                "the cluster has no topic {topic} that this user may see: make it with `hansard topics create`, \
                 or allow it as `hansard topics acls` says"
            ))
        })
    }

    /// That the partition is there.
    pub(super) async fn check(&self, at: &Partition) -> Result<(), Error> {
        let partitions = self.partitions(&at.topic).await?;
        if at.number < partitions {
            return Ok(());
        }
        Err(Error::new(format!("{} has {partitions} partitions, and so no partition {}", at.topic, at.number)))
    }

    async fn look(&self) -> Result<(), Error> {
        let metadata = self.producers.ask(|client| client.fetch_metadata(None, ANSWER_PATIENCE)).await?;
        let metadata = metadata.map_err(|error| explained("cannot ask which topics there are", error))?;
        self.learn(&metadata);
        Ok(())
    }

    fn learn(&self, metadata: &Metadata) {
        let mut known = self.known();
        for topic in metadata.topics().iter().filter(|topic| topic.error().is_none()) {
            let partitions = u32::try_from(topic.partitions().len()).unwrap_or(0);
            known.entry(topic.name().to_owned()).or_insert(partitions);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first offset that is kept and the end of what is committed. Blocks; asks again while a partition has no leader.
pub(super) fn bounds<C: ClientContext>(client: &Client<C>, at: &Partition) -> Result<Range<u64>, Error> {
    let until = Instant::now() + ANSWER_PATIENCE;
    let number = i32::try_from(at.number).unwrap_or(i32::MAX);
    loop {
        match client.fetch_watermarks(&at.topic, number, ANSWER_STEP) {
            Ok((first, end)) => return Ok(u64::try_from(first).unwrap_or(0)..u64::try_from(end).unwrap_or(0)),
            Err(error) if Instant::now() > until || error.rdkafka_error_code().is_some_and(is_final) => {
                return Err(explained(format!("cannot ask for the bounds of {}/{}", at.topic, at.number), error));
            }
            // Who leads what by now; without an answer the next step says what is wrong.
            Err(_) => drop(client.fetch_metadata(None, ANSWER_STEP)),
        }
        std::thread::sleep(ANSWER_PAUSE);
    }
}

fn is_final(code: Code) -> bool {
    matches!(code, Code::TopicAuthorizationFailed | Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)
}
