//! The commands as a person types them: what they print, how they end, and what they leave in the trail.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use super::{
    program::{Place, call, fail, hansard, http, mcp, output},
    scene::{HOLD, Scene, archived_rows},
    upstream::Upstream,
};

/// How long after its answer a call may be invisible in SQL, on a machine that does other things too.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

const CALLS: &str = "SELECT subject, target, outcome FROM exchanges WHERE method = 'tools/call' ORDER BY occurred_at";

// --- tokens

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_before_the_first_start_is_good() {
    let upstream = Upstream::start().await;
    let place = Place::to(upstream.address);
    let output = place.run(&["token", "--subject", "ada", "--group", "sre", "--group", "platform", "--name", "Ada L."]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let printed = String::from_utf8(output.stdout).unwrap();
    let token = printed.strip_suffix('\n').expect("one line");
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["groups"], &claims["name"]), (&json!("ada"), &json!(["sre", "platform"]), &json!("Ada L.")));

    let running = place.start();
    assert_eq!(mcp(running.ingress, token, &call(1, "echo", json!({}))).await.status, 200);
}

#[test]
fn tokens_of_the_development_issuer_end_where_issuers_are_configured() {
    let place = Place::new("[[identity.issuers]]\nurl = \"https://login.example\"\naudience = \"a\"\n");
    let failure = place.fail(&["token", "--subject", "ada"]);
    assert_eq!(failure.status, Some(64));
    assert!(failure.why.contains("https://login.example"), "{failure:?}");
}

// --- questions

#[tokio::test(flavor = "multi_thread")]
async fn sql_answers_the_same_while_it_runs_and_after() {
    let scene = Scene::open("").await;
    for tool in ["echo", "tool-error", "rpc-error"] {
        scene.call(tool, json!({ "n": 1 })).await;
    }
    let place = &scene.place;
    let rows = place.sql_until(CALLS, |rows| rows.len() == 3 && rows.iter().all(|row| !row["outcome"].is_null()));
    let row = |target: &str, outcome: &str| json!({ "subject": "ada", "target": target, "outcome": outcome });
    assert_eq!(rows, [row("echo", "ok"), row("tool-error", "tool_error"), row("rpc-error", "rpc_error")]);
    let formats = ["json", "csv", "table"];
    let answers = || formats.map(|format| place.say(&["sql", CALLS, "--format", format]));
    let [as_json, csv, table] = answers();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&as_json).unwrap(), rows);
    assert_eq!(csv.lines().collect::<Vec<_>>(), ["subject,target,outcome", "ada,echo,ok", "ada,tool-error,tool_error", "ada,rpc-error,rpc_error"]);
    assert!(table.contains("subject") && table.contains("tool_error") && table.lines().count() > 4, "{table}");
    assert_eq!(place.say(&["sql", CALLS]), table, "a table is the default");
    let none = "SELECT subject FROM exchanges WHERE subject = 'nobody'";
    assert_eq!(place.say(&["sql", none, "--format", "json"]), "[]");
    assert_eq!(place.say(&["sql", none, "--format", "csv"]), "subject");

    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    assert_eq!(formats.map(|format| place.say(&["sql", CALLS, "--format", format])), [as_json, csv, table]);
    let rows = place.sql("SELECT count(*) AS n FROM records");
    assert_eq!(rows[0]["n"], archived_rows(&place), "SIGTERM archives all that there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_in_sql_within_a_second_of_its_answer() {
    let scene = Scene::open("").await;
    for n in 0..3 {
        scene.call("echo", json!({ "n": n })).await;
        let answered_at = Instant::now();
        scene.rows(CALLS, |rows| rows.len() == n + 1 && rows.iter().all(|row| row["outcome"] == "ok")).await;
        let visible = answered_at.elapsed();
        println!("in SQL {visible:?} after the answer");
        assert!(visible < VISIBLE_WITHIN, "{visible:?}");
    }
}

#[test]
fn a_wrong_statement_is_the_askers_fault() {
    let place = Place::new("");
    let _running = place.start();
    for (statement, says) in [("SELEKT 1", "SELEKT"), ("SELECT nothing FROM records", "nothing"), ("DROP TABLE records", "")] {
        let failure = place.fail(&["sql", statement]);
        assert_eq!(failure.status, Some(64), "{failure:?}");
        assert!(failure.why.contains(says), "{failure:?}");
    }
    place.sql_until("SELECT error FROM refusals WHERE method = 'trail/sql' AND outcome = 'malformed'", |rows| rows.len() == 3);
}

