//! From `[bus] registry` and `events` to the forms in which the masker publishes.
//!
//! Each topic of Avro that others read has the subject that Confluent's clients look for, `<topic>-value`. Without Kafka
//! there are neither registry nor events: `hansard tail` and its HTTP form make events where they are read.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use registry::{Config, Credentials, Registry, SchemaId};
use schemas::{
    avro::{APPROVAL_SCHEMA, RECORD_SCHEMA},
    topic,
};

use crate::configuration::{self, Bus};

/// Topics of Avro that is not sealed, and their schemas.
const SCHEMAS: [(&str, &str); 2] = [(topic::RECORDS, RECORD_SCHEMA), (topic::APPROVALS, APPROVAL_SCHEMA)];

/// What the masker publishes; it registers the schemas where nobody has.
#[cfg(feature = "masker")]
pub async fn publishing(section: &Bus) -> Result<masker::Publishing> {
    use configuration::BusKind;
    use schemas::avro::Framing;

    if section.kind == BusKind::Embedded {
        return Ok(masker::Publishing::default());
    }
    let events = section.events.clone();
    match settle(section).await?.as_slice() {
        [(_, records), (_, approvals)] => {
            let framing = |id: &SchemaId| Framing::Registered { schema_id: id.0 };
            Ok(masker::Publishing { records: framing(records), approvals: framing(approvals), events })
        }
        _ => Ok(masker::Publishing { events, ..masker::Publishing::default() }),
    }
}

/// Subjects and the ids that their schemas have; none without a registry.
pub async fn settle(section: &Bus) -> Result<Vec<(String, SchemaId)>> {
    let Some(registry) = client(section)? else { return Ok(Vec::new()) };
    let mut settled = Vec::new();
    for (topic, schema) in SCHEMAS {
        let subject = subject(topic);
        let id = registry.settle(&subject, schema).await.context("[bus] registry")?;
        settled.push((subject, id));
    }
    Ok(settled)
}

/// That the schemas are registered.
pub async fn check(section: &Bus) -> Result<()> {
    let Some(registry) = client(section)? else { return Ok(()) };
    for (topic, schema) in SCHEMAS {
        let subject = subject(topic);
        if registry.find(&subject, schema).await.context("[bus] registry")?.is_none() {
            bail!("the registry has no schema of this version under {subject}: `hansard topics create` registers it");
        }
    }
    Ok(())
}

/// The client that is configured.
pub fn client(section: &Bus) -> Result<Option<Registry>> {
    let Some(section) = &section.registry else { return Ok(None) };
    let config = Config {
        url: section.url.clone(),
        credentials: credentials(section).context("[bus] registry")?,
        ca: section.ca.clone(),
        answer_timeout: Duration::from_secs(section.answer_seconds_max),
    };
    Ok(Some(Registry::new(&config).context("[bus] registry")?))
}

fn credentials(section: &configuration::Registry) -> Result<Option<Credentials>> {
    if let Some(token) = &section.token {
        return Ok(Some(Credentials::Bearer(token.read().context("token")?)));
    }
    let Some((username, password)) = section.username.clone().zip(section.password.as_ref()) else { return Ok(None) };
    Ok(Some(Credentials::Basic { username, password: password.read().context("password")? }))
}

fn subject(topic: &str) -> String {
    format!("{topic}-value")
}
