//! From a caller to an answer in SQL: what passes, what is recorded of it, and what is nowhere to be found.

use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::{
    program::{Answer, PATIENCE, Place, call, connection, http, mcp, mcp_headers, send},
    scene::{Scene, check_nowhere},
    upstream::{SESSION, Upstream},
};

// --- what is recorded

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
    let shared = ["exchange_id", "conversation_id", "principal_id", "subject", "connection", "method", "target", "arguments_digest"];
    for column in shared {
        assert!(request[column].is_string(), "{column}: {request:#?}");
        assert_eq!(request[column], response[column], "{column}");
    }
    for row in [request, response] {
        assert_eq!((&row["subject"], &row["auth_method"], &row["source_ip"]), (&json!("ada"), &json!("jwt"), &json!("127.0.0.1")));
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
    assert_eq!((&response["outcome"], &response["transport_status"], &response["is_error"]), (&json!("ok"), &json!(200), &json!(false)));
    assert!(response["duration_us"].as_i64() > Some(0) && response["first_byte_us"].as_i64() > Some(0), "{response:#?}");
    assert!(request["outcome"].is_null());
    let ordered = "SELECT count(*) AS n FROM records WHERE recorded_at < occurred_at";
    assert_eq!(scene.row(ordered).await["n"], 0, "nothing is recorded before it was seen");
}

/// The message that a row holds.
fn body(row: &Value) -> Value {
    serde_json::from_str(row["body"].as_str().unwrap_or_else(|| panic!("no body: {row:#?}"))).unwrap()
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
        let statement = format!("SELECT outcome, transport_status, rpc_code, is_error FROM exchanges WHERE target = '{tool}' AND outcome IS NOT NULL");
        let row = scene.row(&statement).await;
        assert_eq!(row["outcome"], outcome, "{tool}");
        assert_eq!(json!([row["transport_status"], row["rpc_code"], row["is_error"]]), levels, "{tool}");
    }
    assert_eq!(scene.call("fail", json!({})).await.text(), "the server is on fire", "an answer passes byte for byte");
}

// --- what is nowhere

