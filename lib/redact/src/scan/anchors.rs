//! Finding hundreds of literals in any case, at every place of a text, with a few operations a byte.
//!
//! The first three bytes, folded, choose one of some thousand entries that say whether a literal may begin so; four bytes
//! a bit in a second table; and the few places that pass both are compared with the literals that begin so. It refuses
//! literals shorter than three bytes.

use std::fmt;

use super::block::{BLOCK_BYTES, Block};
use crate::{Withheld, rules::Target};

const BEGINNINGS: usize = 1 << 16;
const SECOND_WORDS: usize = 1024;
const LITERAL_BYTES_MIN: usize = 3;
/// What is compared of a literal at once.
const HEAD_BYTES: usize = 8;
/// The bit that tells a letter's case.
const CASE: u8 = 0x20;

/// Something to search for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) bytes: Vec<u8>,
    pub(crate) target: Target,
    /// What it anchors begins with an upper case letter.
    pub(crate) upper: bool,
}

pub(crate) struct Anchors {
    /// Whether some begin with three bytes, by [`beginning`]: one or zero. Half of it is never read, so that no index has to
    /// be checked.
    beginnings: Box<[u8; BEGINNINGS]>,
    /// Whether some begin with these four.
    second: Box<[u64; SECOND_WORDS]>,
    /// Where the literals of each hash begin.
    starts: Vec<u16>,
    literals: Vec<Literal>,
}

struct Literal {
    bytes: Vec<u8>,
    target: Target,
    /// The first bytes, which of them count, and the bit of the case of those that may have any.
    head: u64,
    counts: u64,
    case: u64,
}

impl Literal {
    fn new(Anchor { bytes, target, upper }: Anchor) -> Literal {
        let counts = u64::MAX >> (8 * HEAD_BYTES.saturating_sub(bytes.len()));
        let mut head = head(&bytes);
        let mut case = head.map(|byte| if byte.is_ascii_lowercase() { CASE } else { 0 });
        if upper && !matches!(target, Target::Keyword(_)) {
            (head[0], case[0]) = (head[0].to_ascii_uppercase(), 0);
        }
        let [head, case] = [head, case].map(u64::from_le_bytes);
        Literal { head, counts, case, bytes, target }
    }

    fn beginning(&self) -> usize {
        usize::from(beginning([self.bytes[0], self.bytes[1], self.bytes[2]]))
    }

    /// `text`, whose first bytes are told, begins with these bytes in any case.
    #[inline]
    fn begins(&self, text: &[u8], first: u64) -> bool {
        ((first | self.case) ^ self.head) & self.counts == 0 && (self.bytes.len() <= HEAD_BYTES || self.goes_on(text))
    }

    fn goes_on(&self, text: &[u8]) -> bool {
        let here = text.get(HEAD_BYTES..self.bytes.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(&self.bytes[HEAD_BYTES..]))
    }
}

impl Anchors {
    /// What is given twice counts once.
    pub(crate) fn new(given: Vec<Anchor>) -> Anchors {
        let long = given.into_iter().filter(|anchor| anchor.bytes.len() >= LITERAL_BYTES_MIN);
        let mut literals: Vec<Literal> = long.map(Literal::new).collect();
        literals.sort_by(|one, other| (one.beginning(), &one.bytes).cmp(&(other.beginning(), &other.bytes)));
        literals.dedup_by(|one, other| one.bytes == other.bytes && one.target == other.target);
        let (mut beginnings, mut second) = (Box::new([0; BEGINNINGS]), Box::new([0; SECOND_WORDS]));
        for literal in &literals {
            beginnings[literal.beginning()] = 1;
            let four = |byte: u8| hash_four([literal.bytes[0], literal.bytes[1], literal.bytes[2], byte]);
            match literal.bytes.get(3) {
                Some(byte) => set(&mut second, four(*byte)),
                None => (0..=u8::MAX).for_each(|byte| set(&mut second, four(byte))),
            }
        }
        let mut starts = vec![0_u16; BEGINNINGS + 1];
        literals.iter().for_each(|literal| starts[literal.beginning() + 1] += 1);
        (0..BEGINNINGS).for_each(|hash| starts[hash + 1] += starts[hash]);
        Anchors { beginnings, second, starts, literals }
    }

