//! The log on Apache Kafka, by librdkafka.
//!
//! A send is an idempotent produce that all in-sync replicas have acknowledged. A commit is one transaction: outputs,
//! positions and their notes. Readers see committed messages only. Everything that librdkafka does on threads of its
//! own or blocks in is kept behind this file.
//!
//! It is built with the feature `kafka` only, since librdkafka and OpenSSL come with it and take minutes to compile;
//! without it, [`Cluster::connect`] says how to get it. It refuses to create a topic by merely asking for it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

#[cfg(not(feature = "kafka"))]
mod absent;
#[cfg(feature = "kafka")]
mod present {
    pub(super) mod administration;
    pub(super) mod catalogue;
    pub(super) mod client;
    pub(super) mod cluster;
    pub(super) mod explain;
    pub(super) mod inbox;
    pub(super) mod member;
    pub(super) mod native;
    pub(super) mod poller;
    pub(super) mod reader;
    pub(super) mod sender;
    pub(super) mod statistics;
    pub(super) mod tail;
    pub(super) mod transaction;
    pub(super) mod window;
}

#[cfg(not(feature = "kafka"))]
pub use absent::Cluster;
#[cfg(feature = "kafka")]
pub use present::cluster::Cluster;

/// The group by which messages are read without a group: nobody joins it, and nothing is committed in it.
pub const READER_GROUP: &str = "hansard-reader";

#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port` of some of the brokers.
    pub brokers: Vec<String>,
    /// How the brokers' logs and metrics call this program.
    pub client_id: String,
    /// Without it, nothing is encrypted.
    pub tls: Option<Tls>,
    pub sasl: Option<Sasl>,
    /// How long a message may take to become durable, over all tries.
    pub send_timeout: Duration,
}

/// PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signed the brokers' certificates; without it, whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// Who we are, for brokers that want to know it by a certificate, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone)]
pub enum Sasl {
    Password { mechanism: Mechanism, username: String, password: String },
    Token(TokenSource),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// A token for OAUTHBEARER, asked for again before it expires.
pub type TokenSource = Arc<dyn Fn() -> Result<Token, String> + Send + Sync>;

#[derive(Clone)]
pub struct Token {
    pub value: String,
    pub principal: String,
    /// Milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// A topic as it is on the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub partitions: u32,
    pub replication: u32,
    /// What this user may do with it.
    pub operations: Vec<Operation>,
    /// Its settings, by Kafka's names.
    pub settings: Vec<(String, String)>,
}

/// What one may do with a topic, a group or a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Read,
    Write,
    Describe,
}

/// A topic as it is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    pub partitions: u32,
    pub replication: u32,
    /// By Kafka's names.
    pub settings: Vec<(String, String)>,
}

/// A right that a user is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// As Kafka writes it: `User:name`.
    pub principal: String,
    pub resource: Resource,
    pub operation: Operation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Topic(String),
    Group(String),
    /// All groups whose names begin so.
    Groups(String),
    /// All transactional ids that begin so.
    Transactions(String),
}

impl Mechanism {
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Shows neither password nor token.
impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sasl::Password { mechanism, username, .. } => write!(f, "{} as {username}", mechanism.as_str()),
            Sasl::Token(_) => f.write_str("OAUTHBEARER"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a token of {} until {} ms", self.principal, self.expires_at_ms)
    }
}

impl Config {
    /// The addresses as librdkafka wants them.
    fn bootstrap(&self) -> String {
        self.brokers.join(",")
    }
}
