//! What ingress has sealed, as far as the log tells without a key: which exchange, and which kind of frame.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bus::{
    Bus, Partition, Reader,
    embedded::{Config, Embedded},
};
use schemas::{frame::KIND_HEADER, topic};
use uuid::Uuid;

/// How many frames of a kind there are of an exchange.
pub(crate) type Frames = BTreeMap<(Uuid, String), u64>;

const BYTES_MAX: usize = 16 << 20;

/// The frames of a log that no program writes to at the moment.
pub(crate) async fn read(log: &Path) -> Frames {
    let config = Config { path: log.to_owned(), topics: Vec::new(), clock_us: Arc::new(|| 0) };
    let log = Embedded::open(config).await.expect("the log opens again");
    of(&*log.reader()).await
}

/// The frames that a log has now.
pub(crate) async fn of(reader: &dyn Reader) -> Frames {
    let mut frames = Frames::new();
    for number in 0..reader.partitions(topic::FRAMES).await.expect("partitions") {
        let at = Partition { topic: topic::FRAMES.to_owned(), number };
        let kept = reader.bounds(&at).await.expect("bounds");
        let mut from = kept.start;
        while from < kept.end {
            let messages = reader.read(&at, from, BYTES_MAX, Duration::ZERO).await.expect("messages");
            let Some(last) = messages.last() else { break };
            from = last.offset + 1;
            messages.iter().for_each(|message| *frames.entry(name(message)).or_default() += 1);
        }
    }
    frames
}

fn name(message: &bus::Stored) -> (Uuid, String) {
    let kind = message.header(KIND_HEADER).expect("frames name their kind");
    (Uuid::from_slice(&message.key).expect("an exchange id"), String::from_utf8_lossy(kind).into_owned())
}
