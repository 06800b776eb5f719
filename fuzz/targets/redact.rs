//! Messages from strangers, masked: never a panic; the fast scanner finds what the reference finds; JSON stays JSON; and
//! masking what is masked changes nothing.

#![no_main]

use std::sync::LazyLock;

use hansard_redact::Redactor;
use libfuzzer_sys::fuzz_target;

/// Longest text that the reference is asked about, in bytes: it is slow.
const REFERENCE_BYTES_MAX: usize = 2048;

static FAST: LazyLock<Redactor> = LazyLock::new(Redactor::built_in);
static REFERENCE: LazyLock<Redactor> = LazyLock::new(|| Redactor::built_in().reference());

fuzz_target!(|bytes: &[u8]| {
    let masked = FAST.redact("body", bytes);
    if bytes.len() <= REFERENCE_BYTES_MAX {
        assert_eq!(masked, REFERENCE.redact("body", bytes));
    }
    let Ok(masked) = masked else { return };
    let again = FAST.redact("body", masked.text.as_bytes()).expect("what was masked can be masked");
    assert_eq!((again.text.as_str(), again.redactions.len()), (masked.text.as_str(), 0));
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    // The other way round it need not be: what made it none may have been masked.
    assert!(!is_json(bytes) || is_json(masked.text.as_bytes()));
});
