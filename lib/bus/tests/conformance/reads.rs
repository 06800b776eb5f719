//! Reading without a group: bounds, limits, waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{Reader, Stored};

use crate::{
    Case, Place,
    workbench::{IN, IN_PARTITIONS, OUT, PATIENCE, SHORT, at, send, text},
};

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("bounds follow what is written", |place| Box::pin(bounds_follow(place))),
        ("a topic is told from every other", |place| Box::pin(has_an_identity(place))),
        ("a read keeps its limit but gives at least one", |place| Box::pin(keeps_limits(place))),
        ("a read from the end waits and comes back empty", |place| Box::pin(comes_back_empty(place))),
        ("a waiting reader is woken by a send", |place| Box::pin(is_woken(place))),
        ("a waiting reader is woken by another process", |place| Box::pin(is_woken_from_elsewhere(place))),
        ("patience may be without end", |place| Box::pin(waits_without_end(place))),
    ]
}

async fn bounds_follow(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let reader = bus.reader();
    assert_eq!(reader.partitions(IN).await.expect("partitions"), IN_PARTITIONS);
    assert_eq!(reader.bounds(&at(OUT, 0)).await.expect("bounds"), 0..0);
    let last = send(&*bus, OUT, "k", "v").await.offset;
    let bounds = reader.bounds(&at(OUT, 0)).await.expect("bounds");
    assert!(bounds.start == 0 && bounds.end > last, "{bounds:?}");
}

async fn has_an_identity(place: Arc<dyn Place>) {
    let (one, other) = (place.open().await, place.open().await);
    let of = async |bus: &dyn bus::Bus, topic| bus.reader().identity(topic).await.expect("an answer").expect("known");
    assert_eq!(of(&*one, IN).await, of(&*other, IN).await, "everybody says the same of one topic");
    assert_ne!(of(&*one, IN).await, of(&*one, OUT).await);
    assert!(one.reader().identity("no-such-topic").await.is_err());
}

async fn keeps_limits(place: Arc<dyn Place>) {
    let bus = place.open().await;
    for number in 0..10 {
        send(&*bus, OUT, "k", &format!("{number:0>100}")).await;
    }
    let reader = bus.reader();
    for (bytes_max, expected) in [(0, 1), (99, 1), (100, 1), (199, 1), (200, 2), (350, 3), (100_000, 10)] {
        filled(&*reader, 0, bytes_max, expected).await;
    }
    let from = filled(&*reader, 0, usize::MAX, 10).await[7].offset;
    let read = filled(&*reader, from, usize::MAX, 3).await;
    assert_eq!(read.iter().map(text).collect::<Vec<_>>(), [7, 8, 9].map(|number| format!("{number:0>100}")));
}

/// A read that gives as many as it may. Some may give fewer, since not everything has come from a broker yet; none gives more, or
/// nothing.
async fn filled(reader: &dyn Reader, from: u64, bytes_max: usize, most: usize) -> Vec<Stored> {
    let until = Instant::now() + PATIENCE;
    loop {
        let read = reader.read(&at(OUT, 0), from, bytes_max, PATIENCE).await.expect("a read");
        assert!((1..=most).contains(&read.len()), "{} of at most {bytes_max} bytes", read.len());
        if read.len() == most {
            return read;
        }
        assert!(Instant::now() < until, "never {most} of at most {bytes_max} bytes");
    }
}

async fn comes_back_empty(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let sent = send(&*bus, OUT, "k", "v").await;
    let read = bus.reader().read(&at(OUT, 0), sent.offset + 1, 100, SHORT).await.expect("a read");
    assert!(read.is_empty());
    let read = bus.reader().read(&at(OUT, 0), sent.offset + 1, 100, Duration::ZERO).await.expect("a read");
    assert!(read.is_empty());
    let read = bus.reader().read(&at(OUT, 0), sent.offset, 100, Duration::ZERO).await.expect("a read");
    assert_eq!(read.len(), 1, "what is there needs no patience");
}

async fn woken(place: &Arc<dyn Place>, elsewhere: bool) {
    let bus = place.open().await;
    let sender = if elsewhere { place.open().await } else { bus.clone() };
    let from = bus.reader().bounds(&at(OUT, 0)).await.expect("bounds").end;
    let reader = bus.reader();
    let reading = tokio::spawn(async move { reader.read(&at(OUT, 0), from, 100, PATIENCE).await });
    tokio::task::yield_now().await;
    send(&*sender, OUT, "k", "awake").await;
    let read = reading.await.expect("it reads").expect("a read");
    assert_eq!(read.iter().map(text).collect::<Vec<_>>(), ["awake"]);
}

async fn is_woken(place: Arc<dyn Place>) {
    woken(&place, false).await;
}

async fn is_woken_from_elsewhere(place: Arc<dyn Place>) {
    woken(&place, true).await;
}

async fn waits_without_end(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let reader = bus.reader();
    let reading = tokio::spawn(async move { reader.read(&at(OUT, 0), 0, 100, Duration::MAX).await });
    tokio::task::yield_now().await;
    send(&*bus, OUT, "k", "at last").await;
    assert_eq!(reading.await.expect("it reads").expect("a read").len(), 1);
}
