//! The client against a registry that answers as the real ones do, and against one that misbehaves.

use std::{path::Path, time::Duration};

use apache_avro::{Schema, rabin::Rabin};
use hansard_registry::{Config, Credentials, Error, Registry, SchemaId, fingerprint};
use test_registry::Manner;

const PERSON: &str = r#"{ "type": "record", "name": "Person", "namespace": "a.b", "doc": "Somebody.", "fields": [
    { "name": "id", "type": { "type": "string", "logicalType": "uuid" }, "doc": "Who." },
    { "name": "near", "type": ["null", { "type": "array", "items": "Person" }], "default": null },
    { "name": "mood", "type": { "type": "enum", "name": "Mood", "symbols": ["good", "bad"] } },
    { "name": "hash", "type": { "type": "fixed", "name": "c.Hash", "size": 32 } },
    { "name": "more", "type": { "type": "map", "values": "long" } }
] }"#;
const STRING: &str = "\"string\"";
const SUBJECT: &str = "hansard.records-value";

fn config(registry: &test_registry::Registry) -> Config {
    let url = registry.url().parse().expect("a URL");
    Config { url, credentials: None, ca: None, answer_timeout: Duration::from_secs(5) }
}

fn client(registry: &test_registry::Registry) -> Registry {
    Registry::new(&config(registry)).expect("a client")
}

/// The error says all of these, and never who we are.
#[track_caller]
fn check(error: &Error, passing: bool, says: &[&str]) {
    let told = error.to_string();
    for part in says {
        assert!(told.contains(part), "{told:?} does not say {part:?}");
    }
    assert!(!told.contains("s3same") && !told.contains('\n'), "{told}");
    assert_eq!(error.is_passing(), passing, "{told}");
}

#[tokio::test]
async fn a_schema_is_registered_once_and_found_again() {
    let registry = test_registry::Registry::start();
    let client = client(&registry);
    assert_eq!(client.find(SUBJECT, PERSON).await.expect("no such subject"), None);
    let id = client.settle(SUBJECT, PERSON).await.expect("it is registered");
    assert_eq!(client.settle(SUBJECT, PERSON).await.expect("it is found"), id);
    assert_eq!(client.register(SUBJECT, PERSON).await.expect("it is the same"), id);
    assert_eq!(client.find(SUBJECT, STRING).await.expect("no such schema"), None);
    assert_eq!(client.settle("hansard.approvals-value", PERSON).await.expect("one id for one schema"), id);
    let held = registry.versions(SUBJECT);
    assert_eq!(held.len(), 1);
    assert_ne!(held[0].1, PERSON, "the registry has a text of its own");
    assert_eq!(client.schema(id).await.expect("its text"), held[0].1);
}

#[tokio::test]
async fn what_the_registry_refuses_is_told_with_the_remedy() {
    let registry = test_registry::Registry::start();
    let client = client(&registry);
    let unknown = client.schema(SchemaId(9)).await.expect_err("there is none");
    assert!(matches!(unknown, Error::UnknownId(SchemaId(9))));
    registry.register(SUBJECT, STRING);
    let incompatible = client.settle(SUBJECT, PERSON).await.expect_err("it reads no strings");
    check(&incompatible, false, &["does not fit", SUBJECT, "incompatible with an earlier schema", "BACKWARD"]);
    assert!(matches!(incompatible, Error::Incompatible { .. }));
    let invalid = client.register(SUBJECT, "{}").await.expect_err("no schema");
    check(&invalid, false, &["42201", "Invalid schema"]);
    registry.want_password("ada", "s3same");
    check(&client.find(SUBJECT, STRING).await.expect_err("nobody"), false, &["refuses who we are", "401", "username"]);
    registry.set_manner(Manner::Confused);
    registry.want_token("s3same");
    let token = Config { credentials: Some(Credentials::Bearer("s3same".to_owned())), ..config(&registry) };
    let told = Registry::new(&token).expect("a client").settle(SUBJECT, STRING).await.map(|id| id.0);
    assert_eq!(told.expect("the same under both"), 1);
    let other =
        Registry::new(&token).expect("a client").settle("other-value", PERSON).await.expect_err("another schema");
    check(&other, false, &["other-value", "holds another schema"]);
}

