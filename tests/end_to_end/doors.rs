//! Who is let in: callers at ingress, programs that ask for the trail.

use arrow::ipc::reader::StreamReader;
use http::Method;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use super::{
    program::{Answer, call, http, mcp_headers},
    scene::{Scene, check_nowhere},
    upstream::SESSION,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_a_caller_learns_where_to_get_one() {
    let scene = Scene::open("").await;
    let message = call(1, "echo", json!({ "note": "from a stranger" })).to_string();
    let refused =
        http(Method::POST, scene.running.ingress, "/c/c", &[("content-type", "application/json")], message.as_bytes())
            .await;
    assert_eq!(refused.status, 401);
    let url = format!("http://{}/.well-known/oauth-protected-resource/c/c", scene.running.ingress);
    assert_eq!(refused.headers["www-authenticate"], format!("Bearer resource_metadata=\"{url}\""));

    let metadata =
        http(Method::GET, scene.running.ingress, "/.well-known/oauth-protected-resource/c/c", &[], b"").await;
    assert_eq!(metadata.status, 200);
    let document = metadata.json();
    assert_eq!(document["resource"], format!("http://{}/c/c", scene.running.ingress));
    assert_eq!(document["authorization_servers"].as_array().map(Vec::len), Some(1));

    assert!(scene.upstream.seen().is_empty());
    let row = scene.row("SELECT * FROM refusals WHERE outcome = 'unauthenticated' AND connection = 'c'").await;
    assert_eq!(
        (&row["transport_status"], &row["auth_method"], &row["source_ip"]),
        (&json!(401), &json!("none"), &json!("127.0.0.1"))
    );
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
    assert_eq!(
        scene.rows(own, |rows| rows[0]["rows"] == 4).await[0]["n"],
        1,
        "initialize and call are one conversation"
    );
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
    let batches: Vec<_> =
        ParquetRecordBatchReaderBuilder::try_new(parquet.body).unwrap().build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(batches[0].num_columns(), 3);

    let read =
        "SELECT DISTINCT subject, auth_method, source_ip FROM records WHERE kind = 'read' AND method = 'trail/sql'";
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
    let refusals =
        "SELECT outcome, count(*) AS n FROM refusals WHERE method = 'trail/sql' GROUP BY outcome ORDER BY outcome";
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
    let rows = scene
        .place
        .sql_until("SELECT subject, outcome FROM refusals WHERE method = 'trail/sql'", |rows| rows.len() == 1);
    assert_eq!(rows, [json!({ "subject": "ada", "outcome": "forbidden" })]);
}
