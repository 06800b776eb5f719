//! Murmur2 with the seed of Kafka's default partitioner.
//!
//! It refuses to be a general hash: one seed, and the result only ever chooses a partition.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const ROTATION: u32 = 24;

/// Kafka's partition of a key; the sign bit is dropped, as Kafka drops it.
pub(crate) fn partition(key: &[u8], partitions: u32) -> u32 {
    (hash(key) & 0x7fff_ffff) % partitions.max(1)
}

fn hash(bytes: &[u8]) -> u32 {
    // Kafka hashes lengths below 2^31 only, and so does the limit on a message's head.
    let mut state = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        state = state.wrapping_mul(MULTIPLIER) ^ mixed(u32::from_le_bytes(*word));
    }
    finished(with_rest(state, rest))
}

fn mixed(word: u32) -> u32 {
    let word = word.wrapping_mul(MULTIPLIER);
    (word ^ (word >> ROTATION)).wrapping_mul(MULTIPLIER)
}

/// The last one to three bytes, little end first.
fn with_rest(state: u32, rest: &[u8]) -> u32 {
    if rest.is_empty() {
        return state;
    }
    let word = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
    (state ^ word).wrapping_mul(MULTIPLIER)
}

fn finished(state: u32) -> u32 {
    let state = (state ^ (state >> 13)).wrapping_mul(MULTIPLIER);
    state ^ (state >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own tests.
    #[test]
    fn hashes_as_kafka_does() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(hash(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn drops_the_sign_as_kafka_does() {
        assert_eq!(partition(b"foobar", 12), ((-790_332_482_i32) as u32 & 0x7fff_ffff) % 12);
        assert_eq!(partition(b"anything", 1), 0);
        assert_eq!(partition(b"anything", 0), 0);
    }
}
