//! What an archive holds, read as any stranger would: by the commit log, held against a plain listing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bus::{Bus, Partition};
use bytes::Bytes;
use futures::TryStreamExt;
use hansard_archiver::{ObjectStore, ObjectStoreExt};
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::{
    Record,
    commit::{Batch, CommitEntry, DATA, FOOTER_KEY, entry_path},
    leaf, topic,
};

const POLL: Duration = Duration::from_millis(2);

/// Resolves when the log's partitions end at `ends`.
pub(crate) async fn reaches(store: &Arc<dyn ObjectStore>, ends: Vec<u64>) {
    loop {
        let entries = entries(store).await;
        let end = |number: u32| {
            let last = entries.iter().rfind(|entry| entry.batch.partition == number);
            last.map_or(0, |entry| entry.batch.next_offset)
        };
        if (0..).zip(&ends).all(|(number, expected)| end(number) == *expected) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Where the log's partitions end.
pub(crate) async fn ends(bus: &Arc<dyn Bus>) -> Vec<u64> {
    let reader = bus.reader();
    let mut ends = Vec::new();
    for number in 0..reader.partitions(topic::RECORDS).await.expect("partitions") {
        let at = Partition { topic: topic::RECORDS.to_owned(), number };
        ends.push(reader.bounds(&at).await.expect("bounds").end);
    }
    ends
}

/// The object of the first entry.
pub(crate) async fn first_object(store: &Arc<dyn ObjectStore>) -> (Path, Bytes) {
    let path = Path::from(entries(store).await.remove(0).object);
    let object = store.get(&path).await.expect("object").bytes().await.expect("bytes");
    (path, object)
}

/// All rows, after every entry was held against its object, its predecessor and the listing.
pub(crate) async fn read(store: &Arc<dyn ObjectStore>) -> Vec<Record> {
    let mut rows = Vec::new();
    let mut ends = std::collections::BTreeMap::new();
    let entries = entries(store).await;
    for entry in &entries {
        let batch = &entry.batch;
        let end = ends.insert(batch.partition, batch.next_offset).unwrap_or(0);
        assert_eq!(batch.start_offset, end, "an entry takes over where its predecessor ended");
        let file = store.get(&Path::from(entry.object.as_str())).await.expect("object").bytes().await.expect("bytes");
        assert_eq!(file.len() as u64, entry.bytes);
        rows.extend(read_object(file, batch));
    }
    let named: BTreeSet<String> = entries.into_iter().map(|entry| entry.object).collect();
    assert_eq!(named, listed(store).await, "a listing shows what the log says");
    rows
}

async fn entries(store: &Arc<dyn ObjectStore>) -> Vec<CommitEntry> {
    let mut entries = Vec::new();
    while let Ok(found) = store.get(&Path::from(entry_path(entries.len() as u64))).await {
        let bytes = found.bytes().await.expect("bytes");
        entries.push(CommitEntry::from_json(&bytes).expect("entry"));
    }
    entries
}

fn read_object(file: Bytes, batch: &Batch) -> Vec<Record> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let pairs = builder.metadata().file_metadata().key_value_metadata().expect("metadata");
    let label = pairs.iter().find(|pair| pair.key == FOOTER_KEY).and_then(|pair| pair.value.as_ref()).expect("label");
    assert_eq!(Batch::from_json(label).expect("batch"), *batch, "the footer says what the entry says");
    let batches = builder.build().expect("reader").map(|rows| schemas::arrow::from_batch(&rows.expect("rows")));
    let rows: Vec<Record> = batches.flat_map(|rows| rows.expect("records")).collect();
    assert_eq!(rows.len() as u64, batch.rows);
    rows.iter().for_each(|row| leaf::check(row).expect("the row is what the masker minted"));
    rows
}

async fn listed(store: &Arc<dyn ObjectStore>) -> BTreeSet<String> {
    let objects = store.list(Some(&Path::from(DATA)));
    objects.map_ok(|object| object.location.to_string()).try_collect().await.expect("listing")
}
