//! `[bus]`: the log between the stages, embedded or on Kafka.

use std::path::PathBuf;

use serde::Deserialize;

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
