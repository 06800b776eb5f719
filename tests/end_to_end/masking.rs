//! Masking as an operator sets it up: hashes and tokens, who may turn them back, what is in quarantine, and masking in
//! flight.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

use http::Method;
use serde_json::{Value, json};

use super::{
    program::{self, Place, connection, files, http, mcp},
    upstream::Upstream,
};

/// The rules of a place in front of an upstream.
fn place(upstream: &Upstream) -> Place {
    let redaction = "[redaction]\nactions = { email = \"hmac\", us_ssn = \"tokenize\" }\ndetokenizers = [\"privacy\"]\n\
                     reprocessors = [\"operations\"]\ntenants = { c = \"north\" }\n[redaction.shadow]\npacks = [\"pii\"]\n";
    let plain = format!(
        "[[connection]]\nname = \"plain\"\nkind = \"http\"\nupstream = \"http://{}/files\"\n",
        upstream.address
    );
    Place::new(&format!("{redaction}{}{plain}", connection(upstream.address)))
}

fn call(id: u64, note: &str) -> Value {
    program::call(id, "echo", json!({ "note": note }))
}

fn tokens(place: &Place, kind: &str, requests: usize) -> Vec<String> {
    let statement = "SELECT body FROM records WHERE kind = 'request' AND method = 'tools/call' ORDER BY occurred_at";
    let rows = place.sql_until(statement, |rows| rows.len() == requests);
    let token = |row: &Value| {
        let body = row["body"].as_str().unwrap();
        let start = body.find(&format!(":{kind}:")).and_then(|at| body[..at].rfind("[REDACTED:")).unwrap();
        body[start..=start + body[start..].find(']').unwrap()].to_owned()
    };
    rows.iter().map(token).collect()
}

