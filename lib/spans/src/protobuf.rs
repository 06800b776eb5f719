//! Spans as `ExportTraceServiceRequest` of OTLP 1.x, in the binary form that every collector takes.
//!
//! Written by hand, since it is six small messages: the generated crates would bring an RPC stack into ingress. A test
//! of the real program has OpenTelemetry's own types decode it (`tests/end_to_end/spans.rs`).

use crate::{Kind, Span, Value};

/// What a field's value looks like on the wire.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// `SpanKind`.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `Status.StatusCode`.
const ERROR: u64 = 2;
/// Flags of a span: the low byte is that of the trace context.
const SAMPLED: u32 = 1;

const SCOPE: &str = "hansard";

/// One request for all of `spans`; `resource` says who sends them.
pub(crate) fn request(resource: &[(&'static str, Value)], spans: &[Span]) -> Vec<u8> {
    let of_resource = nested(|m| resource.iter().for_each(|(key, value)| m.message(1, &attribute(key, value))));
    let scope = nested(|m| {
        m.bytes(1, SCOPE.as_bytes());
        m.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    });
    let of_scope = nested(|m| {
        m.message(1, &scope);
        spans.iter().for_each(|span| m.message(2, &span_message(span)));
    });
    let resource_spans = nested(|m| {
        m.message(1, &of_resource);
        m.message(2, &of_scope);
    });
    nested(|m| m.message(1, &resource_spans))
}

fn span_message(span: &Span) -> Vec<u8> {
    nested(|m| {
        m.bytes(1, &span.trace.trace_id);
        m.bytes(2, &span.trace.span_id);
        if let Some(parent) = &span.trace.parent {
            m.bytes(4, parent);
        }
        m.bytes(5, span.name.as_bytes());
        m.number(6, if span.kind == Kind::Server { SERVER } else { CLIENT });
        m.fixed_64(7, nanoseconds(span.began_us));
        m.fixed_64(8, nanoseconds(span.ended_us));
        span.attributes.iter().for_each(|(key, value)| m.message(9, &attribute(key, value)));
        if span.failed {
            m.message(15, &nested(|status| status.number(3, ERROR)));
        }
        m.fixed_32(16, SAMPLED);
    })
}

fn attribute(key: &str, value: &Value) -> Vec<u8> {
    let value = nested(|m| match value {
        Value::Text(text) => m.bytes(1, text.as_bytes()),
        // Two's complement, ten bytes where it is negative.
        Value::Number(number) => m.number(3, *number as u64),
    });
    nested(|m| {
        m.bytes(1, key.as_bytes());
        m.message(2, &value);
    })
}

fn nanoseconds(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).saturating_mul(1000)
}

fn nested(write: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message(Vec::new());
    write(&mut message);
    message.0
}

struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    fn fixed_64(&mut self, field: u64, value: u64) {
        self.tag(field, FIXED_64);
        self.0.extend(value.to_le_bytes());
    }

    fn fixed_32(&mut self, field: u64, value: u32) {
        self.tag(field, FIXED_32);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn message(&mut self, field: u64, message: &[u8]) {
        self.bytes(field, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the encoding's own documentation.
    #[test]
    fn numbers_and_texts_are_as_documented() {
        assert_eq!(nested(|m| m.number(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(nested(|m| m.bytes(2, b"testing")), *b"\x12\x07testing");
        assert_eq!(nested(|m| m.number(1, -2_i64 as u64)), [8, 254, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }
}
