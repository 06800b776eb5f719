//! CSV has no lists and no structures: such columns become JSON text first.

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    csv::Writer,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    json::writer::{EncoderOptions, make_encoder},
};
use std::sync::Arc;

pub(super) fn write(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    // An answer without rows still has its header.
    writer.write(&flat(&RecordBatch::new_empty(SchemaRef::clone(schema)))?)?;
    for batch in batches {
        writer.write(&flat(batch)?)?;
    }
    drop(writer);
    Ok(bytes)
}

fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(json_text(field, column)?));
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn json_text(field: &FieldRef, column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let mut text = Vec::new();
        if !encoder.is_null(row) {
            encoder.encode(row, &mut text);
        }
        texts.push((!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(StringArray::from(texts))
}
