//! Looking for bytes of a text, sixteen at a time.
//!
//! It refuses to know what a text is.

use wide::u8x16;

/// The next byte that ends the plain part of a JSON string: a quote, a backslash or a control character.
pub(crate) fn next_special(text: &[u8], at: usize) -> Option<usize> {
    next(text, at, |bytes| is(bytes, b'"') | is(bytes, b'\\') | bytes.min(u8x16::splat(0x1f)).simd_eq(bytes))
}

/// All bits of those bytes that are this one.
#[inline]
pub fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// The place of the first byte of which `wanted` sets the high bit; it is told sixteen, and spaces in place of those behind
/// the end.
#[inline]
pub fn next(text: &[u8], mut at: usize, wanted: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let (words, tail) = text.get(at..)?.as_chunks();
    for word in words {
        let found = wanted(u8x16::new(*word)).to_bitmask();
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += word.len();
    }
    let mut word = [b' '; 16];
    word[..tail.len()].copy_from_slice(tail);
    let found = wanted(u8x16::new(word)).to_bitmask();
    (found != 0).then(|| at + found.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_special_byte_is_found_wherever_it_stands() {
        for length in 0..40 {
            for place in 0..length {
                for special in *b"\"\\\n\x00\x1f" {
                    let mut text = vec![b'~'; length];
                    text[place] = special;
                    assert_eq!(next_special(&text, 0), Some(place), "{text:?}");
                    assert_eq!(next_special(&text, place + 1), None, "{text:?}");
                }
            }
        }
        assert_eq!(next_special("\u{80}\u{ff}\u{a2}!#[]\u{7f} ".as_bytes(), 0), None);
        assert_eq!(next_special(b"", 1), None);
    }
}
