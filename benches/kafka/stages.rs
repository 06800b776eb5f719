//! A masker, then an archiver, each alone with a log full of work: how fast it is, and what CPU time a record takes.
//!
//! Ingress fills the log first, and rests while they work.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    load::{self, Load},
    message,
};

use super::{latency::MESSAGE_BYTES, role::Role, site::Site};

const CONNECTIONS: usize = 64;
const FILL: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) records: u64,
    /// Of the messages in the records.
    pub(crate) bytes: u64,
    /// From the first record that it has done to the last one.
    pub(crate) took: Duration,
    /// From its start.
    pub(crate) cpu: Duration,
}

pub(crate) fn measure(site: &mut Site) -> Result<Vec<Stage>> {
    fill(site)?;
    let recorded = site.ingress()?.metric("hansard_recorded_total")? as u64;
    ensure!(recorded > 0, "nothing was recorded");
    let masker = work("masker", "hansard_masker_records_total", site.masker()?, recorded)?;
    let archiver = work("archiver", "hansard_archiver_rows_total", site.archiver()?, masker.records)?;
    Ok(vec![masker, archiver])
}

fn fill(site: &mut Site) -> Result<()> {
    let target = site.through_ingress()?;
    let warm_up = Duration::ZERO;
    load::run(
        &target,
        &Load { message: message::call(MESSAGE_BYTES), connections: CONNECTIONS, warm_up, window: FILL },
        &[],
    )?;
    Ok(())
}

/// Until `metric` says that all of it is done.
fn work(name: &'static str, metric: &str, role: &Role, records: u64) -> Result<Stage> {
    role.until("at work", |role| Ok(role.metric(metric)? > 0.0))?;
    let (began, at_first) = (Instant::now(), role.metric(metric)? as u64);
    role.until("done", |role| Ok(role.metric(metric)? as u64 >= records))?;
    let (took, done) = (began.elapsed(), records.saturating_sub(at_first));
    // The CPU time is that of all records; the time on the clock is that of those after the first look.
    let cpu = role.cpu()?.mul_f64(done as f64 / records as f64);
    Ok(Stage { name, records: done, bytes: done * MESSAGE_BYTES as u64, took, cpu })
}
