//! What a topic keeps now, all of it and in order.

use std::time::Duration;

use bus::{Partition, Reader, Stored};

const BYTES_MAX: usize = 16 << 20;

pub(crate) async fn messages(reader: &dyn Reader, topic: &str) -> Vec<Stored> {
    let mut all = Vec::new();
    for number in 0..reader.partitions(topic).await.expect("partitions") {
        let at = Partition { topic: topic.to_owned(), number };
        let kept = reader.bounds(&at).await.expect("bounds");
        let mut from = kept.start;
        while from < kept.end {
            let messages = reader.read(&at, from, BYTES_MAX, Duration::ZERO).await.expect("messages");
            // What is left are marks of transactions.
            let Some(last) = messages.last() else { break };
            from = last.offset + 1;
            all.extend(messages);
        }
    }
    all
}