/// The ids of the keys that made the hashes in the trail.
fn keys_of(place: &Place) -> BTreeSet<String> {
    let rows = place.sql("SELECT body FROM records WHERE kind = 'request' AND method = 'tools/call'");
    let bodies = rows.iter().map(|row| row["body"].as_str().unwrap());
    bodies.filter_map(|body| body.split_once(":hmac:")?.1.split(':').next().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_tell_persons_apart_and_are_turned_back_by_those_who_may() {
    let upstream = Upstream::start().await;
    let place = place(&upstream);
    let running = place.start();
    let ada = place.token("ada", &[]);
    let ssn = ["078", "05", "1120"].join("-");
    for (id, mail) in [(1, "jane@example.org"), (2, "Jane@Example.org"), (3, "bob@example.org")] {
        mcp(running.ingress, &ada, &call(id, &format!("{mail} has the ssn {ssn}"))).await;
    }
    let persons = tokens(&place, "hmac", 3);
    assert!(persons[0] == persons[1] && persons[1] != persons[2], "{persons:?}");
    let sealed = tokens(&place, "siv", 3);
    assert_eq!(sealed[0], sealed[2]);

    let reader = place.token("paula", &["privacy"]);
    let ask = |token: &str| ["detokenize".to_owned(), sealed[0].clone(), "--token".to_owned(), token.to_owned()];
    let refused = place.fail(&ask(&ada).each_ref().map(String::as_str));
    assert_eq!(refused.status, Some(77), "{refused:?}");
    assert_eq!(place.say(&ask(&reader).each_ref().map(String::as_str)), format!("us_ssn\t{ssn}"));
    let reads = "SELECT kind, subject, outcome FROM records WHERE method = 'masking/detokenize' ORDER BY occurred_at";
    let rows = place.sql_until(reads, |rows| rows.len() == 2);
    assert_eq!(rows[0], json!({ "kind": "refusal", "subject": "ada", "outcome": "forbidden" }));
    assert_eq!((&rows[1]["kind"], &rows[1]["subject"]), (&json!("read"), &json!("paula")));

    let rotated = place.say(&["keys", "rotate", "--masking"]);
    assert!(rotated.contains("masking key") && place.say(&["keys", "list"]).contains("makes and reads tokens"));
    for entry in fs::read_dir(place.data().join("keys")).unwrap().map(Result::unwrap) {
        let private = entry.file_name().to_string_lossy().starts_with("masking");
        assert!(!private || entry.metadata().unwrap().permissions().mode() & 0o777 == 0o600, "{entry:?}");
    }
    // The masker takes the new key by itself; what the old one has made stays readable.
    let mut id = 4;
    while keys_of(&place).len() < 2 {
        mcp(running.ingress, &ada, &call(id, "jane@example.org again")).await;
        id += 1;
    }
    assert_eq!(place.say(&ask(&reader).each_ref().map(String::as_str)), format!("us_ssn\t{ssn}"));
    assert!(running.stop().success());
    for file in files(&place.data()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(ssn.len()).any(|window| window == ssn.as_bytes()), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_quarantine_is_listed_and_tried_again_by_those_who_may() {
    let upstream = Upstream::start().await;
    let place = place(&upstream);
    let running = place.start();
    let ada = place.token("ada", &[]);
    assert_eq!(place.say(&["quarantine", "list"]), "nothing is in quarantine");
    let bearer = format!("Bearer {ada}");
    http(Method::PUT, running.ingress, "/c/plain/x", &[("authorization", &bearer)], b"\xff\xfe").await;
    let withheld = "SELECT kind FROM records WHERE redaction_status = 'withheld' AND kind = 'request'";
    place.sql_until(withheld, |rows| rows.len() == 1);
    let listed: Vec<Value> = serde_json::from_str(&place.say(&["quarantine", "list", "--json"])).unwrap();
    assert!(listed.iter().any(|one| one["reason"] == "not_text" && one["kind"] == "request"), "{listed:?}");

    let refused = place.fail(&["quarantine", "reprocess", "--token", &ada]);
    assert_eq!(refused.status, Some(77), "{refused:?}");
    let operator = place.token("otto", &["operations"]);
    let told: Value =
        serde_json::from_str(&place.say(&["quarantine", "reprocess", "--token", &operator, "--json"])).unwrap();
    assert_eq!(told, json!({ "released": 0, "withheld": listed.len() }));
    let asked = "SELECT kind, subject FROM records WHERE method = 'quarantine/reprocess' ORDER BY occurred_at";
    let rows = place.sql_until(asked, |rows| rows.len() == 3);
    let told: Vec<_> =
        rows.iter().map(|row| (row["kind"].as_str().unwrap(), row["subject"].as_str().unwrap())).collect();
    assert_eq!(told, [("refusal", "ada"), ("read", "otto"), ("lifecycle", "otto")]);
    assert_eq!(place.sql(withheld).len(), 1, "nothing new of it is in the trail");
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_withholds_what_it_was_about_and_tells_nothing() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let (rules, value) = (folder.path().join("rules.toml"), "FAULT-4711");
    let rule =
        |more: &str| format!("[[rule]]\nid = \"part\"\nliterals = [\"FAULT-\"]\npattern = 'FAULT-[0-9]{{4}}'\n{more}");
    fs::write(&rules, rule("validators = [\"fault\"]\n")).unwrap();
    let redaction = format!("[redaction]\nrules = [\"{}\"]\nreprocessors = [\"operations\"]\n", rules.display());
    let inflight = connection(upstream.address).replace("\"c\"", "\"inflight\"");
    let place = Place::new(&format!(
        "{redaction}{}{inflight}mask_answers = true\nmask_requests = true\n",
        connection(upstream.address)
    ));
    let running = place.start();
    let ada = place.token("ada", &[]);
    assert!(mcp(running.ingress, &ada, &call(1, value)).await.text().contains(value), "at rest is not in flight");
    let bearer = format!("Bearer {ada}");
    let body = call(2, value).to_string();
    let refused =
        http(Method::POST, running.ingress, "/c/inflight", &program::mcp_headers(&bearer), body.as_bytes()).await;
    assert_eq!(refused.message()["error"]["code"], 4301, "what cannot be masked does not pass");
    assert_eq!(upstream.seen().len(), 1);
    mcp(running.ingress, &ada, &call(3, "canary")).await;

    let told = "SELECT kind, connection, subject, redaction_status, body FROM records WHERE target = 'echo' \
                AND kind IN ('request', 'response', 'refusal') ORDER BY occurred_at";
    let rows = place.sql_until(told, |rows| rows.len() == 5);
    assert_eq!((&rows[2]["kind"], &rows[2]["connection"]), (&json!("refusal"), &json!("inflight")), "{rows:#?}");
    for row in &rows[..3] {
        assert_eq!((&row["subject"], &row["redaction_status"]), (&json!("ada"), &json!("withheld")), "{row:#?}");
        assert!(row["body"].as_str().unwrap().contains("withheld"), "{row:#?}");
    }
    assert_ne!(rows[3]["redaction_status"], "withheld", "the masker goes on: {rows:#?}");

    fs::write(&rules, rule("")).unwrap();
    let operator = place.token("otto", &["operations"]);
    let told = place.say(&["quarantine", "reprocess", "--token", &operator, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({ "released": 3, "withheld": 0 }));
    let released = "SELECT body FROM records WHERE redaction_status = 'released'";
    let rows = place.sql_until(released, |rows| rows.len() == 3);
    assert!(rows.iter().any(|row| row["body"].as_str().unwrap().contains("[REDACTED:part]")), "{rows:#?}");
    assert!(running.stop().success());
    super::scene::check_nowhere(&place, &[value], "canary");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_masks_shows_neither_side_what_it_masks() {
    let upstream = Upstream::start().await;
    let masks = "mask_answers = true\nmask_requests = true\n";
    let place = Place::new(&format!("{}{masks}", connection(upstream.address)));
    let running = place.start();
    let ada = place.token("ada", &[]);
    let answered = mcp(running.ingress, &ada, &call(1, "jane@example.org")).await;
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.json()["params"]["arguments"]["note"], "[REDACTED:email]");
    assert!(!answered.text().contains("jane@example.org"), "{}", answered.text());
    assert_eq!(answered.message()["id"], 1);
    let rows = "SELECT body FROM records WHERE kind = 'request' AND method = 'tools/call'";
    let rows = place.sql_until(rows, |rows| rows.len() == 1);
    assert!(rows[0]["body"].as_str().unwrap().contains("[REDACTED:email]"));
}
