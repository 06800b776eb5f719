//! Every metric of Hansard, and what it says: the operator's list, in the order in which a call meets them.
//!
//! The stages count; the words stand here, in one place. `docs/operations.md` has the same list, and a test of the real
//! program holds that what `/metrics` shows is what is told here. It refuses labels that callers choose the values of.

use crate::topics::Party;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub of: Of,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// Which roles have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Everyone,
    /// Those that record what they do: ingress, approver, query.
    Recorders,
    /// Whoever may mask: masker and, in flight, ingress.
    Maskers,
    /// Whoever talks to Kafka.
    Kafka,
    Role(Party),
}

use Kind::{Counter, Gauge, Histogram};
use Of::{Everyone, Maskers, Recorders, Role};
use Party::{Approver, Archiver, Ingress, Masker, Query};

#[rustfmt::skip]
pub const METRICS: [Metric; 50] = [
    metric("hansard_calls_total", Counter, Role(Ingress), &["connection", "outcome"], "Calls that ended, by how they ended."),
    metric("hansard_verdicts_total", Counter, Role(Ingress), &["verdict"], "Messages that policy decided on."),
    metric("hansard_findings_unknown_total", Counter, Role(Ingress), &[], "Messages that policy asks the findings of and that could not be looked at; the rule that asks fails."),
    metric("hansard_forwarded_total", Counter, Role(Ingress), &["connection"], "Calls that were sent to an upstream."),
    metric("hansard_skipped_total", Counter, Role(Ingress), &["connection", "reason"], "Frames that passed without a record, as configured."),
    metric("hansard_overhead_seconds", Histogram, Role(Ingress), &[], "What Hansard added to a call: all but the time of the upstream and of people."),
    metric("hansard_produce_seconds", Histogram, Role(Ingress), &[], "How long a frame took to be durable."),
    metric("hansard_open_streams", Gauge, Role(Ingress), &[], "Streamed answers that are open."),
    metric("hansard_held_calls", Gauge, Role(Ingress), &[], "Calls that wait for people."),
    metric("hansard_spans_total", Counter, Role(Ingress), &["result"], "Spans that were exported, or given up."),
    metric("hansard_recorded_total", Counter, Recorders, &["kind"], "Frames that are durable on the log."),
    metric("hansard_unrecorded_total", Counter, Recorders, &["emitter"], "Frames that the log did not take, as far as is known; what they would have recorded did not pass, unless the connection allows it."),
    metric("hansard_recording_up", Gauge, Recorders, &["emitter"], "1 while the log takes records."),
    metric("hansard_masker_records_total", Counter, Role(Masker), &["kind", "status"], "Records that were published, by what became of their content."),
    metric("hansard_masker_withheld_total", Counter, Role(Masker), &["reason"], "Frames that could not be opened, read or masked: withheld, and kept in quarantine."),
    metric("hansard_masker_look_alikes_total", Counter, Role(Masker), &[], "Places of what came in that begin as replacements do, whoever wrote them."),
    metric("hansard_masker_lag_messages", Gauge, Role(Masker), &[], "Offsets of the frames that are still to be masked, in the partitions of this masker."),
    metric("hansard_masker_oldest_unmasked_seconds", Gauge, Role(Masker), &[], "Age of the oldest frame that is not masked yet."),
    metric("hansard_masker_looked_timestamp_seconds", Gauge, Role(Masker), &[], "When this masker last looked how far behind it is."),
    metric("hansard_redaction_reloads_total", Counter, Maskers, &["result"], "Rules for masking that were read again."),
    metric("hansard_shadow_texts_total", Counter, Role(Masker), &[], "Texts that were masked by the rules on trial too."),
    metric("hansard_shadow_differences_total", Counter, Role(Masker), &["difference", "rule"], "Finds in which the rules on trial differ from those in force."),
    metric("hansard_archiver_rows_total", Counter, Role(Archiver), &[], "Rows that were archived."),
    metric("hansard_archiver_batches_total", Counter, Role(Archiver), &[], "Parquet objects that were committed."),
    metric("hansard_archiver_bytes_total", Counter, Role(Archiver), &[], "Bytes of the Parquet objects that were committed."),
    metric("hansard_archiver_lag_messages", Gauge, Role(Archiver), &[], "Offsets of the records that are still to be read, in the partitions of this archiver."),
    metric("hansard_archiver_oldest_unarchived_seconds", Gauge, Role(Archiver), &[], "Age of the oldest record that is not archived yet."),
    metric("hansard_archiver_looked_timestamp_seconds", Gauge, Role(Archiver), &[], "When this archiver last looked how far behind it is."),
    metric("hansard_archiver_stopped_partitions", Gauge, Role(Archiver), &[], "Partitions that are not archived until a person has looked."),
    metric("hansard_archiver_quarantined_total", Counter, Role(Archiver), &[], "Messages that are no records: kept in quarantine."),
    metric("hansard_archiver_setbacks_total", Counter, Role(Archiver), &[], "Times that archiving began anew from the commit log."),
    metric("hansard_archiver_adopted_total", Counter, Role(Archiver), &[], "Objects that were there without an entry of the commit log, and got one."),
    metric("hansard_approver_votes_refused_total", Counter, Role(Approver), &[], "Votes that did not count."),
    metric("hansard_approver_unreadable_total", Counter, Role(Approver), &[], "Events of approvals that cannot be read."),
    metric("hansard_query_reads_total", Counter, Role(Query), &["method", "answered"], "Reads of the trail."),
    metric("hansard_query_tail_rows", Gauge, Role(Query), &[], "Rows that are not archived yet and are kept in memory."),
    metric("hansard_query_looked_timestamp_seconds", Gauge, Role(Query), &[], "When this query service last saw commit log and tail."),
    metric("hansard_query_unreadable_records_total", Counter, Role(Query), &[], "Messages of the tail that are no records."),
    metric("hansard_kafka_queued_messages", Gauge, Of::Kafka, &["client"], "Messages that wait to be acknowledged by brokers."),
    metric("hansard_kafka_queued_bytes", Gauge, Of::Kafka, &["client"], "Bytes of the messages that wait to be acknowledged by brokers."),
    metric("hansard_kafka_sent_bytes_total", Counter, Of::Kafka, &["client"], "Bytes that were sent to brokers."),
    metric("hansard_kafka_received_bytes_total", Counter, Of::Kafka, &["client"], "Bytes that came from brokers."),
    metric("hansard_kafka_connected_brokers", Gauge, Of::Kafka, &["client"], "Brokers to which there is a connection."),
    metric("hansard_kafka_errors_total", Counter, Of::Kafka, &["client", "broker"], "Requests to a broker that failed."),
    metric("hansard_kafka_round_trip_p99_seconds", Gauge, Of::Kafka, &["client", "broker"], "Round trip to a broker, the 99th of a hundred, since the last look."),
    metric("hansard_kafka_unfetched_messages", Gauge, Of::Kafka, &["client", "topic", "partition"], "Offsets that librdkafka has not fetched; zero says nothing of the stage behind it."),
    metric("hansard_build_info", Gauge, Everyone, &["version"], "1; the version is the label."),
    metric("process_cpu_seconds_total", Counter, Everyone, &[], "CPU time of this process."),
    metric("process_resident_memory_bytes", Gauge, Everyone, &[], "Memory of this process that is resident."),
    metric("process_open_fds", Gauge, Everyone, &[], "Files and sockets that this process has open."),
];

