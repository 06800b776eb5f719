//! A masker between the real log and the real envelope, with the clock in the test's hand.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::{
    Bus, Message, Partition, Stored, Topic,
    embedded::{self, Embedded},
    fault::{Faults, Faulty},
};
use bytes::Bytes;
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use hansard_masker::{
    self as masker,
    quarantine::{Quarantined, Released, Stuck},
};
use schemas::{
    ApprovalEvent, Context, Direction, Ending, ExchangeId, Frame, FrameKind, Outcome, Principal, Record, Stamp,
    Timestamp,
    avro::{FINGERPRINT_HEADER, Framing},
    frame::{KIND_HEADER, associated_data},
    topic,
};
use siem::Format;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const START_US: i64 = 1_785_231_000_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) faults: Faults,
    pub(crate) now_us: Arc<AtomicI64>,
    log: Embedded,
    faulty: Arc<dyn Bus>,
    sealer: Sealer,
    key: String,
    next_seq: AtomicU64,
    ready: watch::Sender<Option<String>>,
    /// The rules in force.
    pub(crate) rules: watch::Sender<Arc<redact::Redactor>>,
    _folder: tempfile::TempDir,
}

/// A masker that runs.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), masker::Error>>,
}

impl World {
    pub(crate) async fn new() -> World {
        let folder = tempfile::tempdir().expect("tempdir");
        let now_us = Arc::new(AtomicI64::new(START_US));
        let log = open_log(folder.path(), now_us.clone()).await;
        let key = PrivateKey::generate();
        let rotation = Rotation { messages_max: 1000, age_max: Duration::from_secs(3600) };
        let (faulty, faults) = Faulty::new(Arc::new(log.clone()));
        World {
            faults,
            now_us,
            log,
            faulty: Arc::new(faulty),
            sealer: Sealer::new(key.public(), rotation),
            key: key.to_text().to_string(),
            next_seq: AtomicU64::new(0),
            ready: watch::Sender::new(Some("not begun".to_owned())),
            rules: watch::Sender::new(Arc::new(redact::Redactor::built_in())),
            _folder: folder,
        }
    }

    pub(crate) fn start(&self) -> Running {
        self.ready.send_replace(Some("not begun".to_owned()));
        let deps = self.deps(&[]);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(masker::run(masker::Config::default(), deps, shutdown.clone()));
        Running { shutdown, task }
    }

    /// Masks again what is in quarantine, with the keys of other worlds too.
    pub(crate) async fn reprocess(&self, others: &[&World]) -> Result<Released, Stuck> {
        masker::quarantine::reprocess(&masker::Config::default(), self.deps(others)).await
    }

    pub(crate) async fn waiting(&self) -> Vec<Quarantined> {
        masker::quarantine::list(&*self.faulty).await.expect("it can be listed")
    }

    fn deps(&self, others: &[&World]) -> masker::Deps {
        let now_us = self.now_us.clone();
        let keys = std::iter::once(self).chain(others.iter().copied());
        let keys = keys.map(|world| PrivateKey::from_text(&world.key).expect("a key")).collect();
        masker::Deps {
            bus: self.faulty.clone(),
            opener: Arc::new(Opener::new(keys)),
            redactor: self.rules.subscribe(),
            shadow: tokio::sync::watch::channel(None).1,
            tenants: std::collections::HashMap::new(),
            identity_key: [7; 32],
            clock: Arc::new(move || Timestamp(now_us.load(Ordering::Relaxed))),
            publishing: publishing(),
            ready: self.ready.clone(),
        }
    }

    /// A masker that has joined its group. Who is killed before that has done nothing yet.
    pub(crate) async fn start_joined(&self) -> Running {
        let running = self.start();
        let mut ready = self.ready.subscribe();
        let joined = tokio::time::timeout(PATIENCE, ready.wait_for(Option::is_none)).await;
        joined.expect("it joins in time").expect("it runs");
        running
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.now_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// Stamps and seals a frame, as the recorder does, and makes it durable.
    pub(crate) async fn send(&self, frame: Frame) {
        let message = self.sealed(frame);
        self.publish(message).await;
    }

    pub(crate) fn sealed(&self, mut frame: Frame) -> Message {
        let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
        frame.stamp = Stamp { emitter_id: "ingress-1".to_owned(), epoch: 3, seq };
        self.sealed_as(&frame, &frame.to_avro())
    }

    /// Sealed as this frame would be, whatever is inside.
    pub(crate) fn sealed_as(&self, frame: &Frame, inside: &[u8]) -> Message {
        let bound = associated_data(topic::FRAMES, frame.exchange_id, frame.kind);
        let now_us = self.now_us.load(Ordering::Relaxed);
        Message {
            topic: topic::FRAMES.to_owned(),
            key: Bytes::copy_from_slice(frame.exchange_id.0.as_bytes()),
            headers: vec![(KIND_HEADER.to_owned(), Bytes::from_static(frame.kind.as_str().as_bytes()))],
            value: self.sealer.seal(inside, &bound, now_us).expect("it can be sealed").into(),
        }
    }

    pub(crate) async fn publish(&self, message: Message) {
        self.log.producer().send(message).await.expect("the log takes it");
    }

    pub(crate) async fn records(&self) -> Vec<Record> {
        let messages = self.messages(topic::RECORDS).await;
        let records: Vec<_> = messages
            .iter()
            .map(|stored| Record::from_message(&stored.value, fingerprint(stored)).expect("a record"))
            .collect();
        for record in &records {
            schemas::leaf::check(record).expect("the leaf fits the columns");
        }
        for format in Format::ALL {
            self.check_events(&records, format).await;
        }
        records
    }

    /// What is a record is an event as well, once and in the same order. What came since the records were read may be more.
    async fn check_events(&self, records: &[Record], format: Format) {
        let events = self.messages(format.topic()).await;
        let keys = |record: &Record| (record.exchange_id.0.as_bytes().to_vec(), siem::line(record, format));
        let events: Vec<_> = events.into_iter().map(|event| (event.key.to_vec(), text(&event.value))).collect();
        let expected: Vec<_> = records.iter().map(keys).collect();
        assert_eq!(events.get(..expected.len()), Some(expected.as_slice()), "{format:?}");
    }

    pub(crate) async fn approvals(&self) -> Vec<(ApprovalEvent, Bytes)> {
        let messages = self.messages(topic::APPROVALS).await;
        messages
            .into_iter()
            .map(|stored| {
                let event = ApprovalEvent::from_message(&stored.value, fingerprint(&stored)).expect("an event");
                (event, stored.key)
            })
            .collect()
    }

    pub(crate) async fn quarantine(&self) -> Vec<Stored> {
        self.messages(topic::QUARANTINE).await
    }

    /// Puts on its log what another world has sealed.
    pub(crate) async fn send_from(&self, other: &World, frame: Frame) {
        self.publish(other.sealed(frame)).await;
    }

    /// The records, once there are `count` of them, no two of one id.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Record> {
        let waiting = async {
            loop {
                let records = self.records().await;
                if records.len() >= count {
                    return records;
                }
                let at = Partition { topic: topic::RECORDS.to_owned(), number: 0 };
                let seen = records.len() as u64;
                let _ = self.log.reader().read(&at, seen, 1, Duration::from_secs(1)).await;
            }
        };
        let Ok(records) = tokio::time::timeout(PATIENCE, waiting).await else {
            panic!(
                "{count} records do not come, there are {}; ready: {:?}",
                self.records().await.len(),
                self.ready.borrow()
            );
        };
        let ids: HashSet<_> = records.iter().map(|record| record.record_id).collect();
        assert_eq!(ids.len(), records.len(), "a record is there twice");
        assert_eq!(records.len(), count, "{records:#?}");
        records
    }

