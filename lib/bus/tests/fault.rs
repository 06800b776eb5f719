//! The faults that others' tests plan happen as they were planned.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hansard_bus::{
    Bus, CommitError, Consumer, Delivery, Message, Partition, Position, Topic,
    embedded::{Config, Embedded},
    fault::{Fault, Faults, Faulty},
};

async fn bench() -> (tempfile::TempDir, Faulty, Faults) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let topic =
        Topic { name: "t".to_owned(), partitions: 1, retention: Duration::from_secs(60), retention_bytes: u64::MAX };
    let path = directory.path().join("log.sqlite");
    let log = Embedded::open(Config { path, topics: vec![topic], clock_us: Arc::new(|| 1) }).await.expect("a log");
    let (bus, faults) = Faulty::new(Arc::new(log));
    (directory, bus, faults)
}

fn message(value: &'static str) -> Message {
    let value = Bytes::from_static(value.as_bytes());
    Message { topic: "t".to_owned(), key: Bytes::new(), headers: Vec::new(), value }
}

fn at() -> Partition {
    Partition { topic: "t".to_owned(), number: 0 }
}

async fn check(bus: &Faulty, expected: &[&str]) {
    let kept = bus.reader().read(&at(), 0, usize::MAX, Duration::ZERO).await.expect("a read");
    assert_eq!(
        kept.iter().map(|message| &*message.value).collect::<Vec<_>>(),
        expected.iter().map(|value| value.as_bytes()).collect::<Vec<_>>()
    );
}

async fn member(bus: &Faulty) -> Box<dyn Consumer> {
    let mut member = bus.consumer("group", &["t"]).await.expect("it joins");
    assert!(matches!(member.next().await, Ok(Delivery::Assigned(_))));
    member
}

#[tokio::test]
async fn sends_fail_in_both_ways() {
    let (_directory, bus, faults) = bench().await;
    let producer = bus.producer();
    faults.pass_sends(1);
    faults.fail_sends(Fault::NotDone, 1);
    faults.fail_sends(Fault::Done, 1);
    faults.fail_sends(Fault::Late(Duration::from_millis(1)), 1);
    for (value, goes_well) in [("passed", true), ("not done", false), ("done", false), ("late", true), ("well", true)] {
        assert_eq!(producer.send(message(value)).await.is_ok(), goes_well, "{value}");
    }
    check(&bus, &["passed", "done", "late", "well"]).await;
    assert_eq!(faults.struck(), 3);
}

#[tokio::test]
async fn commits_fail_in_all_ways() {
    let (_directory, bus, faults) = bench().await;
    let mut member = member(&bus).await;
    faults.fail_commits(Fault::NotDone, 1);
    faults.fail_commits(Fault::Done, 1);
    faults.fail_commits(Fault::Fenced, 1);
    for (next, value) in [(1, "not done"), (2, "done")] {
        let position = Position { at: at(), next, note: value.to_owned() };
        let failed = member.commit(&[position], vec![message(value)]).await;
        assert!(matches!(failed, Err(CommitError::Failed(_))), "{failed:?}");
    }
    assert!(matches!(member.commit(&[], vec![message("fenced")]).await, Err(CommitError::Fenced)));
    check(&bus, &["done"]).await;
    member.close().await.expect("it leaves");
    let mut again = bus.consumer("group", &["t"]).await.expect("it joins");
    let Ok(Delivery::Assigned(positions)) = again.next().await else { panic!("not told first") };
    assert_eq!((positions[0].next, positions[0].note.as_str()), (2, "done"));
}

#[tokio::test]
async fn deliveries_come_twice_and_joins_fail() {
    let (_directory, bus, faults) = bench().await;
    bus.producer().send(message("v")).await.expect("sent");
    faults.fail_joins(1);
    assert!(bus.consumer("group", &["t"]).await.is_err());
    let mut member = member(&bus).await;
    faults.repeat_deliveries(1);
    let (first, second) = (member.next().await.expect("next"), member.next().await.expect("next"));
    assert_eq!(first, second);
    assert!(matches!(first, Delivery::Messages(..)));
}

#[tokio::test]
async fn what_is_healed_does_not_fail() {
    let (_directory, bus, faults) = bench().await;
    faults.fail_sends(Fault::NotDone, usize::from(u16::MAX));
    assert!(bus.producer().send(message("not done")).await.is_err());
    faults.heal();
    bus.producer().send(message("well")).await.expect("sent");
    assert_eq!(faults.struck(), 1);
}
