//! Starts and ends: what a start refuses, what it says, and what is left after an end of either sort.

use std::{fs, io::Write, net::TcpStream};

use http::Method;
use serde_json::json;

use super::{
    program::{Place, call, fail, hansard, http, mcp},
    scene::{HOLD, Scene, archived_rows},
    upstream::Upstream,
};

#[test]
fn a_good_configuration_is_called_good() {
    let place = Place::new(&format!("{HOLD}[[connection]]\nname = \"c\"\nupstream = \"http://127.0.0.1:1/mcp\"\n"));
    let said = place.say(&["config", "check"]);
    assert!(said.contains("good") && said.contains("1 connection") && said.contains("1 rule"), "{said}");
    assert_eq!(place.say(&["config", "check", place.configuration().to_str().unwrap()]), said);
    assert!(!place.data().exists(), "a check makes nothing");
}

/// A configuration that is refused before anything starts, by `config check` and by `up` alike.
#[track_caller]
fn check_configuration(configuration: &str, says: &[&str]) {
    let place = Place::bare(configuration);
    for arguments in [["config", "check"].as_slice(), &["up"]] {
        let failure = place.fail(arguments);
        assert_eq!(failure.status, Some(64), "{arguments:?}: {failure:?}");
        assert!(says.iter().all(|part| failure.why.contains(part)), "{arguments:?}: {failure:?}");
        assert_eq!(failure.why.lines().count(), 1, "{arguments:?}: {failure:?}");
    }
    assert!(!place.data().join("log.sqlite").exists(), "nothing was started");
}

