//! Which trace a call belongs to (W3C trace context).

use std::fmt::Write as _;

/// What a caller's `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub sampled: bool,
}

/// One span's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    /// The caller's decision, where there is one; it is passed on.
    pub sampled: bool,
}

impl Caller {
    /// From the parts of a `traceparent` that was found to be one: lower-case hex.
    pub fn of(trace_id: &str, span_id: &str, sampled: bool) -> Option<Caller> {
        Some(Caller { trace_id: bytes(trace_id)?, span_id: bytes(span_id)?, sampled })
    }
}

impl Trace {
    pub(crate) fn of(caller: Option<Caller>, ratio: f64) -> Trace {
        let span_id = random();
        match caller {
            Some(Caller { trace_id, span_id: parent, sampled }) => {
                Trace { trace_id, span_id, parent: Some(parent), sampled }
            }
            None => {
                let trace_id: [u8; 16] = random();
                Trace { trace_id, span_id, parent: None, sampled: is_chosen(&trace_id, ratio) }
            }
        }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(&self) -> Trace {
        Trace { span_id: random(), parent: Some(self.span_id), ..*self }
    }

    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id_text(), self.span_id_text(), u8::from(self.sampled))
    }

    pub fn trace_id_text(&self) -> String {
        text(&self.trace_id)
    }

    pub fn span_id_text(&self) -> String {
        text(&self.span_id)
    }
}

/// By the random part of the id, so that everybody who decides by it decides alike.
fn is_chosen(trace_id: &[u8; 16], ratio: f64) -> bool {
    let random = u64::from_be_bytes(trace_id[8..].try_into().expect("eight of sixteen bytes")) >> 8;
    (random as f64) < ratio * (1_u64 << 56) as f64
}

/// Never all zero, which would be no id.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without random bytes ids may meet; a call is not refused for that.
    let _ = getrandom::fill(&mut bytes);
    bytes[N - 1] |= 1;
    bytes
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_callers_trace_goes_on_with_its_own_decision() {
        for sampled in [true, false] {
            let caller = Caller::of(TRACE, PARENT, sampled).expect("ids");
            let trace = Trace::of(Some(caller), if sampled { 0.0 } else { 1.0 });
            assert_eq!((trace.trace_id_text().as_str(), trace.parent), (TRACE, Some(caller.span_id)));
            let child = trace.child();
            assert_eq!((child.trace_id, child.parent), (trace.trace_id, Some(trace.span_id)));
            let flags = if sampled { "01" } else { "00" };
            assert_eq!(child.traceparent(), format!("00-{TRACE}-{}-{flags}", child.span_id_text()));
        }
        assert_eq!(Caller::of(&TRACE[1..], PARENT, true), None);
        assert_eq!(Caller::of(TRACE, "00f067aa0ba902bé", true), None);
    }

    #[test]
    fn of_new_traces_as_many_are_chosen_as_are_asked_for() {
        let chosen = |ratio| (0..4000).filter(|_| Trace::of(None, ratio).sampled).count();
        assert_eq!((chosen(0.0), chosen(1.0)), (0, 4000));
        assert!((700..1300).contains(&chosen(0.25)), "a quarter, more or less");
        assert_ne!(Trace::of(None, 1.0).trace_id, Trace::of(None, 1.0).trace_id);
    }
}
