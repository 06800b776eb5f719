//! The checks on a token, with keys that are given.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hansard_identity::{
    ACT_DEPTH_MAX, Authenticator, Config, GROUPS_MAX, Issuer, Keys, Refused, TOKEN_BYTES_MAX, VERIFIED_SECONDS_MAX,
    development::{self, DevelopmentIssuer},
};
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use schemas::{Principal, Timestamp};
use serde_json::{Value, json};

use crate::{
    AUDIENCE, NOW, Time,
    signer::{Signer, jwks, sign_hmac},
};

const ISSUER: &str = "https://login.example";
const LEEWAY_SECONDS: i64 = 60;

fn authenticator(jwks: String, groups_claim: &str, time: &Time) -> Arc<Authenticator> {
    let issuer = Issuer {
        url: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        groups_claim: groups_claim.to_owned(),
        keys: Keys::Static(jwks),
    };
    let leeway = Duration::from_secs(LEEWAY_SECONDS.unsigned_abs());
    Authenticator::new(Config { issuers: vec![issuer], leeway }, time.clock()).expect("a configuration")
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ann", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "groups": ["sre"] })
}

fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

async fn bearer(authenticator: &Authenticator, token: &str) -> Result<Principal, Refused> {
    let result = authenticator.authenticate(Some(&format!("Bearer {token}"))).await;
    if let Err(refused) = &result {
        let shown = format!("{refused} {refused:?}");
        let quoted = token.split('.').find(|part| part.len() > 8 && shown.contains(part));
        assert_eq!(quoted, None, "the refusal shows some of the token");
    }
    result
}

/// What comes of these claims, well signed.
async fn check(claims: Value) -> Result<Principal, Refused> {
    let signer = Signer::ed25519("k1");
    bearer(&authenticator(jwks(&[&signer]), "groups", &Time::new()), &signer.token(&claims)).await
}

#[track_caller]
fn assert_malformed(result: Result<Principal, Refused>, why: &str) {
    match result {
        Err(Refused::Malformed(shown)) => assert!(shown.contains(why), "{shown}"),
        other => panic!("malformed was expected: {other:?}"),
    }
}

#[tokio::test]
async fn claims_become_a_principal() {
    let full = with(json!({
        "name": "Ann", "preferred_username": "ann1", "email": "a@b.example", "azp": "cli", "client_id": "other",
        "groups": ["sre", "dev"], "act": { "sub": "bot", "act": { "client_id": "deeper" } },
    }));
    let principal = check(full).await.expect("let in");
    let expected = Principal {
        issuer: ISSUER.to_owned(),
        subject: "ann".to_owned(),
        name: Some("Ann".to_owned()),
        groups: vec!["sre".to_owned(), "dev".to_owned()],
        agent: Some("cli".to_owned()),
        act: vec!["bot".to_owned(), "deeper".to_owned()],
    };
    assert_eq!(principal, expected);
    let principal =
        check(with(json!({ "name": "", "email": "a@b.example", "client_id": "cli" }))).await.expect("let in");
    assert_eq!((principal.name.as_deref(), principal.agent.as_deref()), (Some("a@b.example"), Some("cli")));
}

#[tokio::test]
async fn groups_are_found_where_the_configuration_says() {
    let signer = Signer::ed25519("k1");
    for (claim, changes, expected) in [
        ("groups", json!({ "groups": "sre  dev" }), vec!["sre", "dev"]),
        ("groups", json!({ "groups": [] }), vec![]),
        ("groups", json!({ "groups": null }), vec![]),
        ("roles", json!({}), vec![]),
        ("https://a.example/groups", json!({ "https://a.example/groups": ["x"] }), vec!["x"]),
        ("realm_access.roles", json!({ "realm_access": { "roles": ["r"] } }), vec!["r"]),
    ] {
        let authenticator = authenticator(jwks(&[&signer]), claim, &Time::new());
        let principal = bearer(&authenticator, &signer.token(&with(changes))).await.expect("let in");
        assert_eq!(principal.groups, expected, "{claim}");
    }
    for groups in [json!(7), json!({}), json!(["a", 1])] {
        assert_malformed(check(with(json!({ "groups": groups }))).await, "groups");
    }
    assert_malformed(check(with(json!({ "groups": vec!["g"; GROUPS_MAX + 1] }))).await, "too many groups");
}

