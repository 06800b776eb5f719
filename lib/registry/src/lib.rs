//! A client of schema registries that speak Confluent's REST API: Confluent's own, Karapace, Apicurio, Redpanda's.
//!
//! It does what a producer needs once, at its start: [`Registry::settle`] finds the schema under its subject or registers
//! it there, asks what the registry holds under the id it gave, and holds that against the schema that was meant. So an
//! id that is written in front of messages is one by which others find what they need to read them.
//!
//! It refuses to send who we are over a line that others can read, to follow the registry elsewhere, to take answers that
//! are too long or too late, and to settle on an id under which another schema stands.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use url::Url;

mod answer;
mod canonical;
mod client;
mod error;

pub use canonical::fingerprint;
pub use error::Error;

use client::Client;

/// Longest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone)]
pub struct Config {
    /// What comes before `/subjects`.
    pub url: Url,
    pub credentials: Option<Credentials>,
    /// PEM file of those who sign the registry's certificate; without it, whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// Longest wait for one answer, from the connection to its last byte.
    pub answer_timeout: Duration,
}

/// Who we are.
#[derive(Clone)]
pub enum Credentials {
    Basic { username: String, password: String },
    Bearer(String),
}

/// The number under which a registry has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(pub u32);

#[derive(Clone)]
pub struct Registry {
    url: Arc<Url>,
    client: Client,
}

impl Registry {
    /// Connects to nothing yet.
    pub fn new(config: &Config) -> Result<Registry, Error> {
        Ok(Registry { url: Arc::new(config.url.clone()), client: Client::new(config)? })
    }

    /// The id by which readers of `subject` find this Avro schema, registered if need be.
    pub async fn settle(&self, subject: &str, schema: &str) -> Result<SchemaId, Error> {
        // Who may only read the registry can still begin, where somebody else has registered.
        let id = match self.find(subject, schema).await? {
            Some(id) => id,
            None => self.register(subject, schema).await?,
        };
        let held = self.schema(id).await?;
        if fingerprint(&held).is_none_or(|held| Some(held) != fingerprint(schema)) {
            return Err(Error::Other { subject: subject.to_owned(), id });
        }
        Ok(id)
    }

    /// The id of this schema under `subject`; none if it is not registered there.
    pub async fn find(&self, subject: &str, schema: &str) -> Result<Option<SchemaId>, Error> {
        let answer = self.client.post(self.at(&["subjects", subject]), &asked(schema)).await?;
        if answer.is_unknown_subject() || answer.is_unknown_schema() {
            return Ok(None);
        }
        answer.of_subject(subject)?.id().map(Some)
    }

    /// Registers a schema under `subject`; one that is there already keeps its id.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, Error> {
        let url = self.at(&["subjects", subject, "versions"]);
        self.client.post(url, &asked(schema)).await?.of_subject(subject)?.id()
    }

    /// The text of a schema.
    pub async fn schema(&self, id: SchemaId) -> Result<String, Error> {
        let answer = self.client.get(self.at(&["schemas", "ids", &id.0.to_string()])).await?;
        if answer.is_unknown_schema() {
            return Err(Error::UnknownId(id));
        }
        answer.good()?.text("schema")
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = (*self.url).clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

/// What [`Registry::find`] and [`Registry::register`] send. Avro is what registries take a schema for that names no type.
fn asked(schema: &str) -> Value {
    json!({ "schema": schema })
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.url)
    }
}

/// Shows neither password nor token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Basic { username, .. } => write!(f, "{username}, by password"),
            Credentials::Bearer(_) => f.write_str("a bearer token"),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
