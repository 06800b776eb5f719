//! The promises of a seal, from outside: what is sealed opens, and nothing else does.

use std::{collections::HashSet, thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hansard_envelope::{
    KeyId, MESSAGES_MAX, OVERHEAD_BYTES, OpenError, Opener, PrivateKey, PublicKey, Rotation, Sealer, key_id_of,
};
use proptest::prelude::*;

const NEVER: Rotation = Rotation { messages_max: MESSAGES_MAX, age_max: Duration::MAX };
const HEADER: std::ops::Range<usize> = 0..89;
const NONCE: std::ops::Range<usize> = 89..101;

fn pair(rotation: Rotation) -> (Sealer, Opener) {
    let key = PrivateKey::generate();
    (Sealer::new(key.public(), rotation), Opener::new(vec![key]))
}

/// Opens to what was sealed, and only with the same associated data.
#[track_caller]
fn check(opener: &Opener, sealed: &[u8], associated_data: &[u8], plaintext: &[u8]) {
    assert_eq!(opener.open(sealed, associated_data).expect("opens").as_slice(), plaintext);
    let elsewhere = [associated_data, b"x"].concat();
    assert_eq!(opener.open(sealed, &elsewhere), Err(OpenError::Damaged));
    assert_eq!(sealed.len(), plaintext.len() + OVERHEAD_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_sealed_opens(
        plaintext in proptest::collection::vec(any::<u8>(), 0..4000),
        associated_data in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (sealer, opener) = pair(NEVER);
        let sealed = sealer.seal(&plaintext, &associated_data, 0).expect("seals");
        check(&opener, &sealed, &associated_data, &plaintext);
    }

    #[test]
    fn bytes_of_chance_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in 0u8..3) {
        let (_, opener) = pair(NEVER);
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        prop_assert!(opener.open(&bytes, b"").is_err());
    }
}

#[test]
fn the_plaintext_is_not_in_the_sealed_bytes() {
    let (sealer, _) = pair(NEVER);
    let sealed = sealer.seal(b"4111 1111 1111 1111", b"", 0).expect("seals");
    assert!(!sealed.windows(4).any(|window| window == b"1111"));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (sealer, opener) = pair(NEVER);
    let sealed = &sealer.seal(b"transfer 10", b"topic", 0).expect("seals");
    check(&opener, sealed, b"topic", b"transfer 10");
    let refused = &|bit: usize| {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = opener.open(&changed, b"topic").expect_err("a changed bit");
        match bit / 8 {
            0 => assert_eq!(error, OpenError::Malformed),
            1..=8 => assert!(matches!(error, OpenError::UnknownKey(_)), "bit {bit}: {error}"),
            _ => assert_eq!(error, OpenError::Damaged, "bit {bit}"),
        }
    };
    // A changed header costs a public-key step each.
    thread::scope(|scope| {
        for place in 0..8 {
            scope.spawn(move || (0..sealed.len()).for_each(|byte| refused(byte * 8 + place)));
        }
    });
}

#[test]
fn every_cut_and_every_extension_is_refused() {
    let (sealer, opener) = pair(NEVER);
    let sealed = sealer.seal(b"transfer 10", b"topic", 0).expect("seals");
    for length in 0..sealed.len() {
        let error = opener.open(&sealed[..length], b"topic").expect_err("a cut");
        let expected = if length < OVERHEAD_BYTES { OpenError::Malformed } else { OpenError::Damaged };
        assert_eq!(error, expected, "{length} bytes");
    }
    for more in [&b"\0"[..], b"10", &sealed] {
        assert_eq!(opener.open(&[&sealed, more].concat(), b"topic"), Err(OpenError::Damaged));
    }
}

/// Parts of two messages of one sender do not make a third.
#[test]
fn parts_of_two_messages_do_not_mix() {
    let key = PrivateKey::generate();
    let every_message = Rotation { messages_max: 1, age_max: Duration::MAX };
    let sealer = Sealer::new(key.public(), every_message);
    let opener = Opener::new(vec![key]);
    let [one, two] = [b"one", b"two"].map(|plaintext| sealer.seal(plaintext, b"", 0).expect("seals"));
    // Behind and within: encapsulated key, sealed data key, nonce, ciphertext.
    for cut in [24, 41, 66, 89, 101, 103, 105] {
        assert_eq!(opener.open(&[&one[..cut], &two[cut..]].concat(), b""), Err(OpenError::Damaged), "cut at {cut}");
    }
}

#[test]
fn the_associated_data_does_not_slide_into_the_header() {
    let (sealer, opener) = pair(NEVER);
    let sealed = sealer.seal(b"x", b"ab", 0).expect("seals");
    for wrong in [&b""[..], b"a", b"b", b"ba", b"abc", b"ab\0", &sealed[HEADER]] {
        assert_eq!(opener.open(&sealed, wrong), Err(OpenError::Damaged));
    }
}

#[test]
fn another_key_says_which_key_it_lacks() {
    let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
    let sealed = Sealer::new(key.public(), NEVER).seal(b"x", b"", 0).expect("seals");
    assert_eq!(key_id_of(&sealed).expect("sealed"), key.public().id());
    let error = Opener::new(vec![other]).open(&sealed, b"").expect_err("not its key");
    assert_eq!(error, OpenError::UnknownKey(key.public().id()));
    assert!(error.to_string().contains(&key.public().id().to_string()));
}

/// A key whose name was forged onto a message for another still does not open it.
#[test]
fn a_forged_key_id_does_not_open() {
    let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
    let mut sealed = Sealer::new(key.public(), NEVER).seal(b"x", b"", 0).expect("seals");
    sealed[1..9].copy_from_slice(&other.public().id().0);
    let opener = Opener::new(vec![key, other]);
    assert_eq!(opener.open(&sealed, b""), Err(OpenError::Damaged));
}

#[test]
fn two_private_keys_at_once() {
    let (old, new) = (PrivateKey::generate(), PrivateKey::generate());
    let before = Sealer::new(old.public(), NEVER).seal(b"before", b"a", 0).expect("seals");
    let after = Sealer::new(new.public(), NEVER).seal(b"after", b"a", 0).expect("seals");
    let opener = Opener::new(vec![old, new]);
    for _ in 0..2 {
        check(&opener, &before, b"a", b"before");
        check(&opener, &after, b"a", b"after");
    }
}

/// How many data keys `times` (microseconds) give.
#[track_caller]
fn check_rotation(rotation: Rotation, times: &[i64], expected_keys: usize) {
    let (sealer, opener) = pair(rotation);
    let mut headers = HashSet::new();
    for time in times {
        let sealed = sealer.seal(b"x", b"", *time).expect("seals");
        check(&opener, &sealed, b"", b"x");
        headers.insert(sealed[HEADER].to_vec());
    }
    assert_eq!(headers.len(), expected_keys);
}

#[test]
fn data_keys_rotate_by_count() {
    let after = |messages_max| Rotation { messages_max, age_max: Duration::MAX };
    check_rotation(after(3), &[0; 3], 1);
    check_rotation(after(3), &[0; 4], 2);
    check_rotation(after(3), &[0; 9], 3);
    check_rotation(after(1), &[0; 4], 4);
    check_rotation(after(0), &[0; 4], 4);
}

#[test]
fn data_keys_rotate_by_age() {
    let after = |seconds| Rotation { messages_max: MESSAGES_MAX, age_max: Duration::from_secs(seconds) };
    check_rotation(after(10), &[0, 5_000_000, 9_999_999], 1);
    check_rotation(after(10), &[0, 10_000_000], 2);
    check_rotation(after(10), &[0, 10_000_000, 19_999_999, 20_000_000], 3);
    // A clock that goes back a little changes nothing; one that goes back a lot ends the key.
    check_rotation(after(10), &[50_000_000, 49_000_000, 50_000_001], 1);
    check_rotation(after(10), &[50_000_000, 1], 2);
    check_rotation(after(10), &[i64::MAX, i64::MIN], 2);
}

#[test]
fn no_nonce_repeats_under_a_key_whichever_thread_seals() {
    let (sealer, opener) = pair(Rotation { messages_max: 100, age_max: Duration::MAX });
    let seal = || (0..500).map(|_| sealer.seal(b"x", b"", 0).expect("seals")).collect::<Vec<_>>();
    let sealed: Vec<Vec<u8>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(seal)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let used: HashSet<_> = sealed.iter().map(|sealed| (&sealed[HEADER], &sealed[NONCE])).collect();
    let keys: HashSet<_> = sealed.iter().map(|sealed| &sealed[HEADER]).collect();
    assert_eq!((used.len(), keys.len()), (4000, 40));
    sealed.iter().for_each(|sealed| check(&opener, sealed, b"", b"x"));
}

#[test]
fn keys_go_through_text() {
    let key = PrivateKey::generate();
    let again = PrivateKey::from_text(&format!(" {}\n", *key.to_text())).expect("a private key");
    assert_eq!(again.public(), key.public());
    assert_eq!(PublicKey::from_text(&key.public().to_text()).expect("a public key"), key.public());
    assert_eq!(key.public().id().to_string().len(), 16);
}

#[test]
fn what_is_no_key_is_refused() {
    let of = |bytes: &[u8]| format!("hansard-public-v1 {}", STANDARD.encode(bytes));
    let private = PrivateKey::generate().to_text();
    let unpadded = of(&[9; 32]).replace('=', "");
    for text in [
        "",
        "hansard-public-v1",
        "hansard-public-v1 ",
        "hansard-public-v2 AAAA",
        &private,
        &unpadded,
        &of(&[9; 31]),
        &of(&[9; 33]),
        &of(&[9; 4000]),
        // Points of low order, to which sealing would hide nothing.
        &of(&[0; 32]),
        &of(&[&[1][..], &[0; 31]].concat()),
    ] {
        let error = PublicKey::from_text(text).expect_err(text);
        assert!(!error.to_string().contains(private.rsplit(' ').next().expect("two words")));
    }
    assert!(PrivateKey::from_text(&of(&[9; 32])).is_err());
}

#[test]
fn nothing_shows_a_private_key() {
    let key = PrivateKey::generate();
    let secret = key.to_text().rsplit(' ').next().expect("two words").to_owned();
    let bytes = format!("{:?}", STANDARD.decode(&secret).expect("base64"));
    let sealer = Sealer::new(key.public(), NEVER);
    sealer.seal(b"x", b"", 0).expect("seals");
    let shown =
        format!("{key:?} {:?} {sealer:?}", Opener::new(vec![PrivateKey::from_text(&key.to_text()).expect("a key")]));
    assert!(!shown.contains(&secret) && !shown.contains(bytes.trim_matches(['[', ']'])));
    assert!(shown.contains(&key.public().id().to_string()));
}

/// Version 1 as it was first written; this must open as long as the version is known.
#[test]
fn the_golden_message_opens() {
    let golden = STANDARD.decode(include_str!("../golden/v1.base64").trim()).expect("base64");
    let key = golden_key();
    assert_eq!(key.public().id().to_string(), "0f6d2553ff0c0f44");
    assert_eq!(key_id_of(&golden).expect("sealed"), key.public().id());
    check(&Opener::new(vec![key]), &golden, b"hansard/golden", b"the honourable member said so");
}

fn golden_key() -> PrivateKey {
    PrivateKey::from_text(&format!("hansard-private-v1 {}", STANDARD.encode([7; 32]))).expect("a private key")
}

#[test]
fn bytes_that_are_not_sealed_name_no_key() {
    for bytes in [&b""[..], b"{}", &[1; OVERHEAD_BYTES - 1], &[2; OVERHEAD_BYTES]] {
        assert!(key_id_of(bytes).is_err());
    }
    assert_eq!(key_id_of(&[1; OVERHEAD_BYTES]).expect("long enough"), KeyId([1; 8]));
}
