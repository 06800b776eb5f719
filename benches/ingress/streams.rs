//! The memory of `hansard up` while many streams are open through it, an event per second on each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming};
use tokio::time::{Instant, sleep_until};

use super::{
    load::{self, Target},
    message,
    process::{self, Hansard, Process},
    upstream,
};

const STREAMS: usize = 1000;
/// How long all of them are open.
const OPEN: Duration = Duration::from_secs(10);
/// Events that a stream must have brought by then; the rest is for those that were under way.
const EVENTS_MIN: usize = 8;
/// `hansard up` needs two connections for each stream, and some for itself.
pub(crate) const FILES_MIN: u64 = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) streams: usize,
    pub(crate) opened_in: Duration,
    pub(crate) open: Duration,
    pub(crate) events: usize,
    pub(crate) idle_kib: u64,
    /// All that is resident, with the pages of the program's own file.
    pub(crate) peak_kib: u64,
    /// Of these, the pages of files: they are shared, and the kernel takes them back when it needs to.
    pub(crate) file_kib: u64,
    pub(crate) cpu: Duration,
}

pub(crate) fn measure() -> Result<Measured> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let upstream = Process::upstream()?;
    let hansard = Hansard::up(folder.path(), upstream.address)?;
    let target = Target { address: hansard.process.address, path: "/c/streams", token: Some(hansard.token()?) };
    let id = hansard.process.id();
    let idle_kib = process::memory_kib(id, "VmRSS")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured = runtime.block_on(hold_open(&target, id))?;
    (measured.idle_kib, measured.peak_kib) = (idle_kib, process::memory_kib(id, "VmHWM")?);
    measured.file_kib = process::memory_kib(id, "RssFile")?;
    Ok(measured)
}

async fn hold_open(target: &Target, hansard: u32) -> Result<Measured> {
    let began = Instant::now();
    let opening: Vec<_> = (0..STREAMS).map(|_| tokio::spawn(open(target.clone()))).collect();
    let mut streams = Vec::with_capacity(STREAMS);
    for stream in opening {
        streams.push(stream.await??);
    }
    let (opened_in, before) = (began.elapsed(), process::cpu(hansard)?);
    let until = Instant::now() + OPEN;
    let listening: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(listen(stream, until))).collect();
    let mut events = Vec::with_capacity(STREAMS);
    for listener in listening {
        events.push(listener.await??);
    }
    let fewest = events.iter().min().copied().context("no stream")?;
    ensure!(fewest >= EVENTS_MIN, "a stream brought {fewest} events in {OPEN:?}");
    let cpu = process::cpu(hansard)? - before;
    let events = events.iter().sum();
    Ok(Measured { streams: STREAMS, opened_in, open: OPEN, events, idle_kib: 0, peak_kib: 0, file_kib: 0, cpu })
}

/// Its connection ends with the process.
async fn open(target: Target) -> Result<Incoming> {
    let mut sender = load::connect(target.address).await?;
    let answer = sender.send_request(load::request(&target, message::stream_call())?).await?;
    ensure!(answer.status() == StatusCode::OK, "a stream was not opened: {}", answer.status());
    Ok(answer.into_body())
}

/// The events until then, each of which comes as a piece of its own.
async fn listen(mut stream: Incoming, until: Instant) -> Result<usize> {
    let mut events = 0;
    loop {
        tokio::select! {
            () = sleep_until(until) => return Ok(events),
            frame = stream.frame() => {
                frame.context("a stream ended early")??;
                events += 1;
            }
        }
    }
}

const _: () = assert!(EVENTS_MIN as u64 <= OPEN.as_secs() / upstream::EVENT_EVERY.as_secs());
