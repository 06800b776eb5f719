//! Finding hundreds of literals in any case, at every place of a text, with a few operations a byte.
//!
//! Three bytes, folded, are hashed into a table that fits the first-level cache, for eight places without a branch; where
//! that passes, four bytes into another; the few places that pass both are compared with the literals that begin so. It
//! refuses literals shorter than three bytes.

use std::fmt;

use crate::Withheld;

/// How many bytes decide about eight places.
pub(crate) const BLOCK_BYTES: usize = PLACES + 3;
/// How many places are looked at together.
pub(crate) const PLACES: usize = 8;

const FILTER_BITS: u32 = 14;
const SECOND_WORDS: usize = 1024;
const BUCKETS: usize = 4096;
const LITERAL_BYTES_MIN: usize = 3;

pub(crate) struct Anchors<T> {
    /// The high bit, where a literal may begin with three bytes of this hash.
    filter: Box<[u8; 1 << FILTER_BITS]>,
    second: Box<[u64; SECOND_WORDS]>,
    /// Where the literals of each bucket begin.
    starts: Vec<u32>,
    literals: Vec<(Vec<u8>, T)>,
    distinct: usize,
}

impl<T: Copy + PartialEq> Anchors<T> {
    /// Literals are in lower case; what is given twice counts once.
    pub(crate) fn new(mut literals: Vec<(Vec<u8>, T)>) -> Anchors<T> {
        literals.sort_by(|one, other| one.0.cmp(&other.0));
        literals.dedup_by(|one, other| one.0 == other.0 && one.1 == other.1);
        literals.retain(|(literal, _)| literal.len() >= LITERAL_BYTES_MIN);
        let (mut filter, mut second) = (Box::new([0; 1 << FILTER_BITS]), Box::new([0; SECOND_WORDS]));
        let mut placed = Vec::new();
        for (literal, target) in &literals {
            let three = u32::from_le_bytes([literal[0], literal[1], literal[2], 0]);
            filter[filtered(three)] = 0x80;
            let fourth = |byte: u8| hash_four(u32::from_le_bytes([literal[0], literal[1], literal[2], byte]));
            match literal.get(3) {
                Some(byte) => set(&mut second, fourth(*byte)),
                None => (0..=u8::MAX).for_each(|byte| set(&mut second, fourth(byte))),
            }
            placed.push((bucket(three), literal.clone(), *target));
        }
        placed.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        placed.dedup_by(|one, other| one.0 == other.0 && one.1 == other.1 && one.2 == other.2);
        let mut starts = vec![0_u32; BUCKETS + 1];
        placed.iter().for_each(|(bucket, ..)| starts[bucket + 1] += 1);
        for bucket in 0..BUCKETS {
            starts[bucket + 1] += starts[bucket];
        }
        let distinct = literals.len();
        let literals = placed.into_iter().map(|(_, bytes, target)| (bytes, target)).collect();
        Anchors { filter, second, starts, literals, distinct }
    }

    /// The first eight of these places where a literal may begin: the high bits of their bytes.
    #[inline]
    pub(crate) fn places(&self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let mut places = 0;
        for place in 0..PLACES {
            let four = [block[place], block[place + 1], block[place + 2], block[place + 3]];
            places |= u64::from(self.filter[filtered(u32::from_le_bytes(four))]) << (8 * place);
        }
        places
    }

    /// Calls `found` with length and target of every literal that begins at `at`.
    #[inline]
    pub(crate) fn at(
        &self,
        text: &[u8],
        at: usize,
        found: impl FnMut(usize, T) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        let rest = &text[at..];
        let four = rest.first_chunk().copied().unwrap_or_else(|| {
            let byte = |place: usize| rest.get(place).copied().unwrap_or_default();
            [byte(0), byte(1), byte(2), byte(3)]
        });
        let four = u32::from_le_bytes(four);
        if has(&self.second, hash_four(four)) { self.compare(rest, four, found) } else { Ok(()) }
    }

    #[inline(never)]
    fn compare(
        &self,
        rest: &[u8],
        four: u32,
        mut found: impl FnMut(usize, T) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        let bucket = bucket(four);
        let literals = &self.literals[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
        for (literal, target) in literals {
            let here = rest.get(..literal.len());
            if here.is_some_and(|here| here.eq_ignore_ascii_case(literal)) {
                found(literal.len(), *target)?;
            }
        }
        Ok(())
    }
}

#[inline]
fn has(filter: &[u64; SECOND_WORDS], hash: u32) -> bool {
    filter[(hash >> 6) as usize % SECOND_WORDS] >> (hash & 63) & 1 != 0
}

fn set(filter: &mut [u64; SECOND_WORDS], hash: u32) {
    filter[(hash >> 6) as usize % SECOND_WORDS] |= 1 << (hash & 63);
}

/// A hash of the first three bytes without their case, in its upper bits.
#[inline]
fn hash_three(four: u32) -> u32 {
    (four << 8 | 0x20_20_20_00).wrapping_mul(0x9e37_79b1)
}

#[inline]
fn hash_four(four: u32) -> u32 {
    (four | 0x20_20_20_20).wrapping_mul(0x85eb_ca6b) >> 16
}

#[inline]
fn filtered(four: u32) -> usize {
    (hash_three(four) >> (u32::BITS - FILTER_BITS)) as usize
}

fn bucket(four: u32) -> usize {
    hash_three(four) as usize >> 20
}

impl<T> fmt::Debug for Anchors<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchors").field("literals", &self.distinct).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_literal_wherever_it_stands_in_any_case() {
        let anchors =
            Anchors::new(vec![("sk-".into(), 1), ("sk-ant-".into(), 2), ("pw=".into(), 3), ("eyj".into(), 4)]);
        let (text, mut found) = (b"xSK-ant-eyJ pw=PW eyJ", Vec::new());
        for at in 0..text.len() {
            let block = std::array::from_fn(|place| text.get(at + place).copied().unwrap_or_default());
            let mut here = |length, target| {
                assert_eq!(anchors.places(&block) & 0x80, 0x80, "{block:?}");
                found.push((at, length, target));
                Ok(())
            };
            anchors.at(text, at, &mut here).expect("nothing is spent");
        }
        assert_eq!(found, [(1, 3, 1), (1, 7, 2), (8, 3, 4), (12, 3, 3), (18, 3, 4)]);
    }
}
