//! `[bus]`: the log between the stages, embedded or on Kafka.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::secret::Secret;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Bus {
    pub kind: BusKind,
    /// Partitions of each topic; set when the log is made.
    pub partitions: u32,
    /// How long sealed frames are kept once they are masked.
    pub frames_hours: u64,
    /// How long masked records are kept once they are archived.
    pub records_hours: u64,
    /// Bytes that each topic may take on disk before its oldest messages go.
    pub topic_bytes_max: u64,
    /// Kafka: `host:port` of some of the brokers.
    pub brokers: Vec<String>,
    /// Kafka: without it, nothing is encrypted.
    pub tls: Option<Tls>,
    /// Kafka: who this program is.
    pub sasl: Option<Sasl>,
    /// Kafka: copies of each message; all but one must be there for it to count as durable.
    pub replication: u32,
    /// Kafka: how long a message may take to become durable, over all tries.
    pub send_seconds_max: u64,
    /// Kafka: as what the records are published as well, each format on a topic of its own.
    pub events: Vec<siem::Format>,
    /// Kafka: records and approvals are Avro as Confluent's clients read it; without it, they are single objects.
    pub registry: Option<Registry>,
}

/// The schema registry.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// What comes before `/subjects`.
    #[serde(deserialize_with = "super::url")]
    pub url: Url,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    /// Who signed its certificate; without it, whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// How long it may take for one answer.
    #[serde(default = "answer_seconds_max")]
    pub answer_seconds_max: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    #[default]
    Embedded,
    Kafka,
}

/// PEM files.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Who signed the brokers' certificates; without it, whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// For brokers that want one of us.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// OAUTHBEARER: read again before it expires, so that whatever renews the file renews us.
    pub token: Option<Secret>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "OAUTHBEARER")]
    OAuthBearer,
}

impl Default for Bus {
    fn default() -> Bus {
        Bus {
            kind: BusKind::Embedded,
            partitions: 4,
            frames_hours: 24,
            records_hours: 72,
            topic_bytes_max: 8 * 1024 * 1024 * 1024,
            brokers: Vec::new(),
            tls: None,
            sasl: None,
            replication: 3,
            send_seconds_max: 15,
            events: vec![siem::Format::Ocsf],
            registry: None,
        }
    }
}

impl Bus {
    pub fn check(&self, faults: &mut Vec<String>) {
        let mut fault = |wrong: bool, what: &str| {
            if wrong {
                faults.push(format!("[bus] {what}"));
            }
        };
        fault(self.partitions == 0 || self.partitions > 256, "partitions must be 1 to 256");
        fault(self.replication == 0 || self.replication > 16, "replication must be 1 to 16");
        fault(self.send_seconds_max == 0 || self.send_seconds_max > 300, "send_seconds_max must be 1 to 300");
        let is_kafka = self.kind == BusKind::Kafka;
        fault(is_kafka && self.brokers.is_empty(), "brokers is empty: name some of the brokers as \"host:port\"");
        let half = self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some());
        fault(half, "tls: certificate and key go together");
        if let Some(sasl) = &self.sasl {
            fault(!sasl.is_whole(), sasl.needs());
        }
        let twice =
            siem::Format::ALL.iter().any(|format| self.events.iter().filter(|event| *event == format).count() > 1);
        fault(twice, "events names a format twice");
        if let Some(registry) = &self.registry {
            fault(!is_kafka, "registry: the embedded log has no readers that would ask one; leave it out");
            fault(!registry.is_whole(), "registry: give username and password, or token, or none of them");
            let seconds = registry.answer_seconds_max;
            fault(seconds == 0 || seconds > 300, "registry: answer_seconds_max must be 1 to 300");
        }
    }
}

fn answer_seconds_max() -> u64 {
    10
}

impl Registry {
    fn is_whole(&self) -> bool {
        let named = self.username.is_some();
        named == self.password.is_some() && !(named && self.token.is_some())
    }
}

impl Sasl {
    fn is_whole(&self) -> bool {
        match self.mechanism {
            Mechanism::OAuthBearer => self.token.is_some() && self.password.is_none(),
            _ => self.username.is_some() && self.password.is_some() && self.token.is_none(),
        }
    }

    fn needs(&self) -> &'static str {
        match self.mechanism {
            Mechanism::OAuthBearer => "sasl: OAUTHBEARER needs token, and no password",
            _ => "sasl: this mechanism needs username and password, and no token",
        }
    }
}
