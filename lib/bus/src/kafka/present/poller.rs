//! The thread that owns a member's librdkafka consumer: it polls, answers rebalances, and closes it.
//!
//! It polls whether the member does anything or not, so a member that hangs is fenced and does not hold up its group.
//! It refuses to begin a partition behind its end: that is another log under the same name.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, Statistics, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    types::RDKafkaRespErr,
};
use tokio::sync::oneshot;

use super::{
    catalogue::{ANSWER_PATIENCE, bounds},
    client::Context,
    explain::explained,
    inbox::{Inbox, Seek},
    sender::stored,
};
use crate::{Error, Partition, Position};

/// How long one poll waits; a seek or a leave is seen after that.
const POLL: Duration = Duration::from_millis(10);
/// How long a full inbox is waited for before fetching is paused.
const ROOM_PATIENCE: Duration = Duration::from_millis(200);
/// Messages that are taken from librdkafka before anything else is looked at.
const MESSAGES_AT_ONCE_MAX: usize = 512;
/// The transactions of those who had the partitions before must have ended until then.
const POSITIONS_PATIENCE: Duration = Duration::from_secs(45);
/// Between two looks at positions that are not stable yet.
const POSITIONS_PAUSE: Duration = Duration::from_millis(100);
/// How long one try of a seek may take.
const SEEK_STEP: Duration = Duration::from_secs(1);
/// How long a consumer may take to leave its group.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Native = BaseConsumer<Membership>;

/// Gets what librdkafka has to say of a membership.
pub(super) struct Membership {
    context: Context,
    inbox: Arc<Inbox>,
}

impl Membership {
    pub(super) fn new(context: Context, inbox: Arc<Inbox>) -> Membership {
        Membership { context, inbox }
    }

    fn assigned(&self, consumer: &Native, list: &TopicPartitionList) {
        match positions(consumer, list) {
            Ok(positions) => {
                let starts =
                    positions.iter().map(|(position, start)| (position.at.clone(), *start)).collect::<Vec<_>>();
                let positions: Vec<Position> = positions.into_iter().map(|(position, _)| position).collect();
                // The leases first: a message that comes without one is dropped.
                self.inbox.assign(positions);
                starts.iter().for_each(|(at, start)| self.inbox.skip_to(at, *start));
                self.done(consumer.incremental_assign(&at_offsets(&starts)));
            }
            Err(error) => {
                self.inbox.fail(error);
                self.done(consumer.incremental_assign(list));
            }
        }
    }

    fn revoked(&self, consumer: &Native, list: &TopicPartitionList) {
        self.inbox.revoke(&partitions(list), consumer.assignment_lost());
        self.done(consumer.incremental_unassign(list));
    }

    fn done(&self, result: KafkaResult<()>) {
        if let Err(error) = result {
            self.inbox.fail(explained("cannot follow a rebalance", error));
        }
    }
}

impl ClientContext for Membership {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.context.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.context.generate_oauth_token(config)
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &Native, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        }
    }
}

/// Polls until the member leaves; `left` is told when it has.
pub(super) fn run(consumer: Arc<Native>, inbox: &Inbox, left: oneshot::Sender<()>) {
    let mut paused = false;
    while !inbox.is_left() {
        inbox.seeks().into_iter().for_each(|wish| seek(&consumer, inbox, wish));
        let has_room = inbox.has_room(if paused { Duration::ZERO } else { ROOM_PATIENCE });
        if paused == has_room {
            paused = pause(&consumer, !has_room);
        }
        poll(&consumer, inbox);
    }
    close(consumer);
    // Whoever has been dropped does not wait.
    let _ = left.send(());
}

fn poll(consumer: &Native, inbox: &Inbox) {
    let mut patience = POLL;
    for _ in 0..MESSAGES_AT_ONCE_MAX {
        match consumer.poll(patience) {
            Some(Ok(message)) => inbox.push(&at(message.topic(), message.partition()), stored(&message)),
            Some(Err(error)) => trouble(inbox, error),
            None => return,
        }
        patience = Duration::ZERO;
    }
}

/// Most of what librdkafka reports it gets over by itself; what it does not, the member is told.
fn trouble(inbox: &Inbox, error: KafkaError) {
    match error.rdkafka_error_code() {
        // The partition is not fetched any more, and we are not told which one it is. A new member begins each one where
        // its group is, and says so if that is not kept or was never there.
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
            inbox.fail(explained("a broker does not know the offset that was to be read: join again", error));
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::Fatal,
        ) => inbox.fail(explained("cannot read on", error)),
        _ => tracing::debug!(%error, "the consumer goes on"),
    }
}

/// Retention was faster than the group.
fn report_gone(at: &Partition, next: u64, start: u64) {
    if start > next {
        let (topic, partition) = (&at.topic, at.number);
        tracing::error!(topic, partition, from = next, to = start, "messages are gone and were never read");
    }
}

