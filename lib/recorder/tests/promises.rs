//! What the numbers of a recorder mean, against a log that fails by schedule.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bus::{Message, Offset, Producer, Unrecorded};
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use hansard_recorder::{BODY_BYTES_MAX, RESUMED, Recorder};
use proptest::prelude::*;
use schemas::{Clock, Direction, ExchangeId, Frame, FrameKind, Stamp, Timestamp, frame::associated_data, topic};

const EPOCH: u64 = 7;
const NOW: Timestamp = Timestamp(1_700_000_000_123_456);

/// What the log does with a send.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reply {
    Takes,
    /// Failed and not done.
    Refuses,
    /// Failed but done.
    IsCutOff,
    /// Done, and then never answers.
    Hangs,
}

/// A log in memory. What the schedule does not say, it takes.
#[derive(Debug, Default)]
struct Log {
    schedule: Mutex<VecDeque<Reply>>,
    messages: Mutex<Vec<Message>>,
}

#[async_trait]
impl Producer for Log {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        let reply = self.schedule.lock().expect("no panic").pop_front().unwrap_or(Reply::Takes);
        let offset = {
            let mut messages = self.messages.lock().expect("no panic");
            if reply != Reply::Refuses {
                messages.push(message);
            }
            messages.len() as u64
        };
        match reply {
            Reply::Takes => Ok(Offset { partition: 0, offset }),
            Reply::Hangs => std::future::pending().await,
            _ => Err(Unrecorded { source: bus::Error::because("write", std::io::Error::other("disk full")) }),
        }
    }
}

struct Bench {
    log: Arc<Log>,
    recorder: Arc<Recorder>,
    opener: Opener,
}

impl Bench {
    fn new(schedule: &[Reply]) -> Bench {
        Bench::with_clock(schedule, Arc::new(|| NOW))
    }

    fn with_clock(schedule: &[Reply], clock: Clock) -> Bench {
        let key = PrivateKey::generate();
        let rotation = Rotation { messages_max: 1 << 20, age_max: Duration::from_secs(3600) };
        let sealer = Sealer::new(key.public(), rotation);
        let log = Arc::new(Log { schedule: Mutex::new(schedule.iter().copied().collect()), ..Log::default() });
        let recorder = Arc::new(Recorder::new("ingress-1".to_owned(), EPOCH, sealer, log.clone(), clock));
        Bench { log, recorder, opener: Opener::new(vec![key]) }
    }

    fn frame(&self) -> Frame {
        Frame {
            stamp: Stamp::default(),
            exchange_id: self.recorder.new_exchange_id(),
            ordinal: 0,
            kind: FrameKind::Request,
            direction: Direction::ToUpstream,
            occurred_at: NOW,
            context: None,
            body: Some(b"{}".to_vec()),
            body_bytes: 2,
            truncated: false,
            ending: None,
        }
    }

    async fn record(&self) -> Result<(), Unrecorded> {
        self.recorder.record(self.frame()).await
    }

    /// Opens everything in the log as the masker would.
    fn frames(&self) -> Vec<Frame> {
        let messages = self.log.messages.lock().expect("no panic");
        messages.iter().map(|message| self.open(message)).collect()
    }

    fn open(&self, message: &Message) -> Frame {
        assert_eq!(message.topic, topic::FRAMES);
        let id = ExchangeId(uuid::Uuid::from_slice(&message.key).expect("16 bytes"));
        let [(name, word)] = message.headers.as_slice() else { panic!("one header") };
        assert_eq!(name, "kind");
        let kind = FrameKind::parse(std::str::from_utf8(word).expect("a word")).expect("a kind");
        let opened = self.opener.open(&message.value, &associated_data(topic::FRAMES, id, kind)).expect("opens");
        let elsewhere = associated_data(topic::QUARANTINE, id, kind);
        assert!(self.opener.open(&message.value, &elsewhere).is_err());
        let frame = Frame::from_avro(&opened).expect("decodes");
        assert_eq!((frame.exchange_id, frame.kind), (id, kind));
        assert_eq!((frame.stamp.emitter_id.as_str(), frame.stamp.epoch), ("ingress-1", EPOCH));
        frame
    }

    /// The bodies of the reports, in log order.
    fn reports(&self) -> Vec<String> {
        let is_report = |frame: &Frame| method(frame).as_deref() == Some(RESUMED);
        let body = |frame: Frame| String::from_utf8(frame.body.expect("a body")).expect("text");
        self.frames().into_iter().filter(is_report).map(body).collect()
    }
}

fn method(frame: &Frame) -> Option<String> {
    frame.context.as_ref()?.method.clone()
}

