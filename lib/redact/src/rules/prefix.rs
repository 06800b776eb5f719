//! Which bytes can stand where at the start of a match: a few table look-ups that refuse most candidates before the
//! pattern is tried. It refuses nothing that the pattern would match.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::bytes::ByteSet;

/// How many bytes are looked at.
pub(crate) const PREFIX_BYTES: usize = 16;

/// For each byte, the places where it may stand.
pub(crate) struct Prefix([u16; 256]);

impl Prefix {
    pub(crate) fn of(pattern: &Hir) -> Prefix {
        let mut prefix = Prefix([0; 256]);
        let ends = prefix.add(pattern, 1);
        // Where a match may be over already, anything may follow.
        let over = ends.trailing_zeros().min(PREFIX_BYTES as u32);
        let beyond = u16::MAX.checked_shl(over).unwrap_or(0);
        prefix.0.iter_mut().for_each(|places| *places |= beyond);
        prefix
    }

    /// Can a match begin at `at`?
    pub(crate) fn allows(&self, text: &[u8], at: usize) -> bool {
        let window = &text[at..text.len().min(at + PREFIX_BYTES)];
        window.iter().enumerate().all(|(place, byte)| self.0[usize::from(*byte)] >> place & 1 == 1)
    }

    /// Does every match begin with an upper case letter?
    pub(crate) fn begins_upper(&self) -> bool {
        let first = self.at(0);
        (0..=u8::MAX).all(|byte| byte.is_ascii_uppercase() || !first.has(byte))
    }

    /// The bytes that may stand at a place of a match.
    pub(crate) fn at(&self, place: usize) -> ByteSet {
        let mut set = ByteSet::none();
        for byte in 0..=u8::MAX {
            if place >= PREFIX_BYTES || self.0[usize::from(byte)] >> place & 1 == 1 {
                set.add(byte, byte);
            }
        }
        set
    }

    /// Adds what `part` matches when it begins at any of these places; says where it can end.
    fn add(&mut self, part: &Hir, starts: u32) -> u32 {
        match part.kind() {
            HirKind::Empty | HirKind::Look(_) => starts,
            HirKind::Literal(literal) => literal.0.iter().fold(starts, |starts, byte| self.byte(*byte, *byte, starts)),
            HirKind::Class(Class::Bytes(class)) => {
                for range in class.ranges() {
                    self.byte(range.start(), range.end(), starts);
                }
                next(starts)
            }
            HirKind::Class(Class::Unicode(class)) => {
                // Only ASCII is told apart; whatever is written in more bytes may stand anywhere.
                for range in class.ranges() {
                    let (start, end) = (u32::from(range.start()), u32::from(range.end()));
                    self.byte(start.min(0x80) as u8, end.min(0xff) as u8, u32::MAX);
                }
                u32::MAX
            }
            HirKind::Capture(capture) => self.add(&capture.sub, starts),
            HirKind::Concat(parts) => parts.iter().fold(starts, |starts, part| self.add(part, starts)),
            HirKind::Alternation(parts) => parts.iter().fold(0, |ends, part| ends | self.add(part, starts)),
            HirKind::Repetition(repetition) => {
                let (mut starts, mut ends) = (starts, 0);
                let most = repetition.max.unwrap_or(u32::MAX).min(PREFIX_BYTES as u32 + 1);
                for turn in 0..=most {
                    if turn >= repetition.min || turn == most {
                        ends |= starts;
                    }
                    if turn < most {
                        starts = self.add(&repetition.sub, starts);
                    }
                }
                ends
            }
        }
    }

    fn byte(&mut self, first: u8, last: u8, starts: u32) -> u32 {
        (first..=last).for_each(|byte| self.0[usize::from(byte)] |= starts as u16);
        next(starts)
    }
}

/// The places behind; those beyond the prefix are one.
fn next(starts: u32) -> u32 {
    starts << 1 | starts & 1 << 31
}

impl std::fmt::Debug for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefix")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_match_is_refused() {
        let config = regex_automata::util::syntax::Config::new().unicode(false).utf8(false);
        let prefix =
            |pattern: &str| Prefix::of(&regex_automata::util::syntax::parse_with(pattern, &config).expect("a pattern"));
        let dated = prefix(r"[0-9]{2}(?: |-[0-9])[A-Z]{3,4}\b");
        for (text, allowed) in [("12 ABC.", true), ("12-3ABC", true), ("12.ABC", false), ("1", true), ("12 ab", false)]
        {
            assert_eq!(dated.allows(text.as_bytes(), 0), allowed, "{text}");
        }
        assert!(prefix("x[a-c]{1,40}y").allows(b"xabcabcabcabcabcabcabcabcabcabcabcabcy", 0));
        assert!(prefix("(?i:k)[0-9]?").allows(b"K!", 0));
    }
}
