//! What the tests stand on.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bus::{Bus, Message, Offset, Partition, Producer, Reader, Stored, Topic, Unrecorded, embedded};
use bytes::Bytes;
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use hansard_query::{Answer, Asker, Config, Deps, EVERYBODY, Error, Trail};
use object_store::{ObjectStoreExt, PutPayload, path::Path};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use recorder::Recorder;
use schemas::{
    Clock, Frame, FrameKind, Principal, Record, Timestamp,
    commit::{Batch, CommitEntry, Origin, RECORD_SCHEMA, RECORDS_STREAM, Span, entry_path, object_path, origin_path},
    frame::{KIND_HEADER, associated_data},
    topic,
};
use serde_json::Value;
use tokio::sync::watch;

use super::{rows::MORNING, store::Watched};

pub(crate) const PARTITIONS: u32 = 2;

pub(crate) struct Ground {
    pub(crate) log: embedded::Embedded,
    pub(crate) store: Arc<Watched>,
    pub(crate) trail: Arc<Trail>,
    pub(crate) unready: watch::Receiver<Option<String>>,
    /// Makes every send of a frame fail.
    pub(crate) unrecorded: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    /// First kept offset of each partition of the records, as query sees the log.
    pub(crate) floors: Arc<[AtomicU64; PARTITIONS as usize]>,
    /// How often query has read messages.
    pub(crate) reads: Arc<AtomicU64>,
    /// Makes the records another log than they were, as query sees it.
    pub(crate) replaced: Arc<AtomicBool>,
    opener: Opener,
    entries: AtomicU64,
    next: [AtomicU64; PARTITIONS as usize],
    _directory: tempfile::TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Ground {
        Ground::with(Config::default()).await
    }

    /// Everybody may read, unless the configuration names who may.
    pub(crate) async fn with(config: Config) -> Ground {
        let named = !config.readers.is_empty();
        Ground::exactly(if named { config } else { Config { readers: vec![EVERYBODY.to_owned()], ..config } }).await
    }

    pub(crate) async fn exactly(config: Config) -> Ground {
        let directory = tempfile::tempdir().expect("a directory");
        let clock_us = Arc::new(|| MORNING);
        let path = directory.path().join("log.sqlite");
        let topics = vec![topic_of(topic::FRAMES), topic_of(topic::RECORDS)];
        let log = embedded::Embedded::open(embedded::Config { path, topics, clock_us }).await.expect("a log");
        let key = PrivateKey::generate();
        let sealer = Sealer::new(key.public(), Rotation { messages_max: 100, age_max: Duration::from_secs(60) });
        let clock: Clock = Arc::new(|| Timestamp(MORNING));
        let unrecorded = Arc::new(AtomicBool::new(false));
        let producer = Arc::new(Switch { inner: log.producer(), off: Arc::clone(&unrecorded) });
        let recorder = Arc::new(Recorder::new("e-query".to_owned(), 1, sealer, producer, Arc::clone(&clock)));
        let store = Arc::new(Watched::default());
        let (ready, unready) = watch::channel(Some("starting".to_owned()));
        let floors = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let reads = Arc::new(AtomicU64::new(0));
        let replaced = Arc::new(AtomicBool::new(false));
        let (kept, counted, another) = (Arc::clone(&floors), Arc::clone(&reads), Arc::clone(&replaced));
        let reader = Arc::new(Forgetful { inner: log.reader(), floors: kept, reads: counted, replaced: another });
        let deps = Deps { reader, store: store.clone(), recorder, clock: Arc::clone(&clock), ready };
        let trail = Trail::open(config, deps).await;
        let opener = Opener::new(vec![key]);
        Ground {
            log,
            store,
            trail,
            unready,
            unrecorded,
            clock,
            floors,
            reads,
            replaced,
            opener,
            entries: AtomicU64::new(0),
            next: Default::default(),
            _directory: directory,
        }
    }

    /// What the masker does: records to their topic.
    pub(crate) async fn publish(&self, records: &[Record]) {
        let producer = self.log.producer();
        let sent = records.iter().map(|record| {
            let key = Bytes::copy_from_slice(record.exchange_id.0.as_bytes());
            producer.send(message(key, record.to_avro().into()))
        });
        futures::future::try_join_all(sent).await.expect("sent");
    }

    pub(crate) async fn publish_rubbish(&self) {
        self.log
            .producer()
            .send(message(Bytes::from_static(b"key"), Bytes::from_static(b"rubbish")))
            .await
            .expect("sent");
    }

    /// What the first archiver does: it writes down which log it reads, or another one.
    pub(crate) async fn write_down_origin(&self, identity: Option<&str>) {
        let own = self.log.reader().identity(topic::RECORDS).await.expect("an identity").expect("the log knows it");
        let origin = Origin::new(topic::RECORDS, identity.map_or(own, str::to_owned));
        let path = Path::from(origin_path(RECORDS_STREAM));
        self.store.put(&path, PutPayload::from(origin.to_json())).await.expect("written");
    }

    /// What the archiver does: one file of at most `rows_max` messages of a partition, then its entry. The rows' number.
    pub(crate) async fn archive(&self, partition: u32, rows_max: usize) -> usize {
        let from = self.next[partition as usize].load(Ordering::SeqCst);
        let at = Partition { topic: topic::RECORDS.to_owned(), number: partition };
        let mut messages = self.log.reader().read(&at, from, 64 << 20, Duration::ZERO).await.expect("read");
        messages.truncate(rows_max);
        let Some(last) = messages.last().map(|message| message.offset) else { return 0 };
        let records: Vec<Record> =
            messages.iter().filter_map(|message| Record::from_avro(&message.value).ok()).collect();
        let batch = Batch {
            stream: RECORDS_STREAM.to_owned(),
            partition,
            start_offset: from,
            first_offset: messages[0].offset,
            last_offset: last,
            next_offset: last + 1,
            rows: records.len() as u64,
            quarantined: 0,
            rows_root: String::new(),
            schema: RECORD_SCHEMA.to_owned(),
            occurred_at: Span::over(records.iter().map(|record| record.occurred_at)),
            recorded_at: Span::over(records.iter().map(|record| record.recorded_at)),
            policy_ids: Vec::new(),
            ruleset_ids: Vec::new(),
            ids_truncated: false,
        };
        self.commit(batch, parquet(&records)).await;
        self.next[partition as usize].store(last + 1, Ordering::SeqCst);
        records.len()
    }

