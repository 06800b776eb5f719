//! W3C trace context, read strictly: a malformed one is none.

/// What a `traceparent` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Lower-case hex.
    pub trace_id: String,
    pub span_id: String,
    /// Whether the caller keeps its spans.
    pub sampled: bool,
}

pub fn trace(traceparent: &str) -> Option<TraceParent> {
    let mut parts = traceparent.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Version 00 ends here; a later one may say more, and `ff` is forbidden.
    let ends = parts.next().is_none() || version != "00";
    let valid = ends
        && version != "ff"
        && is_hex(version, 2)
        && is_hex(flags, 2)
        && is_hex(trace_id, 32)
        && is_hex(span_id, 16)
        && !is_zero(trace_id)
        && !is_zero(span_id);
    let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    valid.then(|| TraceParent { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), sampled })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}
