//! Records by chance, reproducible from a seed.

use bytes::Bytes;
use schemas::{Direction, ExchangeId, Record, RecordId, RecordKind, Timestamp, leaf};
use uuid::Uuid;

/// Xorshift: enough to be different everywhere, and the same next time.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}

/// A record as the masker publishes it.
pub(crate) fn random(chance: &mut Chance) -> Bytes {
    let mut record = blank(chance);
    record.body = Some(format!("{{\"number\":{}}}", chance.next()));
    record.subject = chance.one_in(2).then(|| "somebody".to_owned());
    record.policy_id = Some(format!("sha256:{}", chance.below(3)));
    let salt = chance.next().to_be_bytes();
    leaf::mint(&mut record, || [salt, salt].concat().try_into().expect("16 bytes"));
    record.to_avro().into()
}

pub(crate) fn read(value: &[u8]) -> Record {
    Record::from_avro(value).expect("a record")
}

/// The same rows, each as often, in whatever order.
pub(crate) fn check_same(found: &[Record], expected: &[Record], seed: u64) {
    let sorted = |records: &[Record]| {
        let mut records = records.to_vec();
        records.sort_by_key(|record| record.record_id);
        records
    };
    let ids = |records: &[Record]| records.iter().map(|record| record.record_id.to_string()).collect::<Vec<_>>();
    let (found, expected) = (sorted(found), sorted(expected));
    assert_eq!(ids(&found), ids(&expected), "seed {seed}");
    assert!(found == expected, "seed {seed}: a row was changed");
}

fn blank(chance: &mut Chance) -> Record {
    Record {
        direction: Direction::ToUpstream,
        recorded_at: Timestamp(1_785_231_000_000_001),
        groups: vec!["sre".to_owned()],
        auth_method: Some("jwt".to_owned()),
        connection: Some("shop".to_owned()),
        method: Some("tools/call".to_owned()),
        body_bytes: 0,
        ..Record::new(
            RecordId(chance.uuid()),
            ExchangeId(chance.uuid()),
            RecordKind::Request,
            Timestamp(1_785_231_000_000_000),
        )
    }
}