/// After `schedule`, the log holds these reports and the recorder is `failing` with this.
async fn check(schedule: &[Reply], expected_reports: &[&str], expected_reason: Option<&str>) {
    let bench = Bench::new(schedule);
    while !bench.log.schedule.lock().expect("no panic").is_empty() {
        let _ = bench.record().await;
    }
    assert_eq!(bench.reports(), expected_reports, "{schedule:?}");
    assert_eq!(bench.recorder.failing().borrow().as_deref(), expected_reason, "{schedule:?}");
}

const FULL: &str = "the log could not take the message: write: disk full";

#[tokio::test]
async fn what_was_lost_is_reported_by_the_next_success() {
    use Reply::{IsCutOff, Refuses, Takes};
    check(&[Takes, Takes], &[], None).await;
    check(&[Takes, Refuses], &[], Some(FULL)).await;
    check(&[Refuses, Takes, Takes], &[r#"{"unrecorded":[[0,0]],"count":1,"unlisted":0}"#], None).await;
    check(&[IsCutOff, Takes, Takes], &[r#"{"unrecorded":[[0,0]],"count":1,"unlisted":0}"#], None).await;
    let three = r#"{"unrecorded":[[1,3]],"count":3,"unlisted":0}"#;
    check(&[Takes, Refuses, IsCutOff, Refuses, Takes, Takes, Takes], &[three], None).await;
}

/// The report itself (number 2) fails: nothing recurses, the recorder shows it, and the next report lists it as well.
#[tokio::test]
async fn a_report_that_fails_is_made_again() {
    use Reply::{IsCutOff, Refuses, Takes};
    let both = r#"{"unrecorded":[[0,0],[2,2]],"count":2,"unlisted":0}"#;
    check(&[Refuses, Takes, Refuses], &[], Some(FULL)).await;
    check(&[Refuses, Takes, Refuses, Takes, Takes], &[both], None).await;
    let first = r#"{"unrecorded":[[0,0]],"count":1,"unlisted":0}"#;
    check(&[Refuses, Takes, IsCutOff, Takes, Takes], &[first, both], None).await;
}

#[tokio::test]
async fn numbers_are_unique_and_gap_free_whoever_records() {
    let bench = Arc::new(Bench::new(&[]));
    let record = |bench: Arc<Bench>| async move {
        for _ in 0..50 {
            bench.record().await.expect("recorded");
        }
    };
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(record(bench.clone()))).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let seqs: BTreeSet<u64> = bench.frames().iter().map(|frame| frame.stamp.seq).collect();
    assert_eq!(seqs, (0..400).collect());
    assert_eq!(bench.frames().len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn losses_of_many_tasks_are_reported_completely() {
    let schedule: Vec<Reply> = (0..300).map(|n| if n % 3 == 1 { Reply::Refuses } else { Reply::Takes }).collect();
    let bench = Arc::new(Bench::new(&schedule));
    let record = |bench: Arc<Bench>| async move {
        for _ in 0..50 {
            let _ = bench.record().await;
        }
    };
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(record(bench.clone()))).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    bench.record().await.expect("recorded");
    bench.record().await.expect("recorded");
    account(&bench, &BTreeSet::new());
}

/// Every number has its frame or is listed, and none that was acknowledged is listed.
fn account(bench: &Bench, acknowledged: &BTreeSet<u64>) {
    let frames = bench.frames();
    let in_log: BTreeSet<u64> = frames.iter().map(|frame| frame.stamp.seq).collect();
    assert_eq!(in_log.len(), frames.len(), "a number twice");
    let listed: BTreeSet<u64> = bench.reports().iter().flat_map(|report| numbers(report)).collect();
    let last = in_log.union(&listed).max().copied().unwrap_or(0);
    let all: BTreeSet<u64> = in_log.union(&listed).copied().collect();
    assert_eq!(all, (0..=last).collect(), "in the log or listed");
    assert!(acknowledged.is_disjoint(&listed), "acknowledged and listed");
}

/// The numbers that a report lists, and its count held against them.
fn numbers(report: &str) -> Vec<u64> {
    let inner = report.strip_prefix(r#"{"unrecorded":["#).expect("a report");
    let (ranges, rest) = inner.split_once(r#"],"count":"#).expect("a report");
    let (count, unlisted) = rest.split_once(r#","unlisted":"#).expect("a report");
    assert_eq!(unlisted, "0}");
    let bounds: Vec<u64> = ranges.split(['[', ']', ',']).filter_map(|number| number.parse().ok()).collect();
    let numbers: Vec<u64> = bounds.chunks(2).flat_map(|pair| pair[0]..=pair[1]).collect();
    assert_eq!(count, numbers.len().to_string());
    numbers
}

fn any_reply() -> impl Strategy<Value = Reply> {
    prop_oneof![3 => Just(Reply::Takes), 1 => Just(Reply::Refuses), 1 => Just(Reply::IsCutOff), 1 => Just(Reply::Hangs)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the log does, and whoever stops waiting for it.
    #[test]
    fn every_number_is_accounted_for(schedule in proptest::collection::vec(any_reply(), 0..40)) {
        let bench = Bench::new(&schedule);
        let mut acknowledged = BTreeMap::new();
        for _ in 0..schedule.len() {
            let frame = bench.frame();
            let id = frame.exchange_id;
            // A log that hangs leaves the future pending; the caller gives up on it.
            if let Some(result) = poll_once(bench.recorder.record(frame)) {
                acknowledged.insert(id, result.is_ok());
            }
        }
        for _ in 0..2 {
            prop_assert!(poll_once(bench.record()).expect("answers").is_ok());
        }
        let frames = bench.frames();
        let is_acknowledged = |frame: &&Frame| acknowledged.get(&frame.exchange_id) == Some(&true);
        account(&bench, &frames.iter().filter(is_acknowledged).map(|frame| frame.stamp.seq).collect());
        prop_assert!(bench.recorder.failing().borrow().is_none());
    }
}

/// None when it is still pending; then it is dropped.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The caller went away: the log may have the frame, so it is reported, and that is no failure of the log.
#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_reported_number() {
    let bench = Bench::new(&[Reply::Hangs]);
    assert!(poll_once(bench.record()).is_none());
    assert_eq!(*bench.recorder.failing().borrow(), None);
    bench.record().await.expect("recorded");
    assert_eq!(bench.reports(), [r#"{"unrecorded":[[0,0]],"count":1,"unlisted":0}"#]);
}

#[tokio::test]
async fn whoever_watches_is_told_when_it_fails_and_when_it_is_over() {
    let bench = Bench::new(&[Reply::Refuses]);
    let mut failing = bench.recorder.failing();
    bench.record().await.expect_err("refused");
    assert!(failing.has_changed().expect("alive"));
    assert_eq!(failing.borrow_and_update().as_deref(), Some(FULL));
    bench.record().await.expect("recorded");
    assert!(failing.has_changed().expect("alive"));
    assert_eq!(*failing.borrow_and_update(), None);
    bench.record().await.expect("recorded");
    assert!(!failing.has_changed().expect("alive"), "no news, no wake");
}

/// One frame that no message can hold is not a failing log, and takes no number.
#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_alone() {
    let bench = Bench::new(&[]);
    let mut frame = bench.frame();
    frame.body = Some(vec![0; BODY_BYTES_MAX + 1]);
    let unrecorded = bench.recorder.record(frame).await.expect_err("too long");
    assert!(unrecorded.source.to_string().contains("cut it"));
    assert_eq!(*bench.recorder.failing().borrow(), None);
    bench.record().await.expect("recorded");
    assert_eq!(bench.frames().iter().map(|frame| frame.stamp.seq).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn lifecycle_records_say_what_happened() {
    let bench = Bench::new(&[]);
    bench.recorder.lifecycle("lifecycle/started", r#"{"version":"1"}"#.to_owned()).await.expect("recorded");
    bench.recorder.lifecycle("lifecycle/stopped", String::new()).await.expect("recorded");
    let frames = bench.frames();
    let [started, stopped] = frames.as_slice() else { panic!("two frames") };
    assert_eq!((started.kind, started.direction), (FrameKind::Lifecycle, Direction::Internal));
    assert_eq!(method(started).as_deref(), Some("lifecycle/started"));
    assert_eq!(started.body.as_deref(), Some(br#"{"version":"1"}"#.as_slice()));
    assert_eq!((started.body_bytes, started.occurred_at), (15, NOW));
    assert_eq!((&stopped.body, stopped.body_bytes), (&None, 0));
    assert_ne!(started.exchange_id, stopped.exchange_id);
}

#[test]
fn exchange_ids_follow_the_clock_that_was_passed_in_and_never_go_back() {
    let time = Arc::new(AtomicI64::new(NOW.0));
    let clock = time.clone();
    let bench = Bench::with_clock(&[], Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))));
    let mut last = bench.recorder.new_exchange_id();
    let (seconds, nanos) = last.0.get_timestamp().expect("version 7").to_unix();
    assert_eq!((seconds, nanos), (1_700_000_000, 123_000_000));
    for step in [0, 1, 999, -5_000_000, 0, i64::MIN / 4, 7_000_000] {
        time.fetch_add(step, Ordering::Relaxed);
        for _ in 0..100 {
            let next = bench.recorder.new_exchange_id();
            assert!(next > last && next.0.get_version_num() == 7);
            last = next;
        }
    }
}
