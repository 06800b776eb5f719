//! The Arrow form of records: what Parquet holds and SQL reads.
//!
//! Column names are those of `record.avsc`, in its order, and the types are the plain ones that DuckDB, Spark and Athena
//! read as they are: text and identifiers are Utf8, times are microseconds in UTC. Each field carries its number in the
//! leaf as metadata. A column that cannot be null in Rust cannot be null here.
//!
//! It refuses batches that lack a column; it takes columns of another physical type (views, dictionaries) by a cast.

mod read;
mod write;

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};

use crate::Record;

/// Metadata key of a field: its number in the leaf.
pub const FIELD_NUMBER: &str = "hansard.field";

/// The columns of a record.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(Fields::from(fields())))
}

pub fn to_batch(records: &[Record]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(schema(), write::columns(records))
}

/// The records of a batch, whatever order its columns have.
pub fn from_batch(batch: &RecordBatch) -> Result<Vec<Record>, ArrowError> {
    read::records(batch)
}

fn fields() -> Vec<FieldRef> {
    let columns = [
        required("record_id", DataType::Utf8),
        required("exchange_id", DataType::Utf8),
        optional("conversation_id", DataType::Utf8),
        optional("leg_of", DataType::Utf8),
        required("kind", DataType::Utf8),
        required("direction", DataType::Utf8),
        required("occurred_at", timestamp()),
        required("recorded_at", timestamp()),
        optional("duration_us", DataType::Int64),
        optional("first_byte_us", DataType::Int64),
        optional("principal_id", DataType::Utf8),
        optional("issuer", DataType::Utf8),
        optional("subject", DataType::Utf8),
        optional("name", DataType::Utf8),
        required("groups", list(DataType::Utf8)),
        optional("agent", DataType::Utf8),
        required("act", list(DataType::Utf8)),
        optional("auth_method", DataType::Utf8),
        optional("source_ip", DataType::Utf8),
        optional("connection", DataType::Utf8),
        optional("upstream", DataType::Utf8),
        optional("emitter_id", DataType::Utf8),
        optional("emitter_epoch", DataType::Int64),
        optional("emitter_seq", DataType::Int64),
        optional("protocol", DataType::Utf8),
        optional("method", DataType::Utf8),
        optional("target", DataType::Utf8),
        optional("target_digest", DataType::Utf8),
        optional("arguments_digest", DataType::Utf8),
        optional("model", DataType::Utf8),
        optional("usage", DataType::Utf8),
        optional("verdict", DataType::Utf8),
        optional("rule", DataType::Utf8),
        optional("policy_id", DataType::Utf8),
        optional("approval_id", DataType::Utf8),
        optional("outcome", DataType::Utf8),
        optional("transport_status", DataType::Int32),
        optional("rpc_code", DataType::Int64),
        optional("is_error", DataType::Boolean),
        optional("error", DataType::Utf8),
        required("redactions", list(DataType::Struct(redaction_fields()))),
        optional("ruleset_id", DataType::Utf8),
        required("redaction_status", DataType::Utf8),
        optional("body", DataType::Utf8),
        required("body_bytes", DataType::Int64),
        required("truncated", DataType::Boolean),
        optional("trace_id", DataType::Utf8),
        optional("span_id", DataType::Utf8),
        required("salts", list(DataType::Struct(field_bytes_fields()))),
        required("commitments", list(DataType::Struct(field_bytes_fields()))),
        required("leaf_hash", DataType::Binary),
    ];
    (1..).zip(columns).map(|(number, field)| numbered(number, field)).collect()
}

fn redaction_fields() -> Fields {
    Fields::from(vec![
        required("rule", DataType::Utf8),
        required("field", DataType::Utf8),
        required("pointer", DataType::Utf8),
        required("action", DataType::Utf8),
        required("start", DataType::Int64),
        required("end", DataType::Int64),
        required("masked_start", DataType::Int64),
        required("masked_end", DataType::Int64),
        optional("key_id", DataType::Utf8),
    ])
}

fn field_bytes_fields() -> Fields {
    Fields::from(vec![required("field", DataType::Int32), required("bytes", DataType::Binary)])
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn list(item: DataType) -> DataType {
    DataType::List(list_item(item))
}

/// The name that the Parquet specification gives to the items of a list.
fn list_item(item: DataType) -> FieldRef {
    Arc::new(Field::new("element", item, false))
}

fn required(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn optional(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

fn numbered(number: u16, field: Field) -> FieldRef {
    Arc::new(field.with_metadata(HashMap::from([(FIELD_NUMBER.to_owned(), number.to_string())])))
}
