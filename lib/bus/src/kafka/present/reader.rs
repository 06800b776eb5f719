//! Reading without a group. A tail for each topic, started by the first read of it.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    catalogue::{ANSWER_PATIENCE, Catalogue, bounds},
    native,
    sender::Producers,
    tail::{Look, Tail},
};
use crate::{Error, Partition, Reader, Stored};

pub(super) struct Tails {
    producers: Arc<Producers>,
    catalogue: Arc<Catalogue>,
    tails: Mutex<HashMap<String, Arc<Tail>>>,
}

impl Tails {
    pub(super) fn new(producers: Arc<Producers>, catalogue: Arc<Catalogue>) -> Tails {
        Tails { producers, catalogue, tails: Mutex::default() }
    }

    fn tail(&self, topic: &str) -> Result<Arc<Tail>, Error> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = tails.get(topic) {
            return Ok(tail.clone());
        }
        let tail = Arc::new(Tail::start(self.producers.config(), topic)?);
        tails.insert(topic.to_owned(), tail.clone());
        Ok(tail)
    }
}

#[async_trait]
impl Reader for Tails {
    async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        self.catalogue.partitions(topic).await
    }

    async fn identity(&self, topic: &str) -> Result<Option<String>, Error> {
        self.catalogue.partitions(topic).await?;
        let name = topic.to_owned();
        let asked = self.producers.ask(move |client| native::topic_id(client.native_ptr(), &name, ANSWER_PATIENCE));
        asked.await?.map_err(|why| Error::new(format!("cannot ask which topic {topic} is: {why}")))
    }

    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        self.catalogue.check(at).await?;
        let at = at.clone();
        self.producers.ask(move |client| bounds(client, &at)).await?
    }

    async fn read(
        &self,
        at: &Partition,
        from: u64,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<Vec<Stored>, Error> {
        // A patience beyond what the clock can count is one without end.
        let until = Instant::now().checked_add(patience);
        let tail = self.tail(&at.topic)?;
        let mut news = tail.news();
        let mut wish = tail.wish(at.number, from);
        let here = wish.messages(bytes_max);
        if !here.is_empty() {
            return Ok(here);
        }
        let mut end = self.bounds(at).await?.end;
        let mut answer_until = Instant::now() + ANSWER_PATIENCE;
        loop {
            news.mark_unchanged();
            let waits_until = match wish.look(bytes_max, end)? {
                Look::Messages(messages) => return Ok(messages),
                Look::Nothing if until.is_some_and(|until| until <= Instant::now()) => return Ok(Vec::new()),
                // From here on, what comes is all that counts.
                Look::Nothing => {
                    (end, answer_until) = (from, Instant::now() + ANSWER_PATIENCE);
                    until
                }
                Look::Wait if Instant::now() >= answer_until => {
                    let (topic, number) = (&at.topic, at.number);
                    return Err(Error::new(format!("the brokers do not give {topic}/{number} from {from} on in time")));
                }
                Look::Wait => Some(wish.looks_again_at().map_or(answer_until, |at| answer_until.min(at.into()))),
            };
            wait(&mut news, waits_until).await;
        }
    }
}

async fn wait(news: &mut tokio::sync::watch::Receiver<u64>, until: Option<Instant>) {
    match until {
        // Whether it changed or the time is over is seen by the next look.
        Some(until) => drop(tokio::time::timeout_at(until, news.changed()).await),
        None => drop(news.changed().await),
    }
}

impl fmt::Debug for Tails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tails").field("producers", &self.producers).finish_non_exhaustive()
    }
}