const fn metric(name: &'static str, kind: Kind, of: Of, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, of, labels, help }
}

/// Tells what each metric of these roles says. Counters without labels begin at zero, so that the first increase is
/// seen as one.
pub fn describe(roles: &[Party]) {
    for metric in METRICS.iter().filter(|metric| metric.is_of(roles)) {
        let (name, help) = (metric.name, metric.help);
        match metric.kind {
            Counter => metrics::describe_counter!(name, help),
            Gauge => metrics::describe_gauge!(name, help),
            Histogram => metrics::describe_histogram!(name, help),
        }
        if metric.kind == Counter && metric.labels.is_empty() {
            metrics::counter!(name).increment(0);
        }
    }
}

impl Metric {
    fn is_of(&self, roles: &[Party]) -> bool {
        match self.of {
            Everyone | Of::Kafka => true,
            Recorders => roles.iter().any(|role| matches!(role, Ingress | Approver | Query)),
            Of::Maskers => roles.iter().any(|role| matches!(role, Ingress | Masker)),
            Role(role) => roles.contains(&role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table that operators read says the same.
    #[test]
    fn operators_read_of_every_metric() {
        let page = include_str!("../../docs/operations.md");
        for Metric { name, labels, help, .. } in METRICS {
            let shown = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
            let line = format!("| `{name}{shown}` | {help} |");
            assert!(page.contains(&line), "docs/operations.md does not say: {line}");
        }
        let told =
            page.lines().filter(|line| line.starts_with("| `hansard_") || line.starts_with("| `process_")).count();
        assert_eq!(told, METRICS.len(), "docs/operations.md tells of metrics that there are not");
    }
}
