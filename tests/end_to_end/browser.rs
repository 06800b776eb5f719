//! The console in a real browser: what a person sees there, what they can do, and what no content can.

use http::Method;
use serde_json::{Value, json};

use super::{
    parts,
    program::http,
    scene::{HOLD, Scene},
};

/// Runs as a script if anything lets it.
const HOSTILE: &str = "<script>alert('ran')</script><img src=x onerror=alert('ran')>";
/// What is not for strangers; each is in a call of [`scene`].
const TOLD: [&str; 3] = ["echo", "tools/call", "order 4711"];

/// A person who has this token, or none, does an errand at the console.
struct Visit {
    seen: Value,
}

impl Visit {
    fn pay(parts: &std::path::Path, scene: &Scene, token: Option<&str>, errand: &[&str]) -> Option<Visit> {
        let chromium = parts::chromium()?;
        let profile = tempfile::tempdir().unwrap();
        let origin = format!("http://{}", scene.running.console);
        let start = ["console.mjs", chromium, profile.path().to_str().unwrap(), &origin];
        let seen = parts::json(parts, "node", &[&start, errand].concat(), token);
        assert_eq!(seen["alarms"], json!([]), "{errand:?}: a page ran or fetched something");
        Some(Visit { seen })
    }

    /// A page that was seen, after what must be true of every page.
    fn page(&self, name: &str) -> &Value {
        check_page(&self.seen[name]);
        &self.seen[name]
    }
}

fn check_page(page: &Value) {
    assert_eq!(page["scripts"], 0, "{page}");
    assert_eq!(page["styled"], true, "the style sheet is applied: {page}");
    assert_eq!(page["fits"], json!({ "1280": true, "480": true }), "nothing stands out on the right: {page}");
}

fn contains(page: &Value, text: &str) -> bool {
    page["text"].as_str().unwrap().contains(text)
}

