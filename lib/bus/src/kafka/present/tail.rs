//! Follows one topic for those who read without a group: one librdkafka consumer on a thread of its own.
//!
//! A read is answered from the window of its partition; where the window is elsewhere it is moved, and while somebody
//! waits for the first message behind a move, nobody else moves it. That there is nothing to read is said only after
//! the brokers have said so: the end of the log was asked for, and fetching has come to it. Where a log ends with marks
//! of transactions, which are no messages, librdkafka's own place says that they were passed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use tokio::sync::watch;

use super::{
    super::{Config, READER_GROUP},
    catalogue::bounds,
    client::{self, Context, Trouble},
    explain::explained,
    native,
    poller::at_offsets,
    sender::stored,
    window::Window,
};
use crate::{Error, Partition, Stored};

/// How long one poll waits; a move is seen after that.
const POLL: Duration = Duration::from_millis(5);
const MESSAGES_AT_ONCE_MAX: usize = 512;
/// How long what is fetched is waited for before the window is moved: librdkafka does not say that it has passed what
/// an open transaction stands behind, and says so after a move.
const FETCHED_PATIENCE: Duration = Duration::from_millis(4 * FETCH_MILLISECONDS_MAX as u64);
/// A partition that nobody has read for so long is not followed any more.
const FOLLOWED_SECONDS_MAX: u64 = 10;
/// The longest that a broker holds a fetch back, and so about what a move costs.
const FETCH_MILLISECONDS_MAX: u32 = 50;
/// Messages that librdkafka fetches ahead, in KiB.
const AHEAD_KIBIBYTES_MAX: u32 = 8 * 1024;

type Native = BaseConsumer<Context>;

pub(super) struct Tail {
    shared: Arc<Shared>,
}

struct Shared {
    topic: String,
    places: Mutex<BTreeMap<u32, Place>>,
    /// Counts whatever happens to any place.
    news: watch::Sender<u64>,
    ended: AtomicBool,
}

struct Place {
    window: Window,
    /// It is to be placed, or placed anew.
    wanted: bool,
    /// Somebody waits for what comes behind its last move.
    taken: bool,
    read_at: Instant,
    failed: Option<Error>,
}

/// What a look into a window gave.
pub(super) enum Look {
    Messages(Vec<Stored>),
    /// There is nothing, as of the end that was asked for.
    Nothing,
    /// Not known yet.
    Wait,
}

impl Tail {
    pub(super) fn start(config: &Config, topic: &str) -> Result<Tail, Error> {
        let tried = format!("cannot follow {topic}");
        let mut settings = client::settings(config, "reader");
        settings
            .set("group.id", READER_GROUP)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", FETCH_MILLISECONDS_MAX.to_string())
            .set("fetch.error.backoff.ms", "100")
            .set("queued.max.messages.kbytes", AHEAD_KIBIBYTES_MAX.to_string());
        let consumer = Native::from_config_and_context(&settings, Context::new(config, "reader", Trouble::default()));
        let consumer = consumer.map_err(|error| explained(&tried, error))?;
        let shared = Arc::new(Shared {
            topic: topic.to_owned(),
            places: Mutex::default(),
            news: watch::Sender::new(0),
            ended: AtomicBool::new(false),
        });
        let followed = shared.clone();
        std::thread::Builder::new()
            .name(format!("{topic} reader"))
            .spawn(move || followed.run(consumer))
            .map_err(|source| Error::because(tried, source))?;
        Ok(Tail { shared })
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.shared.news.subscribe()
    }

