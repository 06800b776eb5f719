//! What SIEMs are told: one OCSF event for each row of the archive, and no other.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bus::Reader;
use schemas::{Record, topic};
use serde_json::Value;

use crate::faults::kept;

/// An event can be read a moment after its record: the transaction ends in one partition after the other.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn check(what: &str, reader: &dyn Reader, rows: &[Record]) {
    let until = Instant::now() + PATIENCE;
    let mut told = told(reader).await;
    while told.len() < rows.len() && Instant::now() < until {
        told = self::told(reader).await;
    }
    for row in rows {
        let times = told.remove(&row.record_id.to_string()).unwrap_or_default();
        assert_eq!(times, 1, "{what}: SIEMs are told {times} times of {} {}", row.kind.as_str(), row.record_id);
    }
    assert!(told.is_empty(), "{what}: SIEMs are told of what is in no archive: {told:?}");
}

/// How often each record is told.
async fn told(reader: &dyn Reader) -> BTreeMap<String, u32> {
    let mut told = BTreeMap::new();
    for message in kept::messages(reader, topic::OCSF).await {
        let event: Value = serde_json::from_slice(&message.value).expect("JSON");
        *told.entry(event["metadata"]["uid"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    told
}
