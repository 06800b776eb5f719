//! Sixty-four bytes of a text at a time, and which of them are of a kind: a bit for each, the lowest for the first.
//!
//! It refuses to know what the kinds are for, and what stands beside a block.

use wide::u8x64;

pub(crate) const BLOCK_BYTES: usize = 64;

#[derive(Clone, Copy)]
pub(crate) struct Block(u8x64);

/// All bits of a byte, or none.
#[derive(Clone, Copy)]
pub(crate) struct Kind(u8x64);

impl Block {
    /// The block that begins at `at`, with zeros behind the end of the text.
    #[inline]
    pub(crate) fn at(text: &[u8], at: usize) -> Block {
        let rest = text.get(at..).unwrap_or_default();
        let whole = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; BLOCK_BYTES];
            padded[..rest.len()].copy_from_slice(rest);
            padded
        });
        Block(u8x64::new(whole))
    }

    #[inline]
    pub(crate) fn is(self, byte: u8) -> Kind {
        Kind(self.0.simd_eq(u8x64::splat(byte)))
    }

    /// From the first to the last of these.
    #[inline]
    pub(crate) fn within(self, first: u8, last: u8) -> Kind {
        let above = self.0 - u8x64::splat(first);
        Kind(above.min(u8x64::splat(last - first)).simd_eq(above))
    }

    /// In lower case or not.
    #[inline]
    pub(crate) fn is_letter(self) -> Kind {
        Block(self.0 | u8x64::splat(b'a' - b'A')).within(b'a', b'z')
    }

    #[inline]
    pub(crate) fn is_digit(self) -> Kind {
        self.within(b'0', b'9')
    }
}

impl std::ops::BitOr for Kind {
    type Output = Kind;

    #[inline]
    fn bitor(self, other: Kind) -> Kind {
        Kind(self.0 | other.0)
    }
}

impl Kind {
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0.to_bitmask()
    }
}

/// The places of the bits that are set, from the lowest on.
#[inline]
pub(crate) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        let any = bits != 0;
        bits &= bits.wrapping_sub(1);
        any.then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_of_the_kinds_that_it_is_of() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for (base, bytes) in all.chunks(BLOCK_BYTES).enumerate() {
            let block = Block::at(&all, base * BLOCK_BYTES);
            let check = |kind: Kind, expected: &dyn Fn(&u8) -> bool| {
                let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(expected(byte)));
                assert_eq!(kind.bits(), bits, "{base}");
            };
            check(block.is(b'@'), &|byte| *byte == b'@');
            check(block.is_letter(), &u8::is_ascii_alphabetic);
            check(block.is_digit(), &u8::is_ascii_digit);
            check(block.within(0xf8, 0xff) | block.is(0), &|byte| *byte >= 0xf8 || *byte == 0);
        }
        assert_eq!(Block::at(b"xyx", 1).is(b'x').bits(), 2);
        assert_eq!(Block::at(b"xyx", 4).is(0).bits(), u64::MAX);
        assert_eq!(places(0b1001_0010).collect::<Vec<_>>(), [1, 4, 7]);
    }
}
