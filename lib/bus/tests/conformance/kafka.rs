//! The suite over Kafka: three real brokers, and one of them killed while it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bus::{
    Bus, Topic,
    kafka::{Cluster, Config, Mechanism, Plan, Sasl, Tls},
};

use tokio::{sync::watch, time::Instant};

use crate::{
    Place, check,
    prefixed::Prefixed,
    workbench::{self, IN, IN_PARTITIONS, OUT, PATIENCE, Worker, at, key_of, message, send, text, texts},
};

/// Cases that run at the same time: each has a dozen connections.
const CASES_AT_ONCE: usize = 8;
/// Messages that are sent while a broker is killed.
const KILLED_MESSAGES: usize = 400;

struct Shared {
    config: Config,
    administrator: Cluster,
    prefix: String,
}

#[async_trait]
impl Place for Shared {
    async fn open(&self) -> Arc<dyn Bus> {
        for topic in workbench::topics() {
            let plan = Plan {
                name: format!("{}-{}", self.prefix, topic.name),
                partitions: topic.partitions,
                replication: 3,
                settings: vec![("max.message.bytes".to_owned(), (34 << 20).to_string())],
            };
            self.administrator.create(&plan).await.expect("a topic");
        }
        let inner = Cluster::connect(self.config.clone()).await.expect("the brokers answer").bus();
        let bus = Prefixed { prefix: self.prefix.clone(), inner };
        for topic in workbench::topics() {
            await_topic(&bus, &topic).await;
        }
        Arc::new(bus)
    }
}

/// A new topic takes a moment until all brokers know it.
async fn await_topic(bus: &dyn Bus, topic: &Topic) {
    let deadline = Instant::now() + PATIENCE;
    for number in 0..topic.partitions {
        while let Err(error) = bus.reader().bounds(&at(&topic.name, number)).await {
            assert!(Instant::now() < deadline, "{error}");
        }
    }
}

fn config(cluster: &test_cluster::Cluster) -> Config {
    Config {
        brokers: cluster.brokers(),
        client_id: "test".to_owned(),
        tls: Some(Tls { ca: Some(cluster.ca()), identity: None }),
        sasl: Some(Sasl::Password {
            mechanism: Mechanism::ScramSha512,
            username: test_cluster::ADMINISTRATOR.to_owned(),
            password: cluster.password().to_owned(),
        }),
        send_timeout: Duration::from_secs(15),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_every_promise() {
    let Some(mut cluster) = test_cluster::Cluster::start() else { return };
    let config = config(&cluster);
    let administrator = Cluster::connect(config.clone()).await.expect("the brokers answer");
    let number = AtomicU32::new(0);
    check(CASES_AT_ONCE, || {
        let prefix = format!("case-{}", number.fetch_add(1, Ordering::Relaxed));
        Arc::new(Shared { config: config.clone(), administrator: administrator.clone(), prefix })
    })
    .await;
    let place = Shared { config, administrator, prefix: "killed".to_owned() };
    for node in 0..cluster.nodes() {
        survives_a_kill(&mut cluster, node, &place).await;
    }
}

/// Sends and commits go on while a broker is killed and comes back; all that was acknowledged is there once and in
/// order, and each message is worked on once.
async fn survives_a_kill(cluster: &mut test_cluster::Cluster, node: usize, place: &Shared) {
    let bus = place.open().await;
    let before = texts(&*bus, OUT, 0).await.len();
    let (count, mut counted) = watch::channel(0);
    let sent = tokio::spawn(send_all(bus.clone(), format!("{node}-"), count));
    let worked = tokio::spawn(work_on(bus.clone(), KILLED_MESSAGES));
    counted.wait_for(|count| *count == KILLED_MESSAGES / 4).await.expect("it is sending");
    cluster.kill(node);
    sent.await.expect("all sends go through");
    worked.await.expect("all is worked on");
    cluster.revive(node);
    let expected: Vec<String> = (0..KILLED_MESSAGES).map(|number| format!("{node}-{number}")).collect();
    let mut seen = texts(&*bus, OUT, 0).await.split_off(before);
    seen.sort_by_key(|text| text.rsplit('-').next().and_then(|number| number.parse::<usize>().ok()));
    assert_eq!(seen, expected, "each once, after the kill of node {node}");
}

/// Four keys in turn, so that every partition has a share.
async fn send_all(bus: Arc<dyn Bus>, prefix: String, counted: watch::Sender<usize>) {
    let mut last = BTreeMap::new();
    for number in 0..KILLED_MESSAGES {
        counted.send_replace(number);
        let sent = send(&*bus, IN, &key_of(number as u32 % IN_PARTITIONS), &format!("{prefix}{number}")).await;
        let before = last.insert(sent.partition, sent.offset);
        assert!(before.is_none_or(|before| before < sent.offset), "offsets grow");
    }
}

/// Passes on every message of IN to OUT. Whoever does not know whether a commit has happened starts anew.
async fn work_on(bus: Arc<dyn Bus>, count: usize) {
    let before = texts(&*bus, OUT, 0).await.len();
    'anew: loop {
        let mut worker = Worker::start(&bus).await;
        let mut done = 0;
        while texts(&*bus, OUT, 0).await.len() < before + count {
            worker.step_within(Duration::from_millis(100)).await;
            let outputs = worker.read[done..].iter().map(|(_, read)| message(OUT, "k", &text(read))).collect();
            done = worker.read.len();
            if worker.member.commit(&worker.positions(), outputs).await.is_err() {
                worker.member.close().await.expect("it leaves");
                continue 'anew;
            }
        }
        worker.member.close().await.expect("it leaves");
        return;
    }
}
