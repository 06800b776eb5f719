//! Columns to records.

use std::{fmt::Display, slice};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
        StructArray, TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::Field,
    error::ArrowError,
};
use uuid::Uuid;

use super::schema;
use crate::{
    frame::Direction,
    id::{ApprovalId, ConversationId, ExchangeId, RecordId},
    record::{FieldBytes, Record, RecordKind, Redaction, RedactionStatus},
    time::Timestamp,
};

pub(super) fn records(batch: &RecordBatch) -> Result<Vec<Record>, ArrowError> {
    let columns = schema().fields().iter().map(|field| column(batch, field)).collect::<Result<Vec<_>, _>>()?;
    (0..batch.num_rows()).map(|row| record(&mut Cursor { columns: columns.iter(), row })).collect()
}

/// The column of that name, in the type that the schema gives it.
fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, ArrowError> {
    let column = batch.column_by_name(field.name()).ok_or_else(|| missing(field.name()))?;
    match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast(column, field.data_type()),
    }
}

/// The fields of a literal are read in the order in which they stand here, which is the schema's.
fn record(c: &mut Cursor<'_>) -> Result<Record, ArrowError> {
    Ok(Record {
        record_id: RecordId(c.id()?),
        exchange_id: ExchangeId(c.id()?),
        conversation_id: c.optional_id()?.map(ConversationId),
        leg_of: c.optional_id()?.map(ExchangeId),
        kind: c.word(RecordKind::parse)?,
        direction: c.word(Direction::parse)?,
        occurred_at: c.time()?,
        recorded_at: c.time()?,
        duration_us: c.long()?,
        first_byte_us: c.long()?,
        principal_id: c.text()?,
        issuer: c.text()?,
        subject: c.text()?,
        name: c.text()?,
        groups: c.strings()?,
        agent: c.text()?,
        act: c.strings()?,
        auth_method: c.text()?,
        source_ip: c.text()?,
        connection: c.text()?,
        upstream: c.text()?,
        emitter_id: c.text()?,
        emitter_epoch: c.long()?,
        emitter_seq: c.long()?,
        protocol: c.text()?,
        method: c.text()?,
        target: c.text()?,
        target_digest: c.text()?,
        arguments_digest: c.text()?,
        model: c.text()?,
        usage: c.text()?,
        verdict: c.text()?,
        rule: c.text()?,
        policy_id: c.text()?,
        approval_id: c.optional_id()?.map(ApprovalId),
        outcome: c.text()?,
        transport_status: c.int()?,
        rpc_code: c.long()?,
        is_error: c.boolean()?,
        error: c.text()?,
        redactions: c.redactions()?,
        ruleset_id: c.text()?,
        redaction_status: c.word(RedactionStatus::parse)?,
        body: c.text()?,
        body_bytes: c.required_long()?,
        truncated: c.required_boolean()?,
        trace_id: c.text()?,
        span_id: c.text()?,
        salts: c.field_bytes()?,
        commitments: c.field_bytes()?,
        leaf_hash: c.bytes()?,
    })
}

/// Walks over the cells of one row, in the order of the schema.
struct Cursor<'a> {
    columns: slice::Iter<'a, ArrayRef>,
    row: usize,
}

impl<'a> Cursor<'a> {
    /// The next column, unless its cell is null in this row.
    fn cell<A: 'static>(&mut self) -> Option<&'a A> {
        let column = self.columns.next().expect("as many columns as fields are read");
        column.is_valid(self.row).then(|| typed(column))
    }

    fn text(&mut self) -> Result<Option<String>, ArrowError> {
        Ok(self.cell::<StringArray>().map(|cells| cells.value(self.row).to_owned()))
    }

    fn long(&mut self) -> Result<Option<i64>, ArrowError> {
        Ok(self.cell::<Int64Array>().map(|cells| cells.value(self.row)))
    }

    fn int(&mut self) -> Result<Option<i32>, ArrowError> {
        Ok(self.cell::<Int32Array>().map(|cells| cells.value(self.row)))
    }

    fn boolean(&mut self) -> Result<Option<bool>, ArrowError> {
        Ok(self.cell::<BooleanArray>().map(|cells| cells.value(self.row)))
    }

    fn required_long(&mut self) -> Result<i64, ArrowError> {
        self.long()?.ok_or_else(null)
    }

    fn required_boolean(&mut self) -> Result<bool, ArrowError> {
        self.boolean()?.ok_or_else(null)
    }

    fn time(&mut self) -> Result<Timestamp, ArrowError> {
        let cells = self.cell::<TimestampMicrosecondArray>().ok_or_else(null)?;
        Ok(Timestamp(cells.value(self.row)))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, ArrowError> {
        let cells = self.cell::<BinaryArray>().ok_or_else(null)?;
        Ok(cells.value(self.row).to_vec())
    }

    fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ArrowError> {
        let word = self.cell::<StringArray>().ok_or_else(null)?.value(self.row);
        parse(word).ok_or_else(|| unreadable(format!("unknown word {word:?}")))
    }

    fn id(&mut self) -> Result<Uuid, ArrowError> {
        self.optional_id()?.ok_or_else(null)
    }

    fn optional_id(&mut self) -> Result<Option<Uuid>, ArrowError> {
        let Some(cells) = self.cell::<StringArray>() else { return Ok(None) };
        Uuid::try_parse(cells.value(self.row)).map(Some).map_err(unreadable)
    }

    fn items(&mut self) -> Result<ArrayRef, ArrowError> {
        let cells = self.cell::<ListArray>().ok_or_else(null)?;
        Ok(cells.value(self.row))
    }

    fn strings(&mut self) -> Result<Vec<String>, ArrowError> {
        Ok(texts(&self.items()?))
    }

    fn redactions(&mut self) -> Result<Vec<Redaction>, ArrowError> {
        let items = self.items()?;
        let fields = typed::<StructArray>(&items);
        let text = |column: usize, row: usize| typed::<StringArray>(fields.column(column)).value(row).to_owned();
        let long = |column: usize, row: usize| typed::<Int64Array>(fields.column(column)).value(row);
        let redaction = |row: usize| Redaction {
            rule: text(0, row),
            field: text(1, row),
            pointer: text(2, row),
            action: text(3, row),
            start: long(4, row),
            end: long(5, row),
            masked_start: long(6, row),
            masked_end: long(7, row),
            key_id: fields.column(8).is_valid(row).then(|| text(8, row)),
        };
        Ok((0..fields.len()).map(redaction).collect())
    }

    fn field_bytes(&mut self) -> Result<Vec<FieldBytes>, ArrowError> {
        let items = self.items()?;
        let pairs = typed::<StructArray>(&items);
        let (fields, bytes) = (typed::<Int32Array>(pairs.column(0)), typed::<BinaryArray>(pairs.column(1)));
        let pair = |row: usize| FieldBytes { field: fields.value(row), bytes: bytes.value(row).to_vec() };
        Ok((0..pairs.len()).map(pair).collect())
    }
}

fn texts(items: &ArrayRef) -> Vec<String> {
    let texts = typed::<StringArray>(items);
    (0..texts.len()).map(|row| texts.value(row).to_owned()).collect()
}

fn typed<A: 'static>(column: &ArrayRef) -> &A {
    column.as_any().downcast_ref().expect("the column was cast to the type of the schema")
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("no column `{name}`: these are not records"))
}

fn null() -> ArrowError {
    ArrowError::InvalidArgumentError("null in a column that every record fills".to_owned())
}

fn unreadable(why: impl Display) -> ArrowError {
    ArrowError::ParseError(format!("not a record: {why}"))
}
