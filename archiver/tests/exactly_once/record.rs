//! Records by chance, reproducible from a seed.

use bytes::Bytes;
use schemas::{Direction, ExchangeId, Record, RecordId, RecordKind, RedactionStatus, Timestamp, leaf};
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
        record_id: RecordId(chance.uuid()),
        exchange_id: ExchangeId(chance.uuid()),
        conversation_id: None,
        leg_of: None,
        kind: RecordKind::Request,
        direction: Direction::ToUpstream,
        occurred_at: Timestamp(1_785_231_000_000_000),
        recorded_at: Timestamp(1_785_231_000_000_001),
        duration_us: None,
        first_byte_us: None,
        principal_id: None,
        issuer: None,
        subject: None,
        name: None,
        groups: vec!["sre".to_owned()],
        agent: None,
        act: vec![],
        auth_method: Some("jwt".to_owned()),
        source_ip: None,
        connection: Some("shop".to_owned()),
        upstream: None,
        emitter_id: None,
        emitter_epoch: None,
        emitter_seq: None,
        protocol: None,
        method: Some("tools/call".to_owned()),
        target: None,
        target_digest: None,
        arguments_digest: None,
        model: None,
        usage: None,
        verdict: None,
        rule: None,
        policy_id: None,
        approval_id: None,
        outcome: None,
        transport_status: None,
        rpc_code: None,
        is_error: None,
        error: None,
        redactions: vec![],
        ruleset_id: None,
        redaction_status: RedactionStatus::Clean,
        body: None,
        body_bytes: 0,
        truncated: false,
        trace_id: None,
        span_id: None,
        salts: vec![],
        commitments: vec![],
        leaf_hash: vec![],
    }
}