#[test]
fn where_no_trail_is_there_is_no_answer() {
    let place = Place::new("");
    for arguments in [["sql", "SELECT 1"].as_slice(), &["replay", "x"], &["approvals", "list"]] {
        let failure = place.fail(arguments);
        assert_eq!(failure.status, Some(69), "{failure:?}");
        assert!(failure.why.contains(place.data().to_str().unwrap()), "{failure:?}");
    }
    assert!(!place.data().exists(), "asking makes no trail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_and_an_exchange_are_told_again() {
    let scene = Scene::open("").await;
    scene.call("echo", json!({ "first": 1 })).await;
    scene.call("stream", json!({ "events": 2 })).await;
    let ids = "SELECT exchange_id, conversation_id FROM exchanges WHERE outcome = 'ok' ORDER BY occurred_at";
    let rows = scene.place.sql_until(ids, |rows| rows.len() == 2);
    let id = |row: usize, column: &str| rows[row][column].as_str().unwrap().to_owned();
    assert_eq!(id(0, "conversation_id"), id(1, "conversation_id"));

    let told = |id: &str| -> Vec<Value> { serde_json::from_str(&scene.place.say(&["replay", id, "--json"])).unwrap() };
    let kinds = |records: &[Value]| records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let first = told(&id(0, "exchange_id"));
    assert_eq!(kinds(&first), ["request", "response"]);
    assert_eq!(serde_json::from_str::<Value>(first[0]["body"].as_str().unwrap()).unwrap(), call(7, "echo", json!({ "first": 1 })));
    let all = ["request", "response", "request", "notification", "notification", "response"];
    assert_eq!(kinds(&told(&id(0, "conversation_id"))), all);
    let text = scene.place.say(&["replay", &id(0, "conversation_id")]);
    for part in ["ada", "tools/call", "notifications/progress", "\"first\":1"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let unknown = scene.place.fail(&["replay", "01890000-0000-7000-8000-000000000000"]);
    assert!(unknown.why.contains("01890000-0000-7000-8000-000000000000"), "{unknown:?}");
    assert_eq!(scene.place.fail(&["replay", "nonsense"]).status, Some(64));
}

#[test]
fn every_read_is_a_record() {
    let place = Place::new("");
    let _running = place.start();
    place.sql("SELECT 'planted' AS question");
    place.fail(&["replay", "01890000-0000-7000-8000-000000000000"]);
    place.say(&["approvals", "list"]);
    let reads = "SELECT DISTINCT method, auth_method, subject FROM records WHERE kind = 'read' ORDER BY method";
    let rows = place.sql_until(reads, |rows| rows.len() == 3);
    let methods: Vec<&str> = rows.iter().map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["approvals/list", "trail/replay", "trail/sql"]);
    assert!(rows.iter().all(|row| row["auth_method"] == "local" && row["subject"].is_string()), "{rows:?}");
    place.sql_until("SELECT body FROM records WHERE kind = 'read' AND strpos(body, '''planted''') > 0", |rows| !rows.is_empty());
}

// --- approvals

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_goes_on_when_somebody_else_approves_it() {
    let scene = Scene::open(HOLD).await;
    let place = &scene.place;
    let (call, id) = scene.held(json!({ "version": 42 }));
    let approval = &scene.waiting()[0];
    assert_eq!((&approval["target"], &approval["rule"], &approval["state"]), (&json!("deploy"), &json!("production"), &json!("pending")));
    assert_eq!(approval["requester"]["subject"], "ada");
    assert!(approval["body"].as_str().unwrap().contains("42"));
    assert!(place.say(&["approvals", "list"]).contains(&id));

    // Who asks cannot decide, in whatever group; nor who is in none.
    for (subject, groups, why) in [("ada", &["sre"][..], "requester"), ("eve", &[][..], "groups")] {
        let token = place.token(subject, groups);
        for choice in ["approve", "deny"] {
            let failure = place.fail(&["approvals", choice, &id, "--token", &token]);
            assert_eq!(failure.status, Some(77), "{failure:?}");
            assert!(failure.why.contains("does not count") && failure.why.contains(why), "{failure:?}");
        }
    }
    assert_eq!(scene.waiting()[0]["votes"], json!([]), "the call still waits");
    assert!(scene.upstream.seen().is_empty() && !call.is_finished());

    let grace = place.token("grace", &["sre"]);
    let said = place.say(&["approvals", "approve", &id, "--token", &grace, "--comment", "go ahead", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["state"], "approved");
    let answer = call.await.unwrap();
    assert_eq!(answer.message()["result"]["content"][0]["text"], "{\"version\":42}", "{answer:?}");
    assert_eq!(scene.upstream.seen().len(), 1);
    assert_eq!(scene.waiting(), [] as [Value; 0]);
    assert_eq!(place.fail(&["approvals", "deny", &id, "--token", &grace]).status, Some(77), "it is decided");

    let view = scene.rows("SELECT * FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "redeemed").await;
    assert_eq!((&view[0]["approval_id"], &view[0]["approvals"], &view[0]["denials"]), (&json!(id), &json!(1), &json!(0)));
    assert_eq!((&view[0]["subject"], &view[0]["voters"]), (&json!("ada"), &json!(["grace"])));
    let votes = format!("SELECT subject, body FROM records WHERE kind = 'decision' AND method = 'approval/vote' AND approval_id = '{id}'");
    let votes = scene.rows(&votes, |rows| rows.len() == 1).await;
    assert_eq!(votes[0]["subject"], "grace");
    assert!(votes[0]["body"].as_str().unwrap().contains("go ahead"), "{votes:?}");
    let refused = format!("SELECT subject FROM refusals WHERE method = 'approval/vote' AND approval_id = '{id}' ORDER BY occurred_at");
    let refused = scene.rows(&refused, |rows| rows.len() == 5).await;
    assert_eq!(refused.iter().map(|row| row["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["ada", "ada", "eve", "eve", "grace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_does_not_happen() {
    let scene = Scene::open(HOLD).await;
    let (call, id) = scene.held(json!({}));
    let grace = scene.place.token("grace", &["sre"]);
    assert!(scene.place.say(&["approvals", "deny", &id, "--token", &grace, "--comment", "not today"]).contains("denied"));
    let error = call.await.unwrap().message()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["approval_id"]), (&json!(4302), &json!(id)), "{error}");
    assert!(scene.upstream.seen().is_empty());
    let row = scene.rows("SELECT state, denials FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "denied").await;
    assert_eq!(row[0]["denials"], 1);
    assert_eq!(scene.row("SELECT outcome FROM exchanges WHERE target = 'deploy' AND refused").await["outcome"], "denied");
    let all = scene.place.say(&["approvals", "list", "--all", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap()[0]["state"], "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_decides_on_expires() {
    let scene = Scene::open(&HOLD.replace("5m", "1s")).await;
    let answer = scene.call("deploy", json!({})).await;
    let error = &answer.message()["error"];
    assert_eq!(error["code"], 4303, "{answer:?}");
    assert!(scene.upstream.seen().is_empty());
    let row = scene.rows("SELECT approval_id, state FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "expired").await;
    assert_eq!(scene.waiting(), [] as [Value; 0]);
    let grace = scene.place.token("grace", &["sre"]);
    let late = scene.place.fail(&["approvals", "approve", row[0]["approval_id"].as_str().unwrap(), "--token", &grace]);
    assert_eq!(late.status, Some(77));
    assert!(late.why.contains("no longer waiting") || late.why.contains("time to decide"), "{late:?}");
}

#[test]
fn a_vote_on_nothing_says_so() {
    let place = Place::new("");
    let grace = place.token("grace", &["sre"]);
    let vote = |id: &str, token: &str| place.fail(&["approvals", "approve", id, "--token", token]);
    let id = "01890000-0000-7000-8000-000000000000";
    assert_eq!(vote(id, &grace).status, Some(69), "nothing runs yet");
    let running = place.start();
    let unknown = vote(id, &grace);
    assert!(unknown.status == Some(77) && unknown.why.contains("no such held call"), "{unknown:?}");
    assert!(vote("nonsense", &grace).why.contains("UUID"));
    assert!(vote(id, "nonsense").why.contains("token"));
    assert!(running.stop().success());
    let stopped = vote(id, &grace);
    assert!(stopped.status == Some(69) && stopped.why.contains("hansard up"), "{stopped:?}");
}

// --- keys

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_a_rotation_still_opens() {
    let upstream = Upstream::start().await;
    let place = Place::to(upstream.address);
    let running = place.start();
    let ada = place.token("ada", &[]);
    for id in 0..5 {
        mcp(running.ingress, &ada, &call(id, "echo", json!({}))).await;
    }
    // Some of the frames have not been opened yet.
    running.kill();
    let (before, listed) = (place.say(&["keys", "public"]), keys(&place));
    assert_eq!(listed.iter().filter(|key| key["current"] == true).count(), 1);
    assert_eq!(listed.len(), 1);
    let rotated = place.say(&["keys", "rotate"]);
    let listed = keys(&place);
    assert_eq!(listed.len(), 2);
    let current = listed.iter().find(|key| key["current"] == true).unwrap()["key_id"].as_str().unwrap();
    assert!(rotated.contains(current) && place.say(&["keys", "list"]).contains(current));
    assert_ne!(place.say(&["keys", "public"]), before);
    for entry in fs::read_dir(place.data().join("keys")).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if entry.file_name() == "sealing.public" { 0o644 } else { 0o600 }, "{entry:?}");
    }

    let running = place.start();
    mcp(running.ingress, &ada, &call(5, "echo", json!({}))).await;
    let status = "SELECT redaction_status, count(*) AS n FROM records WHERE method = 'tools/call' GROUP BY 1";
    place.sql_until(status, |rows| rows == [json!({ "redaction_status": "clean", "n": 12 })]);
}

fn keys(place: &Place) -> Vec<Value> {
    serde_json::from_str(&place.say(&["keys", "list", "--json"])).unwrap()
}

/// A start that must fail because of what was done to a file of `keys/`.
#[track_caller]
fn check_key(name: &str, damage: impl Fn(&std::path::Path), says: &str) {
    let place = Place::new("");
    assert!(place.start().stop().success());
    let names = fs::read_dir(place.data().join("keys")).unwrap().map(|entry| entry.unwrap().path());
    let path = names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
    damage(&path);
    let failure = place.fail(&["up"]);
    assert!(failure.why.contains(path.to_str().unwrap()) && failure.why.contains(says), "{failure:?}");
}

#[test]
fn a_missing_or_open_key_file_is_named() {
    let remove = |path: &std::path::Path| fs::remove_file(path).unwrap();
    check_key("identity.key", remove, "backup");
    check_key("sealing-", remove, "backup");
    check_key("sealing.public", remove, "backup");
    check_key("development.pem", remove, "backup");
    check_key("identity.key", |path| fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap(), "chmod 600");
}

// --- configuration

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
    }
    assert!(!place.data().join("log.sqlite").exists(), "nothing was started");
}

#[test]
fn a_wrong_configuration_is_refused_in_one_line() {
    let connection = |extra: &str| format!("[[connection]]\nname = \"c\"\nupstream = \"http://127.0.0.1:1/mcp\"\n{extra}");
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

#[test]
fn what_is_no_command_is_a_usage_error() {
    for arguments in [["upp"].as_slice(), &["sql"], &["up", "--fast"], &["token"], &["sql", "SELECT 1", "--format", "xml"], &[]] {
        let output = output(&mut hansard(arguments));
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [["--help"].as_slice(), &["--version"], &["sql", "--help"]] {
        let output = output(&mut hansard(arguments));
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

// --- starts and ends

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
        let place = Place::bare(&others.replace(&listen(section, "127.0.0.1:0"), &listen(section, &address.to_string())));
        let failure = place.fail(&["up"]);
        assert_eq!(failure.status, Some(69));
        assert!(failure.why.contains(&address.to_string()) && failure.why.contains(&format!("[{section}]")), "{failure:?}");
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
    scene.rows(CALLS, |rows| rows.len() == 1).await;
    let ready = get(scene.running.operation, "/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (200, &json!(true)), "{ready:?}");
    let metrics = get(scene.running.operation, "/metrics").await;
    assert!(metrics.text().lines().any(|line| line.starts_with("hansard_") && line.contains("connection=\"c\"")), "{}", metrics.text());
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(scene.running.ingress, path).await.status, 404, "{path} on ingress");
    }
}
