//! `hansard approvals`: held calls as the log has them, and votes through a running `hansard up`.
//!
//! It refuses to decide itself whether a vote counts: the approver says so.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Result, anyhow};
use bus::Reader;
use schemas::{Approval, Timestamp, approval::State};
use serde_json::{Value, json};

use crate::{
    argv,
    configuration::Configuration,
    console,
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    reading, table,
    wiring::{self, Ground},
};

/// What a person says of a held call.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Approve,
    Deny,
}

pub async fn command(
    data: &DataDirectory,
    configuration: &Configuration,
    what: argv::Approvals,
) -> Result<(), Failure> {
    match what {
        argv::Approvals::List { all, json } => list(data, configuration, all, json).await,
        argv::Approvals::Approve(ballot) => cast(data, &ballot, Choice::Approve).await,
        argv::Approvals::Deny(ballot) => cast(data, &ballot, Choice::Deny).await,
    }
}

/// Calls that wait for a decision.
pub async fn pending(log: Arc<dyn Reader>, now: Timestamp) -> Result<Vec<Approval>> {
    let waits = |approval: &Approval| approver::state_at(approval, now) == State::Pending;
    Ok(approver::read_all(log).await?.into_iter().filter(waits).collect())
}

/// Votes at a running `hansard up`; the answer says what has become of the call.
pub async fn vote(console: SocketAddr, id: &str, choice: Choice, token: &str, comment: &str) -> Result<Value, Failure> {
    let path = format!("/v1/approvals/{id}/votes");
    let decision = match choice {
        Choice::Approve => "approve",
        Choice::Deny => "deny",
    };
    let body = json!({ "decision": decision, "comment": comment });
    let (status, answer) = console::post(console, &path, token, &body).await.map_err(Failure::Unavailable)?;
    if status.is_success() {
        return Ok(answer);
    }
    let why = answer["reason"].as_str().or(answer.as_str()).unwrap_or("no reason was given");
    Err(Failure::Refused(anyhow!("the vote does not count: {why}")))
}

/// Reading what is held is a read of the trail, and recorded as one.
#[expect(clippy::print_stdout, reason = "the list is what is asked for")]
async fn list(data: &DataDirectory, configuration: &Configuration, all: bool, as_json: bool) -> Result<(), Failure> {
    let ground = Ground::open(data, configuration, &Keys::of(data)?, reading::emitter(data)?).await?;
    reading::record(&ground, "approvals/list").await?;
    let now = wiring::now();
    let log = ground.bus.reader();
    let approvals =
        if all { approver::read_all(log).await.map_err(anyhow::Error::from)? } else { pending(log, now).await? };
    if as_json {
        let rows = approvals.iter().map(|approval| approver::to_json(approval, now));
        println!("{}", Value::Array(rows.collect()));
        return Ok(());
    }
    let head = ["approval_id", "state", "requester", "connection", "target", "rule", "expires_at", "call (masked)"];
    println!("{}", table::render(&head, approvals.iter().map(|approval| row(approval, now))));
    Ok(())
}

fn row(approval: &Approval, now: Timestamp) -> Vec<String> {
    let held = &approval.held;
    vec![
        approval.approval_id.to_string(),
        approver::state_at(approval, now).as_str().to_owned(),
        held.requester.subject.clone(),
        held.connection.clone(),
        held.target.clone(),
        held.rule.clone(),
        approval.expires_at().to_string(),
        held.body.clone(),
    ]
}

#[expect(clippy::print_stdout, reason = "what became of the call is what is asked for")]
async fn cast(data: &DataDirectory, ballot: &argv::Vote, choice: Choice) -> Result<(), Failure> {
    let console = data.addresses().map_err(Failure::Unavailable)?.console;
    let answer = vote(console, &ballot.id, choice, &ballot.token, &ballot.comment).await?;
    if ballot.json {
        println!("{answer}");
    } else {
        println!("counted; the call is {}", answer["state"].as_str().unwrap_or("decided"));
    }
    Ok(())
}
