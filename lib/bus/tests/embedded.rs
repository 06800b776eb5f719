//! What only the embedded log promises: its file, its limits, its retention, several openings of one file.

use std::{
    fs::OpenOptions,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hansard_bus::{
    Bus, CommitError, Delivery, Message, Partition, Position, Stored, Topic,
    embedded::{Config, Embedded},
};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR_US: i64 = 3_600_000_000;

struct Bench {
    directory: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    topic: Topic,
}

impl Bench {
    fn new() -> Bench {
        let topic = Topic {
            name: "t".to_owned(),
            partitions: 2,
            retention: Duration::from_secs(3600),
            retention_bytes: u64::MAX,
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        Bench { directory, clock: Arc::new(AtomicI64::new(1_000 * HOUR_US)), topic }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log.sqlite")
    }

    fn config(&self) -> Config {
        let clock = self.clock.clone();
        Config {
            path: self.path(),
            topics: vec![self.topic.clone()],
            clock_us: Arc::new(move || clock.load(Ordering::Relaxed)),
        }
    }

    async fn open(&self) -> Embedded {
        Embedded::open(self.config()).await.expect("the log opens")
    }

    async fn refusal(&self) -> String {
        let error = Embedded::open(self.config()).await.expect_err("the log is refused");
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said = format!("{said}: {error}");
            source = error.source();
        }
        said
    }
}

fn message(value: impl Into<Bytes>) -> Message {
    Message { topic: "t".to_owned(), key: Bytes::from_static(b"k"), headers: Vec::new(), value: value.into() }
}

/// The partition of the key of [`message`].
fn at() -> Partition {
    Partition { topic: "t".to_owned(), number: hansard_bus::partition_of(b"k", 2) }
}

async fn send(log: &Embedded, value: impl Into<Bytes>) -> u64 {
    log.producer().send(message(value)).await.expect("it is sent").offset
}

async fn kept(log: &Embedded) -> Vec<Stored> {
    let reader = log.reader();
    let bounds = reader.bounds(&at()).await.expect("bounds");
    reader.read(&at(), bounds.start, usize::MAX, Duration::ZERO).await.expect("a read")
}

/// Retention goes by itself; until it has come so far.
async fn until_first_is(log: &Embedded, first: u64) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while log.reader().bounds(&at()).await.expect("bounds").start != first {
        assert!(tokio::time::Instant::now() < deadline, "retention never came to {first}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn commit(log: &Embedded, next: u64) {
    let mut member = log.consumer("group", &["t"]).await.expect("it joins");
    assert!(matches!(member.next().await, Ok(Delivery::Assigned(_))));
    let position = Position { at: at(), next, note: String::new() };
    member.commit(&[position], Vec::new()).await.expect("a commit");
    member.close().await.expect("it leaves");
}

#[tokio::test]
async fn a_timestamp_never_goes_back() {
    let bench = Bench::new();
    let log = bench.open().await;
    for clock in [50, 70, 60, 80] {
        bench.clock.store(clock, Ordering::Relaxed);
        send(&log, "v").await;
    }
    drop(log);
    bench.clock.store(10, Ordering::Relaxed);
    let log = bench.open().await;
    send(&log, "v").await;
    let times: Vec<i64> = kept(&log).await.iter().map(|message| message.timestamp_us).collect();
    assert_eq!(times, [50, 70, 70, 80, 80]);
}

#[tokio::test]
async fn messages_go_by_their_age() {
    let bench = Bench::new();
    let log = bench.open().await;
    for _ in 0..1500 {
        log.producer().send(message("old")).await.expect("sent");
    }
    bench.clock.fetch_add(HOUR_US + 1, Ordering::Relaxed);
    let young = send(&log, "young").await;
    until_first_is(&log, young).await;
    assert_eq!(kept(&log).await.len(), 1);
    assert_eq!(send(&log, "next").await, young + 1, "offsets go on");
}

#[tokio::test]
async fn offsets_go_on_when_all_messages_are_gone() {
    let bench = Bench::new();
    let log = bench.open().await;
    let last = send(&log, "old").await;
    bench.clock.fetch_add(HOUR_US + 1, Ordering::Relaxed);
    until_first_is(&log, last + 1).await;
    drop(log);
    let log = bench.open().await;
    assert_eq!(send(&log, "new").await, last + 1);
    let read = log.reader().read(&at(), 0, 100, PATIENCE).await.expect("a read");
    assert_eq!(read.iter().map(|message| message.offset).collect::<Vec<_>>(), [last + 1], "over the gap");
}

#[tokio::test]
async fn the_oldest_go_when_a_topic_is_too_large() {
    let mut bench = Bench::new();
    bench.topic.retention_bytes = 10_000;
    let log = bench.open().await;
    for _ in 0..50 {
        send(&log, vec![b'v'; 999]).await;
    }
    until_first_is(&log, 40).await;
    assert_eq!(kept(&log).await.len(), 10, "and no more than needed");
}

#[tokio::test]
async fn what_a_group_has_not_committed_stays() {
    let bench = Bench::new();
    let log = bench.open().await;
    for _ in 0..10 {
        send(&log, "v").await;
    }
    commit(&log, 4).await;
    bench.clock.fetch_add(HOUR_US + 1, Ordering::Relaxed);
    until_first_is(&log, 4).await;
    commit(&log, 7).await;
    until_first_is(&log, 7).await;
    log.forget_group("group").await.expect("nobody is in it");
    until_first_is(&log, 10).await;
}

#[tokio::test]
async fn a_group_with_members_is_not_forgotten() {
    let bench = Bench::new();
    let log = bench.open().await;
    let member = log.consumer("group", &["t"]).await.expect("it joins");
    assert!(log.forget_group("group").await.is_err());
    member.close().await.expect("it leaves");
    log.forget_group("group").await.expect("now it is");
}

#[tokio::test]
async fn a_topic_keeps_its_partitions_and_takes_new_retention() {
    let mut bench = Bench::new();
    drop(bench.open().await);
    bench.topic.partitions = 7;
    bench.topic.retention = Duration::from_secs(60);
    let log = bench.open().await;
    assert_eq!(log.reader().partitions("t").await.expect("partitions"), 2);
    let old = send(&log, "old").await;
    bench.clock.fetch_add(61_000_000, Ordering::Relaxed);
    until_first_is(&log, old + 1).await;
}

#[tokio::test]
async fn a_full_disk_refuses_all_that_waits_and_recovers_by_itself() {
    let bench = Bench::new();
    let log = bench.open().await;
    let before = send(&log, "before").await;
    log.limit_pages(1).await.expect("the smallest file that there is");
    let producer = log.producer();
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(message(vec![0; 100_000])).await })
        })
        .collect();
    for sent in sends {
        let refused = sent.await.expect("it ends").expect_err("the disk is full");
        assert!(refused.source.to_string().contains("is full"), "{}", refused.source);
    }
    assert_eq!(kept(&log).await.len(), 1, "reading goes on");
    log.limit_pages(u32::MAX).await.expect("room again");
    assert_eq!(send(&log, vec![0; 100_000]).await, before + 1, "no offset is lost");
    assert_eq!(kept(&log).await.len(), 2);
}

