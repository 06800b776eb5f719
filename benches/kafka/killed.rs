//! A broker is killed with kill -9 under calls, one at a time: how long nothing passes, what is refused, and whether
//! every call that was answered is in the trail in the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::{
    load::{self, Target},
    message,
};

use super::{latency::MESSAGE_BYTES, site::Site};

const BEFORE: Duration = Duration::from_secs(5);
pub(crate) const AFTER: Duration = Duration::from_secs(40);
/// A call that is not answered for so long is made anew on another connection.
const CALL_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// Longest time between two good answers, before and after the kill.
    pub(crate) gap_before: Duration,
    pub(crate) gap: Duration,
    /// From the kill until masker and archiver have all of it.
    pub(crate) archived_after: Duration,
}

/// What one caller saw.
#[derive(Debug, Default)]
struct Seen {
    good: Vec<Instant>,
    refused: u64,
}

pub(crate) fn measure(site: &mut Site) -> Result<Measured> {
    site.everyone()?;
    let target = site.through_ingress()?;
    let before = rows(site)?;
    let caller = std::thread::spawn(move || call_for(&target, BEFORE + AFTER));
    std::thread::sleep(BEFORE);
    let killed_at = Instant::now();
    // A node that leads nothing would show little; each leads some of the partitions.
    site.cluster.kill(0);
    let seen = caller.join().map_err(|_| anyhow::anyhow!("the caller panicked"))??;
    let (requests, responses) = (seen.good.len() as f64, seen.good.len() as f64);
    site.archiver()?
        .until("archived", |role| Ok(role.metric("hansard_archiver_rows_total")? >= before + requests + responses))?;
    let archived_after = killed_at.elapsed();
    site.cluster.revive(0);
    let (earlier, later): (Vec<Instant>, Vec<Instant>) = seen.good.iter().partition(|at| **at < killed_at);
    ensure!(!later.is_empty(), "nothing passed after the kill");
    let last = earlier.last().copied().context("nothing passed before the kill")?;
    Ok(Measured {
        answered: seen.good.len() as u64,
        refused: seen.refused,
        gap_before: longest_gap(&earlier),
        gap: longest_gap(&[vec![last], later].concat()),
        archived_after,
    })
}

fn rows(site: &mut Site) -> Result<f64> {
    site.archiver()?.metric("hansard_archiver_rows_total")
}

fn longest_gap(times: &[Instant]) -> Duration {
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

fn call_for(target: &Target, window: Duration) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (until, mut seen) = (Instant::now() + window, Seen::default());
        while Instant::now() < until {
            // A connection that breaks is no answer, and the next call has another.
            let _ = timeout(CALL_PATIENCE, call_while_answered(target, until, &mut seen)).await;
        }
        Ok(seen)
    })
}

async fn call_while_answered(target: &Target, until: Instant, seen: &mut Seen) -> Result<()> {
    let mut sender = load::connect(target.address).await?;
    while Instant::now() < until {
        let request = load::request(target, message::call(MESSAGE_BYTES))?;
        let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        // As long as its request: the upstream's own answer. All others are refusals.
        if body.len() == MESSAGE_BYTES { seen.good.push(Instant::now()) } else { seen.refused += 1 }
    }
    Ok(())
}
