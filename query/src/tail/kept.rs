//! The decoded tail of one partition, kept between statements.

use arrow::{array::RecordBatch, compute::concat_batches};
use tracing::error;

use super::source::Piece;
use crate::Error;

/// Pieces are joined up to this many rows.
const PIECE_ROWS_MAX: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(super) struct Kept {
    pieces: Vec<Piece>,
    /// Decoded up to here.
    next: u64,
    /// The log ends before the archive does.
    pub(super) ends_early: bool,
    /// Offsets that the log dropped before they were archived.
    lost: Option<(u64, u64)>,
}

impl Kept {
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.batch.get_array_memory_size()).sum()
    }

    pub(super) fn batches(&self) -> Vec<RecordBatch> {
        self.pieces.iter().map(|piece| piece.batch.clone()).filter(|batch| batch.num_rows() > 0).collect()
    }

    /// Forgets what a file holds by now.
    pub(super) fn forget_below(&mut self, from: u64) {
        self.pieces.retain(|piece| piece.next > from);
        if let Some(first) = self.pieces.first_mut() {
            *first = first.clone().starting(from);
        }
        self.next = self.next.max(from);
        self.lost = self.lost.filter(|(_, end)| *end > from);
    }

    /// Forgets what was decoded, and that it was.
    pub(super) fn let_go(&mut self) {
        self.next = self.lost.map_or(0, |(_, end)| end);
        self.pieces = Vec::new();
    }

    /// Appends a piece. Small ones are joined as a binary counter carries, so that many small reads cost little.
    pub(super) fn take(&mut self, mut piece: Piece) -> Result<(), Error> {
        metrics::counter!("hansard_query_unreadable_records_total").increment(piece.unreadable);
        self.next = piece.next;
        while let Some(last) = self.pieces.pop_if(|last| joins(last, &piece)) {
            piece = join(last, piece)?;
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Goes on at `end`: there is no message before it.
    pub(super) fn pass(&mut self, end: u64) {
        self.next = self.next.max(end);
    }

    /// Goes on after messages that are lost.
    pub(super) fn skip_to(&mut self, start: u64) {
        error!(from = self.next, to = start, "the log dropped messages that are not in the archive");
        self.lost = Some((self.next, start));
        self.next = start;
    }

    pub(super) fn complaint(&self, partition: u32) -> Option<String> {
        if let Some((from, to)) = self.lost {
            return Some(format!(
                "offsets {from}..{to} of partition {partition} left the log before they were archived"
            ));
        }
        if self.ends_early {
            return Some(format!(
                "partition {partition} ends before its archive does: another log than the archive's?"
            ));
        }
        let unreadable: u64 = self.pieces.iter().map(|piece| piece.unreadable).sum();
        (unreadable > 0).then(|| format!("{unreadable} messages of partition {partition} are not records"))
    }
}

fn joins(last: &Piece, next: &Piece) -> bool {
    let (last, next) = (last.batch.num_rows(), next.batch.num_rows());
    last <= next && last + next <= PIECE_ROWS_MAX
}

fn join(mut last: Piece, next: Piece) -> Result<Piece, Error> {
    last.batch = concat_batches(&last.batch.schema(), [&last.batch, &next.batch])
        .map_err(|error| Error::Internal(error.to_string()))?;
    last.offsets.extend(next.offsets);
    Ok(Piece { next: next.next, unreadable: last.unreadable + next.unreadable, ..last })
}
