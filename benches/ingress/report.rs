//! The tables, in Markdown. Medians are over rounds; latencies are over the calls of all rounds.

use std::{fmt::Write, fs, time::Duration};

use anyhow::Result;

use super::{
    message,
    rounds::{self, Turn, WAYS, Way},
    streams,
};

/// What the numbers belong to.
pub(crate) fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism()?;
    let loads = fs::read_to_string("/proc/loadavg")?;
    let load = loads.split(' ').next().unwrap_or_default();
    let build = if cfg!(debug_assertions) { "an unoptimised build: NOT A MEASUREMENT" } else { "optimised build" };
    Ok(format!("{cores} cores ({model}), load average before the run {load}, {build}.\n"))
}

pub(crate) fn calls(measured: &rounds::Measured) -> String {
    let mut text = format!(
        "{} calls went through `hansard up`; request and answer of each are in the trail (counted in SQL). \
         Its memory peaked at {} MiB. Took {} s.\n\n",
        measured.recorded,
        measured.peak_kib / 1024,
        measured.took.as_secs(),
    );
    disk_table(&mut text, measured);
    latency_table(&mut text, measured);
    throughput_table(&mut text, measured);
    text
}

fn disk_table(text: &mut String, measured: &rounds::Measured) {
    text.push_str(
        "| bare write and fdatasync of a message and 16 KiB, between the turns | appending p50, p99 ms | overwriting p50, p99 ms |\n\
         |---|--:|--:|\n",
    );
    let both = |times: &[Duration]| [50, 99].map(|percent| ms(percentile(times.to_vec(), percent))).join(", ");
    for (length, synced) in &measured.synced {
        let _ = writeln!(text, "| {} KiB | {} | {} |", length / 1024, both(&synced.appends), both(&synced.overwrites));
    }
    text.push('\n');
}

fn latency_table(text: &mut String, measured: &rounds::Measured) {
    text.push_str(
        "| message | one connection | p50 ms | p99 ms | p50 above direct | … without two of these writes, overwriting |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    for length in message::LENGTHS {
        let of = |way, percent| percentile(latencies(measured, way, length, 1), percent);
        let (direct, write) = (of(Way::Direct, 50), percentile(measured.synced[&length].overwrites.clone(), 50));
        for way in WAYS {
            let above = of(way, 50).saturating_sub(direct);
            let without = if way == Way::Hansard { ms(above.saturating_sub(2 * write)) } else { String::new() };
            let (p50, p99) = (ms(of(way, 50)), ms(of(way, 99)));
            let (name, above) = (way.name(), ms(above));
            let _ = writeln!(text, "| {} KiB | {name} | {p50} | {p99} | {above} | {without} |", length / 1024);
        }
    }
    text.push('\n');
}

fn throughput_table(text: &mut String, measured: &rounds::Measured) {
    text.push_str(
        "| message | connections | way | calls/s (lowest–highest) | of direct | p50 ms | p99 ms | with catching up, calls/s \
         | its CPU, µs/call | calls per CPU-second | caller + upstream CPU, µs/call |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for length in message::LENGTHS {
        for connections in rounds::CONNECTIONS.into_iter().filter(|connections| *connections > 1) {
            for way in WAYS {
                throughput_row(text, measured, (way, length, connections));
            }
        }
    }
}

fn throughput_row(text: &mut String, measured: &rounds::Measured, (way, length, connections): (Way, usize, usize)) {
    let turns = |way| measured.turns.iter().filter(move |turn| turn.is(way, length, connections));
    let rates: Vec<f64> = turns(way).map(Turn::rate).collect();
    let (lowest, highest) = (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
    let of_direct = median(rates.clone()) / median(turns(Way::Direct).map(Turn::rate).collect());
    let all = latencies(measured, way, length, connections);
    let own = median(turns(way).map(Turn::own_cpu_us).collect());
    let others = median(turns(way).map(Turn::others_cpu_us).collect());
    let sustained = median(turns(way).map(Turn::sustained_rate).collect());
    let behind = turns(way).any(|turn| turn.catch_up == rounds::CATCH_UP_MAX);
    let (sustained, cpu, per_second) = match way {
        Way::Direct => Default::default(),
        Way::PassThrough => (String::new(), format!("{own:.0}"), format!("{:.0}", 1e6 / own)),
        Way::Hansard => (
            format!("{}{sustained:.0}", if behind { "< " } else { "" }),
            format!("{own:.0}"),
            format!("{:.0}", 1e6 / own),
        ),
    };
    let _ = writeln!(
        text,
        "| {} KiB | {connections} | {} | {:.0} ({lowest:.0}–{highest:.0}) | {of_direct:.2} | {} | {} | {sustained} | {cpu} | {per_second} | {others:.0} |",
        length / 1024,
        way.name(),
        median(rates),
        ms(percentile(all.clone(), 50)),
        ms(percentile(all, 99)),
    );
}

pub(crate) fn load(turn: &Turn) -> String {
    let at = |percent| ms(percentile(turn.seen.latencies.clone(), percent));
    format!(
        "{:.0} calls/s, {:.0} with catching up; p50 {} ms, p99 {} ms; its CPU {:.0} µs/call, the caller's and the upstream's {:.0}",
        turn.rate(),
        turn.sustained_rate(),
        at(50),
        at(99),
        turn.own_cpu_us(),
        turn.others_cpu_us(),
    )
}

pub(crate) fn streams(measured: &streams::Measured) -> String {
    format!(
        "| open streams | opened in s | open for s | events passed | CPU of `hansard up` s | memory before MiB | peak (VmHWM) MiB | of it pages of files MiB |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|\n| {} | {:.1} | {} | {} | {:.1} | {} | {} | {} |\n",
        measured.streams,
        measured.opened_in.as_secs_f64(),
        measured.open.as_secs(),
        measured.events,
        measured.cpu.as_secs_f64(),
        measured.idle_kib / 1024,
        measured.peak_kib / 1024,
        measured.file_kib / 1024,
    )
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::PassThrough => "pass-through",
            Way::Hansard => "`hansard up`",
        }
    }
}

impl Turn {
    fn is(&self, way: Way, length: usize, connections: usize) -> bool {
        (self.way, self.length, self.connections) == (way, length, connections)
    }

    fn rate(&self) -> f64 {
        self.seen.latencies.len() as f64 / self.window.as_secs_f64()
    }

    /// Calls that are masked as well, over the time that this took.
    fn sustained_rate(&self) -> f64 {
        self.seen.latencies.len() as f64 / (self.window + self.catch_up).as_secs_f64()
    }

    /// CPU time per call of what is between caller and upstream, with what it did afterwards.
    fn own_cpu_us(&self) -> f64 {
        let own = self.seen.cpu.get(2).copied().unwrap_or_default() + self.catch_up_cpu;
        own.as_secs_f64() * 1e6 / self.seen.latencies.len() as f64
    }

    fn others_cpu_us(&self) -> f64 {
        self.seen.cpu.iter().take(2).sum::<Duration>().as_secs_f64() * 1e6 / self.seen.latencies.len() as f64
    }
}

fn latencies(measured: &rounds::Measured, way: Way, length: usize, connections: usize) -> Vec<Duration> {
    let turns = measured.turns.iter().filter(|turn| turn.is(way, length, connections));
    turns.flat_map(|turn| turn.seen.latencies.iter().copied()).collect()
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
