//! Commits: outputs, positions and their notes as one Kafka transaction.
//!
//! The brokers refuse a transaction whose positions come from an earlier generation of the group. The transactional id
//! is new with each member; one that was killed in the middle of a transaction holds up the readers of its outputs
//! until the transaction times out, and nobody else.
//!
//! A transaction that is committed is not over: its marks are still to be written wherever it has been, and until they
//! are, the brokers refuse the next one of the same id. So each member has two producers and takes them in turn. Which of
//! two transactions has its marks first is of no account: readers of a partition wait for the earlier one, and a position
//! that was handed over earlier never replaces a later one.
//!
//! The steps of a transaction follow one another, for the same reason: a coordinator that is asked for a second thing while
//! it writes down the first says that it is busy, and librdkafka then waits for up to half a second.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::Producer as _,
};

use super::{
    super::Config,
    client::{self, Context, Trouble},
    explain::explained,
    sender::{Native, enqueue},
};
use crate::{Error, Message};

/// A transaction that is open for longer is aborted by the brokers.
const TRANSACTION_MILLISECONDS_MAX: u32 = 15_000;
/// How long one step of a transaction may take, where librdkafka keeps to it.
const STEP_PATIENCE: Duration = Duration::from_secs(10);
/// All steps together; whoever waits longer gives the member up. What still comes of the transaction then is fenced.
pub(super) const TRANSACTION_PATIENCE: Duration = Duration::from_secs(60);
/// How long a commit may be tried; after that it is not known whether it has happened.
const COMMIT_PATIENCE: Duration = Duration::from_secs(20);
/// A connection that has had nothing to say for so long is made anew, and librdkafka then asks for the group's
/// coordinator again. Without it, the positions of a transaction would wait for a coordinator that has left the
/// cluster, as a broker that was killed does, until any connection changes by itself: that is minutes, and no timeout is
/// looked at (its issues 5511 and 5456).
const IDLE_MILLISECONDS_MAX: u32 = 5_000;
/// The first pause before something that a broker refused for now is asked again; the next ones double. A transaction
/// that follows another one is refused for as long as that is written down everywhere, some milliseconds, and
/// librdkafka would wait for 100.
const RETRY_MILLISECONDS_MIN: u32 = 5;
/// The queue of librdkafka, in KiB: a transaction is in memory anyway.
const WAITING_KIBIBYTES_MAX: u32 = 1024 * 1024;
/// Between two looks at what is not delivered yet.
const DELIVERY_PAUSE: Duration = Duration::from_millis(1);
/// How long a full queue of librdkafka is waited for.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// What the two producers are called in metrics.
const PARTS: [&str; 2] = ["transactions", "transactions-2"];

/// The transactions of one member, one after another.
pub(super) struct Transactions {
    config: Config,
    group: String,
    producers: [Option<Arc<Native>>; PARTS.len()],
    /// Whose turn it is.
    turn: usize,
}

/// What is to be committed.
pub(super) struct Work {
    /// With the number of partitions of its topic.
    pub(super) outputs: Arc<Vec<(Message, u32)>>,
    pub(super) positions: Option<(TopicPartitionList, ConsumerGroupMetadata)>,
}

#[derive(Debug)]
pub(super) enum Refused {
    /// The group has another generation by now; nothing has happened.
    Generation(Error),
    /// It has not happened, or it is not known.
    Failed(Error),
}

impl Transactions {
    pub(super) fn new(config: Config, group: &str) -> Transactions {
        Transactions { config, group: group.to_owned(), producers: [None, None], turn: 0 }
    }

    /// Blocks until it is done or aborted.
    pub(super) fn commit(&mut self, work: &Work) -> Result<(), Refused> {
        self.turn = (self.turn + 1) % PARTS.len();
        let producer = self.producer().map_err(Refused::Failed)?;
        match attempt(&producer, work) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.abort(&producer, error)),
        }
    }

    fn producer(&mut self) -> Result<Arc<Native>, Error> {
        if let Some(producer) = &self.producers[self.turn] {
            return Ok(producer.clone());
        }
        let producer = Arc::new(transactional(&self.config, &self.group, PARTS[self.turn])?);
        let begun = producer.init_transactions(STEP_PATIENCE);
        begun.map_err(|error| explained("cannot begin transactions", error))?;
        Ok(self.producers[self.turn].insert(producer).clone())
    }

    /// Where even that cannot be done, the producer is given up: its transaction ends by its time.
    fn abort(&mut self, producer: &Native, error: KafkaError) -> Refused {
        let is_fatal = matches!(&error, KafkaError::Transaction(error) if error.is_fatal());
        let aborted = !is_fatal && producer.abort_transaction(STEP_PATIENCE).is_ok();
        if !aborted {
            self.producers[self.turn] = None;
        }
        let of_group = aborted && error.rdkafka_error_code().is_some_and(is_of_group);
        let error = explained("cannot commit", error);
        if of_group { Refused::Generation(error) } else { Refused::Failed(error) }
    }
}

impl fmt::Debug for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions").field("group", &self.group).finish_non_exhaustive()
    }
}

fn is_of_group(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::FencedInstanceId)
}

fn attempt(producer: &Native, work: &Work) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    for (message, partitions) in &*work.outputs {
        while let Err(error) = enqueue(producer, message, *partitions, None) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(error);
            }
            std::thread::sleep(QUEUE_PAUSE);
        }
    }
    let begun = Instant::now();
    await_deliveries(producer);
    let delivered = begun.elapsed();
    if let Some((positions, group)) = &work.positions {
        producer.send_offsets_to_transaction(positions, group, STEP_PATIENCE)?;
    }
    tracing::debug!(outputs = work.outputs.len(), ?delivered, ready_to_commit = ?begun.elapsed(), "a transaction");
    let until = Instant::now() + COMMIT_PATIENCE;
    loop {
        match producer.commit_transaction(STEP_PATIENCE) {
            // It goes on by being asked again; an abort could meet a commit that has happened.
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {}
            done => return done,
        }
    }
}

/// A commit waits for them as well, but the binding does it 100 ms at a time where its own thread hears of them first.
fn await_deliveries(producer: &Native) {
    let until = Instant::now() + STEP_PATIENCE;
    while producer.in_flight_count() > 0 && Instant::now() < until {
        std::thread::sleep(DELIVERY_PAUSE);
    }
}

fn transactional(config: &Config, group: &str, part: &'static str) -> Result<Native, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::because("the operating system gave no random bytes", error))?;
    let mut settings = client::settings(config, part);
    settings
        .set("transactional.id", format!("{group}-{:032x}", u128::from_be_bytes(id)))
        .set("transaction.timeout.ms", TRANSACTION_MILLISECONDS_MAX.to_string())
        .set("message.timeout.ms", TRANSACTION_MILLISECONDS_MAX.to_string())
        .set("connections.max.idle.ms", IDLE_MILLISECONDS_MAX.to_string())
        .set("retry.backoff.ms", RETRY_MILLISECONDS_MIN.to_string())
        .set("compression.codec", "zstd")
        .set("linger.ms", "0")
        .set("queue.buffering.max.kbytes", WAITING_KIBIBYTES_MAX.to_string())
        .set("queue.buffering.max.messages", "0");
    let context = Context::new(config, part, Trouble::default());
    Native::from_config_and_context(&settings, context)
        .map_err(|error| explained("cannot make a Kafka producer", error))
}