#[tokio::test]
async fn a_registry_that_misbehaves_costs_no_more_than_the_patience() {
    let registry = test_registry::Registry::start();
    let patience = Duration::from_secs(1);
    let client = Registry::new(&Config { answer_timeout: patience, ..config(&registry) }).expect("a client");
    for (manner, passing, says) in [
        (Manner::Silent, true, ["did not answer", "1 seconds"]),
        (Manner::Failing, true, ["500", "backend data store"]),
        (Manner::Strange, false, ["lacks \"id\"", "at this URL"]),
        (Manner::Endless, true, ["broke off", "longer than 1048576 bytes"]),
        (Manner::Moved, false, ["308", "moved to"]),
    ] {
        registry.set_manner(manner);
        let error = client.settle(SUBJECT, PERSON).await.expect_err("no answer");
        check(&error, passing, &says);
    }
    registry.set_manner(Manner::Well);
    client.settle(SUBJECT, PERSON).await.expect("it recovers");
    let nowhere = Config { url: "http://127.0.0.1:1".parse().expect("a URL"), ..config(&registry) };
    let error = Registry::new(&nowhere).expect("a client").find(SUBJECT, PERSON).await.expect_err("nobody listens");
    check(&error, true, &["cannot reach"]);
    let api = Config { url: format!("{}/api/", registry.url()).parse().expect("a URL"), ..config(&registry) };
    let error = Registry::new(&api).expect("a client").find(SUBJECT, PERSON).await.expect_err("nothing is there");
    check(&error, false, &["404", "check the URL"]);
}

#[tokio::test]
async fn who_we_are_is_told_to_whom_we_trust_only() {
    let registry = test_registry::Registry::start_tls();
    registry.want_password("ada", "s3same");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, registry.certificate()).expect("a file");
    let credentials = Some(Credentials::Basic { username: "ada".to_owned(), password: "s3same".to_owned() });
    let trusting = Config { credentials, ca: Some(ca.clone()), ..config(&registry) };
    assert!(!format!("{trusting:?} {:?}", trusting.credentials).contains("s3same"));
    Registry::new(&trusting).expect("a client").settle(SUBJECT, PERSON).await.expect("it is let in");
    let distrusting = Config { ca: None, ..trusting.clone() };
    let error = Registry::new(&distrusting).expect("a client").find(SUBJECT, PERSON).await.expect_err("a stranger");
    check(&error, true, &["cannot reach", "who signed its certificate"]);
    std::fs::write(&ca, "no certificate").expect("a file");
    check(&Registry::new(&trusting).expect_err("no roots"), false, &["ca.pem", "no certificate"]);
    let missing = Config { ca: Some(Path::new("/nowhere/ca.pem").to_owned()), ..trusting.clone() };
    check(&Registry::new(&missing).expect_err("no file"), false, &["/nowhere/ca.pem"]);
    for (url, says) in [
        ("http://registry.example", "in the clear"),
        ("https://ada:b@registry.example", "names a user"),
        ("ftp://registry.example", "no URL of a schema registry"),
    ] {
        let config = Config { url: url.parse().expect("a URL"), ..trusting.clone() };
        check(&Registry::new(&config).expect_err(url), false, &[says]);
    }
}

/// Its canonical form keeps `{"type": …}` around a primitive with a logical type, which the specification does not.
#[test]
fn fingerprints_are_those_of_apache_avro_without_logical_types() {
    let logical = r#"{ "type": "string", "logicalType": "uuid" }"#;
    let plain = PERSON.replace(logical, STRING);
    assert_eq!(fingerprint(PERSON), fingerprint(&plain));
    assert_eq!(fingerprint(logical), fingerprint(STRING));
    for text in [&plain, STRING, r#"["null", "bytes"]"#] {
        let theirs = Schema::parse_str(text).expect("a schema").fingerprint::<Rabin>();
        let theirs = u64::from_le_bytes(theirs.bytes.as_slice().try_into().expect("eight bytes"));
        assert_eq!(fingerprint(text), Some(theirs), "{text}");
    }
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(40), "}".repeat(40));
    for text in ["", "1", "{}", r#"{"type":"record","name":"a","fields":[{"name":1}]}"#, &deep] {
        assert_eq!(fingerprint(text), None, "{text}");
    }
}
