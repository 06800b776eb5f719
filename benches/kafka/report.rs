//! The tables, in Markdown, as `docs/performance.md` has them.

use std::{fmt::Write, fs, time::Duration};

use anyhow::Result;

use super::{killed, latency, stages::Stage, visible};

/// What ingress may add to a call beside two durable messages.
const BESIDE_TWO_PRODUCES: Duration = Duration::from_micros(500);
/// How old a row may be when SQL finds it.
const VISIBLE_MAX: Duration = Duration::from_secs(1);

/// What the numbers belong to.
pub(crate) fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let loads = fs::read_to_string("/proc/loadavg")?;
    let load = loads.split(' ').next().unwrap_or_default();
    let build = if cfg!(debug_assertions) { "an unoptimised build: NOT A MEASUREMENT" } else { "optimised build" };
    Ok(format!("{cores} cores for brokers, roles, caller and upstream; load average before the run {load}; {build}.\n"))
}

pub(crate) fn latency(measured: &latency::Measured) -> String {
    let rows = [
        ("bare produce (librdkafka, acks=all)", &measured.produce),
        ("the same with zstd, in vain", &measured.compressed),
        ("call, direct", &measured.direct),
        ("call through ingress", &measured.ingress),
    ];
    let mut text = String::from("| one at a time, 1 KiB | times | p50 ms | p99 ms |\n|---|--:|--:|--:|\n");
    for (name, times) in rows {
        let _ = writeln!(text, "| {name} | {} | {} | {} |", times.len(), ms(at(times, 50)), ms(at(times, 99)));
    }
    let added = |percent| at(&measured.ingress, percent).saturating_sub(at(&measured.direct, percent));
    let allowed = 2 * at(&measured.produce, 50) + BESIDE_TWO_PRODUCES;
    let met = if added(50) <= allowed { "met" } else { "not met" };
    let _ = writeln!(
        text,
        "\nIngress adds p50 {} ms, p99 {} ms. The goal, p50 at most twice a bare produce and 0.5 ms: {} ms, {met}.",
        ms(added(50)),
        ms(added(99)),
        ms(allowed)
    );
    text
}

pub(crate) fn stages(stages: &[Stage]) -> String {
    let mut text = String::from(
        "| nobody else at work, messages of 1 KiB | instances | records | records/s | MB/s of messages | CPU-seconds per million records |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for Stage { role, instances, records, bytes, took, cpu } in stages {
        let (seconds, millions) = (took.as_secs_f64(), *records as f64 / 1e6);
        let (rate, megabytes) = (*records as f64 / seconds, *bytes as f64 / 1e6 / seconds);
        let cpu = cpu.as_secs_f64() / millions;
        let _ = writeln!(text, "| {role} | {instances} | {records} | {rate:.0} | {megabytes:.1} | {cpu:.0} |");
    }
    text
}

pub(crate) fn visible(measured: &visible::Measured) -> String {
    let mut text =
        String::from("| from the answer to the row in SQL | probes | p50 ms | p99 ms |\n|---|--:|--:|--:|\n");
    let beside = format!("beside {:.0} calls/s", measured.beside);
    for (name, ages) in [("nothing else", &measured.idle), (beside.as_str(), &measured.loaded)] {
        let _ = writeln!(text, "| {name} | {} | {} | {} |", ages.len(), ms(at(ages, 50)), ms(at(ages, 99)));
    }
    let worst = at(&measured.idle, 99).max(at(&measured.loaded, 99));
    let met = if worst <= VISIBLE_MAX { "met" } else { "not met" };
    let _ = writeln!(text, "\nThe goal, p99 at most {} s: {met}.", VISIBLE_MAX.as_secs());
    text
}

pub(crate) fn killed(measured: &killed::Measured) -> String {
    let killed::Measured { answered, refused, gap_before, gap, archived_after } = measured;
    format!(
        "kill -9 of a broker under calls, one at a time: {answered} answered, {refused} refused; longest time between two \
         answers {} ms before and {} ms after it. All that was answered was in the archive {:.0} s after the kill, of which \
         the calls themselves took {:.0} s.\n",
        ms(*gap_before),
        ms(*gap),
        archived_after.as_secs_f64(),
        killed::AFTER.as_secs_f64()
    )
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
