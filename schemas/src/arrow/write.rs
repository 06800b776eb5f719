//! Records to columns.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray, StringArray, StringBuilder,
        StructArray, TimestampMicrosecondArray,
    },
    buffer::OffsetBuffer,
};
use uuid::{Uuid, fmt::Hyphenated};

use super::{field_bytes_fields, list_item, redaction_fields};
use crate::record::{FieldBytes, Record, Redaction};

/// All columns in the order of the schema.
pub(super) fn columns(records: &[Record]) -> Vec<ArrayRef> {
    let rows = Rows(records);
    vec![
        rows.ids(|r| Some(r.record_id.0)),
        rows.ids(|r| Some(r.exchange_id.0)),
        rows.ids(|r| r.conversation_id.map(|id| id.0)),
        rows.ids(|r| r.leg_of.map(|id| id.0)),
        rows.texts(|r| Some(r.kind.as_str())),
        rows.texts(|r| Some(r.direction.as_str())),
        rows.times(|r| r.occurred_at.0),
        rows.times(|r| r.recorded_at.0),
        rows.longs(|r| r.duration_us),
        rows.longs(|r| r.first_byte_us),
        rows.texts(|r| r.principal_id.as_deref()),
        rows.texts(|r| r.issuer.as_deref()),
        rows.texts(|r| r.subject.as_deref()),
        rows.texts(|r| r.name.as_deref()),
        rows.lists(|r| &r.groups, strings),
        rows.texts(|r| r.agent.as_deref()),
        rows.lists(|r| &r.act, strings),
        rows.texts(|r| r.auth_method.as_deref()),
        rows.texts(|r| r.source_ip.as_deref()),
        rows.texts(|r| r.connection.as_deref()),
        rows.texts(|r| r.upstream.as_deref()),
        rows.texts(|r| r.emitter_id.as_deref()),
        rows.longs(|r| r.emitter_epoch),
        rows.longs(|r| r.emitter_seq),
        rows.texts(|r| r.protocol.as_deref()),
        rows.texts(|r| r.method.as_deref()),
        rows.texts(|r| r.target.as_deref()),
        rows.texts(|r| r.target_digest.as_deref()),
        rows.texts(|r| r.arguments_digest.as_deref()),
        rows.texts(|r| r.model.as_deref()),
        rows.texts(|r| r.usage.as_deref()),
        rows.texts(|r| r.verdict.as_deref()),
        rows.texts(|r| r.rule.as_deref()),
        rows.texts(|r| r.policy_id.as_deref()),
        rows.ids(|r| r.approval_id.map(|id| id.0)),
        rows.texts(|r| r.outcome.as_deref()),
        rows.ints(|r| r.transport_status),
        rows.longs(|r| r.rpc_code),
        rows.booleans(|r| r.is_error),
        rows.texts(|r| r.error.as_deref()),
        rows.lists(|r| &r.redactions, redactions),
        rows.texts(|r| r.ruleset_id.as_deref()),
        rows.texts(|r| Some(r.redaction_status.as_str())),
        rows.texts(|r| r.body.as_deref()),
        rows.longs(|r| Some(r.body_bytes)),
        rows.booleans(|r| Some(r.truncated)),
        rows.texts(|r| r.trace_id.as_deref()),
        rows.texts(|r| r.span_id.as_deref()),
        rows.lists(|r| &r.salts, field_bytes),
        rows.lists(|r| &r.commitments, field_bytes),
        Arc::new(BinaryArray::from_iter_values(records.iter().map(|r| &r.leaf_hash))),
    ]
}

/// Takes one column at a time out of the rows.
struct Rows<'a>(&'a [Record]);

impl<'a> Rows<'a> {
    /// Made as large as they are: payloads would be copied many times while it grows.
    fn texts(&self, column: impl Fn(&'a Record) -> Option<&'a str>) -> ArrayRef {
        let bytes = self.0.iter().filter_map(&column).map(str::len).sum();
        let mut texts = StringBuilder::with_capacity(self.0.len(), bytes);
        self.0.iter().for_each(|row| texts.append_option(column(row)));
        Arc::new(texts.finish())
    }

    fn ids(&self, column: impl Fn(&Record) -> Option<Uuid>) -> ArrayRef {
        let mut texts = StringBuilder::with_capacity(self.0.len(), self.0.len() * Hyphenated::LENGTH);
        let mut text = Uuid::encode_buffer();
        for row in self.0 {
            texts.append_option(column(row).map(|id| &*id.hyphenated().encode_lower(&mut text)));
        }
        Arc::new(texts.finish())
    }

    fn times(&self, column: impl Fn(&Record) -> i64) -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(self.0.iter().map(column)).with_timezone("UTC"))
    }

    fn longs(&self, column: impl Fn(&Record) -> Option<i64>) -> ArrayRef {
        Arc::new(self.0.iter().map(column).collect::<Int64Array>())
    }

    fn ints(&self, column: impl Fn(&Record) -> Option<i32>) -> ArrayRef {
        Arc::new(self.0.iter().map(column).collect::<Int32Array>())
    }

    fn booleans(&self, column: impl Fn(&Record) -> Option<bool>) -> ArrayRef {
        Arc::new(self.0.iter().map(column).collect::<BooleanArray>())
    }

    fn lists<T: 'a>(
        &self,
        column: impl Fn(&'a Record) -> &'a Vec<T>,
        items: impl Fn(Vec<&'a T>) -> ArrayRef,
    ) -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths(self.0.iter().map(|row| column(row).len()));
        let items = items(self.0.iter().flat_map(column).collect());
        Arc::new(ListArray::new(list_item(items.data_type().clone()), offsets, items, None))
    }
}

fn strings(items: Vec<&String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(items))
}

fn redactions(items: Vec<&Redaction>) -> ArrayRef {
    let texts = |column: fn(&Redaction) -> &String| strings(items.iter().map(|item| column(item)).collect());
    let longs = |column: fn(&Redaction) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(items.iter().map(|item| column(item))))
    };
    let key_ids: StringArray = items.iter().map(|item| item.key_id.as_deref()).collect();
    let columns = vec![
        texts(|r| &r.rule),
        texts(|r| &r.field),
        texts(|r| &r.pointer),
        texts(|r| &r.action),
        longs(|r| r.start),
        longs(|r| r.end),
        longs(|r| r.masked_start),
        longs(|r| r.masked_end),
        Arc::new(key_ids) as ArrayRef,
    ];
    Arc::new(StructArray::new(redaction_fields(), columns, None))
}

fn field_bytes(items: Vec<&FieldBytes>) -> ArrayRef {
    let fields = Arc::new(Int32Array::from_iter_values(items.iter().map(|item| item.field)));
    let bytes = Arc::new(BinaryArray::from_iter_values(items.iter().map(|item| &item.bytes)));
    Arc::new(StructArray::new(field_bytes_fields(), vec![fields, bytes], None))
}
