//! Where keys come from and how long they are believed, with an issuer that fails in every way it can.

use std::{sync::Arc, time::Duration};

use hansard_identity::{
    Authenticator, Config, ConfigError, DOCUMENT_BYTES_MAX, Issuer, KEYS_FRESH_SECONDS, KEYS_MAX, KEYS_OVERDUE_SECONDS,
    KEYS_STALE_SECONDS_MAX, Keys, REFRESH_SECONDS_MIN, RETRY_SECONDS_MIN, Refused, VERIFIED_SECONDS_MAX,
};
use schemas::Principal;
use serde_json::{Value, json};

use crate::{
    AUDIENCE, NOW, Time,
    server::{DISCOVERY, JWKS, Server},
    signer::{Signer, jwks},
};

/// An issuer that works, one key of it, and whoever trusts it.
struct Bench {
    server: Server,
    signer: Signer,
    time: Time,
    authenticator: Arc<Authenticator>,
}

impl Bench {
    async fn new() -> Bench {
        let (server, time) = (Server::start().await, Time::new());
        let signer = Signer::ed25519("one");
        server.answer(JWKS, "200 OK", &jwks(&[&signer]));
        let authenticator = configure(vec![issuer(&server.url, Keys::Discover)], &time).expect("a configuration");
        Bench { server, signer, time, authenticator }
    }

    fn claims(&self, subject: &str) -> Value {
        json!({ "iss": self.server.url, "sub": subject, "aud": AUDIENCE, "exp": NOW + 1_000_000 })
    }

    /// A token that was not seen before, by the signer.
    async fn call(&self, signer: &Signer, subject: &str) -> Result<Principal, Refused> {
        let token = signer.token(&self.claims(subject));
        self.authenticator.authenticate(Some(&format!("Bearer {token}"))).await
    }

    fn outage(&self) {
        self.server.answer(JWKS, "503 Service Unavailable", "");
    }
}

fn issuer(url: &str, keys: Keys) -> Issuer {
    Issuer { url: url.to_owned(), audience: AUDIENCE.to_owned(), groups_claim: "groups".to_owned(), keys }
}

fn configure(issuers: Vec<Issuer>, time: &Time) -> Result<Arc<Authenticator>, ConfigError> {
    Authenticator::new(Config { issuers, leeway: Duration::from_secs(60) }, time.clock())
}

#[tokio::test]
async fn keys_are_discovered_once_and_kept() {
    let bench = Bench::new().await;
    assert_eq!(bench.server.count(DISCOVERY), 0, "nothing is fetched before it is needed");
    for subject in ["ann", "bob", "eve"] {
        let principal = bench.call(&bench.signer, subject).await.expect("let in");
        assert_eq!((principal.issuer, principal.subject.as_str()), (bench.server.url.clone(), subject));
    }
    assert_eq!((bench.server.count(DISCOVERY), bench.server.count(JWKS)), (1, 1));
    assert_eq!(bench.authenticator.issuers(), vec![bench.server.url.clone()]);
}

#[tokio::test]
async fn many_callers_at_once_make_one_fetch() {
    let bench = Arc::new(Bench::new().await);
    let call = |number: usize, bench: Arc<Bench>| async move { bench.call(&bench.signer, &format!("s{number}")).await };
    let calls: Vec<_> = (0..30).map(|number| tokio::spawn(call(number, bench.clone()))).collect();
    for call in calls {
        call.await.expect("no panic").expect("let in");
    }
    assert_eq!(bench.server.count(JWKS), 1);
}

