//! Sending: one idempotent producer for the whole program.
//!
//! Messages go out at once and in the order in which their `send` was first polled. A producer that has not delivered a
//! message in time is replaced, and so is one that librdkafka gives up on; what was on its way then has failed.
//!
//! No message is ever in the log twice, which takes more than idempotence: where librdkafka passes over a message, it
//! numbers all others anew, and what the brokers have taken but not acknowledged they then take again (its issue 4953).
//! It passes over one that fails, one whose time is over, and one that overtakes another that has failed. So it is told
//! to give up at the first, it is never told of a time, and it has one request at a time under way to each broker.
//!
//! What is sent goes as it is: alone, one message has little that can be compressed, and one that is sealed has nothing, but
//! librdkafka would make room for a compression of megabytes each time, and send the message uncompressed after all.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use rdkafka::{
    Message as _,
    client::Client,
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    super::Config,
    catalogue::Catalogue,
    client::{self, Context, Delivered, Trouble},
    explain::explained,
};
use crate::{Error, Message, Offset, Producer, Stored, Unrecorded, VALUE_BYTES_MAX, partition_of};

/// Bytes of messages that wait for the brokers, at most.
const WAITING_KIBIBYTES_MAX: u32 = 256 * 1024;
/// Messages that wait for the brokers, at most.
const WAITING_MESSAGES_MAX: u32 = 64 * 1024;

pub(super) type Native = ThreadedProducer<Context>;

/// The producer in use, which also answers questions about the cluster.
pub(super) struct Producers {
    config: Config,
    pub(super) trouble: Trouble,
    current: Mutex<Arc<Native>>,
}

impl Producers {
    pub(super) fn new(config: Config) -> Result<Producers, Error> {
        let trouble = Trouble::default();
        let current = Mutex::new(idempotent(&config, &trouble)?);
        Ok(Producers { config, trouble, current })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn current(&self) -> Result<Arc<Native>, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = current.client().fatal_error() {
            tracing::warn!(%code, reason, "the Kafka producer is replaced");
            self.replace(&mut current)?;
        }
        Ok(current.clone())
    }

    /// What it has not delivered has failed, and may or may not be in the log.
    fn give_up(&self, late: &Weak<Native>) -> Result<(), Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Weak::ptr_eq(late, &Arc::downgrade(&current)) {
            tracing::warn!("the brokers have not acknowledged in time: the Kafka producer is replaced");
            self.replace(&mut current)?;
        }
        Ok(())
    }

    fn replace(&self, current: &mut Arc<Native>) -> Result<(), Error> {
        let given_up = std::mem::replace(current, idempotent(&self.config, &self.trouble)?);
        given_up.purge(PurgeConfig::default().queue().inflight());
        // A producer takes a moment to end.
        std::thread::spawn(move || drop(given_up));
        Ok(())
    }

    /// Asks the cluster something, on a thread that may wait for the answer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client<Context>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let producer = self.current()?;
        let asked = tokio::task::spawn_blocking(move || question(producer.client())).await;
        asked.map_err(|source| Error::because("a question to the brokers did not end", source))
    }
}

impl fmt::Debug for Producers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producers").field("config", &self.config).finish_non_exhaustive()
    }
}

fn idempotent(config: &Config, trouble: &Trouble) -> Result<Arc<Native>, Error> {
    let mut settings = client::settings(config, "producer");
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.codec", "none")
        .set("linger.ms", "0")
        .set("enable.gapless.guarantee", "true")
        .set("max.in.flight.requests.per.connection", "1")
        .set("message.timeout.ms", "0")
        .set("queue.buffering.max.kbytes", WAITING_KIBIBYTES_MAX.to_string())
        .set("queue.buffering.max.messages", WAITING_MESSAGES_MAX.to_string());
    let context = Context::new(config, "producer", trouble.clone());
    let made = Native::from_config_and_context(&settings, context);
    made.map(Arc::new).map_err(|error| explained("cannot make a Kafka producer", error))
}

#[derive(Debug)]
pub(super) struct Sender {
    producers: Arc<Producers>,
    catalogue: Arc<Catalogue>,
    /// Held from the first poll of a send until its message is in the queue of librdkafka; it is fair.
    turn: tokio::sync::Mutex<()>,
}

impl Sender {
    pub(super) fn new(producers: Arc<Producers>, catalogue: Arc<Catalogue>) -> Sender {
        Sender { producers, catalogue, turn: tokio::sync::Mutex::default() }
    }

    async fn queue(&self, message: &Message) -> Result<(Weak<Native>, oneshot::Receiver<Delivered>), Error> {
        let _turn = self.turn.lock().await;
        check_length(message)?;
        let partitions = self.catalogue.partitions(&message.topic).await?;
        let (waits, delivered) = oneshot::channel();
        let producer = self.producers.current()?;
        enqueue(&producer, message, partitions, Some(waits))
            .map_err(|error| explained(format!("cannot send to {}", message.topic), error))?;
        Ok((Arc::downgrade(&producer), delivered))
    }
}

#[async_trait]
impl Producer for Sender {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        let unrecorded = |source| Unrecorded { source };
        let (producer, delivered) = self.queue(&message).await.map_err(unrecorded)?;
        let failed = |error| unrecorded(explained(format!("cannot send to {}", message.topic), error));
        match timeout(self.producers.config().send_timeout, delivered).await {
            Ok(Ok(Ok((partition, offset)))) => Ok(Offset {
                partition: u32::try_from(partition).unwrap_or(0),
                offset: u64::try_from(offset).unwrap_or(0),
            }),
            Ok(Ok(Err(error))) => Err(failed(error)),
            Ok(Err(_)) => Err(failed(KafkaError::Canceled)),
            Err(_) => {
                self.producers.give_up(&producer).map_err(unrecorded)?;
                Err(failed(KafkaError::MessageProduction(Code::MessageTimedOut)))
            }
        }
    }
}

/// A message that no topic of ours takes.
pub(super) fn check_length(message: &Message) -> Result<(), Error> {
    let bytes = message.value.len();
    if bytes <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(format!("a message of {bytes} bytes is too large: at most {VALUE_BYTES_MAX} are taken")))
}

/// Puts a message into the queue of librdkafka, for the partition that its key has.
pub(super) fn enqueue(
    producer: &Native,
    message: &Message,
    partitions: u32,
    waits: Option<oneshot::Sender<Delivered>>,
) -> Result<(), KafkaError> {
    let partition = partition_of(&message.key, partitions);
    let record = BaseRecord::with_opaque_to(&message.topic, Box::new(waits))
        .partition(i32::try_from(partition).unwrap_or(i32::MAX))
        .key(&message.key[..])
        .payload(&message.value[..])
        .headers(headers(&message.headers));
    producer.send(record).map_err(|(error, _)| error)
}

fn headers(from: &[(String, bytes::Bytes)]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(from.len());
    from.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(&value[..]) }))
}

/// A message as it came from the brokers.
pub(super) fn stored(message: &BorrowedMessage<'_>) -> Stored {
    let copied = |bytes: Option<&[u8]>| bytes::Bytes::copy_from_slice(bytes.unwrap_or_default());
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Stored {
        offset: u64::try_from(message.offset()).unwrap_or(0),
        timestamp_us: message.timestamp().to_millis().unwrap_or(0).saturating_mul(1000),
        key: copied(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), copied(header.value))).collect(),
        value: copied(message.payload()),
    }
}