    /// A wish to read one partition.
    pub(super) fn wish(&self, number: u32, from: u64) -> Wish {
        Wish { shared: self.shared.clone(), number, from, moved: false, waits_until: None }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

/// One read, until it is answered or given up.
pub(super) struct Wish {
    shared: Arc<Shared>,
    number: u32,
    from: u64,
    /// The window was moved for it, and nobody else may until it is answered.
    moved: bool,
    /// When the window is moved though what is fetched should come here by itself.
    waits_until: Option<Instant>,
}

impl Wish {
    /// Messages, as far as they are here.
    pub(super) fn messages(&mut self, bytes_max: usize) -> Vec<Stored> {
        let mut places = self.shared.places();
        let Some(place) = places.get_mut(&self.number).filter(|place| place.window.covers(self.from)) else {
            return Vec::new();
        };
        place.read_at = Instant::now();
        place.window.read(self.from, bytes_max)
    }

    /// When there is something to do without any news.
    pub(super) fn looks_again_at(&self) -> Option<Instant> {
        self.waits_until.filter(|_| !self.moved)
    }

    /// `end`: where the log ended when it was asked last; behind that nothing can be.
    pub(super) fn look(&mut self, bytes_max: usize, end: u64) -> Result<Look, Error> {
        let shared = self.shared.clone();
        let mut places = shared.places();
        let place = places.entry(self.number).or_insert_with(|| Place::at(self.from));
        place.read_at = Instant::now();
        if let Some(error) = place.failed.take() {
            return Err(error);
        }
        let window = &mut place.window;
        if window.covers(self.from) {
            let read = window.read(self.from, bytes_max);
            if !read.is_empty() {
                self.release(place);
                return Ok(Look::Messages(read));
            }
            if self.moved && window.is_at_end() {
                window.skip_to(end);
            }
            if window.next() >= end {
                self.release(place);
                self.follow(place);
                return Ok(Look::Nothing);
            }
            if window.is_placed() && !self.has_waited() {
                return Ok(Look::Wait);
            }
        } else if self.from >= end {
            return Ok(Look::Nothing);
        }
        self.take(place);
        Ok(Look::Wait)
    }

    /// Whether what is fetched should be here by now.
    fn has_waited(&mut self) -> bool {
        Instant::now() >= *self.waits_until.get_or_insert_with(|| Instant::now() + FETCHED_PATIENCE)
    }

    /// What comes at the end is waited for, not looked for.
    fn follow(&self, place: &mut Place) {
        if !place.window.is_placed() && !place.taken {
            place.wanted = true;
        }
    }

    /// Moves the window here, unless somebody else has just moved it for himself.
    fn take(&mut self, place: &mut Place) {
        if self.moved || place.taken {
            return;
        }
        if !place.window.covers(self.from) {
            place.window = Window::at(self.from);
        }
        (place.wanted, place.taken, self.moved) = (true, true, true);
        place.window.displace();
    }

    fn release(&mut self, place: &mut Place) {
        if std::mem::take(&mut self.moved) {
            place.taken = false;
            self.shared.tell();
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        if self.moved
            && let Some(place) = self.shared.places().get_mut(&self.number)
        {
            place.taken = false;
        }
        self.shared.tell();
    }
}

impl Place {
    fn at(offset: u64) -> Place {
        Place { window: Window::at(offset), wanted: false, taken: false, read_at: Instant::now(), failed: None }
    }

    fn is_idle(&self) -> bool {
        self.window.is_placed() && self.read_at.elapsed() > Duration::from_secs(FOLLOWED_SECONDS_MAX)
    }
}

impl Shared {
    fn run(&self, consumer: Native) {
        let mut assigned = BTreeMap::new();
        while !self.ended.load(Ordering::Relaxed) {
            self.place(&consumer, &mut assigned);
            let mut patience = POLL;
            for _ in 0..MESSAGES_AT_ONCE_MAX {
                match consumer.poll(patience) {
                    Some(Ok(message)) => self.push(natural(message.partition()), stored(&message)),
                    Some(Err(KafkaError::PartitionEOF(number))) => {
                        self.change(natural(number), |place| place.window.reached_end());
                    }
                    Some(Err(error)) => self.trouble(&consumer, error),
                    None => break,
                }
                patience = Duration::ZERO;
            }
            self.pass_marks(&consumer, &assigned);
        }
        // Nothing was joined, so there is nothing to leave: what librdkafka still has to do must not hold up anyone.
        drop(consumer);
    }

    /// Brings what librdkafka fetches in line with what is wanted.
    fn place(&self, consumer: &Native, assigned: &mut BTreeMap<u32, ()>) {
        let mut places = self.places();
        for (number, place) in places.iter_mut() {
            if place.is_idle() {
                place.window.displace();
            }
            let here = at_offsets(&[(self.partition(*number), place.window.next())]);
            if assigned.contains_key(number) && (place.wanted || !place.window.is_placed()) {
                assigned.remove(number);
                note(consumer.incremental_unassign(&here));
            }
            if std::mem::take(&mut place.wanted) {
                place.window.place();
                assigned.insert(*number, ());
                note(consumer.incremental_assign(&here));
            }
        }
    }

    /// What librdkafka has handed out is pushed by now; what else it has passed are marks.
    fn pass_marks(&self, consumer: &Native, assigned: &BTreeMap<u32, ()>) {
        let followed: Vec<_> = assigned.keys().map(|number| (self.partition(*number), 0)).collect();
        let here = at_offsets(&followed);
        native::places(consumer.client().native_ptr(), &here);
        for element in here.elements() {
            let Offset::Offset(offset) = element.offset() else { continue };
            let (number, offset) = (natural(element.partition()), u64::try_from(offset).unwrap_or(0));
            if self.places().get_mut(&number).is_some_and(|place| place.window.passed(offset)) {
                self.tell();
            }
        }
    }

    fn push(&self, number: u32, message: Stored) {
        self.change(number, |place| {
            if !place.window.push(message) {
                place.window.displace();
            }
        });
    }

    fn trouble(&self, consumer: &Native, error: KafkaError) {
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => self.fetch_again(consumer),
            Some(Code::TopicAuthorizationFailed | Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                let numbers: Vec<u32> = self.places().keys().copied().collect();
                for number in numbers {
                    let error = explained(format!("cannot read {}", self.topic), error.clone());
                    self.change(number, |place| place.failed = Some(error));
                }
            }
            _ => tracing::debug!(%error, "the reader goes on"),
        }
    }

    fn fetch_again(&self, consumer: &Native) {
        let placed: Vec<u32> =
            self.places().iter().filter(|(_, place)| place.window.is_placed()).map(|(n, _)| *n).collect();
        for number in placed {
            let at = self.partition(number);
            let Ok(kept) = bounds(consumer.client(), &at) else { continue };
            self.change(number, |place| {
                place.wanted = true;
                place.window.skip_to(kept.start);
            });
        }
    }

    fn change(&self, number: u32, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places().get_mut(&number) {
            change(place);
        }
        self.tell();
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn partition(&self, number: u32) -> Partition {
        Partition { topic: self.topic.clone(), number }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<u32, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn natural(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn note(placed: Result<(), KafkaError>) {
    if let Err(error) = placed {
        tracing::warn!(%error, "a reader cannot be placed");
    }
}
