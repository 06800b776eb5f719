//! One call at a time, in turns: a bare produce, a call directly to the upstream, and the same call through ingress,
//! which makes two frames durable. No other role runs, so that only the brokers share the machine with them.

use std::time::Duration;

use anyhow::Result;

use crate::{
    load::{self, Load, Target},
    message,
};

use super::{
    produce::{AS_INGRESS, Bare, COMPRESSED},
    site::Site,
};

const ROUNDS: usize = 5;
/// Brokers that have just begun take twice as long for a message, until Java has compiled what they do.
const BROKERS_WARM_UP: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(2);
pub(crate) const MESSAGE_BYTES: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) produce: Vec<Duration>,
    pub(crate) compressed: Vec<Duration>,
    pub(crate) direct: Vec<Duration>,
    pub(crate) ingress: Vec<Duration>,
}

pub(crate) fn measure(site: &mut Site) -> Result<Measured> {
    let (bare, compressed) = (Bare::new(site, AS_INGRESS)?, Bare::new(site, COMPRESSED)?);
    let (direct, ingress) = (site.direct(), site.through_ingress()?);
    bare.measure(BROKERS_WARM_UP)?;
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        measured.produce.extend(bare.measure(WINDOW)?);
        measured.compressed.extend(compressed.measure(WINDOW)?);
        measured.direct.extend(one_at_a_time(&direct)?);
        measured.ingress.extend(one_at_a_time(&ingress)?);
    }
    Ok(measured)
}

fn one_at_a_time(target: &Target) -> Result<Vec<Duration>> {
    let load = Load { message: message::call(MESSAGE_BYTES), connections: 1, warm_up: WARM_UP, window: WINDOW };
    Ok(load::run(target, &load, &[])?.latencies)
}