/// Values with the shapes of secrets, put together here so that none stands in a source file.
fn secrets() -> Vec<(&'static str, String)> {
    let join = |parts: &[&str]| parts.concat();
    vec![
        ("card", join(&["4111", "1111", "1111", "1111"])),
        ("email", join(&["buyer.of.boats", "@", "example.com"])),
        ("password", join(&["correct-", "horse-", "battery"])),
        ("aws_access_key", join(&["AK", "IA", "QYLPMN5H", "HVTZ4KRE"])),
        ("github_token", join(&["gh", "p_", "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"])),
        ("jwt", join(&["eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", ".", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"])),
        ("private_key", join(&["-----BEGIN ", "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHJ3Yk9pY0d0\n-----END ", "PRIVATE KEY-----"])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_pass_and_rest_nowhere() {
    let scene = Scene::open(
        "[[policy.rule]]\nname = \"no\"\nwhen = 'call.target == \"blocked\"'\nthen = \"block\"\n\
         [[policy.rule]]\nname = \"hold\"\nwhen = 'call.target == \"held\"'\nthen = { hold = { expires = \"1s\" } }\n",
    )
    .await;
    let secrets = secrets();
    let of = |name: &str| secrets.iter().find(|(rule, _)| *rule == name).unwrap().1.clone();
    let arguments = json!({
        "canary": "canary-4711",
        "text": format!("card {}, mail {}, {} and {}", of("card"), of("email"), of("github_token"), of("jwt")),
        "password": of("password"),
        "nested": json!({ "aws_access_key_id": of("aws_access_key"), "pem": of("private_key") }).to_string(),
    });
    let echoed = scene.call("echo", arguments.clone()).await;
    let text = echoed.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), arguments, "the caller gets what the upstream said");
    assert_eq!(scene.upstream.seen()[0].json()["params"]["arguments"], arguments, "the upstream gets what the caller said");
    assert_eq!(scene.call("blocked", arguments.clone()).await.json()["error"]["code"], 4301);
    assert_eq!(scene.call("held", arguments).await.message()["error"]["code"], 4303);

    let masked = "SELECT kind FROM records WHERE method = 'tools/call' AND redaction_status = 'masked' ORDER BY 1";
    let kinds = scene.rows(masked, |rows| rows.len() == 4).await;
    assert_eq!(kinds.iter().map(|row| &row["kind"]).collect::<Vec<_>>(), ["refusal", "request", "request", "response"]);
    for (rule, _) in &secrets {
        let found = format!(
            "SELECT DISTINCT kind FROM (SELECT kind, target, unnest(redactions) AS redaction FROM records WHERE target = 'echo') \
             WHERE redaction['rule'] = '{rule}'"
        );
        assert_eq!(scene.rows(&found, |rows| !rows.is_empty()).await.len(), 2, "{rule} in the request and in the answer");
    }
    let row = scene.row("SELECT body FROM records WHERE target = 'echo' AND kind = 'request'").await;
    let shown = body(&row)["params"]["arguments"].clone();
    assert_eq!((&shown["canary"], &shown["password"]), (&json!("canary-4711"), &json!("[REDACTED:password]")));
    let approval = scene.place.say(&["approvals", "list", "--all", "--json"]);
    assert!(approval.contains("canary-4711"), "reviewers see what was masked: {approval}");

    let token = scene.ada.clone();
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    let mut hidden: Vec<&str> = secrets.iter().map(|(_, value)| value.as_str()).collect();
    hidden.push(token.rsplit('.').next().unwrap());
    // A key's text is broken into lines; each of them is the key.
    hidden.retain(|value| !value.contains('\n'));
    hidden.push("MC4CAQAwBQYDK2VwBCIEIHJ3Yk9pY0d0");
    check_nowhere(&place, &hidden, "canary-4711");
    assert!(hidden.iter().all(|value| !approval.contains(value)), "{approval}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_sees_the_gateways_credential_and_never_the_callers() {
    let upstream = Upstream::start().await;
    let credential = "credential = { header = \"Authorization\", value = \"env:HANSARD_TEST_CREDENTIAL\" }\n";
    let place = Place::new(&format!("{}{credential}", connection(upstream.address)));
    let value = ["Bearer ", "held-by-", "the-gateway-alone"].concat();
    let running = place.start_with(&[("HANSARD_TEST_CREDENTIAL", &value)]);
    let ada = place.token("ada", &[]);
    let bearer = format!("Bearer {ada}");
    let mut headers = mcp_headers(&bearer).to_vec();
    let cookie = ["cookie-of-", "the-caller"].concat();
    headers.push(("cookie", &cookie));
    headers.push(("x-passes", "as it is"));
    let message = call(1, "echo", json!({ "canary": "canary-4712" })).to_string();
    assert_eq!(http(Method::POST, running.ingress, "/c/c", &headers, message.as_bytes()).await.status, 200);

    let seen = upstream.seen().swap_remove(0);
    assert_eq!(seen.body, message, "the body passes byte for byte");
    let sent: Vec<_> = seen.headers.get_all("authorization").iter().collect();
    assert_eq!(sent, [value.as_str()]);
    assert_eq!((seen.headers.get("cookie"), &seen.headers["x-passes"]), (None, &"as it is".parse().unwrap()));
    assert!(seen.headers.values().all(|value| !value.to_str().unwrap().contains(&ada)));
    place.sql_until("SELECT kind FROM records WHERE target = 'echo'", |rows| rows.len() == 2);
    assert!(running.stop().success());
    check_nowhere(&place, &["the-gateway-alone", &ada, ada.rsplit('.').next().unwrap(), "the-caller"], "canary-4712");
}

// --- streams

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
    assert_eq!((&row["outcome"], serde_json::from_str::<Value>(row["response_body"].as_str().unwrap()).unwrap()), (&json!("ok"), data(&last)));
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

// --- policy

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
    assert_eq!((&row["subject"], &row["target"], &row["rule"]), (&json!("ada"), &json!("query"), &json!("destructive-sql")));
    assert_eq!((&row["rpc_code"], &row["exchange_id"]), (&json!(4301), &error["data"]["exchange_id"]));
    assert_eq!(body(&row), call(7, "query", json!({ "sql": "drop  TABLE orders" })));
    assert_eq!(scene.call("query", json!({ "sql": "select 1" })).await.json()["result"]["isError"], false);
    let counts = scene.rows("SELECT calls, refusals FROM what WHERE target = 'query'", |rows| rows.len() == 1 && rows[0]["calls"] == 2).await;
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
    let rows = scene.rows("SELECT * FROM records WHERE target = 'diary' ORDER BY emitter_seq", |rows| rows.len() == 2).await;
    for row in &rows {
        assert!(row["body"].is_null() && row["body_bytes"].as_u64() > Some(0), "{row:#?}");
        assert_eq!((&row["subject"], &row["rule"]), (&json!("ada"), &json!("private")));
    }
    let counted = scene.rows("SELECT body FROM records WHERE method = 'recording/skipped'", |rows| !rows.is_empty()).await;
    assert_eq!(body(&counted[0]), json!({ "connection": "c", "reason": "policy", "frames": 2 }));
    assert_eq!(scene.row("SELECT count(*) AS n FROM records WHERE target = 'ping'").await["n"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_recorded_is_counted() {
    let upstream = Upstream::start().await;
    let place = Place::new(&format!("ingress.limits.skipped_report_seconds = 1\n{}record = \"off\"\n", connection(upstream.address)));
    let running = place.start();
    let ada = place.token("ada", &[]);
    assert_eq!(mcp(running.ingress, &ada, &call(1, "echo", json!({}))).await.status, 200);
    let counted = place.sql_until("SELECT body FROM records WHERE method = 'recording/skipped'", |rows| !rows.is_empty());
    assert_eq!(body(&counted[0]), json!({ "connection": "c", "reason": "off", "frames": 2 }));
    assert_eq!(place.sql("SELECT kind FROM records WHERE connection = 'c'").len(), 0);
}

// --- who is let in

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_a_caller_learns_where_to_get_one() {
    let scene = Scene::open("").await;
    let message = call(1, "echo", json!({ "note": "from a stranger" })).to_string();
    let refused = http(Method::POST, scene.running.ingress, "/c/c", &[("content-type", "application/json")], message.as_bytes()).await;
    assert_eq!(refused.status, 401);
    let url = format!("http://{}/.well-known/oauth-protected-resource/c/c", scene.running.ingress);
    assert_eq!(refused.headers["www-authenticate"], format!("Bearer resource_metadata=\"{url}\""));

    let metadata = http(Method::GET, scene.running.ingress, "/.well-known/oauth-protected-resource/c/c", &[], b"").await;
    assert_eq!(metadata.status, 200);
    let document = metadata.json();
    assert_eq!(document["resource"], format!("http://{}/c/c", scene.running.ingress));
    assert_eq!(document["authorization_servers"].as_array().map(Vec::len), Some(1));

    assert!(scene.upstream.seen().is_empty());
    let row = scene.row("SELECT * FROM refusals WHERE outcome = 'unauthenticated' AND connection = 'c'").await;
    assert_eq!((&row["transport_status"], &row["auth_method"], &row["source_ip"]), (&json!(401), &json!("none"), &json!("127.0.0.1")));
    assert!(row["subject"].is_null() && row["body"].is_null(), "strangers do not fill the trail: {row:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_of_whoever_opened_it() {
    let scene = Scene::open("").await;
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let opened = scene.say(&initialize).await;
    assert_eq!(opened.headers["mcp-session-id"], SESSION);
    let eve = scene.place.token("eve", &["platform"]);
    let stolen = in_session(&scene, &eve).await;
    assert_eq!(stolen.status, 404, "as if there were no such session: {stolen:?}");
    assert_eq!(scene.upstream.seen().len(), 1, "the upstream saw the initialize alone");
    let own = in_session(&scene, &scene.ada).await;
    assert_eq!(own.json()["result"]["isError"], false, "{own:?}");

    let row = scene.row("SELECT * FROM refusals WHERE outcome = 'forbidden'").await;
    assert_eq!((&row["subject"], &row["connection"]), (&json!("eve"), &json!("c")));
    let own = "SELECT count(DISTINCT conversation_id) AS n, count(*) AS rows FROM records WHERE subject = 'ada' AND connection = 'c'";
    assert_eq!(scene.rows(own, |rows| rows[0]["rows"] == 4).await[0]["n"], 1, "initialize and call are one conversation");
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    check_nowhere(&place, &[SESSION], "tools/call");
}

async fn in_session(scene: &Scene, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = mcp_headers(&bearer).to_vec();
    headers.push(("mcp-session-id", SESSION));
    let message = call(2, "echo", json!({})).to_string();
    http(Method::POST, scene.running.ingress, "/c/c", &headers, message.as_bytes()).await
}

// --- the door for programs

#[tokio::test(flavor = "multi_thread")]
async fn programs_ask_by_http_in_four_forms() {
    let scene = Scene::open("").await;
    scene.call("echo", json!({})).await;
    let statement = "SELECT subject, target, outcome FROM exchanges WHERE outcome = 'ok'";
    let expected = scene.rows(statement, |rows| rows.len() == 1).await;
    assert_eq!(expected, [json!({ "subject": "ada", "target": "echo", "outcome": "ok" })]);

    let csv = ask(&scene, "text/csv", statement).await;
    assert_eq!(csv.text().lines().collect::<Vec<_>>(), ["subject,target,outcome", "ada,echo,ok"]);
    let arrow = ask(&scene, "application/vnd.apache.arrow.stream", statement).await;
    let batches: Vec<_> = StreamReader::try_new(arrow.body.as_ref(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(batches[0].schema().field(1).name(), "target");
    let parquet = ask(&scene, "application/vnd.apache.parquet", statement).await;
    let batches: Vec<_> = ParquetRecordBatchReaderBuilder::try_new(parquet.body).unwrap().build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(batches[0].num_columns(), 3);

    let read = "SELECT DISTINCT subject, auth_method, source_ip FROM records WHERE kind = 'read' AND method = 'trail/sql'";
    let rows = scene.rows(read, |rows| !rows.is_empty()).await;
    assert_eq!(rows, [json!({ "subject": "ada", "auth_method": "jwt", "source_ip": "127.0.0.1" })]);
}

async fn ask(scene: &Scene, accept: &str, statement: &str) -> Answer {
    let bearer = format!("Bearer {}", scene.ada);
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain"), ("accept", accept)];
    let answer = http(Method::POST, scene.running.console, "/v1/sql", &headers, statement.as_bytes()).await;
    if answer.status == 200 {
        assert_eq!(answer.headers["content-type"], accept);
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_only_read_and_only_by_whom_it_knows() {
    let scene = Scene::open("").await;
    for headers in [vec![], vec![("authorization", "Bearer nonsense")]] {
        let headers = [headers, vec![("content-type", "text/plain")]].concat();
        let refused = http(Method::POST, scene.running.console, "/v1/sql", &headers, b"SELECT 1").await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    let stolen = scene.place.data().join("stolen.csv");
    for statement in [
        format!("COPY (SELECT * FROM records) TO '{}'", stolen.display()),
        "CREATE EXTERNAL TABLE passwd STORED AS CSV LOCATION '/etc/passwd'".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "INSERT INTO records SELECT * FROM records".to_owned(),
        "DELETE FROM records".to_owned(),
        "DROP VIEW exchanges".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "SELECT * FROM '/etc/passwd'".to_owned(),
    ] {
        let refused = ask(&scene, "application/json", &statement).await;
        assert_eq!(refused.status, 400, "{statement}: {refused:?}");
        assert!(refused.json()["error"].is_string());
    }
    assert!(!stolen.exists());
    let refusals = "SELECT outcome, count(*) AS n FROM refusals WHERE method = 'trail/sql' GROUP BY outcome ORDER BY outcome";
    let row = |outcome: &str, n: u64| json!({ "outcome": outcome, "n": n });
    scene.rows(refusals, |rows| rows == [row("malformed", 8), row("unauthenticated", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_can_be_limited_to_groups() {
    let scene = Scene::open("query.readers = [\"auditors\"]\n").await;
    assert_eq!(ask(&scene, "application/json", "SELECT 1").await.status, 403, "ada is no auditor");
    let auditor = scene.place.token("olga", &["auditors"]);
    let bearer = format!("Bearer {auditor}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let allowed = http(Method::POST, scene.running.console, "/v1/sql", &headers, b"SELECT 1 AS one").await;
    assert_eq!(allowed.json(), json!([{ "one": 1 }]));
    let rows = scene.place.sql_until("SELECT subject, outcome FROM refusals WHERE method = 'trail/sql'", |rows| rows.len() == 1);
    assert_eq!(rows, [json!({ "subject": "ada", "outcome": "forbidden" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_and_plain_paths_pass_as_they_are() {
    let scene = Scene::open("").await;
    let told = scene.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!((told.status.as_u16(), told.body.len()), (202, 0));
    let row = scene.row("SELECT kind, body FROM records WHERE method = 'notifications/initialized' AND direction = 'to_upstream'").await;
    assert_eq!(row["kind"], "notification");
    let bearer = format!("Bearer {}", scene.ada);
    let elsewhere = http(Method::GET, scene.running.ingress, "/c/nowhere", &mcp_headers(&bearer), b"").await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(scene.row("SELECT outcome FROM refusals WHERE target = '/c/nowhere'").await["outcome"], "forbidden");
}
