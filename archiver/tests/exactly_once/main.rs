//! Exactly once, whatever goes wrong: a store that fails before, fails after, lies and lags, an archiver that is killed
//! at any await, two archivers at one partition, and zombies that never hear that they lost it.
//!
//! Afterwards the archive holds what the log held, each row once, and a plain listing shows what the commit log says.

mod archive;
mod faulty;
mod memory_log;
mod mortal;
mod record;

use std::{sync::Arc, time::Duration};

use bus::{
    Bus, Message, Topic,
    embedded::{self, Embedded},
};
use bytes::Bytes;
use faulty::Faulty;
use hansard_archiver as archiver;
use hansard_archiver::{Config, Deps, ObjectStore, ObjectStoreExt};
use memory_log::MemoryLog;
use mortal::Mortal;
use object_store::{PutMode, PutOptions, memory::InMemory, path::Path};
use record::Chance;
use schemas::{Clock, Timestamp, commit, topic};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);
/// Seeds that run at one time.
const LANES: u64 = 4;
const MIDNIGHT_US: i64 = 20_662 * 86_400_000_000;

fn config() -> Config {
    Config {
        batch_rows_max: 4,
        batch_age_seconds_max: 0,
        row_group_rows: 4,
        retry_milliseconds_max: 1,
        ..Config::default()
    }
}

fn clock() -> Clock {
    Arc::new(|| Timestamp(1_785_231_000_000_000))
}

fn deps(bus: &Arc<dyn Bus>, store: &Arc<dyn ObjectStore>) -> (Deps, watch::Receiver<Option<String>>) {
    let (ready, says) = watch::channel(Some("starting".to_owned()));
    (Deps { bus: bus.clone(), store: store.clone(), clock: clock(), ready }, says)
}

async fn run(bus: Arc<dyn Bus>, store: Arc<dyn ObjectStore>) {
    archiver::run(config(), deps(&bus, &store).0, CancellationToken::new()).await.expect("the archiver runs");
}

/// Adds to every partition: mostly records, some garbage, with gaps between the offsets, from one day to the next.
fn fill(log: &MemoryLog, chance: &mut Chance, from_us: i64) {
    for partition in 0..log.ends().len() {
        for message in 0..4 {
            let value = if chance.one_in(9) { Bytes::from_static(b"garbage") } else { record::random(chance) };
            log.append(partition, 1 + chance.below(2), from_us + message, value);
        }
    }
}

/// Two archivers at a time; the second takes the partitions over, and the first may never hear of it. Ends when both
/// are dead or have nothing left to do.
async fn live_and_die(bus: &Arc<dyn Bus>, world: &Arc<Faulty>, chance: &mut Chance) {
    let mut archivers = JoinSet::new();
    for _ in 0..2 {
        let polls_max = 20 + chance.below(300);
        archivers.spawn(Mortal::new(run(bus.clone(), world.clone()), polls_max));
    }
    let dead = async {
        while let Some(ended) = archivers.join_next().await {
            ended.expect("no panic");
        }
    };
    tokio::select! {
        () = dead => {}
        () = archive::reaches(&world.kept, archive::ends(bus).await) => {}
    }
}

