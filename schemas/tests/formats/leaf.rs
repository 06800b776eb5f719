//! The leaf: every covered column is covered, erasure keeps it whole, and nothing else does.

use hansard_schemas::{
    ApprovalId, ConversationId, Direction, ExchangeId, Record, RecordId, RecordKind, RedactionStatus,
    leaf::{self, FIELDS, LeafMismatch, Place},
    record::{FieldBytes, Redaction},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;
use uuid::Uuid;

use crate::{arbitrary, sample};

#[test]
fn fields_are_the_columns_of_the_schema() {
    let avro: Value = serde_json::from_str(hansard_schemas::avro::RECORD_SCHEMA).expect("JSON");
    let names: Vec<_> = avro["fields"].as_array().expect("fields").iter().map(|field| &field["name"]).collect();
    let proofs = ["salts", "commitments", "leaf_hash"];
    assert_eq!(names, FIELDS.iter().map(|(name, _)| *name).chain(proofs).collect::<Vec<_>>());
    for (field, (name, place)) in avro["fields"].as_array().expect("fields").iter().zip(FIELDS) {
        let erasable = field["doc"].as_str().expect("doc").to_lowercase().contains("erasable");
        assert_eq!(erasable, place != Place::Clear, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_minted_checks(record in arbitrary::minted()) {
        prop_assert_eq!(leaf::check(&record), Ok(()));
        prop_assert_eq!(leaf::erased(&record), Vec::<&str>::new());
    }

    #[test]
    fn a_change_of_any_column_is_found(record in arbitrary::minted()) {
        for (name, change) in CHANGES {
            let mut changed = record.clone();
            change(&mut changed);
            prop_assert!(leaf::check(&changed).is_err(), "{} was changed", name);
        }
    }

    #[test]
    fn a_change_of_any_column_minted_anew_is_another_leaf(record in arbitrary::minted()) {
        for (name, change) in CHANGES {
            let mut changed = record.clone();
            change(&mut changed);
            leaf::mint(&mut changed, || [7; leaf::SALT_BYTES]);
            prop_assert_ne!(&changed.leaf_hash, &record.leaf_hash, "{} was changed", name);
        }
    }

    /// Few texts in neighbouring fields and lists: what would run together, were there no lengths.
    #[test]
    fn different_records_have_different_leaves(one in neighbours(), other in neighbours()) {
        let (left, right) = (with_neighbours(&one), with_neighbours(&other));
        prop_assert_eq!(leaf::leaf_data(&left) == leaf::leaf_data(&right), one == other);
    }

    #[test]
    fn an_erased_record_checks_and_says_what_is_gone(record in arbitrary::minted(), which in any::<u16>()) {
        let mut erased = record.clone();
        let mut gone = Vec::new();
        for (bit, (number, erase)) in ERASURES.iter().enumerate() {
            let present = record.salts.iter().any(|salt| salt.field == *number);
            if present && which & (1 << bit) != 0 {
                erase(&mut erased);
                erased.salts.retain(|salt| salt.field != *number);
                gone.push(FIELDS[*number as usize - 1].0);
            }
        }
        prop_assert_eq!(leaf::check(&erased), Ok(()));
        prop_assert_eq!(leaf::erased(&erased), gone);
    }
}

#[test]
fn a_half_erased_field_is_found() {
    let check = |damage: fn(&mut Record), expected: LeafMismatch| {
        let mut record = sample::record();
        damage(&mut record);
        assert_eq!(leaf::check(&record), Err(expected));
    };
    let body_salt = |record: &mut Record| record.salts.retain(|salt| salt.field != 44);
    check(body_salt, LeafMismatch::Unpaired { field: "body" });
    check(|record| record.body = None, LeafMismatch::Unpaired { field: "body" });
    check(|record| record.body = Some("forged".into()), LeafMismatch::Value { field: "body" });
    check(|record| record.groups.swap(0, 1), LeafMismatch::Value { field: "groups" });
    check(|record| record.commitments.retain(|item| item.field != 44), LeafMismatch::Uncommitted { field: "body" });
    check(|record| record.salts.retain(|salt| salt.field != 41), LeafMismatch::Unpaired { field: "redactions" });
    check(|record| record.redactions[0].start += 1, LeafMismatch::Value { field: "redactions" });
    check(|record| record.salts.swap(0, 1), LeafMismatch::Shape { what: "salts" });
    check(|record| record.salts[0].bytes.push(0), LeafMismatch::Shape { what: "salts" });
    check(|record| record.commitments[0].bytes.clear(), LeafMismatch::Shape { what: "commitments" });
    check(
        |record| record.commitments.insert(0, FieldBytes { field: 1, bytes: vec![0; 32] }),
        LeafMismatch::Shape { what: "commitments" },
    );
    check(
        |record| record.commitments.push(FieldBytes { field: 52, bytes: vec![0; 32] }),
        LeafMismatch::Shape { what: "commitments" },
    );
    check(|record| record.leaf_hash[31] ^= 1, LeafMismatch::Hash);
    check(|record| record.leaf_hash.clear(), LeafMismatch::Hash);
    check(|record| record.commitments[0].bytes[0] ^= 1, LeafMismatch::Value { field: "issuer" });
}

/// Every rule keeps its count when the places are erased.
#[test]
fn erased_redactions_keep_their_counts() {
    let mut record = sample::record();
    ERASURES[8].1(&mut record);
    record.salts.retain(|salt| salt.field != 41);
    assert_eq!(leaf::check(&record), Ok(()));
    record.redactions.pop();
    assert_eq!(leaf::check(&record), Err(LeafMismatch::Hash));
}

type Neighbours = (Option<String>, Option<String>, Vec<String>, Vec<String>, Vec<String>);

fn neighbours() -> BoxedStrategy<Neighbours> {
    let text = || select(vec![String::new(), "a".to_owned(), "aa".to_owned()]);
    let list = || vec(text(), 0..3);
    let rules = list().prop_map(|mut rules| {
        rules.sort();
        rules
    });
    (option::of(text()), option::of(text()), list(), list(), rules).boxed()
}

fn with_neighbours((protocol, method, groups, act, rules): &Neighbours) -> Record {
    let mut record = sample::record();
    record.protocol = protocol.clone();
    record.method = method.clone();
    record.groups = groups.clone();
    record.act = act.clone();
    record.redactions = rules.iter().cloned().map(Redaction::blank).collect();
    leaf::mint(&mut record, || [7; leaf::SALT_BYTES]);
    record
}

/// Drops the value of an erasable field, by its number.
type Erasure = (i32, fn(&mut Record));

const ERASURES: [Erasure; 10] = [
    (12, |record| record.issuer = None),
    (13, |record| record.subject = None),
    (14, |record| record.name = None),
    (15, |record| record.groups.clear()),
    (16, |record| record.agent = None),
    (17, |record| record.act.clear()),
    (19, |record| record.source_ip = None),
    (40, |record| record.error = None),
    (41, |record| record.redactions.iter_mut().for_each(|item| *item = Redaction::blank(item.rule.clone()))),
    (44, |record| record.body = None),
];

/// Changes exactly one column.
type Change = (&'static str, fn(&mut Record));

const CHANGES: [Change; FIELDS.len()] = [
    ("record_id", |r| r.record_id = RecordId(other_id(r.record_id.0))),
    ("exchange_id", |r| r.exchange_id = ExchangeId(other_id(r.exchange_id.0))),
    ("conversation_id", |r| r.conversation_id = other(r.conversation_id, ConversationId(Uuid::nil()))),
    ("leg_of", |r| r.leg_of = other(r.leg_of, ExchangeId(Uuid::nil()))),
    ("kind", |r| r.kind = if r.kind == RecordKind::Read { RecordKind::Decision } else { RecordKind::Read }),
    ("direction", |r| {
        r.direction = if r.direction == Direction::Internal { Direction::ToCaller } else { Direction::Internal }
    }),
    ("occurred_at", |r| r.occurred_at.0 ^= 1),
    ("recorded_at", |r| r.recorded_at.0 ^= 1 << 63),
    ("duration_us", |r| r.duration_us = other(r.duration_us, 0)),
    ("first_byte_us", |r| r.first_byte_us = other(r.first_byte_us, 0)),
    ("principal_id", |r| touch(&mut r.principal_id)),
    ("issuer", |r| touch(&mut r.issuer)),
    ("subject", |r| touch(&mut r.subject)),
    ("name", |r| touch(&mut r.name)),
    ("groups", |r| r.groups.push(String::new())),
    ("agent", |r| touch(&mut r.agent)),
    ("act", |r| r.act.insert(0, String::new())),
    ("auth_method", |r| touch(&mut r.auth_method)),
    ("source_ip", |r| touch(&mut r.source_ip)),
    ("connection", |r| touch(&mut r.connection)),
    ("upstream", |r| touch(&mut r.upstream)),
    ("emitter_id", |r| touch(&mut r.emitter_id)),
    ("emitter_epoch", |r| r.emitter_epoch = other(r.emitter_epoch, 0)),
    ("emitter_seq", |r| r.emitter_seq = other(r.emitter_seq, 0)),
    ("protocol", |r| touch(&mut r.protocol)),
    ("method", |r| touch(&mut r.method)),
    ("target", |r| touch(&mut r.target)),
    ("target_digest", |r| touch(&mut r.target_digest)),
    ("arguments_digest", |r| touch(&mut r.arguments_digest)),
    ("model", |r| touch(&mut r.model)),
    ("usage", |r| touch(&mut r.usage)),
    ("verdict", |r| touch(&mut r.verdict)),
    ("rule", |r| touch(&mut r.rule)),
    ("policy_id", |r| touch(&mut r.policy_id)),
    ("approval_id", |r| r.approval_id = other(r.approval_id, ApprovalId(Uuid::nil()))),
    ("outcome", |r| touch(&mut r.outcome)),
    ("transport_status", |r| r.transport_status = other(r.transport_status, 0)),
    ("rpc_code", |r| r.rpc_code = other(r.rpc_code, 0)),
    ("is_error", |r| r.is_error = other(r.is_error, false)),
    ("error", |r| touch(&mut r.error)),
    ("redactions", |r| r.redactions.push(Redaction::blank("rule".into()))),
    ("ruleset_id", |r| touch(&mut r.ruleset_id)),
    ("redaction_status", |r| {
        let masked = r.redaction_status == RedactionStatus::Masked;
        r.redaction_status = if masked { RedactionStatus::Clean } else { RedactionStatus::Masked }
    }),
    ("body", |r| touch(&mut r.body)),
    ("body_bytes", |r| r.body_bytes ^= 1),
    ("truncated", |r| r.truncated ^= true),
    ("trace_id", |r| touch(&mut r.trace_id)),
    ("span_id", |r| touch(&mut r.span_id)),
];

/// Absent becomes empty, and a text grows by a byte.
fn touch(text: &mut Option<String>) {
    match text {
        None => *text = Some(String::new()),
        Some(text) => text.push('\0'),
    }
}

fn other<T: PartialEq>(value: Option<T>, set: T) -> Option<T> {
    match value {
        None => Some(set),
        Some(_) => None,
    }
}

fn other_id(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() ^ 1)
}
