//! The rows of one batch while they wait: as columns, which take a fraction of the memory of the records, and with what
//! the batch says of them gathered on the way.
//!
//! It refuses to hold a record longer than it takes to fill a slice.

use std::collections::BTreeSet;

use arrow::{array::RecordBatch, error::ArrowError};
use schemas::{
    Record,
    commit::{IDS_MAX, Span},
};
use tlog::Hash;

use crate::file;

/// Records that become columns together.
const SLICE_ROWS: usize = 256;
/// … or as soon as they are this large as they came, in bytes. A column of text takes 2 GiB at most.
const SLICE_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Rows {
    fresh: Vec<Record>,
    fresh_bytes: usize,
    slices: Vec<RecordBatch>,
    leaves: Vec<Hash>,
    pub(crate) occurred_at: Option<Span>,
    pub(crate) recorded_at: Option<Span>,
    pub(crate) policy_ids: Ids,
    pub(crate) ruleset_ids: Ids,
}

/// The distinct ids of a column, as many as are kept.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    distinct: BTreeSet<String>,
    pub(crate) truncated: bool,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// `leaf` is the record's, and `bytes` what it took in the log.
    pub(crate) fn push(&mut self, record: Record, leaf: Hash, bytes: usize) -> Result<(), ArrowError> {
        self.leaves.push(leaf);
        self.occurred_at = Some(Span::including(self.occurred_at, record.occurred_at));
        self.recorded_at = Some(Span::including(self.recorded_at, record.recorded_at));
        self.policy_ids.add(record.policy_id.as_deref());
        self.ruleset_ids.add(record.ruleset_id.as_deref());
        self.fresh.push(record);
        self.fresh_bytes += bytes;
        if self.fresh.len() >= SLICE_ROWS || self.fresh_bytes >= SLICE_BYTES { self.slice() } else { Ok(()) }
    }

    /// RFC 6962 root over the leaf hashes, lower-case hex.
    pub(crate) fn root(&self) -> String {
        file::hex(&tlog::root(&self.leaves))
    }

    pub(crate) fn into_slices(mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.slice()?;
        Ok(self.slices)
    }

    fn slice(&mut self) -> Result<(), ArrowError> {
        if !self.fresh.is_empty() {
            self.slices.push(schemas::arrow::to_batch(&self.fresh)?);
            self.fresh.clear();
            self.fresh_bytes = 0;
        }
        Ok(())
    }
}

impl Ids {
    fn add(&mut self, id: Option<&str>) {
        let Some(id) = id.filter(|id| !self.distinct.contains(*id)) else { return };
        self.truncated |= self.distinct.len() == IDS_MAX;
        if !self.truncated {
            self.distinct.insert(id.to_owned());
        }
    }

    pub(crate) fn sorted(&self) -> Vec<String> {
        self.distinct.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_sorted_and_bounded() {
        let mut ids = Ids::default();
        let named = |n: usize| format!("{n:03}");
        (0..IDS_MAX).rev().chain(0..3).for_each(|n| ids.add(Some(&named(n))));
        ids.add(None);
        assert!(!ids.truncated && ids.distinct.len() == IDS_MAX);
        ids.add(Some(&named(IDS_MAX)));
        assert!(ids.truncated && ids.distinct.len() == IDS_MAX);
    }
}
