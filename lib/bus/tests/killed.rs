//! Processes that are killed, that hang, and that share the file.
//!
//! The children are this binary itself, started for one test with a role in its environment.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hansard_bus::{
    Bus, CommitError, Delivery, Message, Partition, Position, Topic,
    embedded::{Config, Embedded},
};

const PARTITIONS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);
const ROUNDS: u64 = 20;

async fn open(directory: &Path) -> Embedded {
    let topic = |name: &str| Topic {
        name: name.to_owned(),
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        retention_bytes: u64::MAX,
    };
    let (path, topics) = (directory.join("log.sqlite"), vec![topic("in"), topic("out")]);
    Embedded::open(Config { path, topics, clock_us: Arc::new(|| 1) }).await.expect("the log opens")
}

fn message(topic: &str, key: &str, value: String) -> Message {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::from(value));
    Message { topic: topic.to_owned(), key, headers: Vec::new(), value }
}

/// All values of a topic, by key, in the order of the log.
async fn values(log: &Embedded, topic: &str) -> BTreeMap<Bytes, Vec<String>> {
    let reader = log.reader();
    let mut values: BTreeMap<Bytes, Vec<String>> = BTreeMap::new();
    for number in 0..PARTITIONS {
        let at = Partition { topic: topic.to_owned(), number };
        let mut from = 0;
        loop {
            let read = reader.read(&at, from, usize::MAX, Duration::ZERO).await.expect("a read");
            let Some(last) = read.last() else { break };
            from = last.offset + 1;
            for message in read {
                let value = String::from_utf8(message.value.to_vec()).expect("text");
                values.entry(message.key).or_default().push(value);
            }
        }
    }
    values
}

/// A child that is killed at the latest with its test.
struct Process {
    child: Child,
    said: Receiver<String>,
}

impl Process {
    fn start(role: &str, directory: &Path, round: u64) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
            .env("HANSARD_BUS_ROLE", role)
            .env("HANSARD_BUS_DIRECTORY", directory)
            .env("HANSARD_BUS_ROUND", round.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let output = child.stdout.take().expect("its output");
        let (told, said) = sync_channel(16);
        std::thread::spawn(move || listen(output, &told));
        Process { child, said }
    }

    /// What the child says next; `None` when it has ended.
    fn line(&mut self) -> Option<String> {
        self.said.recv_timeout(PATIENCE).ok()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    /// Kills it and gives what it had said until then.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it is ours");
        let said = std::iter::from_fn(|| self.line()).collect();
        self.child.wait().expect("it has ended");
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what a child says, without what its test harness says, and without a line that a kill has cut.
fn listen(output: impl Read, told: &SyncSender<String>) {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) && line.ends_with('\n') {
        if let Some(said) = line.trim_end().strip_prefix("said ")
            && told.send(said.to_owned()).is_err()
        {
            return;
        }
        line.clear();
    }
}

fn say(what: &str) {
    // The harness has the first line begun.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\nsaid {what}\n").as_bytes()).expect("the parent listens");
    out.flush().expect("the parent listens");
}

/// Not a test by itself: what the children do.
#[test]
#[allow(clippy::disallowed_methods)]
fn the_child() {
    let Ok(role) = std::env::var("HANSARD_BUS_ROLE") else { return };
    let directory = std::env::var("HANSARD_BUS_DIRECTORY").expect("given with the role");
    let round = std::env::var("HANSARD_BUS_ROUND").expect("given with the role");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let log = open(Path::new(&directory)).await;
        match role.as_str() {
            "sends" => send_without_end(&log, &round).await,
            "works" => work_without_end(&log).await,
            "sends some" => {
                send_some(log, round).await;
                say("done");
            }
            other => panic!("no role {other}"),
        }
    });
}

/// Eight senders, each with a key of its own; says what was acknowledged.
async fn send_without_end(log: &Embedded, round: &str) {
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (producer, key) = (log.producer(), format!("{round}-{sender}"));
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let sent = producer.send(message("in", &key, number.to_string())).await;
                    sent.expect("the disk is not full");
                    say(&format!("{key} {number}"));
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("only a kill ends it");
    }
}

async fn send_some(log: Embedded, key: String) {
    for number in 0..40 {
        log.producer().send(message("in", &key, number.to_string())).await.expect("sent");
    }
}