/// A call with a secret in it, which is answered and in the trail.
async fn scene() -> (Scene, String) {
    let scene = Scene::open(HOLD).await;
    let secret = ["grace.hopper", "@", "example.com"].concat();
    let answer = scene.call("echo", json!({ "note": "order 4711", "mail": secret })).await;
    assert!(answer.text().contains(&secret), "the caller's own answer is whole: {answer:?}");
    scene.row("SELECT 1 AS one FROM exchanges WHERE target = 'echo' AND outcome = 'ok'").await;
    (scene, secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_finds_a_call_and_reads_it_masked() {
    let Some(parts) = parts::installed() else { return };
    let (scene, secret) = scene().await;
    let Some(visit) = Visit::pay(parts, &scene, Some(&scene.ada), &["look", "echo"]) else { return };
    let explorer = visit.page("explorer");
    assert_eq!(explorer["title"], "Trail · Hansard");
    let row = explorer["rows"].as_array().unwrap().iter().find(|row| row[2] == "tools/call echo");
    let row = row.unwrap_or_else(|| panic!("the call is not shown: {explorer}"));
    assert_eq!([&row[1], &row[3], &row[4], &row[6]], ["ada", "c", "ok", "masked"]);

    let exchange = visit.page("exchange");
    let messages = exchange["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "request and answer: {exchange}");
    for message in messages {
        assert!(message.as_str().unwrap().contains("order 4711"), "{message}");
    }
    assert_eq!(exchange["marked"], json!(["[REDACTED:email]", "[REDACTED:email]"]));
    for page in [explorer, exchange] {
        assert!(!contains(page, &secret), "the secret is on a page: {page}");
    }
    let left = visit.page("left");
    assert!(!contains(left, "Sign out") && contains(left, "Sign in"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_sql_is_answered_in_a_table() {
    let Some(parts) = parts::installed() else { return };
    let (scene, _) = scene().await;
    let ask = |statement| Visit::pay(parts, &scene, Some(&scene.ada), &["ask", statement]);
    let statement = "select subject, count(*) as calls from exchanges where target = 'echo' group by subject";
    let Some(visit) = ask(statement) else { return };
    assert_eq!(visit.page("answer")["rows"], json!([["ada", "1"]]));
    let Some(visit) = ask("select nothing from exchanges") else { return };
    let answer = visit.page("answer");
    assert!(answer["alert"].as_str().unwrap().contains("nothing"), "it says what is wrong: {answer}");
    assert!(contains(answer, "Questions to start from"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_goes_on_when_somebody_approves_it_by_the_form() {
    let Some(parts) = parts::installed() else { return };
    let (scene, secret) = scene().await;
    let (call, _) = scene.held(json!({ "service": "checkout", "owner": secret }));
    let reviewer = scene.place.token("grace", &["sre"]);
    let Some(visit) = Visit::pay(parts, &scene, Some(&reviewer), &["approve", "looked at the change"]) else { return };
    let inbox = visit.page("inbox");
    assert!(contains(inbox, "deploy") && contains(inbox, "ada") && contains(inbox, "checkout"), "{inbox}");
    assert!(!contains(inbox, &secret), "the secret is in the inbox: {inbox}");
    assert_eq!(inbox["marked"], json!(["[REDACTED:email]"]));
    let answer = call.await.unwrap();
    assert!(answer.message()["result"]["content"][0]["text"].as_str().unwrap().contains(&secret), "{answer:?}");
    let decided = visit.page("decided");
    assert_eq!(decided["alert"], Value::Null, "{decided}");
    assert!(contains(decided, "looked at the change") && contains(decided, "No call is held"), "{decided}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_content_is_text_on_every_page() {
    let Some(parts) = parts::installed() else { return };
    let scene = Scene::open(HOLD).await;
    scene.call(HOSTILE, json!({ "note": HOSTILE, HOSTILE: 1 })).await;
    let (_held, _) = scene.held(json!({ "note": HOSTILE }));
    let row =
        scene.row("SELECT exchange_id, conversation_id FROM exchanges WHERE target <> 'deploy' AND outcome = 'ok'");
    let row = row.await;
    let exchange = format!("/exchange/{}", row["exchange_id"].as_str().unwrap());
    let search = format!("/?who={}", url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>());
    let paths = ["/", &exchange, &search, "/approvals", "/exchange/%3Cscript%3Ealert(1)%3C%2Fscript%3E"].join(" ");
    let reviewer = scene.place.token(HOSTILE, &["sre"]);
    let Some(visit) = Visit::pay(parts, &scene, Some(&reviewer), &["wander", &paths]) else { return };
    let pages = visit.seen["pages"].as_array().unwrap();
    pages.iter().for_each(check_page);
    for page in [&pages[0], &pages[1], &pages[3]] {
        assert!(contains(page, HOSTILE), "it is shown as it was written: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_what_is_wrong_with_it() {
    let Some(parts) = parts::installed() else { return };
    let (scene, _) = scene().await;
    let other = Scene::open("").await;
    for (token, why) in [("not-a-token", "malformed"), (other.ada.as_str(), "signature")] {
        let Some(visit) = Visit::pay(parts, &scene, Some(token), &["sign-in"]) else { return };
        let signed = visit.page("signed");
        let alert = signed["alert"].as_str().unwrap_or_else(|| panic!("no message: {signed}"));
        assert!(alert.contains("You were not signed in") && alert.contains(why), "{alert}");
        assert!(contains(signed, "Your token") && !contains(signed, "Sign out"), "{signed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_out_pages_give_nothing() {
    let Some(parts) = parts::installed() else { return };
    let (scene, _) = scene().await;
    let row = scene.row("SELECT exchange_id FROM exchanges WHERE target = 'echo'").await;
    let exchange = format!("/exchange/{}", row["exchange_id"].as_str().unwrap());
    let paths = ["/", "/sql", "/approvals", &exchange];
    for path in paths {
        let answer = http(Method::GET, scene.running.console, path, &[], b"").await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let Some(visit) = Visit::pay(parts, &scene, None, &["wander", &paths.join(" ")]) else { return };
    for page in visit.seen["pages"].as_array().unwrap() {
        check_page(page);
        assert!(contains(page, "Sign in"), "{page}");
        assert!(TOLD.iter().all(|text| !contains(page, text)), "a stranger is told something: {page}");
    }
}
