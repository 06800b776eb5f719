//! A member of a consumer group, as the stages see it. What it holds is what it was told of; see `inbox`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{Consumer as _, ConsumerGroupMetadata},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    super::Config,
    catalogue::Catalogue,
    client::{self, Context, Trouble},
    explain::explained,
    inbox::{Event, Inbox},
    native,
    poller::{self, Membership, at_offsets},
    sender::check_length,
    transaction::{Refused, TRANSACTION_PATIENCE, Transactions, Work},
};
use crate::{CommitError, Consumer, Delivery, Error, Message, NOTE_BYTES_MAX, Partition, Position};

/// A member that is not heard of for so long is expelled from its group.
const SESSION_MILLISECONDS_MAX: u32 = 10_000;
const HEARTBEAT_MILLISECONDS: u32 = 1_000;
/// A rebalance waits for so long for a member that is heard of and does not answer it: the longest that the thread
/// which answers it takes to learn where its partitions begin.
const REBALANCE_MILLISECONDS_MAX: u32 = 60_000;
/// Messages that librdkafka fetches ahead, in KiB.
const AHEAD_KIBIBYTES_MAX: u32 = 16 * 1024;
/// How long a commit waits for a rebalance that does not concern it to be over.
const REBALANCE_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a rebalance.
const REBALANCE_PAUSE: Duration = Duration::from_millis(50);
/// How long a clean leave may take.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Member {
    inbox: Arc<Inbox>,
    consumer: Option<Arc<poller::Native>>,
    catalogue: Arc<Catalogue>,
    transactions: Arc<Mutex<Transactions>>,
    /// The leases that it was told of.
    held: BTreeMap<Partition, u64>,
    left: Option<oneshot::Receiver<()>>,
}

impl Member {
    pub(super) async fn join(
        config: &Config,
        catalogue: Arc<Catalogue>,
        group: &str,
        topics: &[&str],
    ) -> Result<Member, Error> {
        for topic in topics {
            catalogue.partitions(topic).await?;
        }
        let inbox = Arc::new(Inbox::default());
        let consumer = Arc::new(subscribed(config, group, topics, &inbox)?);
        let (leaves, left) = oneshot::channel();
        let (polled, filled) = (consumer.clone(), inbox.clone());
        std::thread::Builder::new()
            .name(group.to_owned())
            .spawn(move || poller::run(polled, &filled, leaves))
            .map_err(|source| Error::because("cannot start the thread of a consumer", source))?;
        Ok(Member {
            inbox,
            consumer: Some(consumer),
            catalogue,
            transactions: Arc::new(Mutex::new(Transactions::new(config.clone(), group))),
            held: BTreeMap::new(),
            left: Some(left),
        })
    }

    fn told(&mut self, assigned: Vec<(Position, u64)>) -> Delivery {
        self.held.extend(assigned.iter().map(|(position, lease)| (position.at.clone(), *lease)));
        Delivery::Assigned(assigned.into_iter().map(|(position, _)| position).collect())
    }

    /// The leases behind the positions; none if it was told that it has lost one.
    fn leases(&self, positions: &[Position]) -> Option<Vec<(Partition, u64)>> {
        positions.iter().map(|position| Some((position.at.clone(), *self.held.get(&position.at)?))).collect()
    }

    /// In whose name positions are committed; `None` while the group is between two generations.
    ///
    /// The order matters. What is asked for first is a generation in which the leases were ours, if they are still
    /// ours at the end; and a membership that was lost between has ended them before the next one begins.
    fn membership(&self, leases: &[(Partition, u64)]) -> Result<Option<ConsumerGroupMetadata>, CommitError> {
        let consumer = self.consumer.as_ref().ok_or(CommitError::Fenced)?;
        let membership = consumer.group_metadata();
        let generation = native::generation(consumer.client().native_ptr());
        if !self.inbox.holds(leases) {
            return Err(CommitError::Fenced);
        }
        Ok(membership.filter(|_| generation.is_some()))
    }

    async fn outputs(&self, messages: Vec<Message>) -> Result<Vec<(Message, u32)>, Error> {
        let mut outputs = Vec::with_capacity(messages.len());
        for message in messages {
            check_length(&message)?;
            let partitions = self.catalogue.partitions(&message.topic).await?;
            outputs.push((message, partitions));
        }
        Ok(outputs)
    }

    async fn run(&self, work: Work) -> Result<(), Refused> {
        let transactions = self.transactions.clone();
        let run = move || transactions.lock().unwrap_or_else(PoisonError::into_inner).commit(&work);
        match timeout(TRANSACTION_PATIENCE, tokio::task::spawn_blocking(run)).await {
            Ok(done) => done.expect("a transaction does not panic, and nobody aborts it"),
            Err(_) => Err(Refused::Failed(Error::new("a transaction does not end: join again"))),
        }
    }
}

