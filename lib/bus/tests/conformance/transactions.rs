//! Commits: outputs and positions, all or nothing.

use std::sync::Arc;

use bus::{CommitError, Message, NOTE_BYTES_MAX, Position, VALUE_BYTES_MAX};
use bytes::Bytes;

use crate::{
    Case, Place,
    workbench::{IN, OUT, Worker, at, key_of, message, sees, send, texts},
};

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("outputs and positions are committed together", |place| Box::pin(commits_together(place))),
        ("nothing of a commit that fails is ever seen", |place| Box::pin(fails_in_whole(place))),
        ("a note is kept, up to its limit", |place| Box::pin(keeps_notes(place))),
        ("outputs may be committed without positions", |place| Box::pin(needs_no_positions(place))),
        ("outputs of a key keep their order", |place| Box::pin(keeps_order(place))),
        ("a position may go back", |place| Box::pin(goes_back(place))),
    ]
}

async fn commits_together(place: Arc<dyn Place>) {
    let bus = place.open().await;
    send(&*bus, IN, &key_of(1), "a").await;
    let mut worker = Worker::start(&bus).await;
    worker.until_read(1).await;
    assert!(texts(&*bus, OUT, 0).await.is_empty());
    worker.member.commit(&worker.positions(), vec![message(OUT, "k", "A")]).await.expect("a commit");
    sees(&*bus, &["A"]).await;
    drop((worker, bus));
    let bus = place.open().await;
    send(&*bus, IN, &key_of(1), "b").await;
    let mut worker = Worker::start(&bus).await;
    worker.until_read(1).await;
    assert_eq!(worker.texts(), ["b"], "a was done");
    sees(&*bus, &["A"]).await;
}

async fn fails_in_whole(place: Arc<dyn Place>) {
    let bus = place.open().await;
    send(&*bus, IN, &key_of(1), "a").await;
    let mut worker = Worker::start(&bus).await;
    worker.until_read(1).await;
    let large = Message { value: Bytes::from(vec![0; VALUE_BYTES_MAX + 1]), ..message(OUT, "k", "") };
    for bad in [large, message("nowhere", "k", "v")] {
        let outputs = vec![message(OUT, "k", "aborted"), bad];
        let failed = worker.member.commit(&worker.positions(), outputs).await;
        assert!(matches!(failed, Err(CommitError::Failed(_))), "{failed:?}");
    }
    worker.member.close().await.expect("it leaves");
    send(&*bus, OUT, "k", "later").await;
    sees(&*bus, &["later"]).await;
    let mut again = Worker::start(&bus).await;
    again.until_read(1).await;
    assert_eq!(again.texts(), ["a"], "its position has not moved");
}

async fn keeps_notes(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut worker = Worker::start(&bus).await;
    assert!(worker.held.values().all(|position| position.note.is_empty()));
    let note = "ñ".repeat(NOTE_BYTES_MAX / 2);
    worker.member.commit(&[worker.position(&at(IN, 1), &note)], Vec::new()).await.expect("a commit");
    let long = worker.position(&at(IN, 1), &format!("{note}."));
    let failed = worker.member.commit(&[long], vec![message(OUT, "k", "aborted")]).await;
    assert!(matches!(failed, Err(CommitError::Failed(_))), "{failed:?}");
    worker.member.close().await.expect("it leaves");
    let again = Worker::start(&bus).await;
    assert_eq!(again.held[&at(IN, 1)].note, note);
    assert_eq!(again.held[&at(IN, 2)].note, "");
    assert!(texts(&*bus, OUT, 0).await.is_empty());
}

async fn needs_no_positions(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut worker = Worker::start(&bus).await;
    worker.member.commit(&[], vec![message(OUT, "k", "1"), message(OUT, "k", "2")]).await.expect("a commit");
    worker.member.commit(&[], Vec::new()).await.expect("an empty one");
    sees(&*bus, &["1", "2"]).await;
}

async fn keeps_order(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut worker = Worker::start(&bus).await;
    let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for some in numbers.chunks(7) {
        let outputs = some.iter().map(|number| message(OUT, "k", number)).collect();
        worker.member.commit(&[], outputs).await.expect("a commit");
    }
    sees(&*bus, &numbers).await;
}

async fn goes_back(place: Arc<dyn Place>) {
    let bus = place.open().await;
    for value in ["a", "b"] {
        send(&*bus, IN, &key_of(0), value).await;
    }
    let mut worker = Worker::start(&bus).await;
    worker.until_read(2).await;
    let end = worker.position(&at(IN, 0), "end");
    let start = Position { next: 0, note: "start".to_owned(), ..end.clone() };
    for position in [end, start.clone()] {
        worker.member.commit(&[position], Vec::new()).await.expect("a commit");
    }
    worker.member.close().await.expect("it leaves");
    let again = Worker::start(&bus).await;
    assert_eq!(again.held[&at(IN, 0)], start);
}
