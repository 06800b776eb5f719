//! What SIEMs read: records and events on a real cluster, by Confluent's Python client, kcat and rsyslog; and without
//! Kafka, over HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};
use test_cluster::{ADMINISTRATOR, Cluster};
use test_registry::Registry;

use super::{
    debian::Debian,
    parts,
    program::{self, PATIENCE, Place, Program, connection, http, output},
    scene::{HOLD, Scene},
    upstream::Upstream,
};

const REGISTRY_USER: &str = "masker";
/// What a record and the events made of it have in common.
type Ids = BTreeSet<String>;

/// A cluster and a registry, and a program that publishes on them.
struct Stand {
    cluster: Cluster,
    registry: Registry,
    upstream: Upstream,
    place: Place,
}

impl Stand {
    async fn new() -> Option<Stand> {
        let cluster = Cluster::start()?;
        let registry = Registry::start();
        registry.want_password(REGISTRY_USER, cluster.password());
        let (upstream, place) = (Upstream::start().await, Place::new(""));
        place.say(&["keys", "generate"]);
        Some(Stand { cluster, registry, upstream, place })
    }

    /// The configuration, with the registry or without.
    fn configure(&self, with_registry: bool) {
        let (brokers, ca, password) = (self.cluster.brokers(), self.cluster.ca(), self.cluster.password());
        let registry = format!(
            "registry = {{ url = {:?}, username = {REGISTRY_USER:?}, password = {password:?} }}\n",
            self.registry.url()
        );
        let ports =
            ["ingress", "console", "operation"].map(|role| format!("{role}.listen = \"127.0.0.1:0\"\n")).concat();
        let configuration = format!(
            "{ports}archiver.batch_age_seconds_max = 1\n\
             [bus]\nkind = \"kafka\"\nbrokers = {brokers:?}\ntls = {{ ca = {ca:?} }}\nevents = [\"ocsf\", \"ecs\", \"cef\"]\n\
             sasl = {{ mechanism = \"SCRAM-SHA-512\", username = {ADMINISTRATOR:?}, password = {password:?} }}\n{}{HOLD}{}",
            if with_registry { &registry } else { "" },
            connection(self.upstream.address)
        );
        fs::write(self.place.configuration(), configuration).unwrap();
    }

    /// A call, a call that waits for somebody, and a refusal; and the end of the program when all of it is archived.
    async fn life(self, with_registry: bool, refusals: usize) -> Stand {
        self.configure(with_registry);
        let Stand { cluster, registry, upstream, place } = self;
        let scene = Scene { running: place.start(), ada: place.token("ada", &["platform"]), place, upstream };
        assert_eq!(scene.call("echo", json!({ "mail": "jane@example.org" })).await.status, 200);
        let (call, id) = scene.held(json!({ "version": 42 }));
        let grace = scene.place.token("grace", &["sre"]);
        scene.place.say(&["approvals", "approve", &id, "--token", &grace]);
        assert_eq!(call.await.unwrap().status, 200, "the vote is read by approver and ingress");
        let stranger = program::mcp(scene.running.ingress, "nobody", &program::call(1, "echo", json!({}))).await;
        assert_eq!(stranger.status, 401);
        let refused = "SELECT record_id FROM records WHERE kind = 'refusal'";
        scene.rows(refused, |rows| rows.len() == refusals).await;
        let Scene { place, running, upstream, .. } = scene;
        assert!(running.stop().success());
        Stand { cluster, registry, upstream, place }
    }

