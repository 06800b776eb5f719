//! Finding hundreds of literals in any case, at every place of a text, with a few operations a byte.
//!
//! Three bytes, folded, are hashed into a bitmap that fits the first-level cache, and where that passes four bytes into
//! another; the few places that pass both are compared with the literals that begin so. It refuses literals shorter
//! than three bytes.

use std::fmt;

use crate::Withheld;

const FILTER_WORDS: usize = 1024;
const BUCKETS: usize = 4096;
const LITERAL_BYTES_MIN: usize = 3;

pub(crate) struct Anchors<T> {
    filter: Box<[u64; FILTER_WORDS]>,
    second: Box<[u64; FILTER_WORDS]>,
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
        let (mut filter, mut second) = (Box::new([0; FILTER_WORDS]), Box::new([0; FILTER_WORDS]));
        let mut placed = Vec::new();
        for (literal, target) in &literals {
            let three = hash(u32::from_le_bytes([literal[0], literal[1], literal[2], 0]));
            set(&mut filter, three);
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

    /// May a literal begin with these bytes? Behind the end of the text the fourth is anything.
    #[inline]
    pub(crate) fn may_begin(&self, four: [u8; 4]) -> bool {
        let four = u32::from_le_bytes(four);
        has(&self.filter, hash(four)) && has(&self.second, hash_four(four))
    }

    /// Calls `found` with length and target of every literal that begins at `at`.
    #[inline(never)]
    pub(crate) fn at(
        &self,
        text: &[u8],
        at: usize,
        mut found: impl FnMut(usize, T) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        let rest = &text[at..];
        let [Some(one), Some(two), Some(three)] = [0, 1, 2].map(|place| rest.get(place).copied()) else {
            return Ok(());
        };
        let bucket = bucket(hash(u32::from_le_bytes([one, two, three, 0])));
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
fn has(filter: &[u64; FILTER_WORDS], hash: u32) -> bool {
    filter[(hash >> 6) as usize % FILTER_WORDS] >> (hash & 63) & 1 != 0
}

fn set(filter: &mut [u64; FILTER_WORDS], hash: u32) {
    filter[(hash >> 6) as usize % FILTER_WORDS] |= 1 << (hash & 63);
}

/// Sixteen bits from three bytes without their case.
#[inline]
fn hash(bytes: u32) -> u32 {
    ((bytes | 0x20_20_20) & 0xff_ff_ff).wrapping_mul(0x9e37_79b1) >> 16
}

#[inline]
fn hash_four(bytes: u32) -> u32 {
    (bytes | 0x20_20_20_20).wrapping_mul(0x85eb_ca6b) >> 16
}

fn bucket(hash: u32) -> usize {
    (hash >> 4) as usize
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
            let four = [0, 1, 2, 3].map(|place| text.get(at + place).copied().unwrap_or_default());
            let mut here = |length, target| {
                assert!(anchors.may_begin(four), "{four:?}");
                found.push((at, length, target));
                Ok(())
            };
            anchors.at(text, at, &mut here).expect("nothing is spent");
        }
        assert_eq!(found, [(1, 3, 1), (1, 7, 2), (8, 3, 4), (12, 3, 3), (18, 3, 4)]);
    }
}