#[tokio::test]
async fn the_audience_must_be_ours() {
    check(with(json!({ "aud": ["x", AUDIENCE] }))).await.expect("let in");
    let wrong = Err(Refused::WrongAudience { expected: AUDIENCE.to_owned() });
    for aud in [json!("x"), json!([]), json!(["x"]), json!(""), json!(format!("{AUDIENCE}/")), json!([""])] {
        assert_eq!(check(with(json!({ "aud": aud }))).await, wrong);
    }
    assert_malformed(check(without("aud")).await, "claims");
    assert_malformed(check(with(json!({ "aud": [1] }))).await, "claims");
}

#[tokio::test]
async fn times_are_held_against_the_clock_that_was_passed_in() {
    let (early, late) = (NOW - LEEWAY_SECONDS, NOW + LEEWAY_SECONDS);
    check(with(json!({ "exp": early + 1, "nbf": late, "iat": late }))).await.expect("within the leeway");
    check(with(json!({ "exp": NOW as f64 + 0.5 }))).await.expect("a fraction");
    check(without("iat")).await.expect("no iat");
    for exp in [json!(early), json!(0), json!(-1), json!(i64::MIN)] {
        assert_eq!(check(with(json!({ "exp": exp }))).await, Err(Refused::Expired));
    }
    for changes in [json!({ "nbf": late + 1 }), json!({ "iat": late + 1 }), json!({ "iat": 1e300 })] {
        assert_eq!(check(with(changes)).await, Err(Refused::NotYet));
    }
    assert_malformed(check(without("exp")).await, "claims");
    for exp in [json!("1800000000"), json!(null), json!([])] {
        assert_malformed(check(with(json!({ "exp": exp }))).await, "claims");
    }
}

#[tokio::test]
async fn claims_of_the_wrong_shape_are_refused() {
    assert_eq!(check(with(json!({ "iss": "https://other.example" }))).await, Err(Refused::UnknownIssuer));
    assert_eq!(check(with(json!({ "iss": format!("{ISSUER}/") }))).await, Err(Refused::UnknownIssuer));
    for changes in [json!({ "sub": 1 }), json!({ "iss": null }), json!({ "name": [] })] {
        assert_malformed(check(with(changes)).await, "claims");
    }
    assert_malformed(check(without("sub")).await, "claims");
    assert_malformed(check(with(json!({ "sub": "" }))).await, "subject");
    for act in [json!("bot"), json!({}), json!({ "sub": 1 }), json!({ "sub": "a", "act": null })] {
        assert_malformed(check(with(json!({ "act": act }))).await, "actors");
    }
    let chain = |depth: usize| {
        (0..depth).fold(Value::Null, |inner, _| match inner {
            Value::Null => json!({ "sub": "a" }),
            inner => json!({ "sub": "a", "act": inner }),
        })
    };
    assert_eq!(check(with(json!({ "act": chain(ACT_DEPTH_MAX) }))).await.expect("let in").act.len(), ACT_DEPTH_MAX);
    assert_malformed(check(with(json!({ "act": chain(ACT_DEPTH_MAX + 1) }))).await, "too long");
}

