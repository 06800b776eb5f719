//! Finding hundreds of literals in any case, at every place of a text, with a few operations a byte.
//!
//! Three bytes, folded, are hashed into a bitmap that fits the first-level cache; the few places that pass are compared
//! with the literals that begin so. It refuses literals shorter than two bytes.

use std::fmt;

use crate::Withheld;

const FILTER_WORDS: usize = 1024;
const BUCKETS: usize = 4096;

pub(crate) struct Anchors<T> {
    filter: Box<[u64; FILTER_WORDS]>,
    /// Where the literals of each bucket begin.
    starts: Vec<u32>,
    literals: Vec<(Vec<u8>, T)>,
    distinct: usize,
}

impl<T: Copy + PartialEq> Anchors<T> {
    /// Literals are in lower case; what is given twice counts once.
    pub(crate) fn new(mut literals: Vec<(String, T)>) -> Anchors<T> {
        literals.sort_by(|one, other| one.0.cmp(&other.0));
        literals.dedup_by(|one, other| one.0 == other.0 && one.1 == other.1);
        let mut filter = Box::new([0; FILTER_WORDS]);
        let mut placed = Vec::new();
        for (literal, target) in &literals {
            for hash in hashes(literal.as_bytes()) {
                filter[(hash >> 6) as usize] |= 1 << (hash & 63);
                placed.push((bucket(hash), literal.as_bytes().to_vec(), *target));
            }
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
        Anchors { filter, starts, literals, distinct }
    }

    /// Calls `found` with place, length and target of every literal in the text, from left to right.
    pub(crate) fn each(
        &self,
        text: &[u8],
        mut found: impl FnMut(usize, usize, T) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        for (at, window) in text.windows(4).enumerate() {
            let hash = hash(u32::from_le_bytes([window[0], window[1], window[2], window[3]]));
            if self.filter[(hash >> 6) as usize] >> (hash & 63) & 1 != 0 {
                self.compare(text, at, hash, &mut found)?;
            }
        }
        // The last three bytes are no window of four.
        if let Some(at) = text.len().checked_sub(3) {
            let hash = hash(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], 0]));
            self.compare(text, at, hash, &mut found)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn compare(
        &self,
        text: &[u8],
        at: usize,
        hash: u32,
        found: &mut impl FnMut(usize, usize, T) -> Result<(), Withheld>,
    ) -> Result<(), Withheld> {
        let bucket = bucket(hash);
        let literals = &self.literals[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
        for (literal, target) in literals {
            let here = text.get(at..at + literal.len());
            if here.is_some_and(|here| here.eq_ignore_ascii_case(literal)) {
                found(at, literal.len(), *target)?;
            }
        }
        Ok(())
    }
}

/// Of the first three bytes, in lower case; a literal of two has one for each byte that may follow.
fn hashes(literal: &[u8]) -> Vec<u32> {
    let of = |third: u8| hash(u32::from_le_bytes([literal[0], literal[1], third, 0]));
    match literal {
        [] | [_] => Vec::new(),
        [_, _] => (0..=u8::MAX).map(of).collect(),
        _ => vec![of(literal[2])],
    }
}

/// Sixteen bits from three bytes without their case.
#[inline]
fn hash(bytes: u32) -> u32 {
    ((bytes | 0x20_20_20) & 0xff_ff_ff).wrapping_mul(0x9e37_79b1) >> 16
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
        let anchors = Anchors::new(vec![("sk-".into(), 1), ("sk-ant-".into(), 2), ("pw".into(), 3), ("eyj".into(), 4)]);
        let mut found = Vec::new();
        let _ = anchors.each(b"xSK-ant-eyJ pw=PW eyJ", |at, length, target| {
            found.push((at, length, target));
            Ok(())
        });
        assert_eq!(found, [(1, 3, 1), (1, 7, 2), (8, 3, 4), (12, 2, 3), (15, 2, 3), (18, 3, 4)]);
    }
}
