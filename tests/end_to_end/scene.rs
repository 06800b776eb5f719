//! The program in front of the scripted upstream, a caller, and somebody who reads the trail afterwards.

use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    program::{Answer, PATIENCE, Place, Program, call, connection, files, http, mcp},
    upstream::Upstream,
};

/// Calls of `deploy` wait for one of the group `sre`.
pub const HOLD: &str = "[[policy.rule]]\nname = \"production\"\nwhen = 'call.target == \"deploy\"'\n\
                        then = { hold = { reviewers = [\"sre\"], approve = 1, deny = 1, expires = \"5m\" } }\n";

pub struct Scene {
    pub place: Place,
    pub running: Program,
    pub upstream: Upstream,
    /// Of `ada`, who calls.
    pub ada: String,
}

impl Scene {
    /// `configuration`: TOML beside the connection `c`; keys of the root first.
    pub async fn open(configuration: &str) -> Scene {
        Scene::before(Upstream::start().await, configuration)
    }

    fn before(upstream: Upstream, configuration: &str) -> Scene {
        let place = Place::new(&format!("{configuration}{}", connection(upstream.address)));
        let running = place.start();
        let ada = place.token("ada", &["platform"]);
        Scene { place, running, upstream, ada }
    }

    /// With a second connection `plain` to the same server's `/files`, and more keys of it.
    pub async fn open_beside(connection: &str) -> Scene {
        let upstream = Upstream::start().await;
        let plain =
            format!("[[connection]]\nname = \"plain\"\nupstream = \"http://{}/files\"\n{connection}", upstream.address);
        Scene::before(upstream, &plain)
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.say(&call(7, tool, arguments)).await
    }

    pub async fn say(&self, message: &Value) -> Answer {
        mcp(self.running.ingress, &self.ada, message).await
    }

    /// A call that is held, and the id by which people vote on it.
    pub fn held(&self, arguments: Value) -> (JoinHandle<Answer>, String) {
        let (ingress, token) = (self.running.ingress, self.ada.clone());
        let message = call(7, "deploy", arguments);
        let call = tokio::spawn(async move { mcp(ingress, &token, &message).await });
        let until = Instant::now() + PATIENCE;
        loop {
            if let [approval] = self.waiting().as_slice() {
                return (call, approval["approval_id"].as_str().unwrap().to_owned());
            }
            assert!(Instant::now() < until, "the call is not held");
        }
    }

    /// What `hansard approvals list --json` shows.
    pub fn waiting(&self) -> Vec<Value> {
        serde_json::from_str(&self.place.say(&["approvals", "list", "--json"])).unwrap()
    }

    /// The rows by the console's door, asked for until they are as they should be.
    pub async fn rows(&self, statement: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let rows = self.ask(statement).await;
            if done(&rows) {
                return rows;
            }
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {statement}\n{rows:#?}");
        }
    }

    /// The one row of an answer that will have one.
    pub async fn row(&self, statement: &str) -> Value {
        self.rows(statement, |rows| !rows.is_empty()).await.swap_remove(0)
    }

    async fn ask(&self, statement: &str) -> Vec<Value> {
        let bearer = format!("Bearer {}", self.ada);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = json!({ "sql": statement }).to_string();
        let answer = http(Method::POST, self.running.console, "/v1/sql", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{statement}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// Rows in the Parquet that the commit log names.
pub fn archived_rows(place: &Place) -> u64 {
    let commits = files(&place.data().join("archive/log/commits"));
    let rows =
        |commit| serde_json::from_slice::<Value>(&std::fs::read(commit).unwrap()).unwrap()["rows"].as_u64().unwrap();
    commits.into_iter().map(rows).sum()
}

/// None of these stands in any byte that was written, nor in anything that SQL reads from the archive. The program has
/// ended.
pub fn check_nowhere(place: &Place, secrets: &[&str], canary: &str) {
    let trail = place.say(&["sql", "SELECT * FROM records", "--format", "json"]);
    assert!(trail.contains(canary), "the search would find nothing: {trail}");
    for secret in secrets {
        assert!(!trail.contains(secret), "{secret} can be read in SQL");
    }
    let written = files(&place.data());
    assert!(written.iter().any(|file| file.extension().is_some_and(|name| name == "parquet")), "{written:?}");
    for file in written.into_iter().chain([place.log()]) {
        let bytes = std::fs::read(&file).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {}", file.display());
        }
    }
}

/// The message that a row holds.
pub fn body(row: &Value) -> Value {
    serde_json::from_str(row["body"].as_str().unwrap_or_else(|| panic!("no body: {row:#?}"))).unwrap()
}
