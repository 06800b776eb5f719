//! Each role as a process of its own on Kafka, under real calls, and what it says of itself.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use http::Method;
use serde_json::json;
use test_cluster::{ADMINISTRATOR, Cluster};

use super::{
    exposition,
    kafka::Section,
    program::{PATIENCE, Place, call, connection, hansard, http, mcp_headers, output},
    scene::HOLD,
    upstream::Upstream,
};

const ROLES: [&str; 5] = ["ingress", "masker", "approver", "archiver", "query"];

/// Dropped, it is killed.
struct Alone {
    child: Child,
    configuration: std::path::PathBuf,
    door: Option<SocketAddr>,
    operation: SocketAddr,
}

impl Alone {
    /// In a data directory of its own, with the keys of `place`.
    fn start(place: &Place, folder: &Path, role: &str) -> Alone {
        let own = folder.join(role);
        fs::create_dir_all(own.join("keys")).unwrap();
        for entry in fs::read_dir(place.data().join("keys")).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), own.join("keys").join(entry.file_name())).unwrap();
        }
        let mut command = hansard(&[role]);
        command.arg("--config").arg(place.configuration()).arg("--data").arg(&own);
        Alone::run(command, &own)
    }

    fn run(mut command: Command, own: &Path) -> Alone {
        let log = fs::File::create(own.join("log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
        let address = |line: &String| line.split("http://").nth(1)?.split('/').next()?.parse().ok();
        let of =
            |operation: bool| said.iter().find(|line| line.starts_with("operation") == operation).and_then(address);
        let Some(operation) = of(true) else {
            panic!("{command:?}: {}", fs::read_to_string(own.join("log")).unwrap());
        };
        // Where it listens now, as `hansard health` is told by a configuration.
        let configuration = own.join("asked.toml");
        fs::write(&configuration, format!("[operation]\nlisten = \"{operation}\"\n")).unwrap();
        Alone { child, configuration, door: of(false), operation }
    }

    /// `hansard health`, until it ends well.
    fn await_ready(&self, role: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut command = hansard(&["health", "--ready", "--config"]);
            let asked = output(command.arg(&self.configuration));
            if asked.status.success() {
                return;
            }
            assert_eq!(asked.status.code(), Some(69));
            assert!(Instant::now() < until, "{role}: {}", String::from_utf8_lossy(&asked.stderr));
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What dashboards and alerts ask for, the five roles have, all together; and each shows nothing that is not documented.
pub async fn each_role_alone_says_how_it_is(cluster: &Cluster) {
    let ca = cluster.ca();
    let section = Section { password: cluster.password(), ..Section::of(cluster, &ca, ADMINISTRATOR) };
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let more = format!(
        "[archive]\nurl = {:?}\n{HOLD}{}[[connection]]\nname = \"off\"\nupstream = \"http://{}/mcp\"\nrecord = \"off\"\n",
        folder.path().join("archive"),
        connection(upstream.address),
        upstream.address
    );
    let spans = "operation.spans = { endpoint = \"http://127.0.0.1:1/v1/traces\" }\n";
    let place = section.place_between(spans, &more);
    place.say(&["keys", "generate"]);
    let ada = place.token("ada", &["platform"]);
    let roles = ROLES.map(|role| Alone::start(&place, folder.path(), role));
    roles.iter().zip(ROLES).for_each(|(role, name)| role.await_ready(name));
    let [ingress, .., query] = &roles;
    traffic(ingress.door.unwrap(), query.door.unwrap(), &ada).await;

    let (asked, until) = (exposition::asked_for(), Instant::now() + PATIENCE);
    loop {
        let mut shown = BTreeSet::new();
        for role in &roles {
            shown.extend(exposition::check(role.operation).await);
        }
        let missing: Vec<_> = asked.difference(&shown).collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "asked for and never shown: {missing:?}");
        // The brokers' figures come every few seconds.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Calls of every kind that has a metric of its own.
async fn traffic(ingress: SocketAddr, console: SocketAddr, ada: &str) {
    let bearer = format!("Bearer {ada}");
    let say = async |path: &str, tool: &str| {
        let message = call(1, tool, json!({})).to_string();
        http(Method::POST, ingress, path, &mcp_headers(&bearer), message.as_bytes()).await
    };
    for (path, tool) in [("/c/c", "echo"), ("/c/c", "stream"), ("/c/off", "echo"), ("/c/c", "tool-error")] {
        assert_eq!(say(path, tool).await.status, 200, "{tool}");
    }
    let stranger = http(Method::POST, ingress, "/c/c", &[], b"{}").await;
    assert_eq!(stranger.status, 401);
    // Nobody votes on it in time; the caller leaves.
    let held = tokio::time::timeout(Duration::from_millis(500), say("/c/c", "deploy")).await;
    assert!(held.is_err(), "it waits for people");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let asked = json!({ "sql": "SELECT count(*) FROM records" }).to_string();
    let read = http(Method::POST, console, "/v1/sql", &headers, asked.as_bytes()).await;
    assert_eq!(read.status, 200, "{read:?}");
}
