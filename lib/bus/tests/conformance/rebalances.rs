//! Several members of a group: who gets what, and who must not commit any more.

use std::{collections::BTreeSet, sync::Arc};

use bus::{CommitError, Partition};

use crate::{
    Case, Place,
    workbench::{IN, IN_PARTITIONS, OUT, PATIENCE, Worker, key_of, message, sees, send, settle, texts},
};

const ALL: usize = IN_PARTITIONS as usize;

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("two members share the partitions", |place| Box::pin(two_share(place, false))),
        ("two members in two processes share them too", |place| Box::pin(two_share(place, true))),
        ("who leaves hands over at once", |place| Box::pin(hands_over(place, true))),
        ("who is dropped hands over as well", |place| Box::pin(hands_over(place, false))),
        ("a zombie is fenced", |place| Box::pin(fences_zombies(place, false))),
        ("a zombie of another process is fenced", |place| Box::pin(fences_zombies(place, true))),
        ("a partition that went and came back is a new one", |place| Box::pin(fences_returns(place))),
        ("every message is done once over a rebalance", |place| Box::pin(does_each_once(place))),
        ("there may be more members than partitions", |place| Box::pin(more_than_partitions(place))),
    ]
}

async fn two_share(place: Arc<dyn Place>, elsewhere: bool) {
    let bus = place.open().await;
    let other = if elsewhere { place.open().await } else { bus.clone() };
    let mut one = Worker::start(&bus).await;
    assert_eq!(one.held.len(), ALL);
    let mut two = Worker::join(&other).await;
    settle(&mut [&mut one, &mut two], &[ALL / 2, ALL / 2]).await;
    let held: BTreeSet<&Partition> = one.held.keys().chain(two.held.keys()).collect();
    assert_eq!(held.len(), ALL, "each has its own");
    for number in 0..IN_PARTITIONS {
        send(&*bus, IN, &key_of(number), &number.to_string()).await;
    }
    one.until_read(ALL / 2).await;
    two.until_read(ALL / 2).await;
    let read: BTreeSet<String> = one.texts().into_iter().chain(two.texts()).collect();
    assert_eq!(read, (0..IN_PARTITIONS).map(|number| number.to_string()).collect());
}

async fn hands_over(place: Arc<dyn Place>, closes: bool) {
    let bus = place.open().await;
    let mut one = Worker::start(&bus).await;
    let mut two = Worker::join(&bus).await;
    settle(&mut [&mut one, &mut two], &[ALL / 2, ALL / 2]).await;
    if closes {
        one.member.close().await.expect("it leaves");
    } else {
        drop(one);
    }
    settle(&mut [&mut two], &[ALL]).await;
}

async fn fences_zombies(place: Arc<dyn Place>, elsewhere: bool) {
    let bus = place.open().await;
    let other = if elsewhere { place.open().await } else { bus.clone() };
    for number in 0..IN_PARTITIONS {
        send(&*bus, IN, &key_of(number), "in").await;
    }
    let mut zombie = Worker::start(&bus).await;
    zombie.until_read(ALL).await;
    // The zombie does nothing while the other one takes half of its partitions.
    let mut taker = Worker::join(&other).await;
    settle(&mut [&mut taker], &[ALL / 2]).await;
    let outputs = vec![message(OUT, "k", "of the zombie")];
    let fenced = zombie.member.commit(&zombie.positions(), outputs).await;
    assert!(matches!(fenced, Err(CommitError::Fenced)), "{fenced:?}");
    taker.until_read(ALL / 2).await;
    taker.member.commit(&taker.positions(), vec![message(OUT, "k", "of the taker")]).await.expect("a commit");
    sees(&*bus, &["of the taker"]).await;
    // What it still has is still its own.
    settle(&mut [&mut zombie], &[ALL / 2]).await;
    zombie.member.commit(&zombie.positions(), vec![message(OUT, "k", "of its own")]).await.expect("a commit");
    sees(&*bus, &["of the taker", "of its own"]).await;
}

async fn fences_returns(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut one = Worker::start(&bus).await;
    let stale = one.positions();
    let mut two = Worker::join(&bus).await;
    settle(&mut [&mut two], &[ALL / 2]).await;
    two.member.close().await.expect("it leaves");
    // All partitions are its own again, but it has not been told that some were not for a while.
    let fenced = one.member.commit(&stale, vec![message(OUT, "k", "stale")]).await;
    assert!(matches!(fenced, Err(CommitError::Fenced)), "{fenced:?}");
    one.step().await;
    settle(&mut [&mut one], &[ALL]).await;
    one.member.commit(&one.positions(), vec![message(OUT, "k", "fresh")]).await.expect("a commit");
    sees(&*bus, &["fresh"]).await;
}

async fn does_each_once(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let count = 60;
    for number in 0..count {
        send(&*bus, IN, &format!("key-{number}"), &number.to_string()).await;
    }
    let work = |bus: Arc<dyn bus::Bus>| async move {
        // One message at a time, so that the rebalance comes in between; whoever is fenced starts anew.
        'anew: loop {
            let mut worker = Worker::start(&bus).await;
            let mut done = 0;
            while texts(&*bus, OUT, 0).await.len() < count {
                worker.step_within(std::time::Duration::from_millis(20)).await;
                for (at, read) in worker.read.split_off(done) {
                    let position = bus::Position { at: at.clone(), next: read.offset + 1, note: String::new() };
                    let output =
                        bus::Message { topic: OUT.to_owned(), ..message(OUT, "k", &crate::workbench::text(&read)) };
                    worker.read.push((at, read));
                    done += 1;
                    if worker.member.commit(&[position], vec![output]).await.is_err() {
                        worker.member.close().await.expect("it leaves");
                        continue 'anew;
                    }
                }
            }
            return;
        }
    };
    let one = tokio::spawn(work(bus.clone()));
    let two = tokio::spawn(work(bus.clone()));
    one.await.expect("one");
    two.await.expect("two");
    let mut done: Vec<usize> = texts(&*bus, OUT, 0).await.iter().map(|text| text.parse().expect("a number")).collect();
    done.sort_unstable();
    assert_eq!(done, (0..count).collect::<Vec<_>>());
}

async fn more_than_partitions(place: Arc<dyn Place>) {
    let bus = place.open().await;
    let mut workers = Vec::new();
    for _ in 0..=ALL {
        workers.push(Worker::join(&bus).await);
    }
    let counts = |workers: &[Worker]| {
        let mut counts: Vec<usize> = workers.iter().map(|worker| worker.held.len()).collect();
        counts.sort_unstable();
        counts
    };
    until(&mut workers, |workers| counts(workers) == [0, 1, 1, 1, 1]).await;
    let busy = workers.iter().position(|worker| !worker.held.is_empty()).expect("four of them are");
    drop(workers.remove(busy));
    until(&mut workers, |workers| counts(workers) == [1, 1, 1, 1]).await;
}

/// All members step until they hold what they should.
async fn until(workers: &mut [Worker], done: impl Fn(&[Worker]) -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !done(workers) {
        assert!(tokio::time::Instant::now() < deadline, "the group does not settle");
        for worker in workers.iter_mut() {
            worker.step_within(std::time::Duration::from_millis(20)).await;
        }
    }
}