/// A member that copies from one topic to the other, one transaction per delivery.
async fn work_without_end(log: &Embedded) {
    let mut member = log.consumer("group", &["in"]).await.expect("it joins");
    loop {
        match member.next().await.expect("next") {
            Delivery::Assigned(positions) => say(&format!("assigned {}", positions.len())),
            Delivery::Revoked(partitions) => say(&format!("revoked {}", partitions.len())),
            Delivery::Messages(at, messages) => {
                let next = messages.last().expect("at least one").offset + 1;
                let outputs = messages.into_iter().map(|read| Message {
                    topic: "out".to_owned(),
                    key: read.key,
                    headers: read.headers,
                    value: read.value,
                });
                let position = Position { at, next, note: String::new() };
                match member.commit(&[position], outputs.collect()).await {
                    Ok(()) => say("committed"),
                    Err(CommitError::Fenced) => say("fenced"),
                    Err(CommitError::Failed(error)) => panic!("{error}"),
                }
            }
        }
    }
}

/// The acknowledged messages are there once and in order; beyond them there may be what was on its way.
fn check_kept(acknowledged: &BTreeMap<String, u64>, kept: &BTreeMap<Bytes, Vec<String>>) {
    for (key, last) in acknowledged {
        let kept = &kept[key.as_bytes()];
        let expected: Vec<String> = (0..kept.len()).map(|number| number.to_string()).collect();
        assert_eq!(kept, &expected, "{key} is in order, without gap and without doubles");
        assert!(kept.len() as u64 > *last, "{key}: {last} was acknowledged, {} are kept", kept.len());
        assert!(kept.len() as u64 <= *last + 2, "{key}: no more than one was on its way");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_every_kill() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut acknowledged = BTreeMap::new();
    let mut seed = 0x5eed_u64;
    for round in 0..ROUNDS {
        let mut child = Process::start("sends", directory.path(), round);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut said: Vec<String> = Vec::new();
        for _ in 0..1 + (seed >> 33) % 400 {
            said.push(child.line().expect("it goes on"));
        }
        said.extend(child.kill());
        for line in said {
            let (key, number) = line.split_once(' ').expect("a key and a number");
            acknowledged.insert(key.to_owned(), number.parse().expect("a number"));
        }
        let log = open(directory.path()).await;
        check_kept(&acknowledged, &values(&log, "in").await);
    }
    assert!(acknowledged.len() as u64 >= ROUNDS);
}

#[tokio::test]
async fn a_killed_member_is_replaced_at_once_and_nothing_is_done_twice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for round in 0..5 {
        let log = open(directory.path()).await;
        let senders: Vec<_> =
            (0..8).map(|sender| tokio::spawn(send_some(log.clone(), format!("{round}-{sender}")))).collect();
        for sender in senders {
            sender.await.expect("it ends");
        }
        drop(log);
        let begun = Instant::now();
        let mut child = Process::start("works", directory.path(), round);
        while child.line().is_some_and(|line| line != "committed") {}
        assert!(begun.elapsed() < Duration::from_secs(4), "it did not wait for the lease of the one before");
        child.kill();
    }
    let log = open(directory.path()).await;
    let _child = Process::start("works", directory.path(), 9);
    let deadline = Instant::now() + PATIENCE;
    while values(&log, "out").await != values(&log, "in").await {
        assert!(Instant::now() < deadline, "not all is done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_process_that_hangs_loses_its_partitions_and_is_fenced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = open(directory.path()).await;
    let mut child = Process::start("works", directory.path(), 0);
    assert_eq!(child.line().as_deref(), Some("assigned 3"));
    child.signal("-STOP");
    let mut member = log.consumer("group", &["in"]).await.expect("it joins");
    let mut held = 0;
    while held < PARTITIONS as usize {
        let told = tokio::time::timeout(PATIENCE, member.next()).await.expect("the lease ends").expect("next");
        if let Delivery::Assigned(positions) = told {
            held += positions.len();
        }
    }
    child.signal("-CONT");
    // It comes back with the partitions that the rebalance gives it, after it was told what it has lost.
    let said: Vec<String> = (0..2).map(|_| child.line().expect("it goes on")).collect();
    assert_eq!(said[0], "revoked 3");
    assert!(said[1].starts_with("assigned "), "{said:?}");
}

#[tokio::test]
async fn two_processes_share_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = open(directory.path()).await;
    let mut children: Vec<Process> =
        (0..2).map(|round| Process::start("sends some", directory.path(), round)).collect();
    send_some(log.clone(), "parent".to_owned()).await;
    for child in &mut children {
        assert_eq!(child.line().as_deref(), Some("done"));
    }
    let expected: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    // What another process has written is seen a moment later.
    let deadline = Instant::now() + PATIENCE;
    let mut kept = values(&log, "in").await;
    while kept.len() < 3 || !kept.values().all(|values| *values == expected) {
        assert!(Instant::now() < deadline, "not all is seen: {kept:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        kept = values(&log, "in").await;
    }
    assert_eq!(kept.len(), 3);
}
