//! From `[bus] registry` and `events` to the forms in which the masker publishes.
//!
//! A registry that is away is waited for; one that refuses what is configured ends the start. Each topic of Avro that
//! others read has the subject that Confluent's clients look for, `<topic>-value`. Without Kafka there are neither
//! registry nor events: `hansard tail` and its HTTP form make events where they are read.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use registry::{Config, Credentials, Registry, SchemaId};
use schemas::{
    avro::{APPROVAL_SCHEMA, RECORD_SCHEMA},
    topic,
};

#[cfg(feature = "masker")]
use tokio::sync::watch;

use crate::configuration::{self, Bus};

/// Between two questions to a registry that is away; it doubles up to the longest.
#[cfg(feature = "masker")]
const RETRY_MIN: Duration = Duration::from_millis(500);
#[cfg(feature = "masker")]
const RETRY_MAX: Duration = Duration::from_secs(15);
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

/// Whether the registry may answer well when it is asked again, with nothing changed.
#[cfg(feature = "masker")]
pub fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<registry::Error>().is_some_and(registry::Error::is_passing)
}

/// What [`publishing`] gives once the registry answers; it was `away` for now. Meanwhile `ready` says so.
#[cfg(feature = "masker")]
pub async fn publishing_when_back(
    section: &Bus,
    mut away: anyhow::Error,
    ready: &watch::Sender<Option<String>>,
) -> Result<masker::Publishing> {
    let mut pause = RETRY_MIN;
    loop {
        tracing::warn!(
            error = format!("{away:#}"),
            "nothing is masked until the schema registry answers; nothing is lost"
        );
        ready.send_replace(Some(format!("starting: {away:#}; it is asked again")));
        tokio::time::sleep(pause).await;
        match publishing(section).await {
            Err(error) if is_away(&error) => (away, pause) = (error, (pause * 2).min(RETRY_MAX)),
            settled => return settled,
        }
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

#[cfg(all(test, feature = "masker"))]
mod tests {
    use test_registry::Manner;

    use super::*;
    use crate::configuration::BusKind;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn section(registry: &test_registry::Registry) -> Bus {
        let registry = configuration::Registry {
            url: registry.url().parse().expect("a URL"),
            username: None,
            password: None,
            token: None,
            ca: None,
            answer_seconds_max: 5,
        };
        Bus { kind: BusKind::Kafka, registry: Some(registry), ..Bus::default() }
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_waited_for() {
        let registry = test_registry::Registry::start();
        registry.set_manner(Manner::Failing);
        let section = section(&registry);
        let away = publishing(&section).await.expect_err("its store is away");
        assert!(is_away(&away), "{away:#}");
        let (ready, mut says) = watch::channel(None);
        let waits = tokio::spawn(async move { publishing_when_back(&section, away, &ready).await });
        let said = tokio::time::timeout(PATIENCE, says.wait_for(Option::is_some)).await.expect("it says why").unwrap();
        assert!(said.as_ref().is_some_and(|why| why.contains("registry") && why.contains("asked again")), "{said:?}");
        drop(said);
        registry.set_manner(Manner::Well);
        let settled = tokio::time::timeout(PATIENCE, waits).await.expect("it goes on").unwrap().unwrap();
        let id = registry.versions(&subject(topic::RECORDS))[0].0;
        assert_eq!(settled.records, schemas::avro::Framing::Registered { schema_id: id });
    }

    #[tokio::test]
    async fn a_registry_that_refuses_is_not_asked_again() {
        let registry = test_registry::Registry::start();
        registry.register(&subject(topic::RECORDS), r#"{"type":"record","name":"Other","fields":[]}"#);
        let section = section(&registry);
        let incompatible = publishing(&section).await.expect_err("another schema is there");
        assert!(!is_away(&incompatible) && format!("{incompatible:#}").contains("BACKWARD"), "{incompatible:#}");
        let (ready, _says) = watch::channel(None);
        registry.want_password("masker", "another");
        let away = anyhow::anyhow!("it was away");
        let waited = tokio::time::timeout(PATIENCE, publishing_when_back(&section, away, &ready)).await;
        let refused = waited.expect("it gives up").expect_err("it wants a password");
        assert!(format!("{refused:#}").contains("check username and password"), "{refused:#}");
    }
}
