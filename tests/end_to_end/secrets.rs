//! Planted secrets pass, and rest nowhere: not in a row, not in a file, not in a log line, not in a metric.

use http::Method;
use serde_json::{Value, json};

use super::{
    program::{Place, call, connection, http, mcp_headers},
    scene::{HOLD, Scene, body, check_nowhere},
    upstream::Upstream,
};

/// Values with the shapes of secrets, put together here so that none stands in a source file.
fn secrets() -> Vec<(&'static str, String)> {
    let join = |parts: &[&str]| parts.concat();
    vec![
        ("card", join(&["4111", "1111", "1111", "1111"])),
        ("email", join(&["buyer.of.boats", "@", "example.com"])),
        ("password", join(&["correct-", "horse-", "battery"])),
        ("aws_access_key", join(&["AK", "IA", "QYLPMN5H", "HVTZ4KRE"])),
        ("github_token", join(&["gh", "p_", "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"])),
        (
            "jwt",
            join(&[
                "eyJhbGciOiJIUzI1NiJ9",
                ".",
                "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
                ".",
                "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            ]),
        ),
        (
            "private_key",
            join(&["-----BEGIN ", "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHJ3Yk9pY0d0\n-----END ", "PRIVATE KEY-----"]),
        ),
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
    assert_eq!(
        scene.upstream.seen()[0].json()["params"]["arguments"],
        arguments,
        "the upstream gets what the caller said"
    );
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
        assert_eq!(
            scene.rows(&found, |rows| !rows.is_empty()).await.len(),
            2,
            "{rule} in the request and in the answer"
        );
    }
    let row = scene.row("SELECT body FROM records WHERE target = 'echo' AND kind = 'request'").await;
    let shown = body(&row)["params"]["arguments"].clone();
    assert_eq!((&shown["canary"], &shown["password"]), (&json!("canary-4711"), &json!("[REDACTED:password]")));
    let approval = scene.place.say(&["approvals", "list", "--all", "--json"]);
    assert!(approval.contains("canary-4711"), "reviewers see what was masked: {approval}");

    let token = scene.ada.clone();
    let metrics = metrics(&scene).await;
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    let mut hidden: Vec<&str> = secrets.iter().map(|(_, value)| value.as_str()).collect();
    hidden.push(token.rsplit('.').next().unwrap());
    // A key's text is broken into lines; each of them is the key.
    hidden.retain(|value| !value.contains('\n'));
    hidden.push("MC4CAQAwBQYDK2VwBCIEIHJ3Yk9pY0d0");
    check_nowhere(&place, &hidden, "canary-4711");
    assert!(hidden.iter().all(|value| !approval.contains(value)), "{approval}");
    assert!(hidden.iter().all(|value| !metrics.contains(value)), "{metrics}");
}

async fn metrics(scene: &Scene) -> String {
    let answer = http(Method::GET, scene.running.operation, "/metrics", &[], b"").await;
    assert!(answer.text().contains("hansard_recorded_total"), "the search would find nothing: {answer:?}");
    answer.text().to_owned()
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

/// Secrets in every place of a call, a vote and a question that is not the arguments.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_beside_the_arguments_rest_nowhere() {
    let scene = Scene::open(HOLD).await;
    let hidden: Vec<String> =
        (0..11).map(|n| [["gh", "p_"].concat(), format!("{n:02}aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3")].concat()).collect();
    let note = |n: usize| json!({ "note": format!(": {}", hidden[n]) });
    // In what the upstream says: an RPC error, a tool's error, an HTTP error, progress.
    for (n, tool) in ["rpc-error", "tool-error", "fail", "stream"].into_iter().enumerate() {
        let answer = scene.call(tool, note(n)).await;
        assert!(answer.text().contains(&hidden[n]), "{tool}: the caller gets it: {answer:?}");
    }
    // In the tool's name, the message's id, and the path.
    scene.call(&format!("tool-{}", hidden[4]), json!({})).await;
    scene.say(&json!({ "jsonrpc": "2.0", "id": hidden[5], "method": "ping" })).await;
    let bearer = format!("Bearer {}", scene.ada);
    for path in [format!("/c/{}", hidden[6]), format!("/c/c/{}?x={}", hidden[7], hidden[7])] {
        http(Method::POST, scene.running.ingress, &path, &[("content-type", "application/json")], b"{}").await;
        http(Method::POST, scene.running.ingress, &path, &mcp_headers(&bearer), b"{}").await;
    }
    // In what a client says of itself, and in a message that is none.
    let mut headers = mcp_headers(&bearer).to_vec();
    headers.extend([("user-agent", hidden[8].as_str()), ("traceparent", &hidden[8]), ("mcp-session-id", &hidden[8])]);
    http(Method::POST, scene.running.ingress, "/c/c", &headers, format!("{{\"broken\": \"{}", hidden[8]).as_bytes())
        .await;
    // In a comment, and in a question.
    let (call, id) = scene.held(json!({}));
    let grace = scene.place.token("grace", &["sre"]);
    scene.place.say(&["approvals", "deny", &id, "--token", &grace, "--comment", &format!("not with {}", hidden[9])]);
    call.await.unwrap();
    scene.place.say(&["sql", &format!("SELECT 1 FROM records WHERE body LIKE '%{}%'", hidden[10])]);
    scene.place.fail(&["sql", &format!("SELECT {} FROM records", hidden[10])]);
    scene.place.fail(&["replay", &hidden[10]]);

    let masked = "SELECT count(*) AS n FROM records WHERE redaction_status = 'masked'";
    scene.rows(masked, |rows| rows[0]["n"].as_u64() >= Some(20)).await;
    let metrics = metrics(&scene).await;
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    assert!(hidden.iter().all(|value| !metrics.contains(value)), "{metrics}");
    check_nowhere(&place, &hidden, "tools/call");
}

/// What a scanner of single pieces would miss.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_in_pieces_rests_nowhere() {
    let scene = Scene::open_beside("kind = \"http\"\n").await;
    let bearer = format!("Bearer {}", scene.ada);
    let (_, card) = secrets().swap_remove(0);
    let sent = format!("the card canary-4714 is {card} and that is that");
    let path = "/c/plain/pieces?mail=buyer.of.boats@example.com";
    let answer = http(Method::POST, scene.running.ingress, path, &[("authorization", &bearer)], sent.as_bytes()).await;
    assert_eq!(answer.text(), sent);
    let row =
        scene.row("SELECT body, redaction_status FROM records WHERE connection = 'plain' AND kind = 'response'").await;
    assert_eq!(row, json!({ "body": sent.replace(&card, "[REDACTED:card]"), "redaction_status": "masked" }));
    let Scene { place, running, .. } = scene;
    assert!(running.stop().success());
    check_nowhere(&place, &[&card, "buyer.of.boats"], "canary-4714");
}