#[tokio::test]
async fn keys_may_be_at_a_url_of_their_own() {
    let bench = Bench::new().await;
    let url = format!("{}{JWKS}", bench.server.url).parse().expect("a URL");
    let authenticator = configure(vec![issuer(&bench.server.url, Keys::Jwks(url))], &bench.time).expect("configured");
    let token = bench.signer.token(&bench.claims("ann"));
    authenticator.authenticate(Some(&format!("Bearer {token}"))).await.expect("let in");
    assert_eq!(bench.server.count(DISCOVERY), 0);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_but_not_at_every_strangers_word() {
    let bench = Bench::new().await;
    bench.call(&bench.signer, "ann").await.expect("let in");
    let (next, stranger) = (Signer::p256("two"), Signer::ed25519("unknown"));
    bench.server.answer(JWKS, "200 OK", &jwks(&[&bench.signer, &next]));
    for _ in 0..20 {
        assert!(matches!(bench.call(&stranger, "eve").await, Err(Refused::BadSignature(_))));
    }
    assert!(matches!(bench.call(&next, "ann").await, Err(Refused::BadSignature(_))), "too soon to ask again");
    assert_eq!(bench.server.count(JWKS), 1);
    bench.time.advance(REFRESH_SECONDS_MIN);
    bench.call(&next, "ann").await.expect("let in with the new key");
    bench.call(&bench.signer, "bob").await.expect("let in with the old key");
    assert!(matches!(bench.call(&stranger, "eve").await, Err(Refused::BadSignature(_))));
    assert_eq!(bench.server.count(JWKS), 2);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_believed_no_longer_than_stated() {
    let bench = Bench::new().await;
    let token = format!("Bearer {}", bench.signer.token(&bench.claims("ann")));
    bench.authenticator.authenticate(Some(&token)).await.expect("let in");
    bench.server.answer(JWKS, "200 OK", &jwks(&[&Signer::ed25519("two")]));
    bench.time.advance(KEYS_FRESH_SECONDS.max(VERIFIED_SECONDS_MAX));
    // The call that finds the keys old does not wait for newer ones.
    bench.authenticator.authenticate(Some(&token)).await.expect("let in");
    let refused = async {
        for number in 0.. {
            // Tokens that were not seen before, so that the keys are asked.
            if bench.call(&bench.signer, &format!("s{number}")).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("within the patience");
    bench.authenticator.authenticate(Some(&token)).await.expect("remembered");
    bench.time.advance(VERIFIED_SECONDS_MAX);
    let result = bench.authenticator.authenticate(Some(&token)).await;
    assert!(matches!(result, Err(Refused::BadSignature(_))), "{result:?}");
}

/// After a quiet night the first caller waits for newer keys, and is not let in by a key withdrawn long ago.
#[tokio::test]
async fn overdue_keys_are_fetched_before_they_are_used() {
    let bench = Bench::new().await;
    bench.call(&bench.signer, "ann").await.expect("let in");
    bench.server.answer(JWKS, "200 OK", &jwks(&[&Signer::ed25519("two")]));
    bench.time.advance(KEYS_OVERDUE_SECONDS);
    assert!(matches!(bench.call(&bench.signer, "bob").await, Err(Refused::BadSignature(_))));
    assert_eq!(bench.server.count(JWKS), 2);
}

async fn until(condition: impl Fn() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    patience.await.expect("within the patience");
}

#[tokio::test]
async fn keys_outlive_an_outage_but_not_for_ever() {
    let bench = Bench::new().await;
    bench.call(&bench.signer, "ann").await.expect("let in");
    bench.outage();
    bench.time.advance(KEYS_STALE_SECONDS_MAX - 1);
    bench.call(&bench.signer, "bob").await.expect("let in with old keys");
    until(|| bench.server.count(JWKS) == 2).await;
    bench.time.advance(RETRY_SECONDS_MIN);
    // Nobody knows whether the issuer has such a key.
    assert_eq!(bench.call(&Signer::ed25519("two"), "ann").await, Err(Refused::Unavailable));
    assert_eq!(bench.call(&bench.signer, "eve").await, Err(Refused::Unavailable), "the keys are too old");
    bench.server.answer(JWKS, "200 OK", &jwks(&[&bench.signer]));
    bench.time.advance(RETRY_SECONDS_MIN);
    bench.call(&bench.signer, "eve").await.expect("recovered by itself");
}

/// Each of these is our or the issuer's fault, is tried again, and recovers.
#[tokio::test]
async fn an_issuer_that_answers_nonsense_is_unavailable_until_it_does_not() {
    let bench = Bench::new().await;
    let good = jwks(&[&bench.signer]);
    let with_pad = |bytes: usize| good.replacen('{', &format!("{{\"pad\":\"{}\",", "x".repeat(bytes)), 1);
    let many = json!({ "keys": vec![bench.signer.jwk(); KEYS_MAX + 1] }).to_string();
    let redirect = format!("302 Found\r\nLocation: {}/elsewhere", bench.server.url);
    bench.server.answer("/elsewhere", "200 OK", &good);
    for (status, body) in [
        ("500 Internal Server Error", good.as_str()),
        ("204 No Content", ""),
        (&redirect, ""),
        ("200 OK", ""),
        ("200 OK", "<html>"),
        ("200 OK", "{}"),
        ("200 OK", r#"{"keys":[]}"#),
        ("200 OK", r#"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"AKP"},7]}"#),
        ("200 OK", &many),
        ("200 OK", &with_pad(DOCUMENT_BYTES_MAX)),
    ] {
        bench.server.answer(JWKS, status, body);
        bench.time.advance(RETRY_SECONDS_MIN);
        assert_eq!(bench.call(&bench.signer, "ann").await, Err(Refused::Unavailable), "{status} {body:.40}");
        assert_eq!(bench.call(&bench.signer, "ann").await, Err(Refused::Unavailable));
    }
    assert_eq!((bench.server.count(JWKS), bench.server.count("/elsewhere")), (10, 0));
    for raw in [&b""[..], b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":"] {
        bench.server.raw(JWKS, raw.to_vec());
        bench.time.advance(RETRY_SECONDS_MIN);
        assert_eq!(bench.call(&bench.signer, "ann").await, Err(Refused::Unavailable));
    }
    bench.server.answer(JWKS, "200 OK", &with_pad(1000));
    bench.time.advance(RETRY_SECONDS_MIN);
    bench.call(&bench.signer, "ann").await.expect("recovered");
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_believed() {
    let bench = Bench::new().await;
    let keys = format!("{}{JWKS}", bench.server.url);
    for (issuer, jwks_uri) in [
        ("https://other.example", keys.as_str()),
        (&format!("{}/", bench.server.url), &keys),
        (&bench.server.url, "http://keys.example/jwks"),
        (&bench.server.url, "file:///etc/passwd"),
        (&bench.server.url, "/jwks"),
    ] {
        bench.server.discovery(issuer, jwks_uri);
        bench.time.advance(RETRY_SECONDS_MIN);
        assert_eq!(bench.call(&bench.signer, "ann").await, Err(Refused::Unavailable), "{issuer} {jwks_uri}");
    }
    assert_eq!(bench.server.count(JWKS), 0);
}

#[tokio::test]
async fn keys_of_no_use_beside_a_good_one_do_no_harm() {
    let bench = Bench::new().await;
    let odd = [json!(7), json!({}), json!({ "kty": "AKP", "kid": "one" }), json!({ "kty": "RSA", "n": 1 })];
    let keys: Vec<Value> = odd.into_iter().chain([bench.signer.jwk()]).collect();
    bench.server.answer(JWKS, "200 OK", &json!({ "keys": keys }).to_string());
    bench.call(&bench.signer, "ann").await.expect("let in");
}

/// One issuer's key is worth nothing for another's tokens.
#[tokio::test]
async fn issuers_do_not_vouch_for_one_another() {
    let (mine, other) = (Bench::new().await, Bench::new().await);
    let issuers = [&mine, &other].map(|bench| issuer(&bench.server.url, Keys::Discover)).to_vec();
    let authenticator = configure(issuers, &mine.time).expect("configured");
    let token = |claims: &Bench, signer: &Bench| format!("Bearer {}", signer.signer.token(&claims.claims("ann")));
    authenticator.authenticate(Some(&token(&mine, &mine))).await.expect("let in");
    authenticator.authenticate(Some(&token(&other, &other))).await.expect("let in");
    let result = authenticator.authenticate(Some(&token(&mine, &other))).await;
    assert!(matches!(result, Err(Refused::BadSignature(_))));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_once() {
    let refused = |issuers: Vec<Issuer>, why: &str| {
        let error = configure(issuers, &Time::new()).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    };
    let given = |url: &str| issuer(url, Keys::Static(jwks(&[&Signer::ed25519("k")])));
    refused(vec![issuer("http://login.example", Keys::Discover)], "https");
    refused(vec![issuer("not a url", Keys::Discover)], "not a URL");
    let insecure = Keys::Jwks("http://keys.example".parse().expect("a URL"));
    refused(vec![issuer("https://login.example", insecure)], "https");
    refused(vec![issuer("https://login.example", Keys::Static("{}".to_owned()))], "JWKS");
    refused(vec![given("https://a.example"), given("https://a.example")], "twice");
    refused(vec![Issuer { audience: String::new(), ..given("https://a.example") }], "audience");
    configure(vec![], &Time::new()).expect("nobody is let in");
}
