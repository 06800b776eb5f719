//! Maskers, then archivers, with a log full of work and nobody else at work: how fast one is, how fast two are together, and
//! what CPU time a record takes.
//!
//! Ingress fills the log first, and rests while they work. What is measured is the middle: from when all of them have done
//! something until nine tenths are done, since what is left of each partition waits for its batch to be old enough.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    load::{self, Load},
    message,
};

use super::{latency::MESSAGE_BYTES, role::Role, site::Site};

const CONNECTIONS: usize = 64;
const FILL: Duration = Duration::from_secs(20);
/// So many at once, one turn after another.
const TURNS: [usize; 2] = [1, 2];
const MASKERS: Kind = Kind { role: "masker", metric: "hansard_masker_records_total" };
const ARCHIVERS: Kind = Kind { role: "archiver", metric: "hansard_archiver_rows_total" };

struct Kind {
    role: &'static str,
    /// Counts what it has done.
    metric: &'static str,
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) role: &'static str,
    pub(crate) instances: usize,
    pub(crate) records: u64,
    /// Of the messages in the records.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// Of all of them together.
    pub(crate) cpu: Duration,
}

/// What some of a kind had done at one moment.
struct Done {
    at: Instant,
    each: Vec<u64>,
    cpu: Duration,
}

pub(crate) fn measure(site: &mut Site) -> Result<Vec<Stage>> {
    let (mut stages, mut before) = (Vec::new(), 0);
    for instances in TURNS {
        fill(site)?;
        let recorded = site.ingress()?.metric("hansard_recorded_total")? as u64;
        ensure!(recorded > before, "nothing was recorded");
        for kind in [MASKERS, ARCHIVERS] {
            stages.push(work(site, &kind, instances, recorded - before)?);
        }
        before = recorded;
    }
    Ok(stages)
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

fn work(site: &mut Site, kind: &Kind, instances: usize, records: u64) -> Result<Stage> {
    let roles = (0..instances).map(|_| site.role(kind.role)).collect::<Result<Vec<Role>>>()?;
    let began = until(kind, &roles, |each| each.iter().all(|done| *done > 0))?;
    let most = until(kind, &roles, |each| each.iter().sum::<u64>() >= records / 10 * 9)?;
    until(kind, &roles, |each| each.iter().sum::<u64>() >= records)?;
    roles.into_iter().try_for_each(Role::stop)?;
    let done = most.each.iter().sum::<u64>().saturating_sub(began.each.iter().sum());
    ensure!(done > 0, "there was too little to do for {instances} of {}", kind.role);
    Ok(Stage {
        role: kind.role,
        instances,
        records: done,
        bytes: done * MESSAGE_BYTES as u64,
        took: most.at - began.at,
        cpu: most.cpu - began.cpu,
    })
}

fn until(kind: &Kind, roles: &[Role], enough: impl Fn(&[u64]) -> bool) -> Result<Done> {
    Role::until_all("done", || {
        let each = roles.iter().map(|role| Ok(role.metric(kind.metric)? as u64)).collect::<Result<Vec<u64>>>()?;
        let done = Done { at: Instant::now(), each, cpu: roles.iter().map(Role::cpu).sum::<Result<Duration>>()? };
        Ok(enough(&done.each).then_some(done))
    })
}
