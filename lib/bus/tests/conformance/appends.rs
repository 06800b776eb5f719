//! Sending: order, partition, contents, durability.

use std::{collections::BTreeSet, sync::Arc};

use bus::{Message, VALUE_BYTES_MAX, partition_of};
use bytes::Bytes;

use crate::{
    Case, Place,
    workbench::{IN, IN_PARTITIONS, OUT, all, at, join_all, key_of, message, send, text, texts},
};

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("a key has its partition", |place| Box::pin(a_key_has_its_partition(place))),
        ("messages of one key keep the order of their sends", |place| Box::pin(keeps_order(place))),
        ("a message comes out as it went in", |place| Box::pin(keeps_contents(place))),
        ("what was acknowledged is there after a reopening", |place| Box::pin(is_durable(place))),
        ("an offset is never given twice", |place| Box::pin(offsets_are_unique(place))),
        ("a message that cannot be taken fails alone", |place| Box::pin(fails_alone(place))),
        ("an unknown topic is refused", |place| Box::pin(refuses_unknown_topics(place))),
    ]
}

async fn a_key_has_its_partition(place: Arc<dyn Place>) {
    let bus = place.open().await;
    for number in 0..20 {
        let key = format!("key-{number}");
        let sent = send(&*bus, IN, &key, &key).await;
        assert_eq!(sent.partition, partition_of(key.as_bytes(), IN_PARTITIONS));
        assert!(texts(&*bus, IN, sent.partition).await.contains(&key));
    }
}

async fn keeps_order(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let producer = bus.producer();
    let sends = (0..500).map(|number| producer.send(message(IN, "one", &number.to_string()))).collect();
    let offsets: Vec<u64> = join_all(sends).await.into_iter().map(|sent| sent.expect("sent").offset).collect();
    assert!(offsets.is_sorted(), "offsets in the order of the sends");
    let kept = texts(&*bus, IN, partition_of(b"one", IN_PARTITIONS)).await;
    assert_eq!(kept, (0..500).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn keeps_contents(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let messages = [
        Message {
            topic: OUT.to_owned(),
            key: Bytes::from_static(&[0, 255, 0]),
            headers: vec![header("kind", b"request"), header("a", b""), header("kind", b"\xff\x00")],
            value: Bytes::from(vec![7; 300_000]),
        },
        message(OUT, "", ""),
    ];
    for message in &messages {
        bus.producer().send(message.clone()).await.expect("sent");
    }
    let kept = all(&*bus, OUT, 0).await;
    assert_eq!(kept.len(), 2);
    for (kept, sent) in kept.iter().zip(&messages) {
        assert_eq!((&kept.key, &kept.headers, &kept.value), (&sent.key, &sent.headers, &sent.value));
    }
    assert_eq!(kept[0].header("kind"), Some(&Bytes::from_static(b"request")));
    assert!(kept[0].timestamp_us > 0 && kept[0].timestamp_us <= kept[1].timestamp_us);
}

async fn is_durable(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut sent = Vec::new();
    for number in 0..50 {
        sent.push(send(&*bus, OUT, "k", &number.to_string()).await.offset);
    }
    drop(bus);
    let bus = place.open().await;
    let kept = all(&*bus, OUT, 0).await;
    assert_eq!(kept.iter().map(|message| message.offset).collect::<Vec<_>>(), sent);
    assert_eq!(kept.iter().map(text).collect::<Vec<_>>(), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn offsets_are_unique(place: Arc<dyn Place>) {
    let (one, other) = (place.open().await, place.open().await);
    let mut offsets = BTreeSet::new();
    for number in 0..20 {
        for bus in [&one, &other] {
            assert!(offsets.insert(send(&**bus, OUT, "k", &number.to_string()).await.offset));
        }
    }
    drop((one, other));
    let bus = place.open().await;
    assert!(offsets.insert(send(&*bus, OUT, "k", "after").await.offset));
    let kept: BTreeSet<u64> = all(&*bus, OUT, 0).await.iter().map(|message| message.offset).collect();
    assert_eq!(kept, offsets);
}

async fn fails_alone(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let producer = bus.producer();
    let large = Message { value: Bytes::from(vec![0; VALUE_BYTES_MAX + 1]), ..message(OUT, "k", "") };
    let sends = [message(OUT, "k", "before"), large, message(OUT, "k", "after")];
    let sent = join_all(sends.into_iter().map(|message| producer.send(message)).collect()).await;
    assert_eq!(sent.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(texts(&*bus, OUT, 0).await, ["before", "after"]);
}

async fn refuses_unknown_topics(place: Arc<dyn Place>) {
    let bus = place.open().await;
    assert!(bus.producer().send(message("nowhere", "k", "v")).await.is_err());
    assert!(bus.reader().bounds(&at("nowhere", 0)).await.is_err());
    assert!(bus.reader().bounds(&at(IN, IN_PARTITIONS)).await.is_err());
    assert!(bus.consumer("group", &["nowhere"]).await.is_err());
    assert_eq!(send(&*bus, IN, &key_of(2), "still").await.partition, 2);
}
