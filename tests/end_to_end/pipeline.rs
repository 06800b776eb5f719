//! From a caller to an answer in SQL: what passes, and what is recorded of it.

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    program::{PATIENCE, Place, call, connection, http, mcp, mcp_headers, send},
    scene::{Scene, body},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_two_rows_with_who_when_and_what() {
    let scene = Scene::open("").await;
    let message = call(7, "echo", json!({ "order": 4711, "note": "plain" }));
    let answer = scene.say(&message).await;
    assert_eq!(answer.status, 200);
    let statement = "SELECT * FROM records WHERE method = 'tools/call' ORDER BY emitter_seq";
    let rows = scene.rows(statement, |rows| rows.len() == 2).await;
    let [request, response] = rows.as_slice() else { panic!("{rows:#?}") };

    assert_eq!((&request["kind"], &request["direction"]), (&json!("request"), &json!("to_upstream")));
    assert_eq!((&response["kind"], &response["direction"]), (&json!("response"), &json!("to_caller")));
    assert_eq!(body(request), message);
    assert_eq!(body(response), answer.json());
    assert_ne!(request["record_id"], response["record_id"]);
    let shared = [
        "exchange_id",
        "conversation_id",
        "principal_id",
        "subject",
        "connection",
        "method",
        "target",
        "arguments_digest",
    ];
    for column in shared {
        assert!(request[column].is_string(), "{column}: {request:#?}");
        assert_eq!(request[column], response[column], "{column}");
    }
    for row in [request, response] {
        assert_eq!(
            (&row["subject"], &row["auth_method"], &row["source_ip"]),
            (&json!("ada"), &json!("jwt"), &json!("127.0.0.1"))
        );
        assert_eq!((&row["groups"], &row["issuer"].is_string()), (&json!(["platform"]), &true));
        assert_eq!((&row["connection"], &row["protocol"]), (&json!("c"), &json!("mcp/2025-11-25")));
        assert_eq!(row["upstream"], format!("http://{}/mcp", scene.upstream.address));
        assert_eq!((&row["target"], &row["verdict"]), (&json!("echo"), &json!("allow")));
        assert_eq!((&row["redaction_status"], &row["truncated"]), (&json!("clean"), &json!(false)));
        for column in ["occurred_at", "recorded_at", "emitter_id", "ruleset_id", "policy_id", "leaf_hash"] {
            assert!(row[column].is_string(), "{column}: {row:#?}");
        }
    }
    assert_eq!(request["body_bytes"], message.to_string().len());
    assert_eq!(response["body_bytes"], answer.body.len());
    assert_eq!(
        (&response["outcome"], &response["transport_status"], &response["is_error"]),
        (&json!("ok"), &json!(200), &json!(false))
    );
    assert!(
        response["duration_us"].as_i64() > Some(0) && response["first_byte_us"].as_i64() > Some(0),
        "{response:#?}"
    );
    assert!(request["outcome"].is_null());
    let ordered = "SELECT count(*) AS n FROM records WHERE recorded_at < occurred_at";
    assert_eq!(scene.row(ordered).await["n"], 0, "nothing is recorded before it was seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_levels_of_success_are_told_apart() {
    let scene = Scene::open("").await;
    let cases = [
        ("echo", "ok", json!([200, null, false])),
        ("tool-error", "tool_error", json!([200, null, true])),
        ("rpc-error", "rpc_error", json!([200, -32602, null])),
        ("fail", "transport_error", json!([500, null, null])),
    ];
    for (tool, outcome, levels) in cases {
        let answer = scene.call(tool, json!({})).await;
        assert_eq!(json!(answer.status.as_u16()), levels[0], "{tool}: the status passes unchanged");
        let statement = format!(
            "SELECT outcome, transport_status, rpc_code, is_error FROM exchanges WHERE target = '{tool}' AND outcome IS NOT NULL"
        );
        let row = scene.row(&statement).await;
        assert_eq!(row["outcome"], outcome, "{tool}");
        assert_eq!(json!([row["transport_status"], row["rpc_code"], row["is_error"]]), levels, "{tool}");
    }
    assert_eq!(scene.call("fail", json!({})).await.text(), "the server is on fire", "an answer passes byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_and_plain_paths_pass_as_they_are() {
    let scene = Scene::open("").await;
    let told = scene.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!((told.status.as_u16(), told.body.len()), (202, 0));
    let row = scene
        .row("SELECT kind, body FROM records WHERE method = 'notifications/initialized' AND direction = 'to_upstream'")
        .await;
    assert_eq!(row["kind"], "notification");
    let bearer = format!("Bearer {}", scene.ada);
    let elsewhere = http(Method::GET, scene.running.ingress, "/c/nowhere", &mcp_headers(&bearer), b"").await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(scene.row("SELECT outcome FROM refusals WHERE target = '/c/nowhere'").await["outcome"], "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pass_one_by_one_and_each_is_recorded_first() {
    let scene = Scene::open("").await;
    let bearer = format!("Bearer {}", scene.ada);
    let message = call(7, "step", json!({ "events": 3 })).to_string();
    scene.upstream.allow(1);
    let mut answer = send(Method::POST, scene.running.ingress, "/c/c", &mcp_headers(&bearer), message.as_bytes()).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for step in 1..=3 {
        let event = piece(&mut answer).await.expect("an event");
        assert_eq!(data(&event)["params"]["progress"], step, "it came before the upstream was let go on");
        let recorded = "SELECT kind, body FROM records WHERE method = 'notifications/progress' ORDER BY emitter_seq";
        let rows = scene.rows(recorded, |rows| rows.len() == step).await;
        assert_eq!((&rows[step - 1]["kind"], &body(&rows[step - 1])), (&json!("notification"), &data(&event)));
        scene.upstream.allow(1);
    }
    let last = piece(&mut answer).await.expect("the answer");
    assert_eq!(data(&last)["result"]["content"][0]["text"], "done");
    assert_eq!(piece(&mut answer).await, None);
    let row = scene.row("SELECT outcome, response_body, first_byte_us, duration_us FROM exchanges WHERE target = 'step' AND outcome IS NOT NULL").await;
    assert_eq!(
        (&row["outcome"], serde_json::from_str::<Value>(row["response_body"].as_str().unwrap()).unwrap()),
        (&json!("ok"), data(&last))
    );
    assert!(row["first_byte_us"].as_i64() < row["duration_us"].as_i64(), "{row:#?}");
    let shared = "SELECT count(DISTINCT exchange_id) AS exchanges, count(*) AS n FROM records WHERE connection = 'c'";
    assert_eq!(scene.row(shared).await, json!({ "exchanges": 1, "n": 5 }));
}

/// The next bytes of an answer; none at its end.
async fn piece(answer: &mut Response<Incoming>) -> Option<Bytes> {
    let frame = tokio::time::timeout(PATIENCE, answer.frame()).await.expect("a piece in time");
    frame.map(|frame| frame.unwrap().into_data().unwrap())
}

fn data(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(text.starts_with("event: message\n") && text.ends_with("\n\n"), "bytes pass as they came: {text:?}");
    serde_json::from_str(data).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_call_never_reaches_the_upstream() {
    let scene = Scene::open(
        "[[policy.rule]]\nname = \"destructive-sql\"\nwhen = 'call.text.matches(\"(?i)drop\\\\s+table\")'\nthen = \"block\"\n\
         message = \"DROP is not allowed through this gateway\"\n",
    )
    .await;
    let answer = scene.call("query", json!({ "sql": "drop  TABLE orders" })).await;
    assert_eq!(answer.status, 200);
    let error = answer.json()["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&json!(4301), &json!("DROP is not allowed through this gateway")));
    assert!(scene.upstream.seen().is_empty());
    let row = scene.row("SELECT * FROM refusals WHERE outcome = 'blocked'").await;
    assert_eq!(
        (&row["subject"], &row["target"], &row["rule"]),
        (&json!("ada"), &json!("query"), &json!("destructive-sql"))
    );
    assert_eq!((&row["rpc_code"], &row["exchange_id"]), (&json!(4301), &error["data"]["exchange_id"]));
    assert_eq!(body(&row), call(7, "query", json!({ "sql": "drop  TABLE orders" })));
    assert_eq!(scene.call("query", json!({ "sql": "select 1" })).await.json()["result"]["isError"], false);
    let counts = scene
        .rows("SELECT calls, refusals FROM what WHERE target = 'query'", |rows| {
            rows.len() == 1 && rows[0]["calls"] == 2
        })
        .await;
    assert_eq!(counts[0]["refusals"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_is_recorded_is_a_rule() {
    let scene = Scene::open(
        "ingress.limits.skipped_report_seconds = 1\n\
         [[policy.rule]]\nname = \"private\"\nwhen = 'call.target == \"diary\"'\nthen = \"allow\"\nrecord = \"metadata\"\n\
         [[policy.rule]]\nname = \"noise\"\nwhen = 'call.target == \"ping\"'\nthen = \"allow\"\nrecord = \"none\"\n",
    )
    .await;
    for tool in ["diary", "ping"] {
        assert_eq!(scene.call(tool, json!({ "said": "quietly" })).await.status, 200);
    }
    let rows =
        scene.rows("SELECT * FROM records WHERE target = 'diary' ORDER BY emitter_seq", |rows| rows.len() == 2).await;
    for row in &rows {
        assert!(row["body"].is_null() && row["body_bytes"].as_u64() > Some(0), "{row:#?}");
        assert_eq!((&row["subject"], &row["rule"]), (&json!("ada"), &json!("private")));
    }
    let counted =
        scene.rows("SELECT body FROM records WHERE method = 'recording/skipped'", |rows| !rows.is_empty()).await;
    assert_eq!(body(&counted[0]), json!({ "connection": "c", "reason": "policy", "frames": 2 }));
    assert_eq!(scene.row("SELECT count(*) AS n FROM records WHERE target = 'ping'").await["n"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_recorded_is_counted() {
    let upstream = Upstream::start().await;
    let place = Place::new(&format!(
        "ingress.limits.skipped_report_seconds = 1\n{}record = \"off\"\n",
        connection(upstream.address)
    ));
    let running = place.start();
    let ada = place.token("ada", &[]);
    assert_eq!(mcp(running.ingress, &ada, &call(1, "echo", json!({}))).await.status, 200);
    let counted =
        place.sql_until("SELECT body FROM records WHERE method = 'recording/skipped'", |rows| !rows.is_empty());
    assert_eq!(body(&counted[0]), json!({ "connection": "c", "reason": "off", "frames": 2 }));
    assert_eq!(place.sql("SELECT kind FROM records WHERE connection = 'c'").len(), 0);
}

// --- plain HTTP

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_the_name_is_appended_and_nothing_climbs_out() {
    let (scene, plain) = plain().await;
    let bearer = format!("Bearer {}", scene.ada);
    let get = async |path: &str| {
        http(Method::GET, scene.running.ingress, &format!("{plain}{path}"), &[("authorization", &bearer)], b"").await
    };
    assert_eq!(get("/a/b?page=2").await.text(), "GET /files/a/b?page=2 ");
    assert_eq!(get("").await.text(), "GET /files ");
    assert_eq!(get("/../mcp").await.status, 404);
    assert_eq!(get("/%2e%2e/mcp").await.status, 404);
    assert_eq!(scene.upstream.seen().len(), 2);
    let calls = "SELECT method, target, outcome, response_body FROM exchanges WHERE connection = 'plain' AND outcome = 'ok' ORDER BY occurred_at";
    let rows = scene.rows(calls, |rows| rows.len() == 2).await;
    assert_eq!((&rows[0]["method"], &rows[0]["target"]), (&json!("GET"), &json!("/a/b?page=2")));
    assert_eq!(rows[0]["response_body"], "GET /files/a/b?page=2 ");
    scene.rows("SELECT outcome FROM refusals WHERE connection = 'plain'", |rows| rows.len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_pieces_is_one_row() {
    let (scene, plain) = plain().await;
    let bearer = format!("Bearer {}", scene.ada);
    let sent = "one answer that comes in many small pieces";
    let path = format!("{plain}/pieces");
    let answer = http(Method::POST, scene.running.ingress, &path, &[("authorization", &bearer)], sent.as_bytes()).await;
    assert_eq!(answer.text(), sent);
    let rows = "SELECT kind, body, body_bytes, outcome FROM records WHERE connection = 'plain' ORDER BY emitter_seq";
    let rows = scene.rows(rows, |rows| rows.len() == 2).await;
    let row = |kind: &str, outcome: Value| json!({ "kind": kind, "body": sent, "body_bytes": sent.len(), "outcome": outcome });
    assert_eq!(rows, [row("request", Value::Null), row("response", json!("ok"))]);
}

/// A scene with a connection `plain` beside `c`, and where it is served.
async fn plain() -> (Scene, &'static str) {
    (Scene::open_beside("kind = \"http\"\n").await, "/c/plain")
}

// --- much at once

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_are_all_there_once() {
    let scene = Scene::open("").await;
    let messages: Vec<Value> = (0..100).map(|id| call(id, "echo", json!({ "id": id }))).collect();
    let answers = futures::future::join_all(messages.iter().map(|message| scene.say(message))).await;
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer.json()["id"], id, "everybody gets the own answer");
    }
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    let counts = "SELECT count(*) AS rows, count(DISTINCT exchange_id) AS exchanges, count(DISTINCT record_id) AS records, \
                  count(DISTINCT body) AS bodies FROM records WHERE method = 'tools/call'";
    assert_eq!(place.sql(counts), [json!({ "rows": 200, "exchanges": 100, "records": 200, "bodies": 200 })]);
    let gaps = "SELECT emitter_epoch, emitter_seq FROM records GROUP BY 1, 2, emitter_id HAVING count(*) > 1";
    assert_eq!(place.sql(gaps).len(), 0, "every number is there once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_passes_whole_and_is_one_row() {
    let scene = Scene::open("").await;
    let answer = scene.call("large", json!({ "words": 900_000 })).await;
    assert!(answer.body.len() > 9_900_000, "more than one frame holds");
    let row = "SELECT body_bytes, octet_length(body) AS kept, redaction_status, truncated FROM records \
               WHERE target = 'large' AND kind = 'response'";
    let row = scene.row(row).await;
    let bytes = answer.body.len();
    assert_eq!(row, json!({ "body_bytes": bytes, "kept": bytes, "redaction_status": "clean", "truncated": false }));
}