/// Moves within the assignment. To take the partition away and give it back elsewhere would do it as well, but
/// librdkafka takes that for the answer to a rebalance that is under way. It refuses while the partition is not fetched
/// yet, which is soon over, and drops what it has fetched before.
fn seek(consumer: &Native, inbox: &Inbox, wish: Seek) {
    let there = at_offsets(&[(wish.at.clone(), wish.offset)]);
    let sought = consumer
        .seek_partitions(there, SEEK_STEP)
        .and_then(|moved| moved.elements().iter().try_for_each(|element| element.error()));
    match sought {
        Ok(()) => inbox.sought(&wish),
        Err(error) if Instant::now() > wish.until => {
            let (topic, number, offset) = (&wish.at.topic, wish.at.number, wish.offset);
            inbox.fail(explained(format!("cannot read {topic}/{number} from {offset} on: join again"), error));
        }
        Err(error) => tracing::debug!(%error, "a partition cannot be moved yet"),
    }
}

/// Whether it is paused now.
fn pause(consumer: &Native, paused: bool) -> bool {
    let changed =
        consumer.assignment().and_then(|all| if paused { consumer.pause(&all) } else { consumer.resume(&all) });
    if let Err(error) = &changed {
        tracing::debug!(%error, "the consumer cannot be paused or resumed");
    }
    changed.is_ok() == paused
}

/// Leaves the group. What does not end in time is left to the end of the program: waiting longer could hang a stop.
fn close(consumer: Arc<Native>) {
    let until = Instant::now() + CLOSE_PATIENCE;
    let closing = consumer.close_queue();
    while closing.is_ok() && !consumer.closed() && Instant::now() < until {
        consumer.poll(POLL);
    }
    if !consumer.closed() {
        tracing::warn!("a consumer does not leave its group in time");
        std::mem::forget(consumer);
    }
}

/// The group's position in each partition, and where there is something to read from.
fn positions(consumer: &Native, list: &TopicPartitionList) -> Result<Vec<(Position, u64)>, Error> {
    let committed = committed(consumer, list)?;
    let mut positions = Vec::new();
    for element in committed.elements() {
        let at = at(element.topic(), element.partition());
        let (next, note) = match element.offset() {
            Offset::Offset(next) => (u64::try_from(next).unwrap_or(0), element.metadata().to_owned()),
            _ => (0, String::new()),
        };
        let start = start(consumer, &at, next)?;
        let has_position = matches!(element.offset(), Offset::Offset(_));
        if has_position {
            report_gone(&at, next, start);
        }
        let next = if has_position { next } else { start };
        positions.push((Position { at, next, note }, start));
    }
    positions.sort_by(|(one, _), (other, _)| one.at.cmp(&other.at));
    Ok(positions)
}

/// Waits while a transaction of whoever had a partition before is still open.
fn committed(consumer: &Native, list: &TopicPartitionList) -> Result<TopicPartitionList, Error> {
    let until = Instant::now() + POSITIONS_PATIENCE;
    loop {
        let answer = consumer.committed_offsets(list.clone(), ANSWER_PATIENCE).and_then(|committed| {
            committed.elements().iter().try_for_each(|element| element.error())?;
            Ok(committed)
        });
        match answer {
            Ok(committed) => return Ok(committed),
            Err(error) if Instant::now() >= until => {
                return Err(explained("cannot ask for the positions of the group", error));
            }
            Err(error) => tracing::debug!(%error, "the positions of the group are not known yet"),
        }
        std::thread::sleep(POSITIONS_PAUSE);
    }
}

/// The first offset from `next` on that is kept. A leader that has just become one may need a moment to know its end.
fn start(consumer: &Native, at: &Partition, next: u64) -> Result<u64, Error> {
    let until = Instant::now() + ANSWER_PATIENCE;
    loop {
        let kept = bounds(consumer.client(), at)?;
        if next <= kept.end {
            return Ok(next.max(kept.start));
        }
        if Instant::now() > until {
            return Err(another_log(at, kept.end, next));
        }
        std::thread::sleep(POSITIONS_PAUSE);
    }
}

fn another_log(at: &Partition, end: u64, next: u64) -> Error {
    let (topic, number) = (&at.topic, at.number);
    Error::new(format!(
        "{topic}/{number} ends at {end} and the group has come to {next}: it is another log under the same name; \
         find out what became of the first one, then delete the positions of the group"
    ))
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|element| at(element.topic(), element.partition())).collect()
}

pub(super) fn at(topic: &str, number: i32) -> Partition {
    Partition { topic: topic.to_owned(), number: u32::try_from(number).unwrap_or(0) }
}

pub(super) fn at_offsets(offsets: &[(Partition, u64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (at, offset) in offsets {
        let number = i32::try_from(at.number).unwrap_or(i32::MAX);
        let offset = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
        list.add_partition_offset(&at.topic, number, offset).expect("an offset from 0 on can be told");
    }
    list
}
