//! The rows of an answer, and the forms that they are given in.

mod csv;

use std::collections::HashSet;

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::StreamWriter,
    json::writer::{JsonArray, WriterBuilder},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

#[derive(Clone, Debug)]
pub struct Answer {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// There were more rows than an answer may have.
    pub truncated: bool,
}

impl Answer {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// One array of objects; nulls are said, times are RFC 3339, bytes are hex.
    pub fn to_json(&self) -> Result<Vec<u8>, ArrowError> {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
        for batch in self.named()? {
            writer.write(&batch)?;
        }
        writer.finish()?;
        Ok(writer.into_inner())
    }

    /// With a header; lists and structures are JSON in their cells.
    pub fn to_csv(&self) -> Result<Vec<u8>, ArrowError> {
        csv::write(&self.names(), &self.named()?)
    }

    /// Arrow's streaming IPC format.
    pub fn to_arrow_ipc(&self) -> Result<Vec<u8>, ArrowError> {
        let mut writer = StreamWriter::try_new(Vec::new(), &self.names())?;
        for batch in self.named()? {
            writer.write(&batch)?;
        }
        writer.into_inner()
    }

    pub fn to_parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), self.names(), Some(properties))?;
        for batch in self.named()? {
            writer.write(&batch)?;
        }
        writer.into_inner()
    }

    fn named(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let schema = self.names();
        self.batches
            .iter()
            .map(|batch| RecordBatch::try_new(SchemaRef::clone(&schema), batch.columns().to_vec()))
            .collect()
    }

    /// The schema with names that differ: two tables of a join may have columns of one name, an object may not.
    fn names(&self) -> SchemaRef {
        let mut taken = HashSet::new();
        let mut fields = Vec::new();
        for field in self.schema.fields() {
            let numbered = (2..).map(|n| format!("{}_{n}", field.name()));
            let mut names = std::iter::once(field.name().clone()).chain(numbered);
            let name = names.find(|name| !taken.contains(name)).expect("numbers do not end");
            taken.insert(name.clone());
            fields.push(field.as_ref().clone().with_name(name));
        }
        SchemaRef::new(Schema::new(fields))
    }
}
