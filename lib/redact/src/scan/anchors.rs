//! Finding hundreds of literals in any case, at every place of a text, with a few operations a byte.
//!
//! The first three bytes, folded, choose one of some thousand entries that say whether a literal may begin so; four bytes
//! a bit in a second table; and the few places that pass both are compared with the literals that begin so. It refuses
//! literals shorter than three bytes.

use std::fmt;

use crate::{
    Withheld,
    block::{BLOCK_BYTES, places},
    bytes::window,
    rules::Target,
};

const BEGINNINGS: usize = 1 << 16;
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;
const BITS_WORDS: usize = 512;
const LITERAL_BYTES_MIN: usize = 3;
/// A block, and the bytes behind it that its last places begin with.
const WINDOW_BYTES: usize = BLOCK_BYTES + 3;
/// What is compared of a literal at once.
const HEAD_BYTES: usize = 8;
/// The bit that tells a letter's case.
const CASE: u8 = 0x20;

/// A bit for each hash.
type Bits = [u64; BITS_WORDS];

/// Something to search for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) bytes: Vec<u8>,
    pub(crate) target: Target,
    /// What it anchors begins with an upper case letter.
    pub(crate) upper: bool,
}

/// What is looked at often is small, and stays in the processor's nearest cache.
pub(crate) struct Anchors {
    /// Whether some begin with three bytes, by [`beginning`]: one or zero. Half of it is never read, so that no index has to
    /// be checked.
    beginnings: Box<[u8; BEGINNINGS]>,
    /// Whether some begin with these four; and whether some are these three.
    second: Box<Bits>,
    short: Box<Bits>,
    /// Where those of each bucket begin.
    starts: Box<[u16; BUCKETS + 1]>,
    heads: Vec<Head>,
    /// In the order of the heads.
    literals: Vec<Literal>,
}

/// The first bytes of a literal, in lower case, and the bits that do not count: of the case where that may be any, and all
/// behind its end. They are set in both.
struct Head {
    bytes: u64,
    ignored: u64,
}

struct Literal {
    bytes: Vec<u8>,
    target: Target,
}

impl Head {
    fn of(Anchor { bytes, target, upper }: &Anchor) -> Head {
        let (mut head, mut ignored) = (head(bytes), [u8::MAX; HEAD_BYTES]);
        for (byte, ignored) in head.iter().zip(&mut ignored).take(bytes.len()) {
            *ignored = if byte.is_ascii_lowercase() { CASE } else { 0 };
        }
        if *upper && !matches!(target, Target::Keyword(_)) {
            (head[0], ignored[0]) = (head[0].to_ascii_uppercase(), 0);
        }
        let [bytes, ignored] = [head, ignored].map(u64::from_le_bytes);
        Head { bytes: bytes | ignored, ignored }
    }

    #[inline]
    fn is(&self, first: u64) -> bool {
        first | self.ignored == self.bytes
    }
}

impl Literal {
    /// Does `text`, whose first bytes are those of the head, go on with the others in any case?
    #[inline]
    fn goes_on(&self, text: &[u8]) -> bool {
        let here = || text.get(HEAD_BYTES..self.bytes.len());
        self.bytes.len() <= HEAD_BYTES
            || here().is_some_and(|here| here.eq_ignore_ascii_case(&self.bytes[HEAD_BYTES..]))
    }
}

impl Anchor {
    fn beginning(&self) -> u16 {
        beginning([self.bytes[0], self.bytes[1], self.bytes[2]])
    }
}

impl Anchors {
    /// What is given twice counts once.
    pub(crate) fn new(mut given: Vec<Anchor>) -> Anchors {
        given.retain(|anchor| anchor.bytes.len() >= LITERAL_BYTES_MIN);
        given.sort_by(|one, other| {
            (bucket(one.beginning()), &one.bytes).cmp(&(bucket(other.beginning()), &other.bytes))
        });
        given.dedup_by(|one, other| one.bytes == other.bytes && one.target == other.target);
        let mut beginnings = Box::new([0; BEGINNINGS]);
        let (mut second, mut short) = (Box::new([0; BITS_WORDS]), Box::new([0; BITS_WORDS]));
        let mut starts = Box::new([0; BUCKETS + 1]);
        for anchor in &given {
            beginnings[usize::from(anchor.beginning())] = 1;
            starts[bucket(anchor.beginning()) + 1] += 1;
            match anchor.bytes.first_chunk() {
                Some(four) => set(&mut second, hash_four(*four)),
                None => set(&mut short, hash_three([anchor.bytes[0], anchor.bytes[1], anchor.bytes[2], 0])),
            }
        }
        (0..BUCKETS).for_each(|bucket| starts[bucket + 1] += starts[bucket]);
        let heads = given.iter().map(Head::of).collect();
        let literals = given.into_iter().map(|Anchor { bytes, target, .. }| Literal { bytes, target }).collect();
        Anchors { beginnings, second, short, starts, heads, literals }
    }

