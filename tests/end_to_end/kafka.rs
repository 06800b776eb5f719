//! Kafka, as a person meets it: every way to sign in, and every mistake with the remedy that is told.

use std::{fs, path::Path, process::Command, time::Duration};

use bus::{
    CommitError, Message, Position,
    kafka::{self, Config, Grant, Mechanism, Operation, Plan, Resource, Sasl, Tls, Token},
};
use serde_json::json;
use test_cluster::{ADMINISTRATOR, Cluster};

use super::{
    alone::each_role_alone_says_how_it_is,
    program::{Failure, PATIENCE, Place, connection, fail, output},
    scene::{HOLD, Scene},
    upstream::Upstream,
};

/// Any JWT will do: the test's brokers take unsigned ones.
const UNSIGNED: &str = r#"{"alg":"none"}"#;

fn with_password(mechanism: Mechanism, username: &str, password: &str) -> Option<Sasl> {
    Some(Sasl::Password { mechanism, username: username.to_owned(), password: password.to_owned() })
}

fn config(cluster: &Cluster, sasl: Option<Sasl>) -> Config {
    Config {
        brokers: cluster.brokers(),
        client_id: "test".to_owned(),
        tls: Some(Tls { ca: Some(cluster.ca()), identity: None }),
        sasl,
        send_timeout: Duration::from_secs(15),
    }
}

fn as_user(cluster: &Cluster, user: &str) -> Config {
    config(cluster, with_password(Mechanism::ScramSha512, user, cluster.password()))
}

/// The `[bus]` of a configuration.
pub struct Section<'a> {
    pub brokers: Vec<String>,
    pub ca: &'a Path,
    pub user: &'a str,
    pub password: &'a str,
}

impl<'a> Section<'a> {
    pub fn of(cluster: &Cluster, ca: &'a Path, user: &'a str) -> Section<'a> {
        Section { brokers: cluster.brokers(), ca, user, password: "env:KAFKA_PASSWORD" }
    }

    fn place(&self) -> Place {
        self.place_with("")
    }

    fn place_with(&self, more: &str) -> Place {
        self.place_between("", more)
    }

    /// `keys` are those of the root, `more` comes behind.
    pub fn place_between(&self, keys: &str, more: &str) -> Place {
        let Section { brokers, ca, user, password } = self;
        Place::new(&format!(
            "{keys}[bus]\nkind = \"kafka\"\nbrokers = {brokers:?}\ntls = {{ ca = {ca:?} }}\n\
             sasl = {{ mechanism = \"SCRAM-SHA-512\", username = \"{user}\", password = \"{password}\" }}\n{more}"
        ))
    }
}

/// The command fails, says all of these, and never the password.
fn refused(cluster: &Cluster, place: &Place, arguments: &[&str], says: &[&str]) {
    let mut command = place.command(arguments);
    let Failure { why, .. } = fail(command.env("KAFKA_PASSWORD", cluster.password()));
    let last = why.lines().last().unwrap_or_default();
    for part in says {
        assert!(last.contains(part), "{arguments:?} does not say {part:?}: {why}");
    }
    assert!(!why.contains(cluster.password()), "the password is shown");
}

