//! What was not recorded is counted, and the counts are records.
//!
//! It refuses to forget: counts that could not be recorded stay until they are.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use recorder::Recorder;

use crate::measure;

/// Lifecycle record that counts what was not recorded.
const METHOD: &str = "recording/skipped";

/// Frames that were not recorded, by connection and reason. Bounded by the number of connections.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    counts: Mutex<BTreeMap<(String, Why), u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// `record = "off"`.
    Off,
    /// A rule says `record = "none"`.
    Policy,
    /// `record = "best_effort"`, and the log did not take it.
    Failed,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::Off => "off",
            Why::Policy => "policy",
            Why::Failed => "failed",
        }
    }
}

impl Skipped {
    pub(crate) fn count(&self, connection: &str, why: Why) {
        measure::skipped(connection, why.as_str());
        self.add((connection.to_owned(), why), 1);
    }

    fn take(&self) -> BTreeMap<(String, Why), u64> {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, key: (String, Why), frames: u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += frames;
    }
}

/// Takes all counts and makes each a record; what the log does not take is kept for the next time.
pub(crate) async fn report(skipped: &Skipped, recorder: &Recorder) {
    for ((connection, why), frames) in skipped.take() {
        let body = serde_json::json!({ "connection": connection, "reason": why.as_str(), "frames": frames });
        if recorder.lifecycle(METHOD, body.to_string()).await.is_err() {
            skipped.add((connection, why), frames);
        }
    }
}
