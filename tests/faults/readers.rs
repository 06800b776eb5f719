//! Others who read the log's file while the program writes it.

use std::{sync::Arc, thread};

use super::{
    callers::{Callers, Door, let_pass},
    chance::Chance,
    kills::ask,
    upstream::Upstream,
};
use crate::program::{Place, connection};

const QUESTIONS: usize = 3;
const CALLERS: u64 = 4;

/// Two processes of `hansard sql` at once, beside `up` under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_readers_beside_a_loaded_program_are_answered_and_disturb_nobody() {
    let upstream = Upstream::start().await;
    let place = Arc::new(Place::new(&connection(upstream.address)));
    let program = place.start();
    let door = Door { ingress: program.ingress, token: place.token("ann", &[]) };
    let callers = Callers::start(&door, "r", CALLERS, &mut Chance::new(4));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn({
                let place = place.clone();
                move || read(&place)
            })
        })
        .collect();
    while readers.iter().any(|reader| !reader.is_finished()) {
        let_pass(20).await;
    }
    for reader in readers {
        let counts = reader.join().expect("every question is answered");
        assert!(counts.is_sorted() && counts.last() > Some(&0), "rows only become more: {counts:?}");
    }
    let reads = ask(&program, &door.token, "SELECT 1 FROM records WHERE kind = 'read' AND auth_method = 'local'").await;
    assert!(!reads.is_empty(), "their reads are rows, masked by the program");
    program.kill();
    let given = callers.given().await;
    assert!(given.refused.is_empty() && !given.answers.is_empty(), "no caller noticed: {:?}", given.refused);
}

fn read(place: &Place) -> Vec<u64> {
    let count = |_| place.sql("SELECT count(*) AS n FROM records")[0]["n"].as_u64().expect("a count");
    (0..QUESTIONS).map(count).collect()
}
