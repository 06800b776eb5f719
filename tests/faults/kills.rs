//! kill -9 of the whole process at random moments: under load, and while it starts.
//!
//! A run is many kills in one data directory, drawn from a seed. `HANSARD_KILLS=5000` asks for a longer one, and
//! `HANSARD_KILLS_SEED=7` for one that begins with that seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use schemas::Record;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{
    archive,
    callers::{Callers, Door, Given, let_pass},
    chance::Chance,
    sealed,
    upstream::Upstream,
    verdict::{self, Known},
};
use crate::program::{PATIENCE, Place, Program, connection};

/// Kills of an ordinary run.
const KILLS: u64 = 200;
/// Kills in one data directory, so that the file to be checked stays small.
const KILLS_PER_SEED: u64 = 50;
/// How often all that is kept is verified.
const VERIFY_EVERY: u64 = 25;
/// Seeds at one time.
const LANES: usize = 2;
const CALLERS: u64 = 12;
/// The load before a kill.
const LOAD_MILLISECONDS: std::ops::Range<u64> = 5..150;
/// Of so many kills one comes while the program starts.
const STARTS_KILLED: u64 = 6;
const START_MILLISECONDS_MAX: u64 = 300;
/// Data directories whose first start is killed, within so long: keys and log are made early.
const FIRST_STARTS: u64 = 30;
const FIRST_START_MILLISECONDS_MAX: u64 = 60;
/// Small batches, so that the kill finds the archiver at work.
const SMALL_BATCHES: &str = "archiver.batch_rows_max = 40\narchiver.row_group_rows = 16\n";
/// Starts that may pass until all is archived.
const STARTS_MAX: u64 = 5;

#[test]
fn killed_at_any_moment_it_comes_up_again_and_has_lost_and_doubled_nothing() {
    let (kills, first) = (asked("HANSARD_KILLS", KILLS), asked("HANSARD_KILLS_SEED", 0));
    let last = first + kills.div_ceil(KILLS_PER_SEED);
    let next = AtomicU64::new(first);
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < last
                {
                    Run::new(seed).run();
                }
            });
        }
    });
}

/// Keys, log and names are made once; half of one would stay for ever.
#[test]
fn killed_in_its_first_start_it_starts_again() {
    let mut chance = Chance::new(0);
    for _ in 0..FIRST_STARTS {
        let place = Place::new("");
        kill_a_start(&place, chance.below(FIRST_START_MILLISECONDS_MAX));
        assert!(place.start().stop().success(), "a clean end");
    }
}

/// Anywhere between the first instruction and the first calls.
fn kill_a_start(place: &Place, moment: u64) {
    let mut command = place.command(&["up"]);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Unready(quiet.spawn().expect("the program starts"));
    thread::sleep(Duration::from_millis(moment));
    drop(child);
}

#[expect(clippy::disallowed_methods, reason = "asks the person who runs the tests")]
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// One seed: an upstream that lives through it, and a data directory.
struct Run {
    seed: u64,
    chance: Chance,
    runtime: Runtime,
    upstream: Upstream,
    place: Place,
    /// Made once the first start has made the keys.
    token: Option<String>,
    given: Given,
    starts: Vec<Duration>,
}

/// A child that ends with the test, whatever happens.
struct Unready(Child);

