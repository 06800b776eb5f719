//! People, who meet approver and query as processes of their own: one votes on a held call, and reads of it by SQL.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use super::{
    super::callers::{Call, call_at_once},
    site::Site,
    verify,
};
use crate::program::{PATIENCE, http};

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Somebody with a token, at one of the consoles.
struct Person {
    console: SocketAddr,
    token: String,
}

pub(super) async fn at_work(site: &mut Site, round: usize) {
    at_work_after(site, round, |_| ()).await;
}

/// `fault` happens when all are ready, and before anybody is asked for anything.
pub(super) async fn at_work_after(site: &mut Site, round: usize, fault: impl FnOnce(&Site)) {
    let (approver, query) = (site.role("approver"), site.role("query"));
    let at = |console: Option<SocketAddr>| Person {
        console: console.expect("it has pages"),
        token: site.token("grace", "sre"),
    };
    let (voter, reader) = (at(approver.door), at(query.door));
    approver.await_ready().await;
    query.await_ready().await;
    let door = site.open_doors(false).await.remove(0);
    fault(site);

    let held = tokio::spawn(async move { call_at_once(&door, vec![Call::deploy(format!("held{round}"))]).await });
    let waiting = voter
        .until(Method::GET, "/v1/approvals", Value::Null, |all| all.as_array().is_some_and(|all| all.len() == 1))
        .await;
    let id = waiting[0]["approval_id"].as_str().expect("an id").to_owned();
    let seen = site.upstream.seen();
    assert!(!seen.contains(&format!("held{round}")), "a held call is not forwarded: {seen:?}");
    let vote = json!({ "decision": "approve", "comment": "go ahead" });
    let voted = voter.ask(Method::POST, &format!("/v1/approvals/{id}/votes"), &vote).await;
    assert_eq!(voted["state"], "approved", "{voted}");
    let given = held.await.expect("the caller does not panic");
    assert_eq!(given.answers.len(), 1, "{given:?}");
    site.known.given.add(given);

    let sql = format!("SELECT state, subject, approvals FROM approvals WHERE approval_id = '{id}'");
    let redeemed = |rows: &Value| rows[0]["state"] == "redeemed";
    let rows = reader.until(Method::POST, "/v1/sql", json!({ "sql": sql }), redeemed).await;
    assert_eq!((&rows[0]["subject"], &rows[0]["approvals"]), (&json!("ann"), &json!(1)), "{rows}");
    let sql = format!("SELECT subject, body FROM records WHERE method = 'approval/vote' AND approval_id = '{id}'");
    let rows = reader.ask(Method::POST, "/v1/sql", &json!({ "sql": sql })).await;
    assert!(rows[0]["subject"] == "grace" && rows[0]["body"].to_string().contains("go ahead"), "{rows}");

    site.close_doors();
    approver.terminate();
    query.terminate();
    let rows = verify(site, "People").await;
    println!("People: {rows} rows");
}

impl Person {
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http(method, self.console, path, &headers, body.as_bytes()).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.json()
    }

    /// Asks until the answer is as it should be.
    async fn until(&self, method: Method, path: &str, body: Value, done: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(method.clone(), path, &body).await;
            if done(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "{path}: not within {PATIENCE:?}: {answer:#}");
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}