    /// Who reads, by a certificate.
    fn by_certificate(&self) -> [(&'static str, String); 4] {
        let (certificate, key) = self.cluster.identity("siem");
        [
            ("security.protocol", "SSL".to_owned()),
            ("ssl.ca.location", self.cluster.ca().display().to_string()),
            ("ssl.certificate.location", certificate.display().to_string()),
            ("ssl.key.location", key.display().to_string()),
        ]
    }

    /// Records and OCSF events as a Python program reads them: as the user `siem`, by SCRAM and with the registry.
    fn read_by_python(&self, parts: &Path, records: usize) -> Value {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/avro/record.avsc");
        let configuration = json!({
            "kafka": {
                "bootstrap.servers": self.cluster.brokers().join(","),
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": self.cluster.ca(),
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "siem",
                "sasl.password": self.cluster.password(),
            },
            "registry": {
                "url": self.registry.url(),
                "basic.auth.user.info": format!("{REGISTRY_USER}:{}", self.cluster.password()),
            },
            "schema": schema,
            "counts": { "hansard.records": records, "hansard.ocsf": records },
        });
        parts::json(parts, "python", &["consumer.py", &configuration.to_string()], None)
    }

    /// All messages of a topic, and the headers of each before it.
    fn read_by_kcat(&self, debian: &Debian, topic: &str) -> Vec<(String, String)> {
        let mut kcat = debian.kcat();
        kcat.args(["-C", "-q", "-e", "-o", "beginning", "-t", topic, "-f", "%h\t%s\n"]);
        kcat.args(["-b", &self.cluster.mutual_tls_brokers().join(",")]);
        for (key, value) in self.by_certificate() {
            kcat.args(["-X", &format!("{key}={value}")]);
        }
        let output = output(kcat.env("LC_ALL", "C.UTF-8"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |line: &str| line.split_once('\t').map(|(headers, value)| (headers.to_owned(), value.to_owned()));
        text.lines().filter_map(line).collect()
    }

    /// The recipe as it is delivered, with the names of this cluster in the place of its examples.
    fn rsyslog_recipe(&self, work: &Path, port: u16) -> PathBuf {
        let recipe = fs::read_to_string(recipe("rsyslog/hansard.conf")).unwrap();
        let brokers = self.cluster.mutual_tls_brokers().iter().map(|broker| format!("{broker:?}")).collect::<Vec<_>>();
        let [_, ca, certificate, key] = self.by_certificate().map(|(_, value)| value);
        let config = [
            (r#""kafka-1.internal.example:9094", "kafka-2.internal.example:9094""#, brokers.join(", ")),
            ("/etc/hansard/siem/ca.pem", ca),
            ("/etc/hansard/siem/certificate.pem", certificate),
            ("/etc/hansard/siem/key.pem", key),
            ("/var/spool/rsyslog", work.display().to_string()),
            ("siem.internal.example", "127.0.0.1".to_owned()),
            ("port=\"514\"", format!("port=\"{port}\"")),
        ]
        .into_iter()
        .fold(recipe, |text, (example, ours)| {
            assert!(text.contains(example), "the recipe has no {example}");
            text.replace(example, &ours)
        });
        let path = work.join("hansard.conf");
        fs::write(&path, config).unwrap();
        path
    }
}

/// A file of `deploy/siem`.
fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/siem").join(name)
}

fn id_of_cef(line: &str) -> String {
    let (_, after) = line.split_once("externalId=").unwrap_or_else(|| panic!("no id: {line}"));
    after[..36].to_owned()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ids(lines: &[Value], pointer: &str) -> Ids {
    let ids: Ids = lines.iter().map(|line| line.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), lines.len(), "one is there twice");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn siems_read_records_in_both_forms_and_events_in_all() {
    let Some(stand) = Stand::new().await else { return };
    stand.configure(false);
    assert!(stand.place.say(&["topics", "create"]).contains("hansard.cef is made"));
    stand.place.say(&["topics", "acls", "--apply"]);
    let stand = stand.life(false, 1).await;
    stand.configure(true);
    let unregistered = stand.place.fail(&["topics", "check"]).why;
    assert!(unregistered.contains("hansard.records-value") && unregistered.contains("topics create"), "{unregistered}");
    let settled = stand.place.say(&["topics", "create"]);
    assert!(settled.contains("hansard.records-value has schema 1"), "{settled}");
    let stand = stand.life(true, 2).await;
    // What was archived is what was published: the archiver has read both forms.
    let rows = stand.place.sql("SELECT record_id FROM records");
    let archived = ids(&rows, "/record_id");
    check_kcat(&stand, &archived);
    check_python(&stand, &archived);
    check_rsyslog(&stand, &archived);
    a_registry_that_is_wrong_is_told(&stand);
    a_registry_that_is_away_holds_up_the_masking_alone(&stand).await;
}

/// SQL is itself a read, so more may have been published since.
fn check(read: &Ids, archived: &Ids, by: &str) {
    let missing: Vec<_> = archived.difference(read).collect();
    assert!(missing.is_empty(), "{by} lacks {missing:?} of {}", archived.len());
}

fn check_kcat(stand: &Stand, archived: &Ids) {
    let Some(debian) = Debian::unpacked() else { return };
    let events = |topic| stand.read_by_kcat(debian, topic).into_iter().map(|(_, value)| value);
    let ocsf: Vec<Value> = events("hansard.ocsf").map(|value| parsed(&value)).collect();
    check(&ids(&ocsf, "/metadata/uid"), archived, "kcat on hansard.ocsf");
    assert!(ocsf.iter().all(|event| event["class_uid"] == 6003 && event["metadata"]["version"] == "1.8.0"));
    let ecs: Vec<Value> = events("hansard.ecs").map(|value| parsed(&value)).collect();
    check(&ids(&ecs, "/event/id"), archived, "kcat on hansard.ecs");
    let cef: Ids = events("hansard.cef").map(|line| id_of_cef(&line)).collect();
    check(&cef, archived, "kcat on hansard.cef");
    let records = stand.read_by_kcat(debian, "hansard.records");
    let registered = records.iter().filter(|(headers, _)| headers.starts_with("avro-fingerprint=")).count();
    assert!(registered > 0 && registered < records.len(), "{registered} of {}", records.len());
}

fn check_python(stand: &Stand, archived: &Ids) {
    let Some(parts) = parts::installed() else { return };
    let read = stand.read_by_python(parts, archived.len());
    let values = |topic: &str| -> Vec<Value> {
        read[topic].as_array().unwrap().iter().map(|message| message["value"].clone()).collect()
    };
    let records = values("hansard.records");
    let mut forms = BTreeMap::new();
    read["hansard.records"].as_array().unwrap().iter().for_each(|message| {
        *forms.entry(message["form"].as_str().unwrap()).or_insert(0) += 1;
    });
    assert!(forms["registered"] > 5 && forms["single object"] > 5, "{forms:?}");
    check(&ids(&records, "/record_id"), archived, "Python on hansard.records");
    let masked =
        records.iter().filter_map(|record| record["body"].as_str()).filter(|body| body.contains("[REDACTED:email]"));
    assert!(masked.count() >= 4, "two requests and their answers");
    let events: Vec<Value> = values("hansard.ocsf").iter().map(|text| parsed(text.as_str().unwrap())).collect();
    check(&ids(&events, "/metadata/uid"), archived, "Python on hansard.ocsf");
}

/// rsyslog with our recipe, forwarding to a port of ours.
fn check_rsyslog(stand: &Stand, archived: &Ids) {
    let Some(debian) = Debian::unpacked() else { return };
    let work = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = stand.rsyslog_recipe(work.path(), listener.local_addr().unwrap().port());
    let checked = output(debian.rsyslogd().arg("-N1").arg("-f").arg(&configuration));
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let log = fs::File::create(work.path().join("log")).unwrap();
    let mut rsyslogd = debian.rsyslogd();
    rsyslogd.arg("-i").arg(work.path().join("pid")).arg("-f").arg(&configuration).stdout(Stdio::null()).stderr(log);
    let _running = Running(rsyslogd.spawn().unwrap());
    let lines = received(listener);
    let (mut seen, until) = (Ids::new(), Instant::now() + PATIENCE);
    while !archived.is_subset(&seen) {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(line) = lines.recv_timeout(left) else {
            let why = fs::read_to_string(work.path().join("log")).unwrap();
            panic!("rsyslog forwarded {} of {}: {why}", seen.len(), archived.len());
        };
        let (header, event) = line.split_at(line.find("CEF:0|").unwrap_or_else(|| panic!("no CEF: {line}")));
        assert!(header.starts_with("<134>"), "{header}");
        seen.insert(id_of_cef(event));
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines of all who connect.
fn received(listener: TcpListener) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let send = send.clone();
            thread::spawn(move || each_line(stream, &send));
        }
    });
    lines
}

fn each_line(stream: TcpStream, send: &mpsc::Sender<String>) {
    BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
}

fn a_registry_that_is_wrong_is_told(stand: &Stand) {
    let right = fs::read_to_string(stand.place.configuration()).unwrap();
    let (url, password) = (stand.registry.url(), stand.cluster.password());
    for (wrong, ours, says) in [
        (url.as_str(), "http://registry.example", "in the clear"),
        (
            &format!("username = {REGISTRY_USER:?}, password = {password:?}"),
            "username = \"ada\", password = \"mistaken\"",
            "refuses who we are",
        ),
    ] {
        assert!(right.contains(wrong), "{wrong}");
        fs::write(stand.place.configuration(), right.replacen(wrong, ours, 1)).unwrap();
        let why = stand.place.fail(&["up"]).why;
        assert!(why.contains("[bus] registry") && why.contains(says), "{why}");
        assert!(!why.contains(password), "the password is shown");
    }
    fs::write(stand.place.configuration(), right).unwrap();
}

/// Calls are recorded meanwhile, so it is no reason not to start.
async fn a_registry_that_is_away_holds_up_the_masking_alone(stand: &Stand) {
    let right = fs::read_to_string(stand.place.configuration()).unwrap();
    let away = right.replacen(&stand.registry.url(), "http://127.0.0.1:1", 1);
    fs::write(stand.place.configuration(), away).unwrap();
    let running = stand.place.start();
    let until = Instant::now() + PATIENCE;
    loop {
        let ready = http(Method::GET, running.operation, "/readyz", &[], b"").await;
        let why = ready.text();
        if why.contains("cannot reach the schema registry") && why.contains("asked again") {
            assert_eq!(ready.status, 503, "{why}");
            assert!(!why.contains(stand.cluster.password()), "the password is shown");
            return;
        }
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {why}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `curl` and a script do, where there is no Kafka.
#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_the_same_events_come_over_http() {
    let scene = Scene::open("").await;
    scene.call("echo", json!({ "n": 1 })).await;
    scene.row("SELECT * FROM exchanges WHERE method = 'tools/call' AND outcome = 'ok'").await;
    let (lines, position) = page(&scene.running, &scene.ada, "format=ocsf&from=earliest").await;
    let archived =
        ids(&scene.rows("SELECT record_id FROM records WHERE method = 'tools/call'", |_| true).await, "/record_id");
    check(&ids(&lines, "/metadata/uid"), &archived, "HTTP");
    scene.call("echo", json!({ "n": 2 })).await;
    let second = "SELECT count(*) AS n FROM exchanges WHERE method = 'tools/call' AND outcome = 'ok'";
    scene.rows(second, |rows| rows[0]["n"] == 2).await;
    let (more, _) = page(&scene.running, &scene.ada, &format!("format=ocsf&from={position}")).await;
    assert!(ids(&lines, "/metadata/uid").is_disjoint(&ids(&more, "/metadata/uid")));
    let calls = more.iter().filter(|event| event["api"]["operation"] == "tools/call").count();
    assert_eq!(calls, 2, "request and answer");
    scene.row("SELECT * FROM records WHERE kind = 'read' AND method = 'trail/tail' AND subject = 'ada'").await;
    // `hansard tail` tells the same.
    let told = scene.place.say(&["tail", "--group", "siem", "--format", "ocsf", "--exit"]);
    let told: Vec<Value> = told.lines().map(parsed).collect();
    check(&ids(&told, "/metadata/uid"), &ids(&more, "/metadata/uid"), "hansard tail");
}

async fn page(running: &Program, token: &str, query: &str) -> (Vec<Value>, String) {
    let bearer = format!("Bearer {token}");
    let path = format!("/v1/tail?{query}");
    let answer = http(Method::GET, running.console, &path, &[("authorization", bearer.as_str())], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.text().lines().map(parsed).collect();
    (lines, answer.headers["hansard-position"].to_str().unwrap().to_owned())
}

/// What can be checked of the recipes without the products that they are for.
#[test]
fn recipes_name_what_is_there() {
    let read = |name: &str| fs::read_to_string(recipe(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    for name in ["splunk/connector.json", "elastic/index-template.json", "sentinel/data-collection-rule.json"] {
        parsed(&read(name));
    }
    let connector = parsed(&read("splunk/connector.json"));
    let of = |key: &str| connector["config"][key].as_str().unwrap().to_owned();
    assert_eq!(
        (of("topics"), of("consumer.override.isolation.level")),
        ("hansard.ocsf".into(), "read_committed".into())
    );
    assert!(of("consumer.override.group.id").starts_with("siem"), "the rights are for groups that begin so");
    let stanza = format!("[{}]", of("splunk.sourcetypes"));
    assert!(read("splunk/props.conf").contains(&stanza), "{stanza}");
    let pipeline = read("elastic/hansard.conf");
    for part in ["\"hansard.ecs\"", "isolation_level => \"read_committed\"", "group_id => \"siem-", "[event][id]"] {
        assert!(pipeline.contains(part), "{part}");
    }
    let rule = parsed(&read("sentinel/data-collection-rule.json"));
    let source = &rule["properties"]["dataSources"]["syslog"][0];
    assert_eq!(
        (&source["streams"][0], &source["facilityNames"][0]),
        (&json!("Microsoft-CommonSecurityLog"), &json!("local0"))
    );
    assert!(read("rsyslog/hansard.conf").contains("<134>"), "local0, informational");
}

#[test]
fn the_collectors_recipe_is_yaml_of_one_pipeline() {
    let Some(parts) = parts::installed() else { return };
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let path = recipe("chronicle/collector.yaml");
    let collector = parts::json(parts, "python", &["-c", program, path.to_str().unwrap()], None);
    let kafka = &collector["receivers"]["kafka"];
    assert_eq!((&kafka["logs"]["topics"][0], &kafka["logs"]["encoding"]), (&json!("hansard.ocsf"), &json!("text")));
    assert!(kafka["group_id"].as_str().unwrap().starts_with("siem"));
    assert_eq!(collector["exporters"]["chronicle"]["raw_log_field"], "body");
    let pipeline = &collector["service"]["pipelines"]["logs"];
    assert_eq!((&pipeline["receivers"][0], &pipeline["exporters"][0]), (&json!("kafka"), &json!("chronicle")));
}