impl Drop for Unready {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        let runtime = Runtime::new().expect("a runtime");
        let upstream = runtime.block_on(Upstream::start());
        let place = Place::new(&format!("{SMALL_BATCHES}{}", connection(upstream.address)));
        Run {
            seed,
            chance: Chance::new(seed),
            runtime,
            upstream,
            place,
            token: None,
            given: Given::default(),
            starts: Vec::new(),
        }
    }

    #[expect(clippy::print_stdout, reason = "tells whoever runs a long run how it goes")]
    fn run(mut self) {
        for kill in 1..=KILLS_PER_SEED {
            if self.chance.one_in(STARTS_KILLED) || kill == 1 {
                kill_a_start(&self.place, self.chance.below(START_MILLISECONDS_MAX));
            } else {
                self.kill_under_load(kill);
            }
            if kill % VERIFY_EVERY == 0 {
                self.verify(kill);
            }
        }
        self.starts.sort();
        let median = self.starts[self.starts.len() / 2];
        println!("seed {}: {} calls, a start takes {median:?} (median)", self.seed, self.upstream.seen().len());
    }

    fn kill_under_load(&mut self, kill: u64) {
        let program = self.start();
        let door = self.door(&program);
        let moment = LOAD_MILLISECONDS.start + self.chance.below(LOAD_MILLISECONDS.end - LOAD_MILLISECONDS.start);
        let (name, chance) = (format!("s{}k{kill}", self.seed), &mut self.chance);
        let given = self.runtime.block_on(async {
            let callers = Callers::start(&door, &name, CALLERS, chance);
            let_pass(moment).await;
            program.kill();
            callers.given().await
        });
        self.given.add(given);
    }

    fn start(&mut self) -> Program {
        let began = Instant::now();
        let program = self.place.start();
        self.starts.push(began.elapsed());
        program
    }

    fn door(&mut self, program: &Program) -> Door {
        let token = self.token.get_or_insert_with(|| self.place.token("ann", &["staff"])).clone();
        Door { ingress: program.ingress, token }
    }

    /// Everything that anyone remembers, against everything that is kept.
    fn verify(&mut self, kill: u64) {
        let what = format!("HANSARD_KILLS_SEED={} after {kill} kills", self.seed);
        let rows = self.archived(&what);
        let known = Known { seen: self.upstream.seen(), given: std::mem::take(&mut self.given) };
        verdict::check(&what, &known, &rows);
        check_sql(&what, &self.place, &rows);
        self.given = known.given;
    }

    /// All rows, once every frame is one; after a start or a few, each ended by SIGTERM.
    fn archived(&mut self, what: &str) -> Vec<Record> {
        for start in 1..=STARTS_MAX {
            let program = self.start();
            self.settle(&program);
            assert!(program.stop().success(), "{what}: SIGTERM is a clean end");
            let rows = archive::read(&self.place.data().join("archive"));
            let frames = self.runtime.block_on(sealed::read(&self.place.data().join("log.sqlite")));
            if frames == verdict::frames_of(&rows) || start == STARTS_MAX {
                verdict::check_frames(what, &frames, &rows);
                return rows;
            }
        }
        unreachable!("the last start returns")
    }

    /// Until all that the upstream saw can be asked for.
    fn settle(&mut self, program: &Program) {
        let seen = self.upstream.seen().len() as u64;
        let token = self.door(program).token;
        let until = Instant::now() + PATIENCE;
        let statement = "SELECT count(*) AS n FROM records WHERE kind = 'request'";
        while self.runtime.block_on(ask(program, &token, statement))[0]["n"].as_u64() < Some(seen) {
            assert!(Instant::now() < until, "seed {}: not all of {seen} requests are rows", self.seed);
        }
    }
}

/// The answer of `POST /v1/sql`.
pub(crate) async fn ask(program: &Program, token: &str, statement: &str) -> Vec<Value> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain"), ("accept", "application/json")];
    let answer =
        crate::program::http(http::Method::POST, program.console, "/v1/sql", &headers, statement.as_bytes()).await;
    assert_eq!(answer.status, 200, "{statement}: {answer:?}");
    serde_json::from_slice(&answer.body).expect("rows")
}

/// SQL gives the rows that the archive has.
fn check_sql(what: &str, place: &Place, rows: &[Record]) {
    let asked = place.sql("SELECT record_id, kind, body FROM records");
    let text = |row: &Value, column: &str| row[column].as_str().map(str::to_owned);
    let answered: BTreeMap<_, _> =
        asked.iter().map(|row| (text(row, "record_id"), (text(row, "kind"), text(row, "body")))).collect();
    assert_eq!(asked.len(), answered.len(), "{what}: SQL gives no row twice");
    let kept: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (Some(row.record_id.to_string()), (Some(row.kind.as_str().to_owned()), row.body.clone())))
        .collect();
    let differ: BTreeSet<_> = answered
        .iter()
        .chain(&kept)
        .filter(|(id, row)| answered.get(*id) != Some(row) || kept.get(*id) != Some(row))
        .collect();
    assert!(differ.is_empty(), "{what}: SQL and the archive differ in {differ:#?}");
}
