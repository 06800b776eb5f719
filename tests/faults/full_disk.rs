//! A disk that is full: calls are refused and go nowhere, health says why, and when there is room again all goes on by
//! itself and says what was lost.

use std::{process::Command, time::Instant};

use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    callers::{Call, Door, Given, call_at_once, call_in_turn, let_pass},
    kills::ask,
    pipeline::{Life, Site},
    upstream::Upstream,
    verdict::{self, Known, lost},
};
use crate::program::{PATIENCE, Place, Program, connection, http};

const REFUSED: u64 = 5;
/// Calls that may pass until the last free byte of a full log is taken …
const FILLING_MAX: u64 = 10_000;
/// … and how many in turn get nowhere then.
const STOPPED_IN_A_ROW: u64 = 5;
const POLL_MILLISECONDS: u64 = 20;

fn calls(name: &str, count: u64) -> Vec<Call> {
    (0..count).map(|call| Call::plain(format!("{name}{call}"))).collect()
}

fn check_refused(given: &Given, count: u64) {
    assert_eq!(given.refused.len() as u64, count, "{given:?}");
    assert!(given.refused.values().all(|code| *code == 5301), "{given:?}");
    assert!(given.answers.is_empty(), "{given:?}");
}

/// SQLite's own limit of pages fails as a full disk does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_refuses_calls_and_recovers_by_itself() {
    let upstream = Upstream::start().await;
    let site = Site::new(upstream.address);
    let mut life = site.start().await;
    let mut known = Known::default();
    known.given.add(call_in_turn(&life.door, &calls("before", 3)).await);

    // Whoever writes at the same moment makes it fail, but not undone.
    let _ = life.log.limit_pages(1).await;
    refuse_all(&life.door, &upstream, &mut known.given).await;
    assert!(life.ingress_says.borrow_and_update().is_some(), "ingress says that it takes no calls");

    lift_limit(&life).await;
    // Nobody calls: the gate finds out by itself.
    tokio::time::timeout(PATIENCE, life.ingress_says.wait_for(Option::is_none))
        .await
        .expect("in time")
        .expect("it runs");
    known.given.add(call_in_turn(&life.door, &calls("after", 3)).await);
    assert!(known.given.answers.contains_key("after2"), "{known:?}");
    life.stop().await;

    known.seen = upstream.seen();
    let rows = site.archived("a full log").await;
    verdict::check("a full log", &known, &rows);
    let reported = rows.iter().filter_map(lost).flatten().count() as u64;
    assert!(reported >= REFUSED, "the trail counts what was lost: {reported}");
}

/// Calls at once of which none passes. One of them may still, which in turn did not: not together with a commit that has
/// no room. Then the log is filled further.
async fn refuse_all(door: &Door, upstream: &Upstream, all: &mut Given) {
    for attempt in 0..FILLING_MAX {
        all.add(fill(door, upstream, &format!("filling{attempt}-")).await);
        let saw = upstream.seen().len();
        let given = call_at_once(door, calls(&format!("full{attempt}-"), REFUSED)).await;
        if upstream.seen().len() == saw {
            return check_refused(&given, REFUSED);
        }
        all.add(given);
    }
    panic!("the log is never full")
}

/// It may wait in one batch with what is too much for the full log.
async fn lift_limit(life: &Life) {
    let until = Instant::now() + PATIENCE;
    while life.log.limit_pages(u32::MAX).await.is_err() {
        assert!(Instant::now() < until, "the limit is never lifted");
    }
}

/// The last free bytes of the file may take a few more calls.
async fn fill(door: &Door, upstream: &Upstream, name: &str) -> Given {
    let mut all = Given::default();
    let mut stopped = 0;
    for call in calls(name, FILLING_MAX) {
        let saw = upstream.seen().len();
        all.add(call_in_turn(door, &[call]).await);
        stopped = if upstream.seen().len() == saw { stopped + 1 } else { 0 };
        if stopped == STOPPED_IN_A_ROW {
            return all;
        }
    }
    panic!("the log is never full")
}

/// The program may make no file longer, as on a disk that is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_without_room_says_so_and_goes_on_when_there_is_room() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skipped("prlimit is not installed");
    }
    let upstream = Upstream::start().await;
    let place = Place::new(&connection(upstream.address));
    let program = start_forgiving(&place);
    let door = Door { ingress: program.ingress, token: place.token("ann", &[]) };
    let mut known = Known::default();
    known.given.add(call_in_turn(&door, &calls("before", 3)).await);
    ready(&program, StatusCode::OK).await;

    limit_files(&program, "1");
    refuse_all(&door, &upstream, &mut known.given).await;
    let says = ready(&program, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(says["waiting"]["ingress"].is_string(), "it says which role, and why: {says}");

    limit_files(&program, "unlimited");
    ready(&program, StatusCode::OK).await;
    known.given.add(call_in_turn(&door, &calls("after", 3)).await);
    assert!(known.given.answers.contains_key("after2"), "{known:?}");
    known.seen = upstream.seen();
    check_trail(&program, &door, &known).await;
    assert!(program.stop().success(), "a clean end");
}

/// By SQL: each call that the upstream saw, and what was lost.
async fn check_trail(program: &Program, door: &Door, known: &Known) {
    let until = Instant::now() + PATIENCE;
    let requests = "SELECT count(*) AS n FROM records WHERE kind = 'request'";
    while ask(program, &door.token, requests).await[0]["n"].as_u64() < Some(known.seen.len() as u64) {
        assert!(Instant::now() < until, "not all requests are rows");
        let_pass(POLL_MILLISECONDS).await;
    }
    let reports = "SELECT body FROM records WHERE kind = 'lifecycle' AND method = 'recording/resumed'";
    let mut lost = 0;
    while lost < REFUSED {
        assert!(Instant::now() < until, "the trail does not count what was lost: {lost}");
        let rows = ask(program, &door.token, reports).await;
        let count = |row: &Value| serde_json::from_str::<Value>(row["body"].as_str()?).ok()?["count"].as_u64();
        lost = rows.iter().filter_map(count).sum();
    }
}

/// A write beyond the limit is to fail, not to end the process.
fn start_forgiving(place: &Place) -> Program {
    let up = place.command(&["up"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(up.get_program()).args(up.get_args());
    place.start_by(command)
}

/// Sets the soft limit of the size of files, in bytes; what is there stays.
fn limit_files(program: &Program, bytes: &str) {
    let process = program.process().to_string();
    let limited = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={bytes}:")]).status();
    assert!(limited.expect("prlimit runs").success(), "the limit is set");
}

/// Asks `/readyz` until it answers with `status`.
async fn ready(program: &Program, status: StatusCode) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = http(Method::GET, program.operation, "/readyz", &[], b"").await;
        if answer.status == status {
            return answer.json();
        }
        assert!(Instant::now() < until, "not {status}: {answer:?}");
        let_pass(POLL_MILLISECONDS).await;
    }
}

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "asks where it runs, and tells whoever runs it")]
fn skipped(why: &str) {
    assert!(std::env::var("CI").is_err(), "{why}");
    println!("skipped: {why}");
}