    async fn messages(&self, topic: &str) -> Vec<Stored> {
        let at = Partition { topic: topic.to_owned(), number: 0 };
        let reader = self.log.reader();
        let (mut messages, mut from) = (Vec::new(), 0);
        loop {
            let more = reader.read(&at, from, 1 << 20, Duration::ZERO).await.expect("the log can be read");
            let Some(last) = more.last() else { return messages };
            from = last.offset + 1;
            messages.extend(more);
        }
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic").expect("a good end");
    }

    /// Ends it wherever it is, as a kill does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn open_log(folder: &std::path::Path, now_us: Arc<AtomicI64>) -> Embedded {
    let topic = |name: &str| Topic {
        name: name.to_owned(),
        partitions: 1,
        retention: Duration::from_secs(86_400),
        retention_bytes: 1 << 30,
    };
    let config = embedded::Config {
        path: folder.join("log.sqlite"),
        topics: [topic::FRAMES, topic::RECORDS, topic::APPROVALS, topic::QUARANTINE]
            .into_iter()
            .chain(Format::ALL.map(Format::topic))
            .map(topic)
            .collect(),
        clock_us: Arc::new(move || now_us.load(Ordering::Relaxed)),
    };
    Embedded::open(config).await.expect("a log")
}

/// Everything that can be published, in the form that needs a header.
fn publishing() -> masker::Publishing {
    masker::Publishing {
        records: Framing::Registered { schema_id: 7 },
        approvals: Framing::Registered { schema_id: 8 },
        events: Format::ALL.to_vec(),
    }
}

fn fingerprint(stored: &Stored) -> Option<&[u8]> {
    stored.header(FINGERPRINT_HEADER).map(AsRef::as_ref)
}

fn text(value: &Bytes) -> String {
    String::from_utf8(value.to_vec()).expect("text")
}

pub(crate) fn exchange(number: u128) -> ExchangeId {
    ExchangeId(Uuid::from_u128(number + 1))
}

pub(crate) fn context() -> Context {
    Context {
        principal: Some(Principal {
            issuer: "https://login.example".to_owned(),
            subject: "jane".to_owned(),
            groups: vec!["dev".to_owned()],
            ..Principal::default()
        }),
        auth_method: "jwt".to_owned(),
        source_ip: Some("192.0.2.7".to_owned()),
        connection: Some("github".to_owned()),
        protocol: "mcp/2025-11-25".to_owned(),
        method: Some("tools/call".to_owned()),
        target: Some("search".to_owned()),
        arguments_digest: Some([9; 32]),
        ..Context::default()
    }
}

pub(crate) fn frame(number: u128, kind: FrameKind, body: &[u8]) -> Frame {
    Frame {
        stamp: Stamp::default(),
        exchange_id: exchange(number),
        ordinal: 0,
        kind,
        direction: if kind == FrameKind::Request { Direction::ToUpstream } else { Direction::ToCaller },
        occurred_at: Timestamp(START_US),
        context: Some(context()),
        body: (!body.is_empty()).then(|| body.to_vec()),
        body_bytes: body.len() as u64,
        truncated: false,
        ending: (kind == FrameKind::Response).then(ending),
    }
}

/// A chunk after the first.
pub(crate) fn more(number: u128, body: &[u8]) -> Frame {
    Frame { context: None, ..frame(number, FrameKind::Chunk, body) }
}

fn ending() -> Ending {
    Ending {
        outcome: Outcome::Ok,
        transport_status: Some(200),
        rpc_code: None,
        is_error: Some(false),
        duration_us: Some(1500),
        first_byte_us: Some(700),
        usage: None,
        error: None,
    }
}
