//! From configuration and data directory to what the stages take: log, keys, clock, store, identity.
//!
//! Nothing runs here, and no stage is started.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bus::{
    Bus, Topic,
    embedded::{self, Embedded},
};
use envelope::{Rotation, Sealer};
use identity::{Authenticator, Issuer};
use recorder::Recorder;
use schemas::{Clock, Timestamp, topic};

use crate::{
    configuration::{self, BusKind, Configuration, DEVELOPMENT_AUDIENCE},
    data::DataDirectory,
    kafka,
    keys::Keys,
    topics::{self, Party},
};

/// A data key seals at most so many frames, for at most so long.
const DATA_KEY: Rotation = Rotation { messages_max: 1 << 20, age_max: Duration::from_secs(3600) };
/// Approvals and quarantine are few and are kept long.
const RARE_TOPIC_RETENTION: Duration = Duration::from_secs(90 * 86_400);

/// What every role stands on.
#[derive(Clone)]
pub struct Ground {
    pub bus: Arc<dyn Bus>,
    pub recorder: Arc<Recorder>,
    pub clock: Clock,
}

impl Ground {
    /// Opens the log for a command of a person. `emitter` names who records by this ground.
    pub async fn open(
        data: &DataDirectory,
        configuration: &Configuration,
        keys: &Keys,
        emitter: String,
    ) -> Result<Ground> {
        Ground::on(log(data, configuration, &clock(), &[]).await?, keys, emitter)
    }

    pub fn on(bus: Arc<dyn Bus>, keys: &Keys, emitter: String) -> Result<Ground> {
        let clock = clock();
        let epoch = u64::try_from(clock().0).context("the clock is before 1970")?;
        let sealer = Sealer::new(keys.public()?, DATA_KEY);
        let recorder = Arc::new(Recorder::new(emitter, epoch, sealer, bus.producer(), clock.clone()));
        Ok(Ground { bus, recorder, clock })
    }
}

/// The log that is configured. On Kafka, it is checked that it has what `parties` need.
pub async fn log(
    data: &DataDirectory,
    configuration: &Configuration,
    clock: &Clock,
    parties: &[Party],
) -> Result<Arc<dyn Bus>> {
    let section = &configuration.bus;
    match section.kind {
        BusKind::Embedded => Ok(Arc::new(embedded(data, configuration, clock).await?)),
        BusKind::Kafka => {
            let who = if let [party] = parties { party.as_str() } else { "all" };
            let cluster = kafka::connect(section, who).await?;
            topics::check_needs(&cluster, parties).await?;
            Ok(cluster.bus())
        }
    }
}

/// The log of this machine.
pub async fn embedded(data: &DataDirectory, configuration: &Configuration, clock: &Clock) -> Result<Embedded> {
    let log = Embedded::open(embedded_log(data, &configuration.bus, clock)).await;
    log.with_context(|| format!("cannot open the log {}", data.log().display()))
}

/// The real clock.
pub fn clock() -> Clock {
    Arc::new(now)
}

#[expect(clippy::disallowed_methods, reason = "the command tells the time")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn embedded_log(data: &DataDirectory, section: &configuration::Bus, clock: &Clock) -> embedded::Config {
    let clock = clock.clone();
    let hours = |hours: u64| Duration::from_secs(hours.saturating_mul(3600));
    let topic = |name: &str, retention| Topic {
        name: name.to_owned(),
        partitions: section.partitions,
        retention,
        retention_bytes: section.topic_bytes_max,
    };
    embedded::Config {
        path: data.log(),
        topics: vec![
            topic(topic::FRAMES, hours(section.frames_hours)),
            topic(topic::RECORDS, hours(section.records_hours)),
            topic(topic::APPROVALS, RARE_TOPIC_RETENTION),
            topic(topic::QUARANTINE, RARE_TOPIC_RETENTION),
        ],
        clock_us: Arc::new(move || clock().0),
    }
}

/// Who may call: the configured issuers, or without any the development issuer of this data directory.
pub fn authenticator(configuration: &Configuration, keys: &Keys, clock: &Clock) -> Result<Arc<Authenticator>> {
    let issuers = if configuration.is_development() {
        vec![development(keys)?]
    } else {
        configuration.identity.issuers.iter().map(issuer).collect()
    };
    let leeway = Duration::from_secs(configuration.identity.leeway_seconds);
    Ok(Authenticator::new(identity::Config { issuers, leeway }, clock.clone())?)
}

fn development(keys: &Keys) -> Result<Issuer> {
    Ok(Issuer {
        url: identity::development::ISSUER.to_owned(),
        audience: DEVELOPMENT_AUDIENCE.to_owned(),
        groups_claim: "groups".to_owned(),
        keys: identity::Keys::Static(keys.development_issuer()?.jwks()),
    })
}

