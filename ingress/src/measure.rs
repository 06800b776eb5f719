//! The numbers that operators watch. Names and labels are part of the interface.

use metrics::{counter, gauge, histogram};
use schemas::Outcome;

pub(crate) fn called(connection: &str, outcome: Outcome) {
    counter!("hansard_calls_total", "connection" => connection.to_owned(), "outcome" => outcome.as_str()).increment(1);
}

pub(crate) fn decided(verdict: &'static str) {
    counter!("hansard_verdicts_total", "verdict" => verdict).increment(1);
}

pub(crate) fn forwarded(connection: &str) {
    counter!("hansard_forwarded_total", "connection" => connection.to_owned()).increment(1);
}

/// A frame passed without a record.
pub(crate) fn skipped(connection: &str, reason: &'static str) {
    counter!("hansard_skipped_total", "connection" => connection.to_owned(), "reason" => reason).increment(1);
}

/// A request that policy asks about and that could not be looked at: the rule that asks fails.
pub(crate) fn not_looked_at() {
    counter!("hansard_findings_unknown_total").increment(1);
}

/// What Hansard added to one call, the upstream's time and people's time taken off.
pub(crate) fn overhead(micros: i64) {
    histogram!("hansard_overhead_seconds").record(seconds(micros));
}

/// How long one frame took to be durable.
pub(crate) fn produced(micros: i64) {
    histogram!("hansard_produce_seconds").record(seconds(micros));
}

/// Counts something that lasts, for as long as it is not dropped.
#[derive(Debug)]
pub(crate) struct Lasting(&'static str);

impl Lasting {
    pub(crate) fn open_stream() -> Lasting {
        Lasting::begin("hansard_open_streams")
    }

    pub(crate) fn held_call() -> Lasting {
        Lasting::begin("hansard_held_calls")
    }

    fn begin(name: &'static str) -> Lasting {
        gauge!(name).increment(1.0);
        Lasting(name)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
