//! The archive as a stranger reads it: a folder of files, by its commit log, with nothing of the program that wrote it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use axum::body::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::{
    Record,
    commit::{Batch, COMMITS, CommitEntry, DATA, FOOTER_KEY, entry_path},
    leaf,
};
use sha2::{Digest, Sha256};

use crate::program::files;

/// All rows, after every entry was held against its predecessor and its object, and every object against the log.
pub(crate) fn read(folder: &Path) -> Vec<Record> {
    let mut rows = Vec::new();
    let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
    let mut named = BTreeSet::new();
    for entry in entries(folder) {
        let batch = &entry.batch;
        let end = ends.insert(batch.partition, batch.next_offset).unwrap_or(0);
        assert_eq!(batch.start_offset, end, "an entry takes over where the one before it ended: {entry:?}");
        assert_eq!(batch.quarantined, 0, "every record can be read: {entry:?}");
        rows.extend(read_object(folder, &entry));
        assert!(named.insert(entry.object), "no object is named twice");
    }
    check_listing(folder, &named, &ends);
    rows
}

/// Rows that the commit log names, also while an archiver is at work.
pub(crate) fn count(folder: &Path) -> u64 {
    entries(folder).iter().map(|entry| entry.batch.rows).sum()
}

/// Entries are dense, and nothing else lies among them.
fn entries(folder: &Path) -> Vec<CommitEntry> {
    if !folder.join(COMMITS).is_dir() {
        return Vec::new();
    }
    let count = files(&folder.join(COMMITS)).len();
    let entry = |number| {
        let bytes = fs::read(folder.join(entry_path(number))).expect("entries are dense");
        CommitEntry::from_json(&bytes).expect("an entry")
    };
    (0..count as u64).map(entry).collect()
}

fn read_object(folder: &Path, entry: &CommitEntry) -> Vec<Record> {
    let file = Bytes::from(fs::read(folder.join(&entry.object)).expect("an entry names an object that is there"));
    assert_eq!(file.len() as u64, entry.bytes, "{}", entry.object);
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, entry.sha256, "{}", entry.object);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let pairs = builder.metadata().file_metadata().key_value_metadata().expect("metadata");
    let label = pairs.iter().find(|pair| pair.key == FOOTER_KEY).and_then(|pair| pair.value.as_ref()).expect("a label");
    assert_eq!(Batch::from_json(label).expect("a batch"), entry.batch, "the footer says what the entry says");
    let batches = builder.build().expect("rows").map(|batch| schemas::arrow::from_batch(&batch.expect("rows")));
    let rows: Vec<Record> = batches.flat_map(|rows| rows.expect("records")).collect();
    assert_eq!(rows.len() as u64, entry.batch.rows, "{}", entry.object);
    rows.iter().for_each(|row| leaf::check(row).expect("a row as the masker minted it"));
    rows
}

/// What the log does not name is where its partition goes on, so that the next archiver adopts it.
fn check_listing(folder: &Path, named: &BTreeSet<String>, ends: &BTreeMap<u32, u64>) {
    if !folder.join(DATA).is_dir() {
        return;
    }
    let adoptable = |name: &str| {
        ends.iter().any(|(partition, next)| name.ends_with(&format!("part={partition:03}/{next:020}.parquet")))
            || name.ends_with(&format!("{:020}.parquet", 0))
    };
    for file in files(&folder.join(DATA)) {
        let name = file.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
        assert!(named.contains(&name) || adoptable(&name), "nobody knows the object {name}");
    }
}