    /// What retention does at its most eager: drops from the log what is archived.
    pub(crate) fn forget_archived(&self) {
        for (floor, next) in self.floors.iter().zip(&self.next) {
            floor.store(next.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    pub(crate) async fn commit(&self, batch: Batch, parquet: Vec<u8>) {
        let object = object_path(RECORDS_STREAM, MORNING, batch.partition, batch.start_offset);
        let bytes = parquet.len() as u64;
        self.put(&object, parquet).await;
        let entry = CommitEntry { batch, object, sha256: String::new(), bytes, committed_at: Timestamp(MORNING) };
        self.put(&entry_path(self.entries.fetch_add(1, Ordering::SeqCst)), entry.to_json()).await;
    }

    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) {
        self.store.put(&Path::from(path), PutPayload::from(bytes)).await.expect("put");
    }

    pub(crate) async fn ask(&self, statement: &str) -> Result<Answer, Error> {
        self.trail.sql(&asker("ada", &[]), statement).await
    }

    /// The answer as JSON.
    pub(crate) async fn rows(&self, statement: &str) -> Value {
        let answer = self.ask(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        serde_json::from_slice(&answer.to_json().expect("JSON")).expect("JSON")
    }

    /// Why there is no answer.
    pub(crate) async fn refusal(&self, statement: &str) -> String {
        self.ask(statement).await.map_or_else(|error| error.to_string(), |answer| format!("{} rows", answer.rows()))
    }

    /// The frames that were recorded so far, in log order of each partition.
    pub(crate) async fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for number in 0..PARTITIONS {
            let at = Partition { topic: topic::FRAMES.to_owned(), number };
            for message in self.log.reader().read(&at, 0, 64 << 20, Duration::ZERO).await.expect("read") {
                let kind = message.header(KIND_HEADER).expect("a kind");
                let kind = FrameKind::parse(std::str::from_utf8(kind).expect("text")).expect("a kind");
                let id = schemas::ExchangeId(uuid::Uuid::from_slice(&message.key).expect("an id"));
                let data = associated_data(topic::FRAMES, id, kind);
                let opened = self.opener.open(&message.value, &data).expect("opens");
                frames.push(Frame::from_avro(&opened).expect("a frame"));
            }
        }
        frames.sort_by_key(|frame| frame.stamp.seq);
        frames
    }
}

pub(crate) fn asker(subject: &str, groups: &[&str]) -> Asker {
    Asker {
        principal: Some(principal(subject, groups)),
        auth_method: "jwt".to_owned(),
        source_ip: Some(IpAddr::from([127, 0, 0, 1])),
    }
}

pub(crate) fn principal(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        issuer: "https://issuer.example".to_owned(),
        subject: subject.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Principal::default()
    }
}

pub(crate) fn parquet(records: &[Record]) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_column_bloom_filter_enabled("exchange_id".into(), true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schemas::arrow::schema(), Some(properties)).expect("a writer");
    writer.write(&schemas::arrow::to_batch(records).expect("a batch")).expect("written");
    writer.into_inner().expect("closed")
}

fn topic_of(name: &str) -> Topic {
    let retention = Duration::from_secs(3600);
    Topic { name: name.to_owned(), partitions: PARTITIONS, retention, retention_bytes: 1 << 30 }
}

fn message(key: Bytes, value: Bytes) -> Message {
    Message { topic: topic::RECORDS.to_owned(), key, headers: Vec::new(), value }
}

#[derive(Debug)]
struct Switch {
    inner: Arc<dyn Producer>,
    off: Arc<AtomicBool>,
}

#[async_trait]
impl Producer for Switch {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        if self.off.load(Ordering::SeqCst) {
            return Err(Unrecorded { source: bus::Error::new("made to fail") });
        }
        self.inner.send(message).await
    }
}

/// A log that keeps only what lies above its floors.
#[derive(Debug)]
struct Forgetful {
    inner: Arc<dyn Reader>,
    floors: Arc<[AtomicU64; PARTITIONS as usize]>,
    reads: Arc<AtomicU64>,
    replaced: Arc<AtomicBool>,
}

impl Forgetful {
    fn floor(&self, at: &Partition) -> u64 {
        self.floors[at.number as usize].load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Reader for Forgetful {
    async fn partitions(&self, topic: &str) -> Result<u32, bus::Error> {
        self.inner.partitions(topic).await
    }

    async fn identity(&self, topic: &str) -> Result<Option<String>, bus::Error> {
        let replaced = self.replaced.load(Ordering::SeqCst);
        if replaced { Ok(Some("made anew".to_owned())) } else { self.inner.identity(topic).await }
    }

    async fn bounds(&self, at: &Partition) -> Result<std::ops::Range<u64>, bus::Error> {
        let bounds = self.inner.bounds(at).await?;
        Ok(bounds.start.max(self.floor(at))..bounds.end)
    }

    async fn read(&self, at: &Partition, from: u64, bytes: usize, wait: Duration) -> Result<Vec<Stored>, bus::Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(at, from.max(self.floor(at)), bytes, wait).await
    }
}