    /// The places of the block that begins at `base` where a literal may begin, from the lowest bit on.
    #[inline]
    pub(super) fn marks(&self, text: &[u8], base: usize) -> u64 {
        let mut room = [0; WINDOW_BYTES];
        let window = window::<0, WINDOW_BYTES>(text, base, &mut room);
        let mut hashes = [0; BLOCK_BYTES];
        let [first, second, third] = [0, 1, 2].map(|distance| part(window, distance));
        for place in 0..BLOCK_BYTES {
            hashes[place] = beginning([first[place], second[place], third[place]]);
        }
        let (eights, _) = hashes.as_chunks::<8>();
        let mut marks = [0; 8];
        for (marks, eight) in marks.iter_mut().zip(eights) {
            *marks = eight.iter().rev().fold(0, |bits, hash| bits << 1 | self.beginnings[usize::from(*hash)]);
        }
        self.judged(window, u64::from_le_bytes(marks))
    }

    /// Those of the places at which four bytes, or three, begin a literal. There is no branch for what they are, since it could
    /// not be predicted.
    #[inline]
    fn judged(&self, window: &[u8; WINDOW_BYTES], marked: u64) -> u64 {
        let begins = |place: usize| {
            let four = [window[place], window[place + 1], window[place + 2], window[place + 3]];
            bit(&self.second, hash_four(four)) | bit(&self.short, hash_three(four))
        };
        places(marked).fold(0, |judged, place| judged | begins(place % BLOCK_BYTES) << place)
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
        let [one, two, three, ..] = *rest else { return Ok(()) };
        let (first, bucket) = (u64::from_le_bytes(head(rest)), bucket(beginning([one, two, three])));
        let (from, to) = (usize::from(self.starts[bucket]), usize::from(self.starts[bucket + 1]));
        for (head, literal) in self.heads[from..to].iter().zip(&self.literals[from..to]) {
            if head.is(first) && literal.goes_on(rest) {
                found(literal.bytes.len(), literal.target)?;
            }
        }
        Ok(())
    }
}

fn part(window: &[u8; WINDOW_BYTES], from: usize) -> &[u8; BLOCK_BYTES] {
    window[from..].first_chunk().expect("the parts of a window are within it")
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

fn bit(table: &Bits, hash: usize) -> u64 {
    table[hash / 64 % BITS_WORDS] >> (hash % 64) & 1
}

fn set(table: &mut Bits, hash: usize) {
    table[hash / 64 % BITS_WORDS] |= 1 << (hash % 64);
}

/// Five bits of each of three bytes: letters are told apart, whatever their case.
#[inline]
fn beginning(three: [u8; 3]) -> u16 {
    let [first, second, third] = three.map(|byte| u16::from(byte & 0x1f));
    first << 10 | second << 5 | third
}

/// Hashes of beginnings that share a bucket have little in common.
#[inline]
fn bucket(beginning: u16) -> usize {
    usize::from(beginning.wrapping_mul(0x9e37) >> (u16::BITS - BUCKET_BITS))
}

#[inline]
fn hash_three([first, second, third, _]: [u8; 4]) -> usize {
    hash_four([first, second, third, 0])
}

#[inline]
fn hash_four(four: [u8; 4]) -> usize {
    (folded(four).wrapping_mul(0x85eb_ca6b) >> 17) as usize
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
    fn literals_are_marked_where_they_begin_in_any_case() {
        let anchor = |bytes: &str, target, upper| Anchor { bytes: bytes.into(), target, upper };
        let anchors = Anchors::new(vec![
            anchor("tin", Target::Keyword(0), false),
            anchor("pin", Target::Name, false),
            anchor("age-", Target::Finder(0), true),
        ]);
        for gap in 0..150 {
            let text = [" ".repeat(gap).as_bytes(), b"tin testing spin tiN age"].concat();
            let of_block = |base| places(anchors.marks(&text, base)).map(move |place| base + place - gap);
            let marked: Vec<_> = (0..text.len()).step_by(BLOCK_BYTES).flat_map(of_block).collect();
            assert_eq!(marked, [0, 7, 13, 17], "{gap}");
        }
    }

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
