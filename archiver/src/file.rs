//! One batch as a Parquet file, written in memory and put in one piece, and the check of such a file by itself.
//!
//! The footer carries the [`Batch`], so a file tells what it holds without the commit log; [`audit`] refuses one whose
//! rows do not fit what its footer says.

use std::{io::Write, sync::Arc};

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::ParquetRecordBatchReaderBuilder,
        arrow_writer::{ArrowColumnWriter, compute_leaves},
    },
    errors::ParquetError,
    file::{metadata::KeyValue, writer::SerializedRowGroupWriter},
};
use schemas::{
    commit::{Batch, EntryError, FOOTER_KEY},
    leaf,
};
use sha2::{Digest, Sha256};

mod layout;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("not the Parquet file it should be")]
    Parquet(#[from] ParquetError),
    #[error("the rows do not fit their schema")]
    Arrow(#[from] ArrowError),
    #[error("the footer does not say what the file holds")]
    Unlabelled,
    #[error("the footer's description cannot be read")]
    Label(#[from] EntryError),
    #[error("the file has {found} rows and its footer says {said}")]
    Rows { found: u64, said: u64 },
    #[error("a row is not what was minted")]
    Leaf(#[from] leaf::LeafMismatch),
    #[error("the rows' root hash is not the one that the footer says")]
    Root,
    #[error("the footer describes another batch than the object's name")]
    Misplaced,
    #[error("the store gives back other bytes than were put")]
    Checksum,
}

/// The file of these rows. Takes as much memory as the file, and one column of a row group as it is encoded: the columns
/// are written one after another, because each of them has a compressor of its own.
pub(crate) fn write(rows: Vec<RecordBatch>, batch: &Batch, row_group_rows: usize) -> Result<Bytes, FileError> {
    let schema = schemas::arrow::schema();
    let properties = layout::properties(&schema, row_group_rows)?;
    let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    let (mut file, columns) = writer.into_serialized_writer()?;
    for (index, group) in row_groups(rows, row_group_rows).iter().enumerate() {
        let mut row_group = file.next_row_group()?;
        write_group(&mut row_group, columns.create_column_writers(index)?, group)?;
        row_group.close()?;
    }
    file.append_key_value_metadata(KeyValue::new(FOOTER_KEY.to_owned(), batch.to_json()));
    Ok(file.into_inner()?.into())
}

/// The slices of each row group.
fn row_groups(rows: Vec<RecordBatch>, rows_max: usize) -> Vec<Vec<RecordBatch>> {
    let (mut groups, mut room) = (Vec::new(), 0);
    for mut slice in rows {
        while slice.num_rows() > 0 {
            if room == 0 {
                groups.push(Vec::new());
                room = rows_max.max(1);
            }
            let taken = room.min(slice.num_rows());
            room -= taken;
            groups.last_mut().expect("one was made").push(slice.slice(0, taken));
            slice = slice.slice(taken, slice.num_rows() - taken);
        }
    }
    groups
}

/// A nested column has several leaves, each with a writer.
fn write_group(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    writers: Vec<ArrowColumnWriter>,
    slices: &[RecordBatch],
) -> Result<(), FileError> {
    let mut writers = writers.into_iter();
    for (column, field) in schemas::arrow::schema().fields().iter().enumerate() {
        let mut own = Vec::new();
        for slice in slices {
            for (leaf, values) in compute_leaves(field, slice.column(column))?.iter().enumerate() {
                if leaf == own.len() {
                    own.extend(writers.next());
                }
                own[leaf].write(values)?;
            }
        }
        for writer in own {
            writer.close()?.append_to_row_group(group)?;
        }
    }
    Ok(())
}

/// What the footer says that the file holds.
pub(crate) fn label(file: Bytes) -> Result<Batch, FileError> {
    read_label(&ParquetRecordBatchReaderBuilder::try_new(file)?)
}

/// The same, after every row was held against its leaf hash and all of them against the footer: for a file that
/// somebody else has written.
pub(crate) fn audit(file: Bytes) -> Result<Batch, FileError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let batch = read_label(&builder)?;
    let mut leaves = Vec::new();
    for rows in builder.build()? {
        for record in schemas::arrow::from_batch(&rows?)? {
            leaf::check(&record)?;
            leaves.push(record.leaf_hash);
        }
    }
    if leaves.len() as u64 != batch.rows {
        return Err(FileError::Rows { found: leaves.len() as u64, said: batch.rows });
    }
    let leaves: Option<Vec<tlog::Hash>> = leaves.iter().map(|leaf| leaf.as_slice().try_into().ok()).collect();
    match leaves {
        Some(leaves) if hex(&tlog::root(&leaves)) == batch.rows_root => Ok(batch),
        _ => Err(FileError::Root),
    }
}

/// SHA-256 of a whole object, lower-case hex.
pub(crate) fn checksum(file: &[u8]) -> String {
    hex(&Sha256::digest(file))
}

fn read_label(builder: &ParquetRecordBatchReaderBuilder<Bytes>) -> Result<Batch, FileError> {
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let pair = pairs.into_iter().flatten().find(|pair| pair.key == FOOTER_KEY);
    let text = pair.and_then(|pair| pair.value.as_deref()).ok_or(FileError::Unlabelled)?;
    Ok(Batch::from_json(text)?)
}

/// Lower-case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a vector takes all");
    }
    String::from_utf8(text).expect("hex digits")
}
