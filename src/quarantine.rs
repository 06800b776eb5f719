//! `hansard quarantine`: what could not be masked, by its outside; and masking it again, for those who may.
//!
//! Listing opens nothing. Masking again needs the private keys of the data directory and a person whose group is named;
//! the trail says who asked before it begins and what has come of it after. It refuses to show what is in a frame: what
//! can be masked now is in the trail then.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use masker::quarantine::{self, Quarantined};
use redact::Redactor;
use schemas::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    argv,
    authority::{self, Request},
    configuration::Configuration,
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    reading, redaction, table,
    wiring::Ground,
};

pub async fn command(
    data: &DataDirectory,
    configuration: &Configuration,
    what: argv::Quarantine,
) -> Result<(), Failure> {
    let keys = Keys::of(data)?;
    let ground = Ground::open(data, configuration, &keys, reading::emitter(data)?).await?;
    match what {
        argv::Quarantine::List { json } => list(&ground, json).await,
        argv::Quarantine::Reprocess { token, json } => reprocess(&ground, configuration, &keys, &token, json).await,
    }
}

async fn list(ground: &Ground, json: bool) -> Result<(), Failure> {
    reading::record(ground, "quarantine/list").await?;
    let waiting = quarantine::list(&*ground.bus).await.context("the quarantine cannot be read")?;
    show(&waiting, json)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the list is what is asked for")]
fn show(waiting: &[Quarantined], json: bool) -> anyhow::Result<()> {
    if json {
        let rows = waiting.iter().map(|one| {
            json!({
                "partition": one.partition, "offset": one.offset, "quarantined_at": Timestamp(one.at_us).to_string(),
                "exchange_id": one.exchange_id, "kind": one.kind, "reason": one.reason, "bytes": one.bytes,
            })
        });
        println!("{:#}", serde_json::Value::Array(rows.collect()));
        return Ok(());
    }
    if waiting.is_empty() {
        println!("nothing is in quarantine");
        return Ok(());
    }
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let rows = waiting.iter().map(|one| {
        let place = format!("{}/{}", one.partition, one.offset);
        let at = Timestamp(one.at_us).to_string();
        vec![at, dash(&one.reason), dash(&one.kind), dash(&one.exchange_id), one.bytes.to_string(), place]
    });
    println!("{}", table::render(&["quarantined_at", "reason", "kind", "exchange_id", "bytes", "place"], rows));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was done is what is asked for")]
async fn reprocess(
    ground: &Ground,
    configuration: &Configuration,
    keys: &Keys,
    token: &str,
    json: bool,
) -> Result<(), Failure> {
    let redactor = redaction::with_keys(&configuration.redaction, keys).map_err(Failure::Usage)?;
    let request = Request {
        method: "quarantine/reprocess",
        groups: &configuration.redaction.reprocessors,
        key: "[redaction] reprocessors",
        body: json!({ "ruleset_id": redactor.ruleset_id() }),
    };
    let permit = authority::ask(ground, configuration, keys, token, request).await?;
    let deps = deps(ground, configuration, keys, redactor)?;
    let done = quarantine::reprocess(&configuration.masker, deps).await;
    let told = match &done {
        Ok(done) => json!({ "released": done.released, "withheld": done.withheld }),
        Err(stuck) => json!({ "error": stuck.to_string() }),
    };
    permit.done(&told).await?;
    let done = done.map_err(|stuck| Failure::Unavailable(anyhow!("{stuck}; what was released stays released")))?;
    if json {
        println!("{told}");
    } else {
        println!("{} records released; {} frames are still unfit and stay in quarantine", done.released, done.withheld);
    }
    Ok(())
}

fn deps(
    ground: &Ground,
    configuration: &Configuration,
    keys: &Keys,
    redactor: Redactor,
) -> anyhow::Result<masker::Deps> {
    Ok(masker::Deps {
        bus: ground.bus.clone(),
        opener: keys.opener()?.into(),
        redactor: watch::channel(Arc::new(redactor)).1,
        shadow: watch::channel(None).1,
        tenants: configuration.redaction.tenants.clone().into_iter().collect(),
        identity_key: keys.identity()?,
        clock: ground.clock.clone(),
        ready: watch::Sender::new(None),
    })
}