#[tokio::test]
async fn a_rebalance_does_not_disturb_what_a_member_keeps() {
    let bench = Bench::new();
    let log = bench.open().await;
    let mut one = log.consumer("group", &["t"]).await.expect("it joins");
    let Ok(Delivery::Assigned(held)) = one.next().await else { panic!("not told first") };
    let mut two = log.consumer("group", &["t"]).await.expect("it joins");
    let Ok(Delivery::Assigned(moved)) = two.next().await else { panic!("not told first") };
    let kept: Vec<Position> = held.into_iter().filter(|position| !moved.contains(position)).collect();
    assert_eq!((kept.len(), moved.len()), (1, 1));
    one.commit(&kept, Vec::new()).await.expect("it need not know of the rebalance");
    assert!(matches!(one.commit(&moved, Vec::new()).await, Err(CommitError::Fenced)));
    assert_eq!(one.next().await.expect("next"), Delivery::Revoked(vec![moved[0].at.clone()]));
}

/// Their process lives, so no lease of theirs would ever end.
#[tokio::test]
async fn members_that_leave_while_the_disk_is_full_keep_nothing_when_there_is_room() {
    let bench = Bench::new();
    let log = bench.open().await;
    let mut members = Vec::new();
    for _ in 0..20 {
        members.push(log.consumer("group", &["t"]).await.expect("it joins"));
    }
    log.limit_pages(1).await.expect("the smallest file that there is");
    for member in members {
        // In one batch with what is too much, leaving fails.
        let producer = log.producer();
        let _ = tokio::join!(producer.send(message(vec![0; 100_000])), member.close());
    }
    log.limit_pages(u32::MAX).await.expect("room again");
    holds_all(&log).await;
}

/// However far a join had come when nobody waited for it any more.
#[tokio::test]
async fn a_join_that_is_given_up_keeps_nothing() {
    let bench = Bench::new();
    let log = bench.open().await;
    for patience_us in (0..2_000).step_by(100) {
        let _ = tokio::time::timeout(Duration::from_micros(patience_us), log.consumer("group", &["t"])).await;
    }
    holds_all(&log).await;
}

