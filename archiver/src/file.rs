//! One batch as a Parquet file, written in memory and put in one piece, and the check of such a file by itself.
//!
//! The footer carries the [`Batch`], so a file tells what it holds without the commit log; [`read`] refuses one whose
//! rows do not fit what its footer says.

use std::io::Write;

use arrow::{
    array::{Array, BinaryArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter, ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::metadata::KeyValue,
};
use schemas::{
    Record,
    commit::{Batch, EntryError, FOOTER_KEY},
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
    #[error("a leaf hash in the file is not 32 bytes long")]
    LeafHash,
    #[error("the rows' root hash is not the one that the footer says")]
    Root,
    #[error("the footer describes another batch than the object's name")]
    Misplaced,
    #[error("the store gives back other bytes than were put")]
    Checksum,
}

/// The file of `rows`. Takes as much memory again as the rows, and the file beside them.
pub(crate) fn write(rows: &[Record], batch: &Batch, row_group_rows: usize) -> Result<Bytes, FileError> {
    let schema = schemas::arrow::schema();
    let properties = layout::properties(&schema, row_group_rows)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    for group in rows.chunks(row_group_rows) {
        writer.write(&schemas::arrow::to_batch(group)?)?;
        writer.flush()?;
    }
    writer.append_key_value_metadata(KeyValue::new(FOOTER_KEY.to_owned(), batch.to_json()));
    Ok(writer.into_inner()?.into())
}

/// What the file says it holds, after its rows were held against it.
pub(crate) fn read(file: Bytes) -> Result<Batch, FileError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let batch = label(builder.metadata().file_metadata().key_value_metadata())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["leaf_hash"]);
    let leaves = leaf_hashes(builder.with_projection(mask).build()?)?;
    if leaves.len() as u64 != batch.rows {
        return Err(FileError::Rows { found: leaves.len() as u64, said: batch.rows });
    }
    let root = rows_root(leaves.iter().map(Vec::as_slice)).ok_or(FileError::LeafHash)?;
    if root == batch.rows_root { Ok(batch) } else { Err(FileError::Root) }
}

/// RFC 6962 root over leaf hashes, lower-case hex; none when one is not a hash.
pub(crate) fn rows_root<'a>(leaf_hashes: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let leaves: Vec<tlog::Hash> = leaf_hashes.map(|hash| hash.try_into().ok()).collect::<Option<_>>()?;
    Some(hex(&tlog::root(&leaves)))
}

/// SHA-256 of a whole object, lower-case hex.
pub(crate) fn checksum(file: &[u8]) -> String {
    hex(&Sha256::digest(file))
}

fn label(pairs: Option<&Vec<KeyValue>>) -> Result<Batch, FileError> {
    let pair = pairs.into_iter().flatten().find(|pair| pair.key == FOOTER_KEY);
    let text = pair.and_then(|pair| pair.value.as_deref()).ok_or(FileError::Unlabelled)?;
    Ok(Batch::from_json(text)?)
}

fn leaf_hashes(reader: ParquetRecordBatchReader) -> Result<Vec<Vec<u8>>, FileError> {
    let mut leaves = Vec::new();
    for rows in reader {
        let column = cast(rows?.column(0), &DataType::Binary)?;
        let hashes = column.as_any().downcast_ref::<BinaryArray>().ok_or(FileError::LeafHash)?;
        leaves.extend(hashes.iter().map(|hash| hash.unwrap_or_default().to_vec()));
    }
    Ok(leaves)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a vector takes all");
    }
    String::from_utf8(text).expect("hex digits")
}
