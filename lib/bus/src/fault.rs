//! A bus that fails on demand, around one that works: for tests of what others do then.
//!
//! Every effect can fail in both ways: it was not done, and it was done but the reply was lost. It refuses to fail by
//! chance: what fails is said beforehand, in [`Faults`].

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    Bus, CommitError, Consumer, Delivery, Error, Message, Offset, Partition, Position, Producer, Reader, Stored,
    Unrecorded,
};

/// In which way an effect fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing has happened.
    NotDone,
    /// It fails, and all of it has happened.
    Done,
    /// It happens, only later.
    Late(Duration),
    /// A commit is told that another member owns the partition, and nothing has happened. A send: as `NotDone`.
    Fenced,
}

/// The switch of a [`Faulty`] bus; its clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plans: Arc<Mutex<Plans>>,
}

#[derive(Debug, Default)]
struct Plans {
    sends: Plan,
    commits: Plan,
    joins: Plan,
    bounds: Plan,
    repeated_deliveries: usize,
    struck: u64,
}

/// One entry for each of the next effects; `None` for one that goes well.
type Plan = VecDeque<Option<Fault>>;

impl Faults {
    /// The next `count` sends, after those for which something is planned already.
    pub fn fail_sends(&self, fault: Fault, count: usize) {
        extend(&mut self.plans().sends, Some(fault), count);
    }

    /// The next `count` sends go well, after those for which something is planned already.
    pub fn pass_sends(&self, count: usize) {
        extend(&mut self.plans().sends, None, count);
    }

    /// The next `count` commits of any member.
    pub fn fail_commits(&self, fault: Fault, count: usize) {
        extend(&mut self.plans().commits, Some(fault), count);
    }

    pub fn pass_commits(&self, count: usize) {
        extend(&mut self.plans().commits, None, count);
    }

    /// The next `count` attempts to join a group: nothing has happened.
    pub fn fail_joins(&self, count: usize) {
        extend(&mut self.plans().joins, Some(Fault::NotDone), count);
    }

    /// The next `count` questions for the bounds of a partition.
    pub fn fail_bounds(&self, count: usize) {
        extend(&mut self.plans().bounds, Some(Fault::NotDone), count);
    }

    /// The next `count` deliveries of messages come twice.
    pub fn repeat_deliveries(&self, count: usize) {
        self.plans().repeated_deliveries += count;
    }

    /// Whatever was planned and has not happened does not.
    pub fn heal(&self) {
        let mut plans = self.plans();
        *plans = Plans { struck: plans.struck, ..Plans::default() };
    }

    /// Faults that have happened.
    pub fn struck(&self) -> u64 {
        self.plans().struck
    }

    fn next(&self, plan: impl FnOnce(&mut Plans) -> &mut Plan) -> Option<Fault> {
        let mut plans = self.plans();
        let fault = plan(&mut plans).pop_front().flatten();
        plans.struck += u64::from(fault.is_some());
        fault
    }

    fn repeats(&self) -> bool {
        let mut plans = self.plans();
        let repeats = plans.repeated_deliveries > 0;
        plans.repeated_deliveries -= usize::from(repeats);
        plans.struck += u64::from(repeats);
        repeats
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn extend(plan: &mut Plan, fault: Option<Fault>, count: usize) {
    plan.extend(std::iter::repeat_n(fault, count));
}

/// The bus itself.
#[derive(Clone, Debug)]
pub struct Faulty {
    inner: Arc<dyn Bus>,
    faults: Faults,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Bus>) -> (Faulty, Faults) {
        let faults = Faults::default();
        (Faulty { inner, faults: faults.clone() }, faults)
    }
}

#[async_trait]
impl Bus for Faulty {
    fn producer(&self) -> Arc<dyn Producer> {
        Arc::new(FaultyProducer { inner: self.inner.producer(), faults: self.faults.clone() })
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(FaultyReader { inner: self.inner.reader(), faults: self.faults.clone() })
    }

    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        if self.faults.next(|plans| &mut plans.joins).is_some() {
            return Err(planned());
        }
        let inner = self.inner.consumer(group, topics).await?;
        Ok(Box::new(FaultyConsumer { inner, faults: self.faults.clone(), again: None }))
    }
}

fn planned() -> Error {
    Error::new("a planned fault")
}

#[derive(Debug)]
struct FaultyProducer {
    inner: Arc<dyn Producer>,
    faults: Faults,
}

#[async_trait]
impl Producer for FaultyProducer {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        let unrecorded = Err(Unrecorded { source: planned() });
        match self.faults.next(|plans| &mut plans.sends) {
            None => self.inner.send(message).await,
            Some(Fault::NotDone | Fault::Fenced) => unrecorded,
            Some(Fault::Done) => self.inner.send(message).await.and(unrecorded),
            Some(Fault::Late(delay)) => {
                tokio::time::sleep(delay).await;
                self.inner.send(message).await
            }
        }
    }
}

#[derive(Debug)]
struct FaultyReader {
    inner: Arc<dyn Reader>,
    faults: Faults,
}

#[async_trait]
impl Reader for FaultyReader {
    async fn identity(&self, topic: &str) -> Result<Option<String>, Error> {
        self.inner.identity(topic).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        self.inner.partitions(topic).await
    }

    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        match self.faults.next(|plans| &mut plans.bounds) {
            Some(_) => Err(Error::new("the log does not say where it begins and ends")),
            None => self.inner.bounds(at).await,
        }
    }

    async fn read(
        &self,
        at: &Partition,
        from: u64,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<Vec<Stored>, Error> {
        self.inner.read(at, from, bytes_max, patience).await
    }
}

#[derive(Debug)]
struct FaultyConsumer {
    inner: Box<dyn Consumer>,
    faults: Faults,
    /// A delivery that comes once more.
    again: Option<Delivery>,
}

#[async_trait]
impl Consumer for FaultyConsumer {
    async fn next(&mut self) -> Result<Delivery, Error> {
        if let Some(again) = self.again.take() {
            return Ok(again);
        }
        let delivery = self.inner.next().await?;
        if matches!(delivery, Delivery::Messages(..)) && self.faults.repeats() {
            self.again = Some(delivery.clone());
        }
        Ok(delivery)
    }

    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error> {
        self.again = None;
        self.inner.seek(at, offset).await
    }

    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError> {
        match self.faults.next(|plans| &mut plans.commits) {
            None => self.inner.commit(positions, outputs).await,
            Some(Fault::NotDone) => Err(CommitError::Failed(planned())),
            Some(Fault::Fenced) => Err(CommitError::Fenced),
            Some(Fault::Done) => self.inner.commit(positions, outputs).await.and(Err(CommitError::Failed(planned()))),
            Some(Fault::Late(delay)) => {
                tokio::time::sleep(delay).await;
                self.inner.commit(positions, outputs).await
            }
        }
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}
