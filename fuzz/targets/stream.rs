//! Texts from strangers, cut anywhere, masked as they come: never a panic, and a value that stands alone among words is
//! masked wherever it was cut.

#![no_main]

use std::sync::LazyLock;

use hansard_redact::{Redactor, Stream};
use libfuzzer_sys::fuzz_target;

/// What must not be seen, put together here so that no source holds it.
static VALUE: LazyLock<String> = LazyLock::new(|| ["ghp_", "0123456789abcdef", "0123456789abcdefghij"].concat());
static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::built_in);

fuzz_target!(|input: (Vec<u8>, Vec<u8>, u8)| {
    let (bytes, cuts, place) = input;
    let mut text = bytes.clone();
    let at = usize::from(place).min(text.len());
    text.splice(at..at, format!(" {} ", *VALUE).into_bytes());
    let mut stream = Stream::new(REDACTOR.clone());
    let (mut told, mut rest) = (String::new(), text.as_slice());
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
        rest = after;
        let Ok(released) = stream.push(piece) else { return };
        told += &released;
    }
    let Ok(released) = stream.push(rest) else { return };
    told += &released;
    let Ok(released) = stream.finish() else { return };
    told += &released;
    assert!(!told.contains(VALUE.as_str()));
});
