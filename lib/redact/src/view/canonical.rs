//! The canonical form of a text: every character that can be written plainly is, and look-alikes are what they look
//! like. It refuses to lose the way back: each unit that changes leaves a break before and behind it.

use super::Break;

/// The canonical bytes and their breaks.
pub(super) fn form(text: &str) -> (Vec<u8>, Vec<Break>) {
    let bytes = text.as_bytes();
    let mut form = Form { bytes: Vec::with_capacity(bytes.len()), breaks: Vec::new() };
    let mut at = 0;
    while at < bytes.len() {
        at += match bytes[at] {
            b'\\' => form.escape(text, at),
            0x80.. => form.letter(text, at),
            _ => form.copy(bytes, at),
        };
    }
    (form.bytes, form.breaks)
}

/// Does it hold a character that looks like ASCII, or like nothing?
pub(super) fn has_look_alike(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (bytes, mut at) = (text.as_bytes(), 0);
    while let Some(lead) = bytes[at..].iter().position(|byte| *byte >= 0xc2) {
        at += lead;
        let window = bytes.get(at..at + 3).unwrap_or(&[0; 3]);
        match (window[0], window[1], window[2]) {
            (0xc2, 0xa0 | 0xad, _) | (0xe2, 0x80, 0x80..=0x8f | 0x90 | 0x91 | 0xaf) | (0xe2, 0x81, 0x9f..=0xa4) => {
                return true;
            }
            (0xef, 0xbb, 0xbf) | (0xef, 0xbc | 0xbd, _) | (0xe2, 0x88, 0x92) | (0xe3, 0x80, 0x80) => return true,
            // Near the end the window may be cut.
            _ if at + 3 > bytes.len() && bytes[at] == 0xc2 => return true,
            _ => at += 1,
        }
    }
    false
}

struct Form {
    bytes: Vec<u8>,
    breaks: Vec<Break>,
}

impl Form {
    /// Copies up to the next byte that may change; returns how many.
    fn copy(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = &bytes[at..];
        let length = rest.iter().position(|byte| *byte >= 0x80 || *byte == b'\\').unwrap_or(rest.len());
        self.bytes.extend_from_slice(&rest[..length]);
        length
    }

    /// A run of backslashes and what follows.
    fn escape(&mut self, text: &str, at: usize) -> usize {
        let rest = &text.as_bytes()[at..];
        let run = rest.iter().take_while(|byte| **byte == b'\\').count();
        match rest.get(run) {
            Some(b'/') => {
                self.bytes.extend_from_slice(&rest[..run - 1]);
                self.unit(at + run - 1, 2, b"/");
                run + 1
            }
            Some(b'u') => self.code(text, at, run),
            _ => {
                self.bytes.extend_from_slice(&rest[..run]);
                run
            }
        }
    }

    /// `\u0041` as `A`; quotes and backslashes as the shorter escapes of their depth.
    fn code(&mut self, text: &str, at: usize, run: usize) -> usize {
        let rest = &text[at..];
        let level = run.trailing_zeros();
        let slashes = 1_usize << level;
        let Some((letter, length)) = letter_of(rest.as_bytes(), run, slashes) else {
            self.bytes.extend_from_slice(&rest.as_bytes()[..run + 1]);
            return run + 1;
        };
        let kept = run - slashes;
        self.bytes.extend_from_slice(&rest.as_bytes()[..kept]);
        let mut plain = Vec::new();
        match letter {
            '"' => plain.resize(2 * slashes - 1, b'\\'),
            '\\' => plain.resize(2 * slashes - 1, b'\\'),
            _ => {}
        }
        match letter {
            '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => {
                plain.resize(slashes, b'\\');
                plain.push(if matches!(letter, '\n' | '\r') { b'n' } else { b't' });
            }
            _ => push(&mut plain, letter),
        }
        self.unit(at + kept, slashes + length, &plain);
        run + length
    }

    /// A character that is not ASCII.
    fn letter(&mut self, text: &str, at: usize) -> usize {
        let letter = text[at..].chars().next().unwrap_or('\u{fffd}');
        let length = letter.len_utf8();
        if likeness(letter) == Likeness::Itself {
            self.bytes.extend_from_slice(&text.as_bytes()[at..at + length]);
        } else {
            let mut plain = Vec::new();
            push(&mut plain, letter);
            self.unit(at, length, &plain);
        }
        length
    }

    /// Writes `plain` for the `length` bytes of the text at `at`.
    fn unit(&mut self, at: usize, length: usize, plain: &[u8]) {
        let here = Break { view: self.bytes.len(), text: at };
        // Two units in a row share a break; one that leaves no byte moves it.
        if self.breaks.last() != Some(&here) {
            self.breaks.push(here);
        }
        self.bytes.extend_from_slice(plain);
        self.breaks.push(Break { view: self.bytes.len(), text: at + length });
    }
}

fn push(plain: &mut Vec<u8>, letter: char) {
    let letter = match likeness(letter) {
        Likeness::Itself => letter,
        Likeness::Ascii(byte) => char::from(byte),
        Likeness::Nothing => return,
    };
    plain.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

#[derive(PartialEq, Eq)]
enum Likeness {
    Itself,
    Ascii(u8),
    /// It has no width.
    Nothing,
}

fn likeness(letter: char) -> Likeness {
    match letter {
        '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' => Likeness::Nothing,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Likeness::Ascii(b' '),
        '\u{2010}' | '\u{2011}' | '\u{2212}' => Likeness::Ascii(b'-'),
        '\u{ff01}'..='\u{ff5e}' => Likeness::Ascii((letter as u32 - 0xff01) as u8 + b'!'),
        _ => Likeness::Itself,
    }
}

/// The character of `\u` with its four digits behind a run of backslashes, or of the pair that makes one; and its bytes
/// from the `u` on.
fn letter_of(rest: &[u8], run: usize, slashes: usize) -> Option<(char, usize)> {
    let first = four(rest.get(run + 1..run + 5)?)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((letter, 5));
    }
    let next = run + 5;
    let pair = rest.get(next..next + slashes).is_some_and(|run| run.iter().all(|byte| *byte == b'\\'));
    let low = (pair && rest.get(next + slashes) == Some(&b'u'))
        .then(|| four(rest.get(next + slashes + 1..next + slashes + 5)?))
        .flatten();
    match low {
        Some(low @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let joined = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            Some((char::from_u32(joined)?, 5 + slashes + 5))
        }
        _ => Some(('\u{fffd}', 5)),
    }
}

fn four(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}
