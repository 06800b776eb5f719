//! Calls as spans: a collector with OpenTelemetry's own types takes them, and the upstream is told where it stands.

use std::{collections::BTreeMap, time::Instant};

use http::Method;
use serde_json::{Value, json};

use super::{
    oracle::{self, Collector},
    program::{PATIENCE, call, http, mcp_headers},
    scene::Scene,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn open(collector: &Collector) -> Scene {
    let key = "headers = { x-api-key = \"the-key-of-the-collector\" }";
    let spans = format!("spans = {{ endpoint = \"http://{}/v1/traces\", {key} }}", collector.address);
    Scene::open(&format!("operation.{spans}\n")).await
}

async fn say(scene: &Scene, traceparent: Option<&str>, message: &Value) -> u16 {
    let bearer = format!("Bearer {}", scene.ada);
    let mut headers = mcp_headers(&bearer).to_vec();
    headers.extend(traceparent.map(|traceparent| ("traceparent", traceparent)));
    let answer = http(Method::POST, scene.running.ingress, "/c/c", &headers, message.to_string().as_bytes()).await;
    answer.status.as_u16()
}

/// The spans of one trace by kind, once both are there.
fn pair(collector: &Collector, of: impl Fn(&Value) -> bool) -> BTreeMap<String, Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = collector.spans().into_iter().filter(|span| of(span));
        let pair: BTreeMap<_, _> = found.map(|span| (span["kind"].as_str().unwrap().to_owned(), span)).collect();
        if pair.len() == 2 {
            return pair;
        }
        assert!(Instant::now() < until, "not both came: {pair:#?}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_span_in_its_callers_trace_and_the_upstreams_below_it() {
    let Some(oracle) = oracle::oracle() else { return };
    let collector = Collector::start(oracle);
    let scene = open(&collector).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(say(&scene, Some(&traceparent), &call(1, "tool-error", json!({ "note": "a-canary" }))).await, 200);

    let spans = pair(&collector, |span| span["trace_id"] == TRACE);
    let (ours, upstreams) = (&spans["SPAN_KIND_SERVER"], &spans["SPAN_KIND_CLIENT"]);
    assert_eq!((&ours["parent_id"], &upstreams["parent_id"]), (&json!(PARENT), &ours["span_id"]));
    let told = scene.upstream.seen()[0].headers["traceparent"].to_str().unwrap().to_owned();
    assert_eq!(told, format!("00-{TRACE}-{}-01", upstreams["span_id"].as_str().unwrap()));

    // The server has not listed this tool, so it is a word of the caller's, and not told.
    assert_eq!((&ours["name"], &ours["status"]), (&json!("tools/call"), &json!("STATUS_CODE_ERROR")));
    let row = scene.row("SELECT exchange_id, trace_id, span_id FROM records WHERE kind = 'request'").await;
    assert_eq!((&row["trace_id"], &row["span_id"]), (&json!(TRACE), &ours["span_id"]));
    let attributes = &ours["attributes"];
    let expected = json!({
        "mcp.method.name": "tools/call", "mcp.protocol.version": "2025-11-25", "gen_ai.operation.name": "execute_tool",
        "error.type": "tool_error", "network.transport": "tcp", "network.protocol.name": "http",
        "http.request.method": "POST", "hansard.connection": "c", "hansard.verdict": "allow",
        "hansard.outcome": "tool_error", "hansard.exchange_id": row["exchange_id"],
        "hansard.overhead_us": attributes["hansard.overhead_us"],
    });
    assert_eq!(attributes, &expected);
    let upstream = upstreams["attributes"].clone();
    assert_eq!(
        (&upstream["server.address"], &upstream["server.port"]),
        (&json!("127.0.0.1"), &json!(scene.upstream.address.port()))
    );
    let time = |span: &Value, name: &str| span[name].as_u64().unwrap();
    assert!(time(ours, "began_ns") <= time(upstreams, "began_ns"));
    assert!(time(upstreams, "began_ns") <= time(upstreams, "ended_ns"));
    assert_eq!((&ours["resource"]["service.name"], &ours["scope"]), (&json!("hansard"), &json!("hansard")));
    assert_eq!(ours["key"], "the-key-of-the-collector");
    assert!(!format!("{:?}", collector.spans()).contains("canary"), "payloads are in no span");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_who_decides() {
    let Some(oracle) = oracle::oracle() else { return };
    let collector = Collector::start(oracle);
    let scene = open(&collector).await;
    // The caller does not keep its spans, so neither do we; and this is passed on.
    say(&scene, Some(&format!("00-{TRACE}-{PARENT}-00")), &call(1, "echo", json!({}))).await;
    assert!(scene.upstream.seen()[0].headers["traceparent"].to_str().unwrap().ends_with("-00"));
    // What the message says goes before the header.
    let inner = "0af7651916cd43dd8448eb211c80319c";
    let mut message = call(2, "echo", json!({}));
    message["params"]["_meta"] = json!({ "traceparent": format!("00-{inner}-{PARENT}-01") });
    say(&scene, Some(&format!("00-{TRACE}-{PARENT}-00")), &message).await;
    pair(&collector, |span| span["trace_id"] == inner);
    // Nobody says anything: a trace of our own.
    say(&scene, None, &call(3, "echo", json!({}))).await;
    let own = pair(&collector, |span| span["trace_id"] != inner);
    assert_eq!(own["SPAN_KIND_SERVER"]["parent_id"], "");
    assert!(collector.spans().iter().all(|span| span["trace_id"] != TRACE), "it was not asked for");
    // Conversations are told apart by the callers' traces; those that we give make none of their own.
    say(&scene, None, &call(4, "echo", json!({}))).await;
    let asked = "SELECT count(*) AS calls, count(DISTINCT conversation_id) AS conversations FROM records \
                 WHERE kind = 'request'";
    let rows = scene.rows(asked, |rows| rows[0]["calls"] == 4).await;
    assert_eq!(rows[0]["conversations"], 3);
}

/// Without a collector the wire is as it was, and a collector that is away costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_added_where_nobody_asks_and_nothing_waits_for_a_collector() {
    let scene = Scene::open("").await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    say(&scene, Some(&traceparent), &call(1, "echo", json!({}))).await;
    say(&scene, None, &call(2, "echo", json!({}))).await;
    let told: Vec<_> = scene.upstream.seen().iter().map(|seen| seen.headers.get("traceparent").cloned()).collect();
    assert_eq!(told, [Some(traceparent.parse().unwrap()), None]);
    let row = scene.row("SELECT trace_id, span_id FROM records WHERE trace_id IS NOT NULL AND kind = 'request'").await;
    assert_eq!((&row["trace_id"], &row["span_id"]), (&json!(TRACE), &json!(PARENT)));

    let scene = Scene::open("operation.spans = { endpoint = \"http://127.0.0.1:1/v1/traces\" }\n").await;
    for id in 0..20 {
        assert_eq!(say(&scene, None, &call(id, "echo", json!({}))).await, 200);
    }
    assert!(scene.running.stop().success());
}
