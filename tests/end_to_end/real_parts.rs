//! Real servers, clients, an issuer and a second reader: what they see through Hansard is what they see without it.

use http::Method;
use serde_json::{Value, json};

use super::{
    parts,
    program::{self, Place, connection},
    upstream::Upstream,
};

/// One client makes its calls directly and through Hansard; both must see the same, and all of it is in the trail.
fn check_client(program: &str, arguments: &[&str], calls: u64) {
    let Some(parts) = parts::installed() else { return };
    let (_server, address) = parts::server_everything(parts);
    let place = Place::to(address);
    let running = place.start();
    let token = place.token("ada", &["platform"]);
    let direct = format!("http://{address}/mcp");
    let through = format!("http://{}/c/c", running.ingress);
    let seen = |url: &str, token| parts::json(parts, program, &[arguments, &[url]].concat(), token);
    let expected = seen(&direct, None);
    assert_eq!(expected["progress"], 4, "{expected}");
    assert_eq!(seen(&through, Some(&token)), expected, "{program} {arguments:?}");
    let rows = place.sql_until(
        "SELECT count(*) AS calls FROM exchanges WHERE method = 'tools/call' AND subject = 'ada' AND outcome = 'ok'",
        |rows| rows[0]["calls"].as_u64() >= Some(calls),
    );
    assert_eq!(rows[0]["calls"], calls);
    let progress =
        "SELECT count(*) AS n FROM records WHERE kind = 'notification' AND method = 'notifications/progress'";
    place.sql_until(progress, |rows| rows[0]["n"] == 4);
}

#[test]
fn typescript_sdk_v1_sees_no_difference() {
    check_client("node", &["client.mjs", "v1"], 4);
}

#[test]
fn typescript_sdk_v2_sees_no_difference() {
    check_client("node", &["client.mjs", "v2"], 4);
}

#[test]
fn python_sdk_sees_no_difference() {
    check_client("python", &["client.py"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_real_issuer_are_checked() {
    let Some(parts) = parts::installed() else { return };
    let audience = "https://hansard.example";
    let (_issuer, url) = parts::issuer(parts, audience);
    let upstream = Upstream::start().await;
    let issuers = format!("[[identity.issuers]]\nurl = \"{url}\"\naudience = \"{audience}\"\n");
    let place = Place::new(&(connection(upstream.address) + &issuers));
    let running = place.start();

    let token = token(&url, "agent", audience).await;
    let answer = program::mcp(running.ingress, &token, &program::call(1, "echo", json!({ "a": 1 }))).await;
    assert_eq!(answer.json()["id"], 1, "{answer:?}");
    let rows = place
        .sql_until("SELECT subject, issuer, groups FROM exchanges WHERE method = 'tools/call'", |rows| rows.len() == 1);
    assert_eq!((&rows[0]["subject"], &rows[0]["issuer"]), (&json!("agent"), &json!(url)));
    assert_eq!(rows[0]["groups"], json!(["platform"]));

    let other = self::token(&url, "agent", "https://elsewhere.example").await;
    let refused = program::mcp(running.ingress, &other, &program::call(2, "echo", json!({}))).await;
    assert_eq!(refused.status, 401, "a token for another audience: {refused:?}");
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="), "{challenge}");
    assert_eq!(upstream.seen().len(), 1, "the refused call never reached the upstream");
    place.sql_until("SELECT outcome FROM refusals WHERE outcome = 'unauthenticated'", |rows| rows.len() == 1);
}

/// An access token by client credentials.
async fn token(issuer: &str, client: &str, audience: &str) -> String {
    let address = issuer.strip_prefix("http://").unwrap().parse().unwrap();
    let form = format!(
        "grant_type=client_credentials&scope=call&resource={audience}&client_id={client}&client_secret={client}-test-only"
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = program::http(Method::POST, address, "/token", &headers, form.as_bytes()).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_the_archive_with_the_same_answers() {
    let Some(parts) = parts::installed() else { return };
    let upstream = Upstream::start().await;
    let place = Place::to(upstream.address);
    let running = place.start();
    for (caller, calls) in [("ada", 5), ("grace", 3)] {
        let token = place.token(caller, &["platform"]);
        for id in 0..calls {
            program::mcp(
                running.ingress,
                &token,
                &program::call(id, "echo", json!({ "n": id, "mail": "a@example.com" })),
            )
            .await;
        }
    }
    assert!(running.stop().success());

    let archive = place.data().join("archive");
    for question in [
        "SELECT subject, kind, count(*) AS n FROM records WHERE method = 'tools/call' GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT exchange_id, record_id, body, outcome, is_error, body_bytes FROM records WHERE method = 'tools/call' ORDER BY record_id",
        "SELECT min(body_bytes) AS least, max(body_bytes) AS most, count(DISTINCT exchange_id) AS exchanges FROM records WHERE method = 'tools/call'",
    ] {
        let ours = Value::Array(place.sql(question));
        let theirs = parts::json(parts, "python", &["parquet.py", archive.to_str().unwrap(), question], None);
        assert!(ours.as_array().is_some_and(|rows| !rows.is_empty()), "{question}");
        assert_eq!(theirs, ours, "{question}");
    }
}