/// Two readers of one token must not read two tokens.
#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let signer = Signer::ed25519("k1");
    let authenticator = authenticator(jwks(&[&signer]), "groups", &Time::new());
    let (header, claims) = (signer.header().to_string(), claims().to_string());
    for again in [r#""aud":"x""#, r#""sub":"bob""#, r#""exp":9999999999"#, r#""iss":"x""#] {
        let twice = claims.replacen('{', &format!("{{{again},"), 1);
        assert_malformed(bearer(&authenticator, &signer.sign(&header, &twice)).await, "claims");
    }
    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    assert_malformed(bearer(&authenticator, &signer.sign(&twice, &claims)).await, "header");
}

#[tokio::test]
async fn every_pinned_algorithm_is_accepted_with_a_key_of_its_type_only() {
    use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    let (ed, p256, p384, rsa) = (Signer::ed25519("k"), Signer::p256("k"), Signer::p384("k"), Signer::rsa("k"));
    for signer in [&ed, &p256, &p384, &rsa] {
        let authenticator = authenticator(jwks(&[signer]), "groups", &Time::new());
        let all = [RS256, RS384, RS512, PS256, PS384, PS512].map(|algorithm| rsa.with(algorithm));
        for token_signer in all.iter().chain([&ed, &p256, &p384]) {
            let result = bearer(&authenticator, &token_signer.token(&claims())).await;
            let own = token_signer.algorithm.family() == signer.algorithm.family()
                && (token_signer.algorithm == signer.algorithm || signer.algorithm == RS256);
            assert_eq!(result.is_ok(), own, "{:?} with {:?}", token_signer.algorithm, signer.algorithm);
            assert!(own || matches!(result, Err(Refused::BadSignature(_))));
        }
    }
}

#[tokio::test]
async fn a_key_verifies_what_it_says_it_verifies() {
    let rsa = Signer::rsa("k");
    for (member, value, is_let_in) in [
        ("alg", json!("RS256"), true),
        ("alg", json!("PS256"), false),
        ("alg", json!("HS256"), false),
        ("alg", json!("RSA-OAEP"), false),
        ("use", json!("sig"), true),
        ("use", json!("enc"), false),
        ("key_ops", json!(["verify"]), true),
        ("key_ops", json!(["sign"]), false),
    ] {
        let mut jwk = rsa.jwk();
        jwk[member] = value.clone();
        let other = Signer::ed25519("other");
        let jwks = json!({ "keys": [jwk, other.jwk()] }).to_string();
        let result = bearer(&authenticator(jwks, "groups", &Time::new()), &rsa.token(&claims())).await;
        assert_eq!(result.is_ok(), is_let_in, "{member} {value}: {result:?}");
    }
}

