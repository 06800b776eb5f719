//! What the cases share: their topics, short ways to write and to read, and patience.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bus::{Bus, Consumer, Delivery, Message, Partition, Position, Stored, Topic, partition_of};
use bytes::Bytes;

pub(crate) const IN: &str = "in";
pub(crate) const IN_PARTITIONS: u32 = 4;
pub(crate) const OUT: &str = "out";
pub(crate) const OUT_PARTITIONS: u32 = 1;
pub(crate) const GROUP: &str = "group";
/// For what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// For what must not happen.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

pub(crate) fn topics() -> Vec<Topic> {
    let topic = |name: &str, partitions| Topic {
        name: name.to_owned(),
        partitions,
        retention: Duration::from_secs(3600),
        retention_bytes: u64::MAX,
    };
    vec![topic(IN, IN_PARTITIONS), topic(OUT, OUT_PARTITIONS)]
}

pub(crate) fn message(topic: &str, key: &str, value: &str) -> Message {
    Message {
        topic: topic.to_owned(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        headers: Vec::new(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

pub(crate) async fn send(bus: &dyn Bus, topic: &str, key: &str, value: &str) -> bus::Offset {
    bus.producer().send(message(topic, key, value)).await.expect("it is sent")
}

pub(crate) fn at(topic: &str, number: u32) -> Partition {
    Partition { topic: topic.to_owned(), number }
}

/// A key of each partition of IN.
pub(crate) fn key_of(partition: u32) -> String {
    let mut keys = (0..).map(|number| format!("key-{number}"));
    keys.find(|key| partition_of(key.as_bytes(), IN_PARTITIONS) == partition).expect("there are enough keys")
}

pub(crate) fn text(message: &Stored) -> String {
    String::from_utf8_lossy(&message.value).into_owned()
}

/// All that a partition holds now.
pub(crate) async fn all(bus: &dyn Bus, topic: &str, number: u32) -> Vec<Stored> {
    let (reader, at) = (bus.reader(), at(topic, number));
    let end = reader.bounds(&at).await.expect("bounds").end;
    let mut messages: Vec<Stored> = Vec::new();
    let mut from = 0;
    while from < end {
        let read = reader.read(&at, from, usize::MAX, SHORT).await.expect("a read");
        let Some(last) = read.last() else { break };
        from = last.offset + 1;
        messages.extend(read);
    }
    messages
}

pub(crate) async fn texts(bus: &dyn Bus, topic: &str, number: u32) -> Vec<String> {
    all(bus, topic, number).await.iter().map(text).collect()
}

/// OUT shows these messages, and no others, soon.
pub(crate) async fn sees(bus: &dyn Bus, expected: &[impl AsRef<str>]) {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline && texts(bus, OUT, 0).await.len() < expected.len() {}
    assert_eq!(texts(bus, OUT, 0).await, expected);
}

/// Polls them in order until all are done.
pub(crate) async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().map(|done| done.expect("all are done")).collect()
}

/// A member, and what it has been told so far.
pub(crate) struct Worker {
    pub(crate) member: Box<dyn Consumer>,
    pub(crate) held: BTreeMap<Partition, Position>,
    pub(crate) read: Vec<(Partition, Stored)>,
}

impl Worker {
    pub(crate) async fn join(bus: &Arc<dyn Bus>) -> Worker {
        let member = bus.consumer(GROUP, &[IN]).await.expect("it joins");
        Worker { member, held: BTreeMap::new(), read: Vec::new() }
    }

    /// One that has been told its partitions.
    pub(crate) async fn start(bus: &Arc<dyn Bus>) -> Worker {
        let mut worker = Worker::join(bus).await;
        worker.step().await;
        worker
    }

    /// The next thing that happens; whether anything did within the patience.
    pub(crate) async fn step_within(&mut self, patience: Duration) -> bool {
        let Ok(delivery) = tokio::time::timeout(patience, self.member.next()).await else { return false };
        match delivery.expect("the member goes on") {
            Delivery::Assigned(positions) => {
                self.held.extend(positions.into_iter().map(|position| (position.at.clone(), position)));
            }
            Delivery::Revoked(partitions) => {
                for partition in partitions {
                    self.held.remove(&partition).expect("only what it had is revoked");
                }
            }
            Delivery::Messages(at, messages) => {
                assert!(self.held.contains_key(&at), "messages of {at:?}, which is not held");
                self.read.extend(messages.into_iter().map(|message| (at.clone(), message)));
            }
        }
        true
    }

    pub(crate) async fn step(&mut self) {
        assert!(self.step_within(PATIENCE).await, "nothing has happened");
    }

    pub(crate) async fn until(&mut self, what: &str, happened: impl Fn(&Worker) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !happened(self) {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            assert!(self.step_within(left).await, "never: {what}");
        }
    }

    pub(crate) async fn until_read(&mut self, count: usize) {
        self.until(&format!("{count} messages are read"), |worker| worker.read.len() >= count).await;
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.read.iter().map(|(_, message)| text(message)).collect()
    }

    /// The position after all that was read of a partition.
    pub(crate) fn position(&self, at: &Partition, note: &str) -> Position {
        let read = self.read.iter().filter(|(partition, _)| partition == at).map(|(_, message)| message.offset + 1);
        let next = read.max().unwrap_or(self.held.get(at).map_or(0, |position| position.next));
        Position { at: at.clone(), next, note: note.to_owned() }
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        self.held.keys().map(|at| self.position(at, "")).collect()
    }
}

/// All members step until each one holds as many as expected.
pub(crate) async fn settle(workers: &mut [&mut Worker], expected: &[usize]) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while workers.iter().zip(expected).any(|(worker, count)| worker.held.len() != *count) {
        assert!(tokio::time::Instant::now() < deadline, "the group does not settle at {expected:?}");
        for worker in workers.iter_mut() {
            worker.step_within(Duration::from_millis(20)).await;
        }
    }
}