/// A member that joins now holds all partitions in the end.
async fn holds_all(log: &Embedded) {
    let mut next = log.consumer("group", &["t"]).await.expect("it joins");
    let mut held = 0;
    while held < 2 {
        match tokio::time::timeout(PATIENCE, next.next()).await.expect("all partitions in time").expect("next") {
            Delivery::Assigned(positions) => held += positions.len(),
            Delivery::Revoked(partitions) => held -= partitions.len(),
            Delivery::Messages(..) => {}
        }
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let bench = Bench::new();
    std::fs::write(bench.path(), "this is no log, but it is longer than the header of a database file".repeat(9))
        .expect("a file");
    let said = bench.refusal().await;
    assert!(said.contains("not a Hansard log"), "{said}");

    let bench = Bench::new();
    let other = rusqlite::Connection::open(bench.path()).expect("a database");
    other.execute_batch("CREATE TABLE other (row INTEGER)").expect("a table");
    drop(other);
    let said = bench.refusal().await;
    assert!(said.contains("another program"), "{said}");
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let bench = Bench::new();
    drop(bench.open().await);
    let file = rusqlite::Connection::open(bench.path()).expect("the file");
    file.pragma_update(None, "user_version", 99).expect("a newer version");
    drop(file);
    let said = bench.refusal().await;
    assert!(said.contains("version 99"), "{said}");
}

/// A file of version 1, as a program wrote it that knew no other.
#[tokio::test]
async fn an_older_file_is_read_on_by_a_newer_program() {
    let bench = Bench::new();
    let file = rusqlite::Connection::open(bench.path()).expect("the file");
    file.execute_batch(include_str!("../src/embedded/schema_1.sql")).expect("version 1");
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x48616e73; PRAGMA user_version = 1;
         INSERT INTO topics VALUES ('t', 1000000000, 1000000000);
         INSERT INTO partitions (topic, number, first, next) VALUES ('t', 0, 1, 3), ('t', 1, 0, 1);
         INSERT INTO log VALUES ((1 << 40) + 1, 5, x'6b', x'', CAST('one' AS BLOB)), ((1 << 40) + 2, 6, x'6b', x'', CAST('two' AS BLOB)),
                                ((2 << 40) + 0, 7, x'6b', x'', CAST('other' AS BLOB));
         INSERT INTO positions VALUES ('g', 1, 2, 'note');",
    )
    .expect("messages");
    drop(file);
    let log = bench.open().await;
    let read = |number| {
        let at = Partition { topic: "t".to_owned(), number };
        let reader = log.reader();
        async move { reader.read(&at, 0, usize::MAX, Duration::ZERO).await.expect("messages") }
    };
    let seen = |messages: &[Stored]| {
        messages.iter().map(|message| (message.offset, message.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(seen(&read(0).await), [(1, "one".into()), (2, "two".into())]);
    assert_eq!(seen(&read(1).await), [(0, "other".into())]);
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let bench = Bench::new();
    let config = Config { path: bench.directory.path().join("nowhere/log.sqlite"), ..bench.config() };
    let said = Embedded::open(config).await.expect_err("no folder").to_string();
    assert!(said.contains("nowhere") && said.contains("check that its directory exists"), "{said}");
}

/// As a kill leaves it: the write-ahead log is still there.
fn copy_unclean(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(from), name(to)).expect("a copy");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_after_an_unclean_stop() {
    let (bench, copy) = (Bench::new(), Bench::new());
    drop(bench.open().await);
    let log = bench.open().await;
    for _ in 0..200 {
        send(&log, vec![1; 1000]).await;
    }
    drop(log);
    let log = bench.open().await;
    send(&log, "in the write-ahead log").await;
    copy_unclean(&bench.path(), &copy.path());
    assert_eq!(kept(&copy.open().await).await.len(), 201, "a sound one is accepted");

    let damaged = Bench::new();
    copy_unclean(&bench.path(), &damaged.path());
    let mut file = OpenOptions::new().write(true).open(damaged.path()).expect("the file");
    let middle = file.metadata().expect("its length").len() / 2;
    file.seek(SeekFrom::Start(middle)).expect("its middle");
    file.write_all(&[0x5a; 16 * 1024]).expect("damage");
    drop(file);
    let said = damaged.refusal().await;
    assert!(said.contains("is damaged"), "{said}");
}

#[tokio::test]
async fn a_torn_end_of_the_write_ahead_log_costs_nothing_that_was_whole() {
    let (bench, torn) = (Bench::new(), Bench::new());
    let log = bench.open().await;
    for number in 0..20 {
        send(&log, number.to_string()).await;
    }
    copy_unclean(&bench.path(), &torn.path());
    let wal = OpenOptions::new().write(true).open(format!("{}-wal", torn.path().display())).expect("the file");
    wal.set_len(wal.metadata().expect("its length").len() - 100).expect("torn");
    let log = torn.open().await;
    let numbers: Vec<Bytes> = kept(&log).await.into_iter().map(|message| message.value).collect();
    assert_eq!(numbers, (0..19).map(|number| Bytes::from(number.to_string())).collect::<Vec<_>>());
    assert_eq!(send(&log, "on").await, 19);
}

#[tokio::test]
async fn a_message_after_the_end_is_damage() {
    let (bench, copy) = (Bench::new(), Bench::new());
    let log = bench.open().await;
    send(&log, "v").await;
    let file = rusqlite::Connection::open(bench.path()).expect("the file");
    file.execute("UPDATE partitions SET next = 0", []).expect("damage");
    copy_unclean(&bench.path(), &copy.path());
    let said = copy.refusal().await;
    assert!(said.contains("is damaged") && said.contains("after its end"), "{said}");
}

#[tokio::test]
async fn the_last_to_close_leaves_one_file() {
    let bench = Bench::new();
    let log = bench.open().await;
    send(&log, "v").await;
    kept(&log).await;
    let reader = log.reader();
    drop(log);
    assert_eq!(reader.bounds(&at()).await.expect("still open"), 0..1);
    drop(reader);
    // A read that was still being put away may be the one that closes the file.
    let gone = async {
        while bench.directory.path().join("log.sqlite-wal").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the log is one file again");
}

#[tokio::test]
async fn an_overload_is_refused_and_not_queued_without_end() {
    let bench = Bench::new();
    let log = bench.open().await;
    let hold = rusqlite::Connection::open(bench.path()).expect("the file");
    hold.execute_batch("BEGIN IMMEDIATE").expect("the writer waits");
    let value = Bytes::from(vec![0; 16 * 1024 * 1024]);
    let sends: Vec<_> = (0..40)
        .map(|_| {
            let (producer, message) = (log.producer(), message(value.clone()));
            tokio::spawn(async move { producer.send(message).await })
        })
        .collect();
    tokio::task::yield_now().await;
    hold.execute_batch("COMMIT").expect("the writer goes on");
    let mut refused = 0;
    for sent in sends {
        if let Err(error) = sent.await.expect("it ends") {
            assert!(error.source.to_string().contains("too many messages wait"), "{}", error.source);
            refused += 1;
        }
    }
    assert!((1..40).contains(&refused), "{refused} refused");
}

/// The one thread that waits for sockets and timers may be the one that writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_who_waits_for_the_file_keeps_no_timer_waiting() {
    let bench = Bench::new();
    let log = bench.open().await;
    let hold = rusqlite::Connection::open(bench.path()).expect("the file");
    for _ in 0..5 {
        send(&log, "v").await;
        hold.execute_batch("BEGIN IMMEDIATE").expect("the writer waits");
        let sending = tokio::spawn({
            let log = log.clone();
            async move {
                // Now the worker comes from the timers, and nobody else is awake.
                tokio::time::sleep(Duration::from_millis(20)).await;
                send(&log, "v").await
            }
        });
        let began = std::time::Instant::now();
        tokio::spawn(tokio::time::sleep(Duration::from_millis(200))).await.expect("it ends");
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        assert!(!sending.is_finished(), "it was written in spite of the lock");
        hold.execute_batch("COMMIT").expect("the writer goes on");
        sending.await.expect("it is sent");
    }
}

/// What one task sends together goes together, though it could write each message by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_one_sender_is_a_few_transactions() {
    let bench = Bench::new();
    let log = bench.open().await;
    let producer = log.producer();
    let wal = || std::fs::metadata(bench.directory.path().join("log.sqlite-wal")).expect("the write-ahead log").len();
    let before = wal();
    let burst: futures::stream::FuturesOrdered<_> = (0..64).map(|_| producer.send(message("v"))).collect();
    let sent: Vec<_> = futures::StreamExt::collect(burst).await;
    let offsets: Vec<u64> = sent.into_iter().map(|sent| sent.expect("it is sent").offset).collect();
    assert_eq!(offsets, (0..64).collect::<Vec<u64>>(), "in the order in which they were sent");
    // One by one they take more than a page each for the message and the end of its partition.
    let pages = (wal() - before) / 8192;
    assert!(pages < 64, "{pages} pages");
}

#[tokio::test]
async fn the_write_ahead_log_stays_small() {
    let bench = Bench::new();
    let log = bench.open().await;
    let wal = bench.directory.path().join("log.sqlite-wal");
    let (value, mut largest) = (Bytes::from(vec![0; 512 * 1024]), 0);
    for _ in 0..128 {
        send(&log, value.clone()).await;
        largest = std::fs::metadata(&wal).expect("the write-ahead log").len().max(largest);
    }
    assert!(largest < 32 * 1024 * 1024, "{largest} bytes");
}
