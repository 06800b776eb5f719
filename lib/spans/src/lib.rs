//! Calls as OpenTelemetry spans: which trace a call belongs to, and the way to a collector by OTLP over HTTP.
//!
//! Spans are for those who look for slow calls; the trail is the evidence. So a span is given up rather than waited
//! for: the queue is bounded, what does not fit or cannot be delivered is counted, and no call is slowed. Names of
//! attributes are those of the conventions and stand in [`attribute`] alone.
//!
//! It refuses to hold anything of a payload, and anything that callers choose freely: what is in a span was not masked.

pub mod attribute;
mod export;
mod protobuf;
mod trace;

use tokio::sync::mpsc;

pub use export::{Config, ConfigError, Exporter};
pub use trace::Trace;

/// Spans that wait to be exported.
pub const QUEUED_SPANS_MAX: usize = 4096;

/// What somebody did, and how long it took. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace: Trace,
    pub name: String,
    pub kind: Kind,
    pub began_us: i64,
    pub ended_us: i64,
    pub attributes: Vec<(&'static str, Value)>,
    pub failed: bool,
}

/// From which side a call is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From that of who answers it.
    Server,
    /// From that of who makes it.
    Client,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

/// Where spans are given to be exported.
#[derive(Clone, Debug)]
pub struct Spans {
    queue: mpsc::Sender<Span>,
    ratio: f64,
}

impl Spans {
    /// The trace of a call that came with these ids, or a new one, of which `ratio` is exported.
    pub fn trace(&self, caller: Option<trace::Caller>) -> Trace {
        Trace::of(caller, self.ratio)
    }

    /// Takes the span at once, or gives it up.
    pub fn give(&self, span: Span) {
        if span.trace.sampled && self.queue.try_send(span).is_err() {
            export::lost(1);
        }
    }
}

pub use trace::Caller;