#[test]
fn a_wrong_configuration_is_refused_in_one_line() {
    let connection =
        |extra: &str| format!("[[connection]]\nname = \"c\"\nupstream = \"http://127.0.0.1:1/mcp\"\n{extra}");
    check_configuration("[ingress]\nlissten = \"127.0.0.1:0\"\n", &["line 2", "lissten"]);
    check_configuration("ingres = {}\n", &["line 1", "ingres"]);
    check_configuration("[ingress.limits]\nbody = 1\n", &["line 2", "body"]);
    check_configuration("[ingress\n", &["line 1"]);
    check_configuration(&connection("kind = \"smtp\"\n"), &["line 4", "smtp"]);
    check_configuration(&connection("").repeat(2), &["two connections are named \"c\""]);
    check_configuration("[ingress]\nlisten = \"0.0.0.0:0\"\n", &["0.0.0.0:0", "identity", "127.0.0.1"]);
    check_configuration("[console]\nlisten = \"0.0.0.0:0\"\n", &["[console]", "identity"]);
    check_configuration("[[policy.rule]]\nname = \"broken\"\nwhen = \"call.\"\nthen = \"block\"\n", &["broken"]);
    check_configuration(
        &connection("credential = { header = \"Authorization\", value = \"env:HANSARD_TEST_UNSET\" }\n"),
        &["\"c\"", "HANSARD_TEST_UNSET"],
    );
    check_configuration(
        "[ingress]\ntls = { certificate = \"/nowhere/cert.pem\", key = \"/nowhere/key.pem\" }\n",
        &["tls", "/nowhere/cert.pem"],
    );
    check_configuration(
        &connection("credential = { header = \"Authorization\", value = \"file:/nowhere/token\" }\n"),
        &["\"c\"", "/nowhere/token"],
    );
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let failure = fail(hansard(&["up", "--config", "/nowhere/hansard.toml"]).env("HOME", "/nowhere"));
    assert_eq!(failure.status, Some(64));
    assert!(failure.why.contains("/nowhere/hansard.toml"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_it_starts_again_by_itself() {
    let upstream = Upstream::start().await;
    let place = Place::to(upstream.address);
    let mut running = place.start();
    let ada = place.token("ada", &[]);
    for start in 0..3 {
        for id in 0..4 {
            let answer = mcp(running.ingress, &ada, &call(id, "echo", json!({ "start": start }))).await;
            assert_eq!(answer.status, 200);
        }
        running.kill();
        running = place.start();
    }
    let counts = "SELECT count(*) AS n, count(DISTINCT exchange_id) AS ids FROM exchanges WHERE method = 'tools/call' AND outcome = 'ok'";
    let rows = place.sql_until(counts, |rows| rows[0]["n"].as_u64() >= Some(12));
    assert_eq!((&rows[0]["n"], &rows[0]["ids"]), (&json!(12), &json!(12)));
    place.sql_until("SELECT method FROM records WHERE method = 'lifecycle/started'", |rows| rows.len() == 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_what_waits_and_records_how() {
    let scene = Scene::open(&format!("ingress.limits.drain_seconds_max = 1\n{HOLD}")).await;
    let (held, _) = scene.held(json!({}));
    let (ingress, token) = (scene.running.ingress, scene.ada.clone());
    let hanging = tokio::spawn(async move { mcp(ingress, &token, &call(8, "hang", json!({}))).await });
    scene.rows("SELECT kind FROM records WHERE target = 'hang'", |rows| rows.len() == 1).await;
    // Somebody at the console who never ends the head of a request must not keep the others from ending.
    let mut idle = TcpStream::connect(scene.running.console).unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\n").unwrap();

    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    let withdrawn = held.await.unwrap().message();
    assert_eq!(withdrawn["error"]["code"], 4303, "{withdrawn}");
    let cut = hanging.await.unwrap().message();
    assert!(cut["error"]["message"].as_str().unwrap().contains("shutting down"), "{cut}");
    let rows = place.sql("SELECT target, outcome FROM exchanges WHERE method = 'tools/call' ORDER BY target");
    let row = |target: &str, outcome: &str| json!({ "target": target, "outcome": outcome });
    assert_eq!(rows, [row("deploy", "withdrawn"), row("hang", "interrupted")]);
    let rows = place.sql("SELECT count(*) AS n FROM records");
    assert_eq!(rows[0]["n"], archived_rows(&place), "all of it is archived");
    assert_eq!(place.sql("SELECT method FROM records WHERE method = 'lifecycle/stopped'").len(), 1);
}

#[test]
fn one_directory_has_one_program() {
    let place = Place::new("");
    let running = place.start();
    let failure = place.fail(&["up"]);
    assert_eq!(failure.status, Some(69));
    assert!(failure.why.contains(place.data().to_str().unwrap()) && failure.why.contains("in use"), "{failure:?}");
    assert!(failure.why.contains(&running.process().to_string()), "{failure:?}");
    place.sql_until("SELECT kind FROM records WHERE method = 'lifecycle/started'", |rows| rows.len() == 1);
    assert!(running.stop().success());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for section in ["ingress", "console", "operation"] {
        let others: String = ["ingress", "console", "operation"].map(|other| listen(other, "127.0.0.1:0")).concat();
        let place =
            Place::bare(&others.replace(&listen(section, "127.0.0.1:0"), &listen(section, &address.to_string())));
        let failure = place.fail(&["up"]);
        assert_eq!(failure.status, Some(69));
        assert!(
            failure.why.contains(&address.to_string()) && failure.why.contains(&format!("[{section}]")),
            "{failure:?}"
        );
    }
}

fn listen(section: &str, address: &str) -> String {
    format!("[{section}]\nlisten = \"{address}\"\n")
}

#[test]
fn a_start_says_what_a_person_needs() {
    let place = Place::new("[[connection]]\nname = \"c\"\nupstream = \"http://127.0.0.1:1/mcp\"\n");
    let running = place.start();
    let printed = running.printed.join("\n");
    for fact in [
        format!("http://{}/c/c", running.ingress),
        format!("http://{}/", running.console),
        format!("http://{}/metrics", running.operation),
        place.data().display().to_string(),
        "hansard token --subject".to_owned(),
    ] {
        assert!(printed.contains(&fact), "{fact}: {printed}");
    }
    assert!(fs::read_to_string(place.log()).unwrap().is_empty(), "a quiet start logs nothing alarming");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_have_a_listener_of_their_own() {
    let scene = Scene::open("").await;
    scene.call("echo", json!({})).await;
    let get = |address, path: &'static str| http(Method::GET, address, path, &[], b"");
    assert_eq!(get(scene.running.operation, "/healthz").await.status, 200);
    scene.rows("SELECT outcome FROM exchanges WHERE outcome = 'ok'", |rows| rows.len() == 1).await;
    let ready = get(scene.running.operation, "/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (200, &json!(true)), "{ready:?}");
    let metrics = get(scene.running.operation, "/metrics").await;
    assert!(
        metrics.text().lines().any(|line| line.starts_with("hansard_") && line.contains("connection=\"c\"")),
        "{}",
        metrics.text()
    );
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(scene.running.ingress, path).await.status, 404, "{path} on ingress");
    }
}
