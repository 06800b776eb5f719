//! The calls: every combination of message, connections and way, in rounds.
//!
//! Within a round the three ways of one combination follow one another. While it is not its turn, `hansard up` is
//! stopped, so that what it does later (masking, archiving) falls into its own time and takes nothing from the others.
//! After its turn it gets the time to catch up: until it is idle, all that passed is masked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{
    disk::Synced,
    load::{self, Load, Seen, Target},
    message,
    process::{self, Hansard, Process},
    upstream,
};

/// An odd number, for the medians.
pub(crate) const ROUNDS: usize = 3;
pub(crate) const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
const WARM_UP: Duration = Duration::from_millis(300);
const WINDOW: Duration = Duration::from_millis(1500);
/// A process that takes no more than this of every look is idle.
const IDLE: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(100);
/// How long `hansard up` gets to catch up.
pub(crate) const CATCH_UP_MAX: Duration = Duration::from_secs(5);
/// How long it may take at the end until all of it is in the trail.
const RECORDED_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    PassThrough,
    Hansard,
}

pub(crate) const WAYS: [Way; 3] = [Way::Direct, Way::PassThrough, Way::Hansard];

/// One turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) way: Way,
    pub(crate) length: usize,
    pub(crate) connections: usize,
    pub(crate) window: Duration,
    pub(crate) seen: Seen,
    /// How long all that passed took to be masked after the window.
    pub(crate) catch_up: Duration,
    /// CPU time while it caught up.
    pub(crate) catch_up_cpu: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) turns: Vec<Turn>,
    /// In the same folder, between the turns, by the length of the message.
    pub(crate) synced: BTreeMap<usize, Synced>,
    /// Most memory of `hansard up` over all of it.
    pub(crate) peak_kib: u64,
    /// Calls through `hansard up`, each with request and answer in the trail.
    pub(crate) recorded: u64,
    pub(crate) took: Duration,
}

/// Who takes part.
struct Ground {
    upstream: Process,
    pass_through: Process,
    hansard: Hansard,
    token: String,
}

pub(crate) fn measure(rounds: usize) -> Result<Measured> {
    let began = Instant::now();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ground = Ground::start(folder.path())?;
    let (mut turns, mut synced) = (Vec::new(), BTreeMap::<usize, Synced>::new());
    for _ in 0..rounds {
        for length in message::LENGTHS {
            synced.entry(length).or_default().measure(folder.path(), length)?;
            for connections in CONNECTIONS {
                for way in WAYS {
                    turns.push(ground.turn(way, length, connections, WINDOW)?);
                }
            }
        }
    }
    ground.hansard.process.resume()?;
    let peak_kib = process::memory_kib(ground.hansard.process.id(), "VmHWM")?;
    let recorded = ground.recorded(&turns)?;
    Ok(Measured { turns, synced, peak_kib, recorded, took: began.elapsed() })
}

/// One turn of `hansard up` alone; its process is told first, so that a profiler can look at it.
pub(crate) fn load(length: usize, connections: usize, window: Duration, tell: impl FnOnce(u32)) -> Result<Turn> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ground = Ground::start(folder.path())?;
    tell(ground.hansard.process.id());
    ground.turn(Way::Hansard, length, connections, window)
}

impl Ground {
    fn start(folder: &std::path::Path) -> Result<Ground> {
        let upstream = Process::upstream()?;
        let pass_through = Process::pass_through(upstream.address)?;
        let hansard = Hansard::up(folder, upstream.address)?;
        let token = hansard.token()?;
        hansard.process.pause()?;
        Ok(Ground { upstream, pass_through, hansard, token })
    }

    fn turn(&self, way: Way, length: usize, connections: usize, window: Duration) -> Result<Turn> {
        let load = Load { message: message::call(length), connections, warm_up: WARM_UP, window };
        let between = self.between(way);
        // In this order in `Seen::cpu`: caller, upstream, what is between them.
        let processes: Vec<u32> = [std::process::id(), self.upstream.id()].into_iter().chain(between).collect();
        if way == Way::Hansard {
            self.hansard.process.resume()?;
        }
        let seen = load::run(&self.target(way), &load, &processes)?;
        let mut turn =
            Turn { way, length, connections, window, seen, catch_up: Duration::ZERO, catch_up_cpu: Duration::ZERO };
        if way == Way::Hansard {
            (turn.catch_up, turn.catch_up_cpu) = catch_up(self.hansard.process.id())?;
            self.hansard.process.pause()?;
        }
        Ok(turn)
    }

    fn between(&self, way: Way) -> Option<u32> {
        match way {
            Way::Direct => None,
            Way::PassThrough => Some(self.pass_through.id()),
            Way::Hansard => Some(self.hansard.process.id()),
        }
    }

    fn target(&self, way: Way) -> Target {
        let to = |address: SocketAddr, path, token| Target { address, path, token };
        match way {
            Way::Direct => to(self.upstream.address, upstream::CALLS, None),
            Way::PassThrough => to(self.pass_through.address, upstream::CALLS, None),
            Way::Hansard => to(self.hansard.process.address, "/c/calls", Some(self.token.clone())),
        }
    }

    /// Every call that was made is in the trail, once, with its answer.
    fn recorded(&self, turns: &[Turn]) -> Result<u64> {
        let made: u64 = turns.iter().filter(|turn| turn.way == Way::Hansard).map(|turn| turn.seen.calls).sum();
        let statement = "SELECT kind, count(*) AS rows, count(DISTINCT exchange_id) AS calls FROM records \
                         WHERE connection = 'calls' GROUP BY kind ORDER BY kind";
        let expected = |kind| json!({ "kind": kind, "rows": made, "calls": made });
        let expected = json!([expected("request"), expected("response")]);
        let until = Instant::now() + RECORDED_MAX;
        loop {
            let rows = self.hansard.sql(statement)?;
            if rows == expected {
                return Ok(made);
            }
            ensure!(Instant::now() < until, "{made} calls were made, and the trail has {rows}");
        }
    }
}

/// Until the process is idle, or for [`CATCH_UP_MAX`]: how long, and with what CPU time.
fn catch_up(process: u32) -> Result<(Duration, Duration)> {
    let (began, first) = (Instant::now(), process::cpu(process)?);
    let mut last = first;
    loop {
        sleep(LOOK);
        let now = process::cpu(process)?;
        if now - last <= IDLE {
            return Ok((began.elapsed() - LOOK, last - first));
        }
        if began.elapsed() >= CATCH_UP_MAX {
            return Ok((CATCH_UP_MAX, now - first));
        }
        last = now;
    }
}
