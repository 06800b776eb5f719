//! The commands as a person types them: what they print, how they end, and what they leave in the trail.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    program::{Place, call, hansard, mcp, output},
    scene::{Scene, archived_rows},
    upstream::Upstream,
};

/// How long after its answer a call may be invisible in SQL, on a machine that does other things too.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

const CALLS: &str = "SELECT subject, target, outcome FROM exchanges WHERE method = 'tools/call' ORDER BY occurred_at";

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
    assert_eq!(
        (&claims["sub"], &claims["groups"], &claims["name"]),
        (&json!("ada"), &json!(["sre", "platform"]), &json!("Ada L."))
    );

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
    assert_eq!(
        csv.lines().collect::<Vec<_>>(),
        ["subject,target,outcome", "ada,echo,ok", "ada,tool-error,tool_error", "ada,rpc-error,rpc_error"]
    );
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
    for (statement, says) in
        [("SELEKT 1", "SELEKT"), ("SELECT nothing FROM records", "nothing"), ("DROP TABLE records", "")]
    {
        let failure = place.fail(&["sql", statement]);
        assert_eq!(failure.status, Some(64), "{failure:?}");
        assert!(failure.why.contains(says), "{failure:?}");
    }
    place.sql_until("SELECT error FROM refusals WHERE method = 'trail/sql' AND outcome = 'malformed'", |rows| {
        rows.len() == 3
    });
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
    let kinds = |records: &[Value]| {
        records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = told(&id(0, "exchange_id"));
    assert_eq!(kinds(&first), ["request", "response"]);
    assert_eq!(
        serde_json::from_str::<Value>(first[0]["body"].as_str().unwrap()).unwrap(),
        call(7, "echo", json!({ "first": 1 }))
    );
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
    place.sql_until("SELECT body FROM records WHERE kind = 'read' AND strpos(body, '''planted''') > 0", |rows| {
        !rows.is_empty()
    });
}

#[test]
fn what_is_no_command_is_a_usage_error() {
    for arguments in [
        ["upp"].as_slice(),
        &["sql"],
        &["up", "--fast"],
        &["token"],
        &["approvals", "approve", "01890000-0000-7000-8000-000000000000"],
        &["sql", "SELECT 1", "--format", "xml"],
        &[],
    ] {
        let output = output(&mut hansard(arguments));
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [["--help"].as_slice(), &["--version"], &["sql", "--help"]] {
        let output = output(&mut hansard(arguments));
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The lines of `hansard tail --exit`, as JSON.
fn tail(place: &Place, more: &[&str]) -> Vec<Value> {
    let said = place.say(&[&["tail", "--exit"], more].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_tells_every_record_and_a_group_tells_it_once() {
    let scene = Scene::open("").await;
    for number in 0..3 {
        scene.call("echo", json!({ "n": number })).await;
    }
    let place = &scene.place;
    let told = "SELECT record_id FROM records WHERE method = 'tools/call' ORDER BY record_id";
    let rows = place.sql_until(told, |rows| rows.len() == 6);
    let ids: Vec<&str> = rows.iter().map(|row| row["record_id"].as_str().unwrap()).collect();
    let calls = |lines: &[Value], id: &str, method: &str| {
        let of_calls = lines.iter().filter(|line| line.pointer(method) == Some(&json!("tools/call")));
        let mut ids: Vec<String> = of_calls.map(|line| line.pointer(id).unwrap().as_str().unwrap().into()).collect();
        ids.sort();
        ids
    };
    assert_eq!(calls(&tail(place, &[]), "/record_id", "/method"), ids);
    assert_eq!(calls(&tail(place, &["--format", "ocsf"]), "/metadata/uid", "/api/operation"), ids);
    let group = ["--group", "siem", "--format", "ecs"];
    assert_eq!(calls(&tail(place, &group), "/event/id", "/event/action"), ids);

    scene.call("echo", json!({ "n": 4 })).await;
    place.sql_until(told, |rows| rows.len() == 8);
    assert_eq!(calls(&tail(place, &group), "/event/id", "/event/action").len(), 2, "only what came since");
    place.say(&["forget", "siem"]);
    assert_eq!(calls(&tail(place, &group), "/event/id", "/event/action").len(), 8, "a forgotten group begins anew");
    let cef = place.say(&["tail", "--exit", "--format", "cef"]);
    assert!(cef.lines().all(|line| line.starts_with("CEF:0|Hansard|Hansard|")), "{cef}");
    place.sql_until("SELECT method FROM records WHERE method = 'trail/tail' AND kind = 'read'", |rows| rows.len() >= 6);
}