/// The public key as a shared secret, `none`, and an `oct` key among the issuer's own.
#[tokio::test]
async fn algorithms_cannot_be_confused() {
    let rsa = Signer::rsa("k");
    let secret = b"a secret that somebody put into the list of public keys";
    let oct = json!({ "kty": "oct", "kid": "k", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret) });
    let jwks = json!({ "keys": [rsa.jwk(), oct] }).to_string();
    let authenticator = authenticator(jwks.clone(), "groups", &Time::new());
    let n = URL_SAFE_NO_PAD.decode(rsa.jwk()["n"].as_str().expect("n")).expect("base64");
    let hs256 = json!({ "alg": "HS256", "kid": "k" });
    for secret in [&n[..], secret, jwks.as_bytes(), rsa.jwk().to_string().as_bytes(), b""] {
        let result = bearer(&authenticator, &sign_hmac(&hs256, &claims(), secret)).await;
        assert!(matches!(result, Err(Refused::BadSignature(_))), "{result:?}");
    }
    for alg in ["none", "None", "", "HS512", "rs256", "ES512", "RS1"] {
        let header = json!({ "alg": alg, "kid": "k" }).to_string();
        let result = bearer(&authenticator, &rsa.sign(&header, &claims().to_string())).await;
        assert!(matches!(result, Err(Refused::BadSignature(_))), "{alg}: {result:?}");
    }
    let unsigned = [json!({ "alg": "none" }), claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    assert_malformed(bearer(&authenticator, &format!("{unsigned}.")).await, "three parts");
    assert_malformed(bearer(&authenticator, &unsigned).await, "three parts");
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_gains_nothing() {
    let (ours, theirs) = (Signer::ed25519("k"), Signer::ed25519("k"));
    let authenticator = authenticator(jwks(&[&ours]), "groups", &Time::new());
    let mut header = theirs.header();
    header["jwk"] = theirs.jwk();
    header["jku"] = json!("http://127.0.0.1:1/jwks");
    let result = bearer(&authenticator, &theirs.sign(&header.to_string(), &claims().to_string())).await;
    assert!(matches!(result, Err(Refused::BadSignature(_))));
    header["crit"] = json!(["b64"]);
    assert_malformed(
        bearer(&authenticator, &theirs.sign(&header.to_string(), &claims().to_string())).await,
        "critical",
    );
}

#[tokio::test]
async fn the_key_is_found_by_its_name_or_by_trying() {
    let (one, two, stranger) = (Signer::ed25519("one"), Signer::ed25519("two"), Signer::ed25519("three"));
    let authenticator = authenticator(jwks(&[&one, &two]), "groups", &Time::new());
    let nameless = json!({ "alg": "EdDSA" }).to_string();
    for signer in [&one, &two] {
        bearer(&authenticator, &signer.token(&claims())).await.expect("by name");
        bearer(&authenticator, &signer.sign(&nameless, &claims().to_string())).await.expect("by trying");
    }
    let misnamed = one.sign(&two.header().to_string(), &claims().to_string());
    for token in [stranger.token(&claims()), stranger.sign(&nameless, &claims().to_string()), misnamed] {
        assert!(matches!(bearer(&authenticator, &token).await, Err(Refused::BadSignature(_))));
    }
}

#[tokio::test]
async fn only_access_tokens_are_taken() {
    let signer = Signer::ed25519("k");
    let authenticator = authenticator(jwks(&[&signer]), "groups", &Time::new());
    for (typ, is_let_in) in [
        (json!("JWT"), true),
        (json!("at+jwt"), true),
        (json!("application/AT+JWT"), true),
        (json!(null), true),
        (json!("dpop+jwt"), false),
        (json!("logout+jwt"), false),
        (json!(""), false),
    ] {
        let mut header = signer.header();
        header["typ"] = typ.clone();
        let result = bearer(&authenticator, &signer.sign(&header.to_string(), &claims().to_string())).await;
        assert_eq!(result.is_ok(), is_let_in, "{typ}");
    }
}

#[tokio::test]
async fn the_header_is_read_strictly() {
    let signer = Signer::ed25519("k");
    let authenticator = authenticator(jwks(&[&signer]), "groups", &Time::new());
    let token = signer.token(&claims());
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        authenticator.authenticate(Some(&format!("{scheme} {token}"))).await.expect("let in");
    }
    let basic = format!("Basic {token}");
    let glued = format!("Bearer{token}");
    for missing in [None, Some(""), Some("Bearer"), Some("Bearer "), Some(&basic), Some(&token), Some(&glued)] {
        assert_eq!(authenticator.authenticate(missing).await, Err(Refused::Missing));
    }
    let two = format!("{token}, {token}");
    for wrong in ["x", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", &two, &format!("{token}."), &format!("{token}=")] {
        let result = bearer(&authenticator, wrong).await;
        assert!(matches!(result, Err(Refused::Malformed(_) | Refused::BadSignature(_))), "{wrong}: {result:?}");
    }
    assert_malformed(bearer(&authenticator, &"a".repeat(TOKEN_BYTES_MAX + 1)).await, "too long");
}

