//! One member: what it is given, and in which order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::{Delivery, Position};

use crate::{
    Case, Place,
    workbench::{GROUP, IN, IN_PARTITIONS, OUT, PATIENCE, Worker, at, key_of, send, text},
};

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("the first thing a member is told are its partitions", |place| Box::pin(is_told_first(place))),
        ("a member reads every partition in order", |place| Box::pin(reads_in_order(place))),
        ("a waiting member is woken", |place| Box::pin(is_woken(place))),
        ("seek reads on from there", |place| Box::pin(seeks(place))),
        ("nothing is lost when next is cancelled", |place| Box::pin(is_cancel_safe(place))),
        ("groups do not know of one another", |place| Box::pin(groups_are_apart(place))),
        ("a member may follow several topics", |place| Box::pin(follows_several(place))),
        ("a group starts with what is kept, not with what comes", |place| Box::pin(starts_at_the_start(place))),
    ]
}

async fn is_told_first(place: Arc<dyn Place>) {
    let bus = place.open().await;
    send(&*bus, IN, "k", "v").await;
    let mut member = bus.consumer(GROUP, &[IN]).await.expect("it joins");
    let Delivery::Assigned(positions) = member.next().await.expect("next") else { panic!("not told first") };
    let expected = |number| Position { at: at(IN, number), next: 0, note: String::new() };
    assert_eq!(positions, (0..IN_PARTITIONS).map(expected).collect::<Vec<_>>());
}

async fn reads_in_order(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut worker = Worker::start(&bus).await;
    let mut sent: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for number in 0..200 {
        let offset = send(&*bus, IN, &format!("key-{}", number % 13), &number.to_string()).await;
        sent.entry(offset.partition).or_default().push(number.to_string());
    }
    worker.until_read(200).await;
    let mut read: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (at, message) in &worker.read {
        read.entry(at.number).or_default().push(text(message));
    }
    assert_eq!(read, sent);
}

async fn is_woken(place: Arc<dyn Place>) {
    let (bus, elsewhere) = (place.open().await, place.open().await);
    let mut worker = Worker::start(&bus).await;
    for (number, sender) in [&bus, &elsewhere, &bus].into_iter().enumerate() {
        let (_, sent) = tokio::join!(worker.until_read(number + 1), send(&**sender, IN, "k", "v"));
        assert_eq!(worker.read[number].1.offset, sent.offset);
    }
}

async fn seeks(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut offsets = Vec::new();
    for value in ["a", "b", "c"] {
        offsets.push(send(&*bus, IN, &key_of(3), value).await.offset);
    }
    let mut worker = Worker::start(&bus).await;
    worker.until_read(3).await;
    worker.member.commit(&worker.positions(), Vec::new()).await.expect("a commit");
    worker.member.seek(&at(IN, 3), offsets[1]).await.expect("a seek");
    worker.until_read(5).await;
    assert_eq!(worker.texts(), ["a", "b", "c", "b", "c"]);
    worker.member.seek(&at(IN, 3), offsets[2] + 1).await.expect("a seek to the end");
    send(&*bus, IN, &key_of(3), "d").await;
    worker.until_read(6).await;
    assert_eq!(worker.texts().last().map(String::as_str), Some("d"));
    assert!(worker.member.seek(&at(OUT, 0), 0).await.is_err(), "not its own");
}

async fn is_cancel_safe(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut worker = Worker::join(&bus).await;
    let mut patience = Duration::from_micros(1);
    for number in 0..100 {
        send(&*bus, IN, "k", &number.to_string()).await;
        worker.step_within(patience).await;
        patience = patience.mul_f64(1.1).min(Duration::from_millis(2));
    }
    worker.until_read(100).await;
    assert_eq!(worker.texts(), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn groups_are_apart(place: Arc<dyn Place>) {
    let bus = place.open().await;
    send(&*bus, IN, "k", "v").await;
    let mut worker = Worker::start(&bus).await;
    worker.until_read(1).await;
    worker.member.commit(&worker.positions(), Vec::new()).await.expect("a commit");
    let mut other = bus.consumer("other", &[IN]).await.expect("it joins");
    let Delivery::Assigned(positions) = other.next().await.expect("next") else { panic!("not told first") };
    assert_eq!(positions.len(), IN_PARTITIONS as usize, "the first group has not lost any");
    assert!(matches!(other.next().await, Ok(Delivery::Messages(_, messages)) if messages.len() == 1));
}

async fn follows_several(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut member = bus.consumer(GROUP, &[IN, OUT]).await.expect("it joins");
    send(&*bus, IN, &key_of(1), "v").await;
    send(&*bus, OUT, "k", "v").await;
    let mut read = Vec::new();
    while read.len() < 2 {
        let delivery = tokio::time::timeout(PATIENCE, member.next()).await.expect("in time").expect("next");
        if let Delivery::Messages(at, _) = delivery {
            read.push(at);
        }
    }
    read.sort();
    assert_eq!(read, [at(IN, 1), at(OUT, 0)]);
}

async fn starts_at_the_start(place: Arc<dyn Place>) {
    let bus = place.open().await;
    send(&*bus, IN, "k", "before").await;
    let mut worker = Worker::start(&bus).await;
    send(&*bus, IN, "k", "after").await;
    worker.until_read(2).await;
    assert_eq!(worker.texts(), ["before", "after"]);
}
