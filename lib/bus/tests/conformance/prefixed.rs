//! A log of one's own on a log that is shared: all names of topics and groups get a prefix.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bus::{
    Bus, CommitError, Consumer, Delivery, Error, Message, Offset, Partition, Position, Producer, Reader, Stored,
    Unrecorded,
};

#[derive(Clone, Debug)]
pub(crate) struct Prefixed<T: ?Sized> {
    pub(crate) prefix: String,
    pub(crate) inner: T,
}

impl<T: ?Sized> Prefixed<T> {
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn there(&self, at: &Partition) -> Partition {
        Partition { topic: self.name(&at.topic), number: at.number }
    }

    fn here(&self, at: Partition) -> Partition {
        let topic = at.topic.strip_prefix(&format!("{}-", self.prefix)).expect("all have it").to_owned();
        Partition { topic, number: at.number }
    }

    fn message(&self, message: Message) -> Message {
        Message { topic: self.name(&message.topic), ..message }
    }
}

#[async_trait]
impl Bus for Prefixed<Arc<dyn Bus>> {
    fn producer(&self) -> Arc<dyn Producer> {
        Arc::new(Prefixed { prefix: self.prefix.clone(), inner: self.inner.producer() })
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(Prefixed { prefix: self.prefix.clone(), inner: self.inner.reader() })
    }

    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        let topics: Vec<String> = topics.iter().map(|topic| self.name(topic)).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let inner = self.inner.consumer(&self.name(group), &topics).await?;
        Ok(Box::new(Prefixed { prefix: self.prefix.clone(), inner }))
    }
}

#[async_trait]
impl Producer for Prefixed<Arc<dyn Producer>> {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        self.inner.send(self.message(message)).await
    }
}

#[async_trait]
impl Reader for Prefixed<Arc<dyn Reader>> {
    async fn identity(&self, topic: &str) -> Result<Option<String>, Error> {
        self.inner.identity(&self.name(topic)).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        self.inner.partitions(&self.name(topic)).await
    }

    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        self.inner.bounds(&self.there(at)).await
    }

    async fn read(
        &self,
        at: &Partition,
        from: u64,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<Vec<Stored>, Error> {
        self.inner.read(&self.there(at), from, bytes_max, patience).await
    }
}

#[async_trait]
impl Consumer for Prefixed<Box<dyn Consumer>> {
    async fn next(&mut self) -> Result<Delivery, Error> {
        Ok(match self.inner.next().await? {
            Delivery::Assigned(positions) => {
                let here = |position: Position| Position { at: self.here(position.at), ..position };
                Delivery::Assigned(positions.into_iter().map(here).collect())
            }
            Delivery::Revoked(partitions) => {
                Delivery::Revoked(partitions.into_iter().map(|at| self.here(at)).collect())
            }
            Delivery::Messages(at, messages) => Delivery::Messages(self.here(at), messages),
        })
    }

    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error> {
        let there = self.there(at);
        self.inner.seek(&there, offset).await
    }

    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError> {
        let there = |position: &Position| Position { at: self.there(&position.at), ..position.clone() };
        let positions: Vec<Position> = positions.iter().map(there).collect();
        let outputs = outputs.into_iter().map(|message| self.message(message)).collect();
        self.inner.commit(&positions, outputs).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}