fn issuer(section: &configuration::Issuer) -> Issuer {
    let keys = match &section.jwks {
        Some(url) => identity::Keys::Jwks(url.clone()),
        None => identity::Keys::Discover,
    };
    Issuer {
        url: section.url.clone(),
        audience: section.audience.clone(),
        groups_claim: section.groups_claim.clone(),
        keys,
    }
}

/// Where the Parquet is: the configured URL, or a folder of the data directory.
#[cfg(feature = "archiver")]
pub fn store(data: &DataDirectory, configuration: &Configuration) -> Result<Arc<dyn archiver::ObjectStore>> {
    let archive = &configuration.archive;
    let url = archive.url.clone().unwrap_or_else(|| data.archive().display().to_string());
    let options = archive.options.iter().map(|(name, value)| Ok((name.clone(), value.read()?)));
    Ok(archiver::open_store(&url, options.collect::<Result<_>>()?)?)
}

/// Who may read the trail. The development issuer's people can read the data directory anyway.
#[cfg(feature = "query")]
pub fn questions(configuration: &Configuration) -> query::Config {
    let mut config = configuration.query.clone();
    if config.readers.is_empty() && configuration.is_development() {
        config.readers.push(query::EVERYBODY.to_owned());
    } else if config.readers.is_empty() {
        tracing::warn!(
            "nobody may read the trail by SQL or in the console: name groups in [query] readers, or \"*\" for everybody who is authenticated"
        );
    }
    config
}

/// Where calls are told as spans, and what takes them there.
#[cfg(feature = "ingress")]
pub fn spans(configuration: &Configuration) -> Result<Option<(spans::Spans, spans::Exporter)>> {
    let Some(section) = &configuration.operation.spans else { return Ok(None) };
    let header = |(name, value): (&String, &crate::secret::Secret)| -> Result<_> {
        let name = name.parse().with_context(|| format!("\"{name}\" is no header name"))?;
        let mut value = http::HeaderValue::from_str(&value.read()?).context("the value is no header value")?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    let config = spans::Config {
        endpoint: section.endpoint.clone(),
        headers: section.headers.iter().map(header).collect::<Result<_>>().context("[operation] spans: headers")?,
        ratio: section.ratio,
        version: env!("CARGO_PKG_VERSION"),
        instance: uuid::Uuid::now_v7().to_string(),
    };
    Ok(Some(spans::Exporter::new(config)?))
}

#[cfg(feature = "ingress")]
pub fn ingress(configuration: &Configuration) -> Result<ingress::Config> {
    let section = &configuration.ingress;
    Ok(ingress::Config {
        public_url: section.public_url.clone(),
        tls: section
            .tls
            .as_ref()
            .map(|tls| ingress::Tls { certificate: tls.certificate.clone(), key: tls.key.clone() }),
        connections: configuration.connection.iter().map(connection).collect::<Result<_>>()?,
        limits: section.limits.clone(),
    })
}

#[cfg(feature = "ingress")]
fn connection(section: &configuration::Connection) -> Result<ingress::Connection> {
    let credential = section.credential.as_ref().map(|credential| -> Result<ingress::Credential> {
        let header =
            credential.header.parse().with_context(|| format!("\"{}\" is no header name", credential.header))?;
        let mut value =
            http::HeaderValue::from_str(&credential.value.read()?).context("the value is no header value")?;
        value.set_sensitive(true);
        Ok(ingress::Credential { header, value })
    });
    Ok(ingress::Connection {
        name: section.name.clone(),
        kind: match section.kind {
            configuration::ConnectionKind::Mcp => ingress::Kind::Mcp,
            configuration::ConnectionKind::Http => ingress::Kind::Http,
        },
        upstream: section.upstream.clone(),
        credential: credential.transpose().with_context(|| format!("connection \"{}\": credential", section.name))?,
        record: match section.record {
            configuration::Record::Required => ingress::Mode::Required,
            configuration::Record::BestEffort => ingress::Mode::BestEffort,
            configuration::Record::Off => ingress::Mode::Off,
        },
        mask_answers: section.mask_answers,
        mask_requests: section.mask_requests,
    })
}

/// Reads what only a start would read: secrets, certificates, addresses of stores.
pub fn check(configuration: &Configuration) -> Result<()> {
    #[cfg(feature = "ingress")]
    ingress(configuration)?;
    #[cfg(feature = "ingress")]
    spans(configuration)?;
    #[cfg(any(feature = "ingress", feature = "masker"))]
    crate::redaction::check(&configuration.redaction)?;
    kafka::check(&configuration.bus)?;
    for (name, value) in &configuration.archive.options {
        value.read().with_context(|| format!("[archive] options.{name}"))?;
    }
    if let Some(tls) = &configuration.ingress.tls {
        for file in [&tls.certificate, &tls.key] {
            std::fs::metadata(file).with_context(|| format!("[ingress] tls: cannot read {}", file.display()))?;
        }
    }
    Ok(())
}

/// The default data directory.
#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
pub fn default_data() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")));
    Ok(home.context("no home directory is known: name the data directory with --data")?.join("hansard"))
}