fn subscribed(config: &Config, group: &str, topics: &[&str], inbox: &Arc<Inbox>) -> Result<poller::Native, Error> {
    let mut settings = client::settings(config, group);
    settings
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // What is gone is looked at by us and never passed over in silence.
        .set("auto.offset.reset", "error")
        .set("session.timeout.ms", SESSION_MILLISECONDS_MAX.to_string())
        .set("heartbeat.interval.ms", HEARTBEAT_MILLISECONDS.to_string())
        .set("max.poll.interval.ms", REBALANCE_MILLISECONDS_MAX.to_string())
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", AHEAD_KIBIBYTES_MAX.to_string());
    let context = Membership::new(Context::new(config, "consumer", Trouble::default()), inbox.clone());
    let tried = format!("cannot join the group {group}");
    let consumer = poller::Native::from_config_and_context(&settings, context);
    let consumer = consumer.map_err(|error| explained(&tried, error))?;
    consumer.subscribe(topics).map_err(|error| explained(&tried, error))?;
    Ok(consumer)
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Delivery, Error> {
        match self.inbox.next().await {
            Event::Assigned(assigned) => Ok(self.told(assigned)),
            Event::Revoked(partitions) => {
                self.held.retain(|at, _| !partitions.contains(at));
                Ok(Delivery::Revoked(partitions))
            }
            Event::Messages(at, messages) => Ok(Delivery::Messages(at, messages)),
            Event::Failed(error) => Err(error),
        }
    }

    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error> {
        let lease = self.held.get(at);
        if lease.is_some_and(|lease| self.inbox.seek(at, *lease, offset)) {
            return Ok(());
        }
        // One that is on its way out will be told so next; nothing is lost by not reading it.
        if lease.is_some() {
            return Ok(());
        }
        Err(Error::new(format!(
            "partition {} of {} is not this member's: it may have been revoked",
            at.number, at.topic
        )))
    }

    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError> {
        check_notes(positions)?;
        if positions.is_empty() && outputs.is_empty() {
            return Ok(());
        }
        let leases = self.leases(positions).ok_or(CommitError::Fenced)?;
        let list = positions_list(positions).map_err(CommitError::Failed)?;
        let outputs = self.outputs(outputs).await.map_err(CommitError::Failed)?;
        let outputs = Arc::new(outputs);
        let until = Instant::now() + REBALANCE_PATIENCE;
        loop {
            let mut refused = Error::new("the group is between two generations for too long");
            let membership = if leases.is_empty() { None } else { self.membership(&leases)? };
            if leases.is_empty() || membership.is_some() {
                let positions = membership.map(|membership| (list.clone(), membership));
                match self.run(Work { outputs: outputs.clone(), positions }).await {
                    Ok(()) => return Ok(()),
                    Err(Refused::Failed(error)) => return Err(CommitError::Failed(error)),
                    Err(Refused::Generation(error)) => refused = error,
                }
            }
            if Instant::now() > until {
                return Err(CommitError::Failed(refused));
            }
            tokio::time::sleep(REBALANCE_PAUSE).await;
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.consumer = None;
        self.inbox.leave();
        let Some(left) = self.left.take() else { return Ok(()) };
        match timeout(LEAVE_PATIENCE, left).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new("the group could not be left in time; it expels us by itself")),
        }
    }
}

/// Whoever is dropped leaves as well, only nobody waits for it.
impl Drop for Member {
    fn drop(&mut self) {
        self.consumer = None;
        self.inbox.leave();
        let transactions = self.transactions.clone();
        // A producer takes a moment to end.
        std::thread::spawn(move || drop(transactions));
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("held", &self.held).finish_non_exhaustive()
    }
}

fn check_notes(positions: &[Position]) -> Result<(), CommitError> {
    let Some(long) = positions.iter().find(|position| position.note.len() > NOTE_BYTES_MAX) else { return Ok(()) };
    let bytes = long.note.len();
    let tried = format!("the note of a position has {bytes} bytes, at most {NOTE_BYTES_MAX} are kept");
    Err(CommitError::Failed(Error::new(tried)))
}

/// With the notes.
fn positions_list(positions: &[Position]) -> Result<TopicPartitionList, Error> {
    let list = at_offsets(&positions.iter().map(|position| (position.at.clone(), position.next)).collect::<Vec<_>>());
    for position in positions {
        let number = i32::try_from(position.at.number).unwrap_or(i32::MAX);
        if let Some(mut element) = list.find_partition(&position.at.topic, number) {
            element.set_metadata(&position.note);
        }
    }
    Ok(list)
}
