//! What percent-encoding hides: `mail=jane%40example.org`. Only the words that hold an encoded character are decoded,
//! one to a line, so that a long text costs no second scan. Refuses to decode what would be no text.

use memchr::{memchr, memchr_iter};

use super::{Break, View};
use crate::bytes::{run, run_back};

/// Longest word that is decoded, in bytes; what is longer is decoded in part.
const WORD_BYTES_MAX: usize = 4096;

/// None where nothing is encoded that the text does not show already.
pub(super) fn view(text: &[u8], breaks: &[Break]) -> Option<View<'static>> {
    memchr(b'%', text)?;
    let mut decoded = Vec::new();
    let mut own = Vec::new();
    let outer = View { bytes: text.into(), breaks: breaks.to_vec() };
    let mut done = 0;
    for at in memchr_iter(b'%', text) {
        if at < done || letter(text, at).is_none() {
            continue;
        }
        let start = run_back(text, at, WORD_BYTES_MAX, is_word).max(done);
        done = run(&text[..text.len().min(at + WORD_BYTES_MAX)], at, is_word);
        let mut expected = usize::MAX;
        decode(text, start, done, &mut |byte, at| {
            // Without breaks of the text itself, bytes that were not encoded stay in step.
            if expected != at || !breaks.is_empty() {
                own.push(Break { view: decoded.len(), text: outer.in_text(at, at).0 });
            }
            expected = if text[at] == b'%' && letter(text, at).is_some() { usize::MAX } else { at + 1 };
            decoded.push(byte);
        });
        own.push(Break { view: decoded.len(), text: outer.in_text(done, done).1 });
        decoded.push(b'\n');
    }
    let end = outer.in_text(done, done).1;
    own.push(Break { view: decoded.len(), text: end });
    (!decoded.is_empty()).then(|| View { bytes: decoded.into(), breaks: own })
}

fn decode(text: &[u8], start: usize, end: usize, push: &mut impl FnMut(u8, usize)) {
    let mut at = start;
    while at < end {
        match letter(text, at) {
            Some(byte) => {
                push(byte, at);
                at += 3;
            }
            None => {
                push(text[at], at);
                at += 1;
            }
        }
    }
}

/// The printable ASCII character that `%XX` stands for.
fn letter(text: &[u8], at: usize) -> Option<u8> {
    let digits = text.get(at + 1..at + 3).filter(|_| text[at] == b'%')?;
    let value = char::from(digits[0]).to_digit(16)? * 16 + char::from(digits[1]).to_digit(16)?;
    u8::try_from(value).ok().filter(|byte| (0x20..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\'))
}

fn is_word(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | 0xf8..)
}
