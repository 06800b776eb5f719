//! People, who meet approver and query as processes of their own, two of each: a call is held, one approver shows it, the
//! other one takes a vote on it, and both queries tell of it by SQL.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use super::{
    super::callers::{Call, call_at_once},
    site::{Role, Site},
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
    meet(site, round, |_| (), false).await;
}

/// `fault` happens when all are ready, and before anybody is asked for anything.
pub(super) async fn at_work_after(site: &mut Site, round: usize, fault: impl FnOnce(&Site)) {
    meet(site, round, fault, false).await;
}

/// The approver that showed the call is killed before the vote, and a third one is started.
pub(super) async fn while_an_approver_is_killed(site: &mut Site, round: usize) {
    meet(site, round, |_| (), true).await;
}

async fn meet(site: &mut Site, round: usize, fault: impl FnOnce(&Site), killed: bool) {
    let mut approvers = vec![site.role("approver"), site.role("approver")];
    let queries = [site.role("query"), site.role("query")];
    for role in approvers.iter().chain(&queries) {
        role.await_ready().await;
    }
    let [one, other] = [&approvers[0], &approvers[1]].map(|approver| Person::at(site, approver));
    let readers = queries.each_ref().map(|query| Person::at(site, query));
    let door = site.open_doors(false).await.remove(0);
    fault(site);

    let held = tokio::spawn(async move { call_at_once(&door, vec![Call::deploy(format!("held{round}"))]).await });
    let id = one.waiting_approval().await;
    let seen = site.upstream.seen();
    assert!(!seen.contains(&format!("held{round}")), "a held call is not forwarded: {seen:?}");
    if killed {
        approvers.remove(0).kill();
        approvers.push(site.role("approver"));
    }
    assert_eq!(other.waiting_approval().await, id);
    let vote = json!({ "decision": "approve", "comment": "go ahead" });
    let voted = other.ask(Method::POST, &format!("/v1/approvals/{id}/votes"), &vote).await;
    assert_eq!(voted["state"], "approved", "{voted}");
    let given = held.await.expect("the caller does not panic");
    assert_eq!(given.answers.len(), 1, "{given:?}");
    site.known.given.add(given);
    for reader in &readers {
        reader.reads_of(&id).await;
    }

    site.close_doors();
    approvers.into_iter().chain(queries).for_each(Role::terminate);
    let rows = verify(site, "People").await;
    println!("People{}: {rows} rows", if killed { ", an approver killed" } else { "" });
}

impl Person {
    fn at(site: &Site, role: &Role) -> Person {
        Person { console: role.door.expect("it has pages"), token: site.token("grace", "sre") }
    }

    /// The id of the one call that waits.
    async fn waiting_approval(&self) -> String {
        let one = |all: &Value| all.as_array().is_some_and(|all| all.len() == 1);
        let waiting = self.until(Method::GET, "/v1/approvals", Value::Null, one).await;
        waiting[0]["approval_id"].as_str().expect("an id").to_owned()
    }

    /// Who called, that it went on, and what the vote said.
    async fn reads_of(&self, id: &str) {
        let sql = format!("SELECT state, subject, approvals FROM approvals WHERE approval_id = '{id}'");
        let redeemed = |rows: &Value| rows[0]["state"] == "redeemed";
        let rows = self.until(Method::POST, "/v1/sql", json!({ "sql": sql }), redeemed).await;
        assert_eq!((&rows[0]["subject"], &rows[0]["approvals"]), (&json!("ann"), &json!(1)), "{rows}");
        let sql = format!("SELECT subject, body FROM records WHERE method = 'approval/vote' AND approval_id = '{id}'");
        let rows = self.ask(Method::POST, "/v1/sql", &json!({ "sql": sql })).await;
        assert!(rows[0]["subject"] == "grace" && rows[0]["body"].to_string().contains("go ahead"), "{rows}");
    }

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