/// A token that was let in is remembered, but not beyond its end, and not under another one's name.
#[tokio::test]
async fn what_is_remembered_ends_with_the_token() {
    let (signer, time) = (Signer::ed25519("k"), Time::new());
    let authenticator = authenticator(jwks(&[&signer]), "groups", &time);
    let token = signer.token(&with(json!({ "exp": NOW + 100 })));
    for _ in 0..2 {
        bearer(&authenticator, &token).await.expect("let in");
    }
    let mut forged = token.clone().into_bytes();
    let last = forged.len() - 4;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    assert!(bearer(&authenticator, std::str::from_utf8(&forged).expect("ASCII")).await.is_err());
    time.advance(VERIFIED_SECONDS_MAX - 1);
    bearer(&authenticator, &token).await.expect("let in");
    time.advance(100);
    bearer(&authenticator, &token).await.expect("within the leeway");
    time.advance(1);
    assert_eq!(bearer(&authenticator, &token).await, Err(Refused::Expired));
}

#[tokio::test]
async fn every_changed_character_is_refused() {
    let signer = Signer::ed25519("k");
    let authenticator = authenticator(jwks(&[&signer]), "groups", &Time::new());
    let token = signer.token(&claims());
    bearer(&authenticator, &token).await.expect("let in");
    for place in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        // The bits of the last character that carry nothing must be zero as well.
        changed[place] = if changed[place] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(bearer(&authenticator, &changed).await.is_err(), "character {place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sent_is_refused_and_not_shown(header in ".{0,60}", claims in ".{0,60}", raw in ".{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let signer = Signer::ed25519("k");
        let authenticator = authenticator(jwks(&[&signer]), "groups", &Time::new());
        for token in [signer.sign(&header, &claims), signer.sign(&signer.header().to_string(), &claims), raw] {
            prop_assert!(runtime.block_on(bearer(&authenticator, &token)).is_err());
        }
    }
}

#[tokio::test]
async fn the_development_issuer_signs_what_is_let_in() {
    let issuer = DevelopmentIssuer::generate();
    let again = DevelopmentIssuer::from_pem(&issuer.to_pem()).expect("a key");
    assert_eq!(again.jwks(), issuer.jwks());
    let time = Time::new();
    let configured = Issuer {
        url: development::ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        groups_claim: "groups".to_owned(),
        keys: Keys::Static(issuer.jwks()),
    };
    let config = Config { issuers: vec![configured], leeway: Duration::ZERO };
    let authenticator = Authenticator::new(config, time.clock()).expect("a configuration");
    let principal = Principal {
        issuer: development::ISSUER.to_owned(),
        subject: "ann".to_owned(),
        name: Some("Ann \"A\"".to_owned()),
        groups: vec!["sre".to_owned()],
        agent: Some("cli".to_owned()),
        act: vec!["outer".to_owned(), "inner".to_owned()],
    };
    let token = again.token(&principal, AUDIENCE, Timestamp(NOW * 1_000_000), Duration::from_secs(10));
    assert_eq!(bearer(&authenticator, &token).await.expect("let in"), principal);
    time.advance(10);
    assert_eq!(bearer(&authenticator, &token).await, Err(Refused::Expired));
    let stranger = DevelopmentIssuer::generate().token(&principal, AUDIENCE, time.clock()(), Duration::from_secs(10));
    assert!(matches!(bearer(&authenticator, &stranger).await, Err(Refused::BadSignature(_))));
}

#[test]
fn the_development_key_is_read_strictly_and_never_shown() {
    let issuer = DevelopmentIssuer::generate();
    let pem = issuer.to_pem();
    let secret = pem.lines().nth(1).expect("a line of base64");
    assert!(!format!("{issuer:?}").contains(secret) && !issuer.jwks().contains(secret));
    for wrong in ["", secret, &pem.replace("PRIVATE", "PUBLIC"), &pem.replace(secret, ""), &pem[..40], &pem[1..]] {
        let error = DevelopmentIssuer::from_pem(wrong).expect_err("no key");
        assert!(!error.to_string().contains(secret));
    }
}
