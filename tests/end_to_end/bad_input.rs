//! Bad input from either side: a clear error that says whose fault it is, a record where a caller was concerned, and
//! a program that goes on.

use std::{net::SocketAddr, time::Instant};

use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    program::{Answer, PATIENCE, Place, call, connection, http, mcp, mcp_headers, send},
    scene::Scene,
    upstream::{Upstream, absent, saying},
};

/// The most memory that `up` may take while somebody sends it a body without end.
const MEMORY_BYTES_MAX: u64 = 300 * 1024 * 1024;

// --- tokens

/// A token that is not let in: what the caller is told, and what the trail says of it.
async fn check_token(scene: &Scene, token: &str, says: &str) {
    let refused = mcp(scene.running.ingress, token, &call(1, "echo", json!({}))).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("resource_metadata="), "{challenge}");
    assert!(refused.text().contains(says), "{refused:?}");
    let statement = format!(
        "SELECT subject, error FROM refusals WHERE outcome = 'unauthenticated' AND strpos(error, '{says}') > 0"
    );
    assert!(scene.row(&statement).await["subject"].is_null(), "nothing of the token is believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_none_are_refused_and_recorded() {
    let scene = Scene::open("").await;
    let (signed, signature) = scene.ada.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    check_token(&scene, "nonsense", "malformed").await;
    check_token(&scene, &format!("{signed}.{turned}"), "signature").await;
    check_token(&scene, &"x".repeat(20_000), "too long").await;
    // One that another installation gave.
    let foreign = Place::new("").token("ada", &["platform"]);
    let refused = mcp(scene.running.ingress, &foreign, &call(1, "echo", json!({}))).await;
    assert_eq!(refused.status, 401);
    assert!(scene.upstream.seen().is_empty());
    scene.rows("SELECT outcome FROM refusals WHERE outcome = 'unauthenticated'", |rows| rows.len() == 4).await;
    assert_eq!(scene.call("echo", json!({})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_until_it_expires() {
    let scene = Scene::open("identity.leeway_seconds = 0\n").await;
    let token = scene.place.say(&["token", "--subject", "bob", "--lifetime", "1"]);
    let until = Instant::now() + PATIENCE;
    while mcp(scene.running.ingress, &token, &call(1, "echo", json!({}))).await.status != 401 {
        assert!(Instant::now() < until, "it never expires");
    }
    let reached = scene.upstream.seen().len();
    check_token(&scene, &token, "expired").await;
    assert_eq!(scene.upstream.seen().len(), reached);
}

// --- messages

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_none_are_refused_and_recorded() {
    let scene = Scene::open("").await;
    let cases: [(&[u8], i64); 8] = [
        (b"{not json", -32700),
        (b"", -32700),
        (b"\xff\xfe{\x00}\x00", -32700),
        (br#"{"jsonrpc":"2.0","id":7}"#, -32600),
        (br#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/call"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}"#, -32600),
        (br#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600),
    ];
    for (number, (message, code)) in cases.into_iter().enumerate() {
        let refused = post(&scene, message).await;
        let shown = String::from_utf8_lossy(message);
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["error"]["code"]),
            (400, &json!(code)),
            "{shown}: {refused:?}"
        );
        let id = refused.json()["error"]["data"]["exchange_id"].as_str().unwrap().to_owned();
        let row =
            scene.row(&format!("SELECT subject, outcome, error, body FROM refusals WHERE exchange_id = '{id}'")).await;
        assert_eq!((&row["subject"], &row["outcome"]), (&json!("ada"), &json!("malformed")), "{number}: {shown}");
        assert!(row["error"].as_str().is_some_and(|why| !why.is_empty()), "{shown}: {row:#?}");
        if message.is_ascii() && !message.is_empty() {
            assert_eq!(row["body"], shown.as_ref(), "what was refused is in the record");
        }
    }
    assert!(scene.upstream.seen().is_empty());
    assert_eq!(scene.call("echo", json!({})).await.status, 200);
}

async fn post(scene: &Scene, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", scene.ada);
    http(Method::POST, scene.running.ingress, "/c/c", &mcp_headers(&bearer), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_asks_wrongly_is_refused_and_recorded() {
    let scene = Scene::open("").await;
    let bearer = format!("Bearer {}", scene.ada);
    let long = format!("SELECT '{}'", "x".repeat(1024 * 1024));
    let cases = [
        ("application/json", "{\"sql\":", 400),
        ("application/json", "{\"question\":\"SELECT 1\"}", 400),
        ("application/xml", "<sql/>", 400),
        ("text/plain", long.as_str(), 413),
        ("text/plain", &format!("SELECT {}1", "(".repeat(1000)), 422),
    ];
    for (kind, body, status) in cases {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let refused = http(Method::POST, scene.running.console, "/v1/sql", &headers, body.as_bytes()).await;
        assert_eq!(refused.status, status, "{kind}: {refused:?}");
    }
    scene
        .rows("SELECT outcome FROM refusals WHERE method = 'trail/sql' AND subject = 'ada'", |rows| {
            rows.len() == cases.len()
        })
        .await;
}

// --- bodies without end

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_gibibyte_is_refused_in_bounded_memory() {
    let scene = Scene::open("").await;
    let announced = huge(&scene, "content-length: 1073741824").await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
    assert!(announced.contains("16777216 bytes"), "{announced}");
    let endless = [(); 4].map(|()| huge(&scene, "transfer-encoding: chunked"));
    for refused in futures::future::join_all(endless).await {
        assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    }
    let rows = scene
        .rows("SELECT subject, body_bytes FROM records WHERE outcome = 'too_large' ORDER BY body_bytes", |rows| {
            rows.len() == 5
        })
        .await;
    assert!(rows.iter().all(|row| row["subject"] == "ada" && row["body_bytes"].as_u64() > Some(16 << 20)), "{rows:#?}");
    assert_eq!(rows[4]["body_bytes"], 1 << 30);
    let peak = scene.running.memory_bytes_peak();
    println!("at most {} MiB", peak >> 20);
    assert!(peak < MEMORY_BYTES_MAX, "{} MiB", peak >> 20);
    assert!(scene.upstream.seen().is_empty());
}

/// Sends a body until the connection is closed, and listens meanwhile; what came back.
async fn huge(scene: &Scene, framing: &str) -> String {
    let mut stream = TcpStream::connect(scene.running.ingress).await.unwrap();
    stream.write_all(head(scene, framing).as_bytes()).await.unwrap();
    let spaces = vec![b' '; 0x10000];
    let piece = if framing.contains("chunked") { [b"10000\r\n", spaces.as_slice(), b"\r\n"].concat() } else { spaces };
    let (listening, mut sending) = stream.into_split();
    let sender = tokio::spawn(async move { while sending.write_all(&piece).await.is_ok() {} });
    let received = rest(listening).await;
    sender.abort();
    received
}

fn head(scene: &Scene, framing: &str) -> String {
    format!(
        "POST /c/c HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\naccept: application/json\r\n{framing}\r\n\r\n",
        scene.running.ingress, scene.ada
    )
}

/// What still comes until the other side closes, which it must do in time.
async fn rest(mut stream: impl AsyncRead + Unpin) -> String {
    let mut received = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("the connection is closed in time");
    String::from_utf8_lossy(&received).into_owned()
}

// --- slow clients

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_slowly_is_hung_up_on() {
    let scene =
        Scene::open("ingress.limits.header_read_seconds_max = 1\ningress.limits.body_read_seconds_max = 1\n").await;
    let connect = async |sent: String| {
        let mut stream = TcpStream::connect(scene.running.ingress).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream
    };
    let silent = connect(String::new()).await;
    let half_a_head = connect("POST /c/c HTTP/1.1\r\nhost: localhost\r\nx-slow: ".to_owned()).await;
    let half_a_body = connect(format!("{}{{\"jsonrpc\"", head(&scene, "content-length: 1000"))).await;
    assert_eq!(scene.call("echo", json!({})).await.status, 200, "others are served meanwhile");
    let (silent, half_a_head, half_a_body) = tokio::join!(rest(silent), rest(half_a_head), rest(half_a_body));
    assert_eq!(silent, "");
    assert!(half_a_head.is_empty() || half_a_head.starts_with("HTTP/1.1 408"), "{half_a_head}");
    assert!(
        half_a_body.starts_with("HTTP/1.1 408") && half_a_body.contains("did not arrive within 1 s"),
        "{half_a_body}"
    );
    let row = scene.row("SELECT * FROM refusals WHERE outcome = 'timeout'").await;
    assert_eq!((&row["subject"], &row["transport_status"]), (&json!("ada"), &json!(408)));
    assert_eq!(scene.upstream.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_in_the_middle_is_recorded() {
    let scene = Scene::open("").await;
    let mut stream = TcpStream::connect(scene.running.ingress).await.unwrap();
    stream.write_all(format!("{}{{\"jsonrpc\"", head(&scene, "content-length: 1000")).as_bytes()).await.unwrap();
    drop(stream);
    let row = scene.row("SELECT subject, error FROM refusals WHERE outcome = 'interrupted'").await;
    assert_eq!(row["subject"], "ada");
    assert!(row["error"].as_str().unwrap().contains("caller"), "{row:#?}");
}

// --- upstreams

/// A call whose upstream fails: the caller is told that it was the upstream, and the record says how.
async fn check_upstream(upstream: SocketAddr, tool: &str, expected: (u16, i64, &str)) -> Value {
    let limits = "ingress.limits.upstream_first_byte_seconds_max = 1\n";
    let place = Place::new(&format!("{limits}{}", connection(upstream)));
    let running = place.start();
    let ada = place.token("ada", &[]);
    let answer = mcp(running.ingress, &ada, &call(7, tool, json!({}))).await;
    let (status, code, outcome) = expected;
    assert_eq!(answer.status, status, "{answer:?}");
    let error = &answer.json()["error"];
    assert_eq!((&error["code"], &answer.json()["id"]), (&json!(code), &json!(7)), "{answer:?}");
    let told = error["message"].as_str().unwrap();
    assert!(told.contains("upstream") && told.contains("at fault"), "{told}");
    let statement = "SELECT exchange_id, outcome, refused, error FROM exchanges WHERE method = 'tools/call' AND outcome IS NOT NULL";
    let row = place.sql_until(statement, |rows| rows.len() == 1).swap_remove(0);
    assert_eq!((&row["outcome"], &row["refused"]), (&json!(outcome), &json!(false)), "{row:#?}");
    assert_eq!((&row["error"], &row["exchange_id"]), (&error["message"], &error["data"]["exchange_id"]), "{row:#?}");
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_there() {
    let (_socket, address) = absent();
    check_upstream(address, "echo", (502, 5302, "unreachable")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs() {
    let upstream = Upstream::start().await;
    let row = check_upstream(upstream.address, "hang", (504, 5303, "timeout")).await;
    assert!(row["error"].as_str().unwrap().contains("silent for 1 s"), "{row:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_up_without_an_answer() {
    check_upstream(saying(b"").await, "echo", (502, 5302, "interrupted")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_up_within_its_answer() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\"";
    check_upstream(saying(half).await, "echo", (502, 5302, "interrupted")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_speak_http() {
    check_upstream(saying(b"SSH-2.0-OpenSSH_9.6\r\n").await, "echo", (502, 5304, "garbage")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_whose_answer_is_no_json() {
    let upstream = Upstream::start().await;
    check_upstream(upstream.address, "garbage", (502, 5304, "garbage")).await;
}

/// A stream that goes wrong after its first bytes: the caller has them, and sees that it is not whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_or_falls_silent() {
    let scene = Scene::open("ingress.limits.stream_idle_seconds_max = 1\n").await;
    let bearer = format!("Bearer {}", scene.ada);
    let stream = async |tool: &str| {
        let message = call(7, tool, json!({})).to_string();
        let answer = send(Method::POST, scene.running.ingress, "/c/c", &mcp_headers(&bearer), message.as_bytes()).await;
        let mut body = answer.into_body();
        let mut received = String::new();
        loop {
            match timeout(PATIENCE, body.frame()).await.expect("it ends in time") {
                Some(Ok(frame)) => received.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Some(Err(_)) => return (received, "broken"),
                None => return (received, "whole"),
            }
        }
    };
    let (received, end) = stream("reset").await;
    assert_eq!((received.as_str(), end), ("event: message\ndata: {\"jsonrpc\":\"2.0\",\"met", "broken"));
    let row = scene
        .row("SELECT outcome, error, response_body FROM exchanges WHERE target = 'reset' AND outcome IS NOT NULL")
        .await;
    assert_eq!(row["outcome"], "interrupted");
    assert!(row["error"].as_str().unwrap().contains("the upstream is at fault"), "{row:#?}");

    scene.upstream.allow(1);
    let (received, _) = stream("step").await;
    assert!(
        received.contains("\"progress\":1") && received.contains("5303") && received.contains("at fault"),
        "{received}"
    );
    let row = scene.row("SELECT outcome, error FROM exchanges WHERE target = 'step' AND outcome IS NOT NULL").await;
    assert_eq!(row["outcome"], "timeout");
    assert!(row["error"].as_str().unwrap().contains("the upstream is at fault"), "{row:#?}");
}
