//! What happens in the demo, call by call, and what must come of each.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rmcp::{model::CallToolResult, service::ServiceError};
use schemas::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    caller::{Caller, Era},
    secrets::Secrets,
    server::REPORT_STEPS,
};
use crate::{
    approvals::{self, Choice},
    configuration::Configuration,
    data::DataDirectory,
    token::{self, Subject},
    up::Running,
};

const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a held call may take to be shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// One thing that was promised, and whether it held.
#[derive(Debug)]
pub struct Expectation {
    pub what: String,
    pub held: bool,
    /// What was seen.
    pub seen: String,
}

/// The people of the story, and what they expect.
pub struct Story<'a> {
    data: &'a DataDirectory,
    configuration: &'a Configuration,
    running: &'a Running,
    secrets: Arc<Secrets>,
    sockets: TempDir,
    pub expectations: Vec<Expectation>,
    pub began_at: Timestamp,
}

impl<'a> Story<'a> {
    pub fn new(
        data: &'a DataDirectory,
        configuration: &'a Configuration,
        running: &'a Running,
        secrets: Arc<Secrets>,
    ) -> Result<Story<'a>> {
        let sockets = tempfile::tempdir().context("cannot make a folder for sockets")?;
        let began_at = (running.ground.clock)();
        Ok(Story { data, configuration, running, secrets, sockets, expectations: Vec::new(), began_at })
    }

    pub async fn tell(&mut self) -> Result<()> {
        let alice = self.caller("alice", &["shop"], Era::Sessions).await?;
        self.plain_calls(&alice).await;
        self.streamed_call(&alice).await;
        self.secrets_both_ways(&alice).await;
        self.blocked_call(&alice).await;
        self.held_call(&alice).await?;
        alice.leave().await?;
        let robot = self.caller("ci-job", &["ci"], Era::Stateless).await?;
        let answer = robot.call("find_orders", json!({ "name": "Hopper" })).await;
        self.expect("a CI job calls without a session (2026-07-28)", text(&answer).contains("1001"), text(&answer));
        robot.leave().await?;
        self.stranger().await
    }

    async fn plain_calls(&mut self, alice: &Caller) {
        let tools = alice.tools().await;
        self.expect("alice lists the tools", matches!(tools, Ok(6)), format!("{tools:?}"));
        for name in ["Lovelace", self.secrets.canary.clone().as_str()] {
            let answer = alice.call("find_orders", json!({ "name": name })).await;
            self.expect("alice calls find_orders", text(&answer).contains(name), text(&answer));
        }
    }

    async fn streamed_call(&mut self, alice: &Caller) {
        let answer = alice.call("monthly_report", json!({})).await;
        let steps = REPORT_STEPS as usize;
        let progress = alice.progress(steps).await;
        let seen = format!("{progress} progress notifications, then: {}", text(&answer));
        self.expect("a streamed answer arrives event by event", progress == steps && answer.is_ok(), seen);
    }

    async fn secrets_both_ways(&mut self, alice: &Caller) {
        let (card, email) = (self.secrets.card.value.clone(), self.secrets.email.value.clone());
        let answer = alice.call("charge_card", json!({ "order": 1005, "card": card, "email": email })).await;
        let unchanged = text(&answer).contains(&email);
        self.expect(
            "a call with a card and an e-mail address is answered unchanged",
            unchanged,
            "the address came back",
        );
        let answer = alice.call("read_settings", json!({})).await;
        let unchanged = text(&answer) == self.secrets.settings_file();
        self.expect(
            "an answer with a password and an access key arrives unchanged",
            unchanged,
            "all settings, letter by letter",
        );
    }

    async fn blocked_call(&mut self, alice: &Caller) {
        let answer = alice.call("run_sql", json!({ "sql": "DROP TABLE orders" })).await;
        self.expect("DROP TABLE is blocked", code(&answer) == Some(4301), text(&answer));
    }

    /// Alice's deployment waits; she cannot release it herself; bob of the sre group can.
    async fn held_call(&mut self, alice: &Caller) -> Result<()> {
        let call = alice.call("deploy_service", json!({ "service": "checkout", "version": "2.4.1" }));
        let decided = async {
            let id = self.wait_for_held().await?;
            let own = self.vote("alice", &["sre"], &id).await?;
            let other = self.vote("bob", &["sre"], &id).await?;
            anyhow::Ok((own, other, Instant::now()))
        };
        let (answer, decided) = tokio::join!(async { (call.await, Instant::now()) }, decided);
        let (answer, answered_at) = answer;
        let (own, other, voted_at) = decided?;
        self.expect("alice cannot approve her own call", own.is_err(), seen(&own));
        self.expect("bob of the sre group approves it", other.is_ok(), seen(&other));
        let waited = answered_at.saturating_duration_since(voted_at).as_millis();
        let released = text(&answer).contains("in production");
        self.expect("the held call goes on", released, format!("{} ms after the vote: {}", waited, text(&answer)));
        Ok(())
    }

    async fn wait_for_held(&self) -> Result<String> {
        let until = Instant::now() + SHOWN_WITHIN;
        while Instant::now() < until {
            let pending = approvals::pending(self.running.ground.bus.reader(), (self.running.ground.clock)()).await?;
            if let Some(approval) = pending.first() {
                return Ok(approval.approval_id.to_string());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the held call was not shown within {SHOWN_WITHIN:?}")
    }

    async fn vote(&self, who: &str, groups: &[&str], id: &str) -> Result<Result<Value, String>> {
        let token = self.token(who, groups)?;
        let vote =
            approvals::vote(self.running.addresses.console, id, Choice::Approve, &token, "looked at the change").await;
        Ok(vote.map_err(|failure| failure.to_string()))
    }

    async fn stranger(&mut self) -> Result<()> {
        let socket = self.sockets.path().join("stranger");
        let refused = Caller::connect(&socket, self.running.addresses.ingress, None, Era::Sessions).await;
        let says = refused.as_ref().map_or_else(|error| format!("{error:#}"), |_| "let in".to_owned());
        self.expect("a caller without a token is refused", refused.is_err(), says);
        Ok(())
    }

    async fn caller(&self, who: &str, groups: &[&str], era: Era) -> Result<Caller> {
        let token = self.token(who, groups)?;
        let socket: &Path = &self.sockets.path().join(who);
        let caller = Caller::connect(socket, self.running.addresses.ingress, Some(&token), era).await;
        caller.with_context(|| format!("{who} cannot connect through ingress"))
    }

    fn token(&self, who: &str, groups: &[&str]) -> Result<String> {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let subject = Subject { subject: who.to_owned(), groups, name: None, lifetime: TOKEN_LIFETIME };
        token::mint(self.data, self.configuration, subject).map_err(|failure| anyhow::anyhow!("{failure}"))
    }

    pub fn expect(&mut self, what: impl Into<String>, held: bool, seen: impl Into<String>) {
        self.expectations.push(Expectation { what: what.into(), held, seen: seen.into() });
    }
}

/// What a tool said, or why it did not.
fn text(answer: &Result<CallToolResult, ServiceError>) -> String {
    match answer {
        Ok(result) => result.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.as_str()).collect(),
        Err(ServiceError::McpError(error)) => format!("{}: {}", error.code.0, error.message),
        Err(error) => error.to_string(),
    }
}

fn code(answer: &Result<CallToolResult, ServiceError>) -> Option<i32> {
    match answer {
        Err(ServiceError::McpError(error)) => Some(error.code.0),
        _ => None,
    }
}

fn seen(vote: &Result<Value, String>) -> String {
    vote.as_ref().map_or_else(Clone::clone, |vote| format!("state: {}", vote["state"].as_str().unwrap_or("?")))
}
