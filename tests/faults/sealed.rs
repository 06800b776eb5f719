//! What ingress has sealed, as far as the log tells without a key: which exchange, and which kind of frame.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bus::{
    Bus, Reader, Stored,
    embedded::{Config, Embedded},
};
use schemas::{frame::KIND_HEADER, topic};
use uuid::Uuid;

use super::kept;

/// How many frames of a kind there are of an exchange.
pub(crate) type Frames = BTreeMap<(Uuid, String), u64>;

/// The frames of a log that no program writes to at the moment.
pub(crate) async fn read(log: &Path) -> Frames {
    let config = Config { path: log.to_owned(), topics: Vec::new(), clock_us: Arc::new(|| 0) };
    let log = Embedded::open(config).await.expect("the log opens again");
    of(&*log.reader()).await
}

/// The frames that a log has now.
pub(crate) async fn of(reader: &dyn Reader) -> Frames {
    let mut frames = Frames::new();
    for message in kept::messages(reader, topic::FRAMES).await {
        *frames.entry(name(&message)).or_default() += 1;
    }
    frames
}

fn name(message: &Stored) -> (Uuid, String) {
    let kind = message.header(KIND_HEADER).expect("frames name their kind");
    (Uuid::from_slice(&message.key).expect("an exchange id"), String::from_utf8_lossy(kind).into_owned())
}