    /// The places of a block where a literal may begin, from the lowest bit on; told the first three bytes at each place.
    #[inline]
    pub(super) fn marks(&self, first: &Block, second: &Block, third: &Block) -> u64 {
        let mut hashes = [0; BLOCK_BYTES];
        for place in 0..BLOCK_BYTES {
            hashes[place] = beginning([first[place], second[place], third[place]]);
        }
        let (eights, _) = hashes.as_chunks::<8>();
        let mut marks = [0; 8];
        for (marks, eight) in marks.iter_mut().zip(eights) {
            *marks = eight.iter().rev().fold(0, |bits, hash| bits << 1 | self.beginnings[usize::from(*hash)]);
        }
        u64::from_le_bytes(marks)
    }

    /// Calls `found` with length and target of every literal that begins at `at`.
    #[inline]
    pub(crate) fn at(
        &self,
        text: &[u8],
        at: usize,
        mut found: impl FnMut(usize, Target) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        let rest = &text[at..];
        // Behind the end of the text the fourth byte is anything.
        if rest.first_chunk().is_some_and(|four| !has(&self.second, hash_four(*four))) {
            return Ok(());
        }
        let [one, two, three, ..] = *rest else { return Ok(()) };
        let (hash, first) = (usize::from(beginning([one, two, three])), u64::from_le_bytes(head(rest)));
        for literal in &self.literals[usize::from(self.starts[hash])..usize::from(self.starts[hash + 1])] {
            if literal.begins(rest, first) {
                found(literal.bytes.len(), literal.target)?;
            }
        }
        Ok(())
    }
}

/// The first bytes of a text; zeros behind its end.
#[inline]
fn head(text: &[u8]) -> [u8; HEAD_BYTES] {
    text.first_chunk().copied().unwrap_or_else(|| {
        let mut eight = [0; HEAD_BYTES];
        eight[..text.len()].copy_from_slice(text);
        eight
    })
}

fn has(table: &[u64; SECOND_WORDS], hash: usize) -> bool {
    table[hash / 64 % SECOND_WORDS] >> (hash % 64) & 1 != 0
}

fn set(table: &mut [u64; SECOND_WORDS], hash: usize) {
    table[hash / 64 % SECOND_WORDS] |= 1 << (hash % 64);
}

/// Five bits of each of three bytes: letters are told apart, whatever their case.
#[inline]
fn beginning(three: [u8; 3]) -> u16 {
    let [first, second, third] = three.map(|byte| u16::from(byte & 0x1f));
    first << 10 | second << 5 | third
}

#[inline]
fn hash_four(four: [u8; 4]) -> usize {
    (folded(four).wrapping_mul(0x85eb_ca6b) >> 16) as usize
}

#[inline]
fn folded(four: [u8; 4]) -> u32 {
    u32::from_le_bytes(four) | u32::from_le_bytes([CASE; 4])
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchors").field("literals", &self.literals.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_literal_wherever_it_stands_in_any_case() {
        let listed = ["sk-", "sk-ant-", "pw=", "eyj", "account number"];
        let numbered = listed.iter().enumerate().map(|(place, text)| Anchor {
            bytes: (*text).into(),
            target: Target::Finder(place),
            upper: false,
        });
        let anchors = Anchors::new(numbered.collect());
        let (text, mut found) = (b"xSK-ant-eyJ pw=PW Account Number eyJ", Vec::new());
        for at in 0..text.len() {
            let here = |length, target| {
                found.push((at, length, target));
                Ok(())
            };
            anchors.at(text, at, here).expect("nothing is spent");
        }
        let places = [(1, 3, 0), (1, 7, 1), (8, 3, 3), (12, 3, 2), (18, 14, 4), (33, 3, 3)];
        assert_eq!(found, places.map(|(at, length, place)| (at, length, Target::Finder(place))));
    }
}
