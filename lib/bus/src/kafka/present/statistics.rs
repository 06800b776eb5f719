//! What a client counts, as metrics. The names are ours, so that dashboards outlive a change of library.

use metrics::{counter, gauge};
use rdkafka::Statistics;

pub(super) fn show(part: &'static str, statistics: &Statistics) {
    gauge!("hansard_kafka_queued_messages", "client" => part).set(statistics.msg_cnt as f64);
    gauge!("hansard_kafka_queued_bytes", "client" => part).set(statistics.msg_size as f64);
    counter!("hansard_kafka_sent_bytes_total", "client" => part).absolute(natural(statistics.tx_bytes));
    counter!("hansard_kafka_received_bytes_total", "client" => part).absolute(natural(statistics.rx_bytes));
    let connected = statistics.brokers.values().filter(|broker| broker.nodeid >= 0 && broker.state == "UP");
    gauge!("hansard_kafka_connected_brokers", "client" => part).set(connected.count() as f64);
    for broker in statistics.brokers.values().filter(|broker| broker.nodeid >= 0) {
        let node = broker.nodeid.to_string();
        let errors = natural(broker.txerrs as i64) + natural(broker.rxerrs as i64);
        counter!("hansard_kafka_errors_total", "client" => part, "broker" => node.clone()).absolute(errors);
        if let Some(trip) = &broker.rtt {
            gauge!("hansard_kafka_round_trip_p99_seconds", "client" => part, "broker" => node)
                .set(trip.p99 as f64 / 1e6);
        }
    }
    // What is not fetched yet. How far a stage is behind, it says itself: what is fetched may still wait for it.
    for topic in statistics.topics.values() {
        for partition in topic.partitions.values().filter(|partition| partition.app_offset >= 0) {
            let labels = [
                ("client", part.to_owned()),
                ("topic", topic.topic.clone()),
                ("partition", partition.partition.to_string()),
            ];
            let lag = partition.ls_offset.saturating_sub(partition.app_offset).max(0);
            gauge!("hansard_kafka_unfetched_messages", &labels).set(lag as f64);
        }
    }
}

fn natural(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