fn say(cluster: &Cluster, place: &Place, arguments: &[&str]) -> String {
    let output = output(place.command(arguments).env("KAFKA_PASSWORD", cluster.password()));
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is linked at run time is C's own: OpenSSL, zlib, zstd and whatever SASL needs are in the program.
#[test]
fn the_program_brings_its_libraries_along() {
    const OF_C: [&str; 8] = [
        "linux-vdso.so",
        "ld-linux",
        "libc.so",
        "libm.so",
        "libgcc_s.so",
        // Parts of libc.so where that is older.
        "libpthread.so",
        "libdl.so",
        "librt.so",
    ];
    let Ok(told) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_hansard")).output() else {
        return println!("skipped: there is no ldd");
    };
    let told = String::from_utf8(told.stdout).unwrap();
    let libraries: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(libraries.iter().any(|library| library.starts_with("libc.so")), "{told}");
    let is_of_c =
        |library: &str| OF_C.iter().any(|name| library.rsplit('/').next().unwrap_or(library).starts_with(name));
    assert!(libraries.iter().all(|library| is_of_c(library)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_takes_whom_it_should_and_says_what_is_wrong() {
    let Some(cluster) = Cluster::start() else { return };
    everyone_signs_in(&cluster).await;
    mistakes_are_named(&cluster);
    what_a_role_lacks_is_named(&cluster);
    a_message_that_is_too_large_is_named(&cluster).await;
    rights_that_are_missing_are_named(&cluster).await;
    all_roles_in_one_process_share_the_cluster(&cluster).await;
    each_role_alone_says_how_it_is(&cluster).await;
}

async fn everyone_signs_in(cluster: &Cluster) {
    let password = cluster.password().to_owned();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        let config = config(cluster, with_password(mechanism, ADMINISTRATOR, &password));
        kafka::Cluster::connect(config).await.unwrap_or_else(|error| panic!("{mechanism:?}: {error}"));
    }
    let token = config(cluster, Some(Sasl::Token(std::sync::Arc::new(|| Ok(token())))));
    let by_token = kafka::Cluster::connect(token).await.expect("OAUTHBEARER");
    let settings = vec![("retention.ms".to_owned(), "3600000".to_owned())];
    let plan = Plan { name: "by-token".to_owned(), partitions: 2, replication: 3, settings };
    by_token.create(&plan).await.expect("a topic");
    let found = &by_token.find(&["by-token"]).await.expect("topics")["by-token"];
    assert!(found.partitions == 2 && found.settings.contains(&plan.settings[0]), "{found:?}");
    let mutual = Config {
        brokers: cluster.mutual_tls_brokers(),
        tls: Some(Tls { ca: Some(cluster.ca()), identity: Some(cluster.identity("ingress")) }),
        ..config(cluster, None)
    };
    kafka::Cluster::connect(mutual).await.expect("mutual TLS");
}

/// Unsigned, of the administrator, valid for an hour.
fn token() -> Token {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let now_ms = chrono::Utc::now().timestamp_millis();
    let (issued, expires) = (now_ms / 1000, now_ms / 1000 + 3600);
    let claims = format!(r#"{{"sub":"{ADMINISTRATOR}","iat":{issued},"exp":{expires}}}"#);
    let value = format!("{}.{}.", URL_SAFE_NO_PAD.encode(UNSIGNED), URL_SAFE_NO_PAD.encode(claims));
    Token { value, principal: ADMINISTRATOR.to_owned(), expires_at_ms: expires * 1000 }
}

fn mistakes_are_named(cluster: &Cluster) {
    let ca = cluster.ca();
    let right = || Section::of(cluster, &ca, ADMINISTRATOR);
    let nowhere = Section { brokers: vec!["127.0.0.1:1".to_owned()], ..right() };
    refused(cluster, &nowhere.place(), &["topics", "check"], &["127.0.0.1:1", "[bus] brokers", "refused"]);
    let other = tempfile::tempdir().unwrap();
    let stranger = other.path().join("ca.pem");
    let certificate = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap().cert;
    fs::write(&stranger, certificate.pem()).unwrap();
    let distrusting = Section { ca: &stranger, ..right() };
    refused(cluster, &distrusting.place(), &["topics", "check"], &["TLS", "[bus] tls", "ca"]);
    let mistaken = Section { password: "not the password", ..right() };
    refused(cluster, &mistaken.place(), &["topics", "check"], &["refuse who we are", "[bus] sasl"]);
    let unset = Section { password: "env:HANSARD_TEST_UNSET", ..right() };
    refused(cluster, &unset.place(), &["topics", "check"], &["[bus] sasl", "HANSARD_TEST_UNSET"]);
    let plain = Place::new(&format!("[bus]\nkind = \"kafka\"\nbrokers = {:?}\n", cluster.brokers()));
    refused(cluster, &plain, &["topics", "check"], &["[bus] tls and sasl"]);
    let missing = Section { ca: Path::new("/nowhere/ca.pem"), ..right() };
    refused(cluster, &missing.place(), &["ingress"], &["[bus] tls", "/nowhere/ca.pem"]);
    refused(cluster, &Place::new(""), &["masker"], &["kind = \"kafka\"", "hansard up"]);
    refused(cluster, &Place::new(""), &["topics", "create"], &["kind = \"kafka\""]);
}

fn what_a_role_lacks_is_named(cluster: &Cluster) {
    let ca = cluster.ca();
    let place = |user| Section::of(cluster, &ca, user).place();
    let administrator = place(ADMINISTRATOR);
    refused(cluster, &administrator, &["topics", "check"], &["hansard.frames is not there", "hansard.quarantine"]);
    refused(cluster, &place("masker"), &["masker"], &["hansard.records is not there", "hansard topics create"]);
    let plan = say(cluster, &administrator, &["topics", "plan"]);
    assert!(
        plan.contains("hansard.frames  4 partitions, 3 replicas") && plan.contains("min.insync.replicas = 2"),
        "{plan}"
    );
    assert!(say(cluster, &administrator, &["topics", "create"]).contains("hansard.approvals is made"));
    assert!(say(cluster, &administrator, &["topics", "create"]).contains("hansard.approvals is there"));
    assert!(say(cluster, &administrator, &["topics", "check"]).contains("as planned"));
    refused(
        cluster,
        &place("ingress"),
        &["ingress"],
        &["hansard.frames is not there, or this user may not see it", "acls"],
    );
    refused(cluster, &place("nobody"), &["topics", "create"], &["hansard.frames"]);
    refused(cluster, &place("nobody"), &["topics", "acls", "--apply"], &["may alter the cluster"]);
    let given = say(cluster, &administrator, &["topics", "acls", "--apply", "--principal", "siem=User:nobody"]);
    assert!(given.contains("--allow-principal User:nobody --operation read --topic hansard.records"), "{given}");
    // The archiver sees what it needs; as ingress it would have to write frames.
    refused(cluster, &place("archiver"), &["ingress"], &["hansard.frames"]);
    refused(
        cluster,
        &place("masker"),
        &["ingress"],
        &["may not write hansard.frames", "may not read hansard.approvals"],
    );
    // All is there but the keys.
    refused(cluster, &place("ingress"), &["ingress"], &["hansard keys generate"]);
}

async fn a_message_that_is_too_large_is_named(cluster: &Cluster) {
    let administrator = kafka::Cluster::connect(as_user(cluster, ADMINISTRATOR)).await.expect("it answers");
    let settings = vec![("max.message.bytes".to_owned(), "1000".to_owned())];
    let plan = Plan { name: "small".to_owned(), partitions: 1, replication: 3, settings };
    administrator.create(&plan).await.expect("a topic");
    let producer = administrator.bus().producer();
    let error = producer.send(message("small", noise(5000))).await.expect_err("it does not fit");
    let told = error.source.to_string();
    assert!(told.contains("max.message.bytes"), "{told}");
    producer.send(message("small", noise(500))).await.expect("the next one does");
}

/// Without the right to the group, or to transactions, a member is told so; nothing hangs.
async fn rights_that_are_missing_are_named(cluster: &Cluster) {
    let administrator = kafka::Cluster::connect(as_user(cluster, ADMINISTRATOR)).await.expect("it answers");
    let grant = |operation, resource| Grant { principal: "User:nobody".to_owned(), resource, operation };
    let topic = |operation| grant(operation, Resource::Topic("small".to_owned()));
    administrator.grant(&[topic(Operation::Read), topic(Operation::Write)]).await.expect("rights");
    let nobody = kafka::Cluster::connect(as_user(cluster, "nobody")).await.expect("it answers").bus();
    let mut member = nobody.consumer("group", &["small"]).await.expect("it tries to join");
    let told = tokio::time::timeout(PATIENCE, member.next()).await.expect("in time").expect_err("it may not");
    assert!(told.to_string().contains("consumer group"), "{told}");
    member.close().await.expect("it leaves");
    administrator.grant(&[grant(Operation::Read, Resource::Group("group".to_owned()))]).await.expect("rights");
    let mut member = nobody.consumer("group", &["small"]).await.expect("it joins");
    let position = loop {
        if let Ok(bus::Delivery::Assigned(positions)) =
            tokio::time::timeout(PATIENCE, member.next()).await.expect("in time")
        {
            break positions.into_iter().next().expect("the only member has all");
        }
    };
    let failed = member.commit(&[Position { next: 1, ..position }], vec![message("small", noise(10))]).await;
    let Err(CommitError::Failed(told)) = failed else { panic!("{failed:?}") };
    assert!(told.to_string().contains("transactions"), "{told}");
    member.close().await.expect("it leaves");
}

/// `hansard up` with Kafka as its log: a call waits for a person, and is read by SQL.
async fn all_roles_in_one_process_share_the_cluster(cluster: &Cluster) {
    let ca = cluster.ca();
    let section = Section { password: cluster.password(), ..Section::of(cluster, &ca, ADMINISTRATOR) };
    let upstream = Upstream::start().await;
    let place = section.place_with(&format!("{HOLD}{}", connection(upstream.address)));
    let Failure { why, .. } = place.fail(&["up"]);
    assert!(why.contains("hansard keys generate"), "{why}");
    place.say(&["keys", "generate"]);
    let scene = Scene { running: place.start(), ada: place.token("ada", &["platform"]), place, upstream };
    let (call, id) = scene.held(json!({ "version": 42 }));
    assert!(scene.upstream.seen().is_empty(), "a held call is not forwarded");
    let grace = scene.place.token("grace", &["sre"]);
    scene.place.say(&["approvals", "approve", &id, "--token", &grace]);
    let answer = call.await.unwrap();
    assert_eq!(answer.message()["result"]["content"][0]["text"], "{\"version\":42}", "{answer:?}");
    let row = scene.rows("SELECT * FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "redeemed").await;
    assert_eq!((&row[0]["subject"], &row[0]["voters"]), (&json!("ada"), &json!(["grace"])));
    assert!(scene.running.stop().success());
}

/// Nothing that compression could make smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    getrandom::fill(&mut noise).expect("random bytes");
    noise
}

fn message(topic: &str, value: Vec<u8>) -> Message {
    Message { topic: topic.to_owned(), key: bytes::Bytes::from_static(b"k"), headers: Vec::new(), value: value.into() }
}
