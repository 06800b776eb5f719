//! A log in memory with one group. Whoever joins takes all partitions over; whether the last owner hears of it is up to
//! the test: one that does not is a zombie, and only its commits are refused.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bus::{
    Bus, CommitError, Consumer, Delivery, Error, Message, Offset, Partition, Position, Producer, Reader, Stored,
    Unrecorded,
};
use bytes::Bytes;
use schemas::{Record, topic};
use tokio::sync::Notify;

/// Messages of one delivery, at most; what is given out is cut differently each time.
const DELIVERY_MAX: usize = 5;

#[derive(Clone, Debug)]
pub(crate) struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    partitions: Vec<Vec<Stored>>,
    /// First offset that is still kept.
    starts: Vec<u64>,
    committed: Vec<u64>,
    quarantine: Vec<Message>,
    /// Who lives, in the order of joining; ids are never given twice.
    members: Vec<u64>,
    joined: u64,
    silent: bool,
    deliveries: u64,
    /// The last owner has asked for more than there is.
    drained: bool,
}

#[derive(Debug)]
struct Member {
    log: MemoryLog,
    id: u64,
    /// Where it reads next in the partitions that it believes to own.
    cursors: Vec<Option<u64>>,
    /// It was given partitions before.
    met: bool,
}

impl MemoryLog {
    pub(crate) fn new(partitions: usize) -> MemoryLog {
        let state = State {
            partitions: vec![Vec::new(); partitions],
            starts: vec![0; partitions],
            committed: vec![0; partitions],
            ..State::default()
        };
        MemoryLog(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Appends `step` behind the last message of the partition.
    pub(crate) fn append(&self, partition: usize, step: u64, timestamp_us: i64, value: Bytes) {
        let mut state = self.state();
        let offset = state.end(partition) + step - 1;
        let key = Bytes::from_static(b"exchange");
        state.partitions[partition].push(Stored { offset, timestamp_us, key, headers: vec![], value });
    }

    /// Retention: what is before `start` is gone.
    pub(crate) fn forget(&self, partition: usize, start: u64) {
        let mut state = self.state();
        state.starts[partition] = start;
        state.partitions[partition].retain(|message| message.offset >= start);
    }

    pub(crate) fn tell_the_revoked(&self, tell: bool) {
        self.state().silent = !tell;
    }

    pub(crate) fn ends(&self) -> Vec<u64> {
        let state = self.state();
        (0..state.partitions.len()).map(|partition| state.end(partition)).collect()
    }

    /// All that can be read as a record.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.state().partitions.iter().flatten().filter_map(|message| Record::from_avro(&message.value).ok()).collect()
    }

    /// What cannot be is in quarantine, at least once and with its place.
    pub(crate) fn check_quarantine(&self, seed: u64) {
        let state = self.state();
        for (number, partition) in state.partitions.iter().enumerate() {
            for message in partition.iter().filter(|message| Record::from_avro(&message.value).is_err()) {
                let origin = Bytes::from(format!("{}/{number}/{}", topic::RECORDS, message.offset));
                let is_copy = |copy: &&Message| copy.headers.iter().any(|(_, value)| *value == origin);
                let copy = state.quarantine.iter().find(is_copy);
                assert_eq!(copy.map(|copy| &copy.value), Some(&message.value), "seed {seed}: {origin:?}");
            }
        }
    }

    /// Resolves when a member has been given everything and asks for more.
    pub(crate) async fn all_taken(&self) {
        while !self.state().drained {
            tokio::task::yield_now().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("state")
    }
}

impl State {
    /// The last to join of those that live.
    fn owner(&self) -> u64 {
        self.members.last().copied().unwrap_or_default()
    }

    fn end(&self, partition: usize) -> u64 {
        self.partitions[partition].last().map_or(self.starts[partition], |message| message.offset + 1)
    }
}

impl Member {
    fn step(&mut self) -> Option<Delivery> {
        let log = self.log.clone();
        let mut state = log.state();
        let is_owner = state.owner() == self.id;
        let lacking: Vec<usize> = (0..self.cursors.len()).filter(|number| self.cursors[*number].is_none()).collect();
        // The first time whoever joins is given everything, even if another has joined since.
        if (is_owner || !self.met) && !lacking.is_empty() {
            self.met = true;
            return Some(Delivery::Assigned(lacking.into_iter().map(|number| self.assign(&state, number)).collect()));
        }
        if !is_owner && !state.silent && self.cursors.iter().any(Option::is_some) {
            self.cursors.fill(None);
            return Some(Delivery::Revoked((0..).take(self.cursors.len()).map(records).collect()));
        }
        let delivery = self.deliver(&mut state);
        state.drained |= delivery.is_none();
        delivery
    }

    fn assign(&mut self, state: &State, number: usize) -> Position {
        let next = state.committed[number];
        self.cursors[number] = Some(next);
        Position { at: records(u32::try_from(number).expect("few")), next, note: String::new() }
    }

    fn deliver(&mut self, state: &mut State) -> Option<Delivery> {
        state.deliveries += 1;
        let many = 1 + usize::try_from(state.deliveries * 7 % 11).expect("small") % DELIVERY_MAX;
        for (number, cursor) in self.cursors.iter_mut().enumerate() {
            let Some(next) = cursor else { continue };
            let waiting = state.partitions[number].iter().filter(|message| message.offset >= *next);
            let messages: Vec<Stored> = waiting.take(many).cloned().collect();
            if let Some(last) = messages.last() {
                *next = last.offset + 1;
                return Some(Delivery::Messages(records(u32::try_from(number).expect("few")), messages));
            }
        }
        None
    }
}

/// However it ends, the log hears of it and hands its partitions on.
impl Drop for Member {
    fn drop(&mut self) {
        self.log.state().members.retain(|id| *id != self.id);
        self.log.0.changed.notify_waiters();
    }
}

fn records(number: u32) -> Partition {
    Partition { topic: topic::RECORDS.to_owned(), number }
}

#[async_trait]
impl Bus for MemoryLog {
    fn producer(&self) -> Arc<dyn Producer> {
        Arc::new(self.clone())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    async fn consumer(&self, _: &str, _: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        state.joined += 1;
        let id = state.joined;
        state.members.push(id);
        let cursors = vec![None; state.partitions.len()];
        self.0.changed.notify_waiters();
        Ok(Box::new(Member { log: self.clone(), id, cursors, met: false }))
    }
}

#[async_trait]
impl Producer for MemoryLog {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        tokio::task::yield_now().await;
        assert_eq!(message.topic, topic::QUARANTINE, "the archiver writes nothing else");
        self.state().quarantine.push(message);
        Ok(Offset { partition: 0, offset: 0 })
    }
}

#[async_trait]
impl Reader for MemoryLog {
    async fn partitions(&self, _: &str) -> Result<u32, Error> {
        Ok(u32::try_from(self.state().partitions.len()).expect("few"))
    }

    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        tokio::task::yield_now().await;
        let (state, number) = (self.state(), at.number as usize);
        Ok(state.starts[number]..state.end(number))
    }

    async fn read(&self, _: &Partition, _: u64, _: usize, _: Duration) -> Result<Vec<Stored>, Error> {
        unreachable!("the archiver reads as a member")
    }
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            tokio::task::yield_now().await;
            let log = self.log.clone();
            let changed = log.0.changed.notified();
            if let Some(delivery) = self.step() {
                return Ok(delivery);
            }
            changed.await;
        }
    }

    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.cursors[at.number as usize] = Some(offset);
        Ok(())
    }

    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError> {
        tokio::task::yield_now().await;
        assert!(outputs.is_empty(), "the archiver's output is in the store");
        let mut state = self.log.state();
        if state.owner() != self.id {
            positions.iter().for_each(|position| self.cursors[position.at.number as usize] = None);
            return Err(CommitError::Fenced);
        }
        for position in positions {
            state.committed[position.at.number as usize] = position.next;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
