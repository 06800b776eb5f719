//! Looking for bytes of a text, eight at a time.
//!
//! It refuses to know what a text is.

/// One in each byte of a word.
pub const ONES: u64 = u64::from_ne_bytes([1; 8]);
pub const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The next byte that ends the plain part of a JSON string: a quote, a backslash or a control character.
pub(crate) fn next_special(text: &[u8], at: usize) -> Option<usize> {
    let below_space = |word: u64| word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS;
    next(text, at, |word| marks(word, b'"') | marks(word, b'\\') | below_space(word))
}

/// The high bit of the bytes of a word that are this one; above the first of them, of others too.
#[inline]
pub fn marks(word: u64, byte: u8) -> u64 {
    let unlike = word ^ (ONES * u64::from(byte));
    unlike.wrapping_sub(ONES) & !unlike & HIGH_BITS
}

/// The place of the first byte whose high bit `marked` sets; it is told eight bytes, and nothing of those behind the end.
#[inline]
pub fn next(text: &[u8], mut at: usize, marked: impl Fn(u64) -> u64) -> Option<usize> {
    let rest = text.get(at..)?;
    let (words, tail) = rest.as_chunks::<8>();
    for word in words {
        let found = marked(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let mut word = [b' '; 8];
    word[..tail.len()].copy_from_slice(tail);
    let found = marked(u64::from_le_bytes(word));
    (found != 0).then(|| at + found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_special_byte_is_found_wherever_it_stands() {
        for length in 0..20 {
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