async fn survive(seed: u64) {
    let mut chance = Chance::new(seed);
    let log = Arc::new(MemoryLog::new(1 + usize::from(chance.one_in(2))));
    let bus: Arc<dyn Bus> = log.clone();
    let kept: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faulty = Arc::new(Faulty::new(kept.clone(), seed));
    for round in 0..3 {
        fill(&log, &mut chance, MIDNIGHT_US - 6 + 4 * round);
        log.tell_the_revoked(chance.one_in(2));
        live_and_die(&bus, &faulty, &mut chance).await;
    }
    faulty.heal().await;
    tokio::select! {
        () = run(bus, faulty) => unreachable!("nobody asked it to stop"),
        () = archive::reaches(&kept, log.ends()) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("seed {seed}: not archived within {PATIENCE:?}"),
    }
    let archived = archive::read(&kept).await;
    record::check_same(&archived, &log.records(), seed);
    log.check_quarantine(seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_over_faults_kills_and_zombies() {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(async move {
            for seed in (lane..seeds()).step_by(LANES as usize) {
                survive(seed).await;
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.expect("no seed fails");
    }
}

/// More for a long run: `HANSARD_SEEDS=5000 cargo test -p hansard-archiver`.
#[expect(clippy::disallowed_methods, reason = "asks the person who runs the tests")]
fn seeds() -> u64 {
    std::env::var("HANSARD_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200)
}

#[tokio::test]
async fn an_object_that_is_not_the_batch_stops_its_partition_alone_and_says_so() {
    let mut chance = Chance::new(1);
    let log = Arc::new(MemoryLog::new(2));
    fill(&log, &mut chance, MIDNIGHT_US);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let taken = Path::from(commit::object_path(commit::RECORDS_STREAM, MIDNIGHT_US, 0, 0));
    store.put_opts(&taken, "foreign".into(), PutOptions::from(PutMode::Create)).await.expect("put");
    let bus: Arc<dyn Bus> = log.clone();
    let (deps, mut says) = deps(&bus, &store);
    let stop = CancellationToken::new();
    let archiver = tokio::spawn(archiver::run(config(), deps, stop.clone()));
    let wait = says.wait_for(|reason| reason.as_ref().is_some_and(|reason| reason.contains("part=000")));
    tokio::time::timeout(PATIENCE, wait).await.expect("in time").expect("it runs");
    archive::reaches(&store, vec![0, log.ends()[1]]).await;
    stop.cancel();
    archiver.await.expect("no panic").expect("a clean stop");
    assert_eq!(store.get(&taken).await.expect("get").bytes().await.expect("bytes"), "foreign");
}

/// An object that was put and whose entry was never written: adopted if every row is sound, else the partition stops.
#[tokio::test]
async fn only_a_sound_object_is_adopted() {
    let mut chance = Chance::new(6);
    let log = Arc::new(MemoryLog::new(1));
    fill_one(&log, &mut chance);
    let bus: Arc<dyn Bus> = log.clone();
    let written: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    tokio::select! {
        () = run(bus.clone(), written.clone()) => unreachable!("nobody asked it to stop"),
        () = archive::reaches(&written, log.ends()) => {}
    }
    let (path, sound) = archive::first_object(&written).await;
    for place in (0..sound.len()).step_by(sound.len() / 40) {
        let mut altered = sound.to_vec();
        altered[place] ^= 0x10;
        let adopted = adopt(&bus, &path, altered.into()).await;
        // A few bytes mean nothing (padding, an unused hint); but what is adopted holds the rows that were minted.
        if let Some(store) = adopted {
            record::check_same(&archive::read(&store).await, &log.records(), place as u64);
        }
    }
    assert!(adopt(&bus, &path, sound).await.is_some());
}

/// The store after an archiver has found `object` at `path` without an entry; none when it would not have it.
async fn adopt(bus: &Arc<dyn Bus>, path: &Path, object: Bytes) -> Option<Arc<dyn ObjectStore>> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    store.put_opts(path, object.into(), PutOptions::from(PutMode::Create)).await.expect("put");
    let (deps, mut says) = deps(bus, &store);
    let archiver = tokio::spawn(archiver::run(config(), deps, CancellationToken::new()));
    let stopped = says.wait_for(|reason| reason.as_ref().is_some_and(|reason| reason.contains("cannot be it")));
    let adopted = tokio::select! {
        _ = stopped => None,
        () = archive::reaches(&store, archive::ends(bus).await) => Some(store.clone()),
        () = tokio::time::sleep(PATIENCE) => panic!("neither adopted nor refused"),
    };
    archiver.abort();
    adopted
}

#[tokio::test]
async fn messages_that_are_gone_stop_the_partition_instead_of_a_silent_jump() {
    let mut chance = Chance::new(2);
    let log = Arc::new(MemoryLog::new(1));
    fill_one(&log, &mut chance);
    log.forget(0, 3);
    let bus: Arc<dyn Bus> = log.clone();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (deps, mut says) = deps(&bus, &store);
    let archiver = tokio::spawn(archiver::run(config(), deps, CancellationToken::new()));
    let wait = says.wait_for(|reason| reason.as_ref().is_some_and(|reason| reason.contains("were never archived")));
    tokio::time::timeout(PATIENCE, wait).await.expect("in time").expect("it runs");
    assert!(archive::read(&store).await.is_empty());
    archiver.abort();
}

fn fill_one(log: &MemoryLog, chance: &mut Chance) {
    for _ in 0..5 {
        log.append(0, 1, 0, record::random(chance));
    }
}

#[tokio::test]
async fn a_log_that_is_shorter_than_its_archive_is_another_log() {
    let mut chance = Chance::new(3);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let log = Arc::new(MemoryLog::new(1));
    fill_one(&log, &mut chance);
    let bus: Arc<dyn Bus> = log.clone();
    tokio::select! {
        () = run(bus, store.clone()) => unreachable!("nobody asked it to stop"),
        () = archive::reaches(&store, log.ends()) => {}
    }
    let recreated: Arc<dyn Bus> = Arc::new(MemoryLog::new(1));
    let (deps, mut says) = deps(&recreated, &store);
    let archiver = tokio::spawn(archiver::run(config(), deps, CancellationToken::new()));
    let wait = says.wait_for(|reason| reason.as_ref().is_some_and(|reason| reason.contains("another log")));
    tokio::time::timeout(PATIENCE, wait).await.expect("in time").expect("it runs");
    archiver.abort();
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused() {
    let kept: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store: Arc<dyn ObjectStore> = Arc::new(faulty::Careless(kept));
    let bus: Arc<dyn Bus> = Arc::new(MemoryLog::new(1));
    let refused = archiver::run(config(), deps(&bus, &store).0, CancellationToken::new()).await;
    assert!(matches!(refused, Err(archiver::Error::Store(archiver::OpenError::Overwrites))), "{refused:?}");
}

#[tokio::test]
async fn limits_of_zero_are_refused() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let bus: Arc<dyn Bus> = Arc::new(MemoryLog::new(1));
    let config = Config { row_group_rows: 0, ..Config::default() };
    let refused = archiver::run(config, deps(&bus, &store).0, CancellationToken::new()).await;
    assert!(matches!(refused, Err(archiver::Error::Config(_))), "{refused:?}");
}

#[tokio::test]
async fn a_clean_stop_archives_what_is_buffered() {
    let mut chance = Chance::new(4);
    let log = Arc::new(MemoryLog::new(1));
    fill_one(&log, &mut chance);
    let bus: Arc<dyn Bus> = log.clone();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let stop = CancellationToken::new();
    // Nothing is cut by age or size here, but by the stop alone.
    let config = Config { batch_age_seconds_max: 3600, ..Config::default() };
    let archiver = tokio::spawn(archiver::run(config, deps(&bus, &store).0, stop.clone()));
    tokio::time::timeout(PATIENCE, log.all_taken()).await.expect("in time");
    assert!(archive::read(&store).await.is_empty());
    stop.cancel();
    archiver.await.expect("no panic").expect("a clean stop");
    record::check_same(&archive::read(&store).await, &log.records(), 4);
}

/// One partition has most of what may wait, so its batch is cut, and the other waits on.
#[tokio::test]
async fn the_largest_batch_makes_room_for_the_others() {
    let mut chance = Chance::new(6);
    let log = Arc::new(MemoryLog::new(2));
    log.append(0, 1, MIDNIGHT_US, record::random(&mut chance));
    let large: Vec<Bytes> = (0..20).map(|_| record::random(&mut chance)).collect();
    large.iter().for_each(|value| log.append(1, 1, MIDNIGHT_US, value.clone()));
    let bus: Arc<dyn Bus> = log.clone();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let stop = CancellationToken::new();
    let buffered_bytes_max = large.iter().map(Bytes::len).sum();
    let config = Config { buffered_bytes_max, batch_age_seconds_max: 3600, ..Config::default() };
    let archiver = tokio::spawn(archiver::run(config, deps(&bus, &store).0, stop.clone()));
    tokio::time::timeout(PATIENCE, log.all_taken()).await.expect("in time");
    let archived = tokio::time::timeout(PATIENCE, async {
        loop {
            let archived = archive::read(&store).await;
            if !archived.is_empty() {
                return archived;
            }
            tokio::task::yield_now().await;
        }
    });
    let archived = archived.await.expect("in time").len();
    assert!((15..=20).contains(&archived), "{archived} of the 20 that are in the way");
    stop.cancel();
    archiver.await.expect("no panic").expect("a clean stop");
    record::check_same(&archive::read(&store).await, &log.records(), 6);
}

/// A log that took the place of the archive's, and has grown beyond where the archive ends: its offsets fit, and its
/// first messages would be passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_is_never_taken_for_the_archives_own() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut chance = Chance::new(7);
    let first = tempfile::tempdir().expect("tempdir");
    let bus: Arc<dyn Bus> = Arc::new(open(first.path()).await);
    archive_some(&bus, &store, &mut chance, 20).await;
    let archived = archive::read(&store).await;
    let second = tempfile::tempdir().expect("tempdir");
    let bus: Arc<dyn Bus> = Arc::new(open(second.path()).await);
    for _ in 0..200 {
        bus.producer().send(message(record::random(&mut chance))).await.expect("durable");
    }
    let (deps, mut says) = deps(&bus, &store);
    let stop = CancellationToken::new();
    let archiver = tokio::spawn(archiver::run(config(), deps, stop.clone()));
    let told = says.wait_for(|reason| reason.as_ref().is_some_and(|reason| reason.contains("another log")));
    tokio::time::timeout(PATIENCE, told).await.expect("in time").expect("it says so");
    stop.cancel();
    archiver.await.expect("no panic").expect("a clean stop");
    assert_eq!(archive::read(&store).await.len(), archived.len(), "the archive is as it was");
    // The first log is still the archive's.
    let bus: Arc<dyn Bus> = Arc::new(open(first.path()).await);
    archive_some(&bus, &store, &mut chance, 20).await;
    assert_eq!(archive::read(&store).await.len(), archived.len() + 20);
}

/// Adds records to the log and archives all of it.
async fn archive_some(bus: &Arc<dyn Bus>, store: &Arc<dyn ObjectStore>, chance: &mut Chance, records: usize) {
    for _ in 0..records {
        bus.producer().send(message(record::random(chance))).await.expect("durable");
    }
    let stop = CancellationToken::new();
    let archiver = tokio::spawn(archiver::run(config(), deps(bus, store).0, stop.clone()));
    let reached = async { archive::reaches(store, archive::ends(bus).await).await };
    tokio::time::timeout(PATIENCE, reached).await.expect("in time");
    stop.cancel();
    archiver.await.expect("no panic").expect("a clean stop");
}

/// The real log and a real folder; the second start goes on where the first one ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_go_on_where_the_archive_ends() {
    let folder = tempfile::tempdir().expect("tempdir");
    let url = folder.path().join("archive").display().to_string();
    let store = archiver::open_store(&url, Default::default()).expect("a folder");
    let bus: Arc<dyn Bus> = Arc::new(open(folder.path()).await);
    let mut chance = Chance::new(5);
    let mut sent = Vec::new();
    for _ in 0..2 {
        for _ in 0..20 {
            let value = record::random(&mut chance);
            sent.push(record::read(&value));
            bus.producer().send(message(value)).await.expect("durable");
        }
        let stop = CancellationToken::new();
        let archiver = tokio::spawn(archiver::run(config(), deps(&bus, &store).0, stop.clone()));
        let reached = async { archive::reaches(&store, archive::ends(&bus).await).await };
        tokio::time::timeout(PATIENCE, reached).await.expect("in time");
        stop.cancel();
        archiver.await.expect("no panic").expect("a clean stop");
        record::check_same(&archive::read(&store).await, &sent, 5);
    }
}

async fn open(folder: &std::path::Path) -> Embedded {
    let topic = |name: &str| Topic {
        name: name.to_owned(),
        partitions: 3,
        retention: Duration::from_secs(3600),
        retention_bytes: 1 << 30,
    };
    let topics = vec![topic(topic::RECORDS), topic(topic::QUARANTINE)];
    let clock_us = Arc::new(|| 1_785_231_000_000_000);
    Embedded::open(embedded::Config { path: folder.join("log.sqlite"), topics, clock_us }).await.expect("a new log")
}

fn message(value: Bytes) -> Message {
    let record = record::read(&value);
    let key = Bytes::copy_from_slice(record.exchange_id.0.as_bytes());
    Message { topic: topic::RECORDS.to_owned(), key, headers: vec![], value }
}
