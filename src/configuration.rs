//! One TOML file for all roles: strict keys, every default visible in `deploy/hansard.toml`.
//!
//! Each room owns its own section; this file composes them, resolves secrets, and says all that is wrong at once.
//! It refuses to guess: an unknown key, a name given twice, or an address that anyone could reach without identity is
//! an error before anything starts.

use std::{
    collections::{BTreeMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use crate::{argv::Place, secret::Secret};

mod bus;

pub use self::bus::{Bus, BusKind, Mechanism, Registry, Sasl};

/// What the development issuer's tokens are for.
pub const DEVELOPMENT_AUDIENCE: &str = "https://hansard.invalid";

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    pub ingress: Ingress,
    pub console: Console,
    pub operation: Operation,
    pub bus: Bus,
    pub archive: Archive,
    pub identity: Identity,
    pub connection: Vec<Connection>,
    pub policy: policy::Config,
    pub redaction: Redaction,
    #[cfg(feature = "masker")]
    pub masker: masker::Config,
    #[cfg(feature = "approver")]
    pub approver: approver::Config,
    #[cfg(feature = "archiver")]
    pub archiver: archiver::Config,
    #[cfg(feature = "query")]
    pub query: query::Config,
    // The file is one for all builds: the sections of stages that are not in this one are left unread.
    #[cfg(not(feature = "masker"))]
    pub masker: toml::Table,
    #[cfg(not(feature = "approver"))]
    pub approver: toml::Table,
    #[cfg(not(feature = "archiver"))]
    pub archiver: toml::Table,
    #[cfg(not(feature = "query"))]
    pub query: toml::Table,
}

/// `[ingress]`: where callers come in.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Ingress {
    /// Port 0 takes a free one, and prints it.
    pub listen: SocketAddr,
    /// The URL that callers use, where it is not the address itself (behind a load balancer).
    #[serde(deserialize_with = "optional_url")]
    pub public_url: Option<Url>,
    pub tls: Option<Tls>,
    #[cfg(feature = "ingress")]
    pub limits: ingress::Limits,
    #[cfg(not(feature = "ingress"))]
    pub limits: toml::Table,
}

/// PEM files; read again when they change.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `[console]`: approvals, SQL and pages for people.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    pub listen: SocketAddr,
}

/// `[operation]`: `/healthz`, `/readyz` and `/metrics`, for machines.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Operation {
    pub listen: SocketAddr,
    /// How long a clean stop may take.
    pub drain_seconds_max: u64,
    /// Where calls are told as OpenTelemetry spans.
    pub spans: Option<Spans>,
}

/// A collector that takes OTLP by HTTP.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Spans {
    /// The whole URL, as `http://collector:4318/v1/traces`.
    #[serde(deserialize_with = "url")]
    pub endpoint: Url,
    /// By which the collector knows us.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, Secret>,
    /// Of the calls whose caller does not say whether it keeps its spans, how many are told: 0 to 1.
    #[serde(default = "all")]
    pub ratio: f64,
}

/// `[archive]`: where the Parquet goes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// `s3://`, `az://`, `gs://`, `file://`, or a folder; without it, a folder in the data directory.
    pub url: Option<String>,
    /// Options of the object store, such as `aws_region`, by the names that its client gives them.
    pub options: BTreeMap<String, Secret>,
}

/// `[redaction]`: what is masked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Redaction {
    /// Built-in packs of rules; without any, all of them.
    pub packs: Vec<String>,
    /// Files with rules of one's own, after the packs. Read again when they change.
    pub rules: Vec<PathBuf>,
    /// Files with public keys (Ed25519, PEM). With any, each file of rules counts only with a signature of one of them beside
    /// it, `<file>.sig`.
    pub signers: Vec<PathBuf>,
    /// What happens to finds, by the id of their rule or by its class (`secret`, `pii`, `custom`).
    pub actions: BTreeMap<String, String>,
    /// Whose data a connection carries: the same value is another token for another tenant.
    pub tenants: BTreeMap<String, String>,
    /// A set of rules on trial beside these: where it differs is counted, and nothing else.
    pub shadow: Option<Shadow>,
    /// Groups whose members may turn tokens back into values; without any, nobody.
    pub detokenizers: Vec<String>,
    /// Groups whose members may mask again what is in quarantine; without any, nobody.
    pub reprocessors: Vec<String>,
}

/// `[redaction.shadow]`: as `[redaction]` itself has them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Shadow {
    pub packs: Vec<String>,
    pub rules: Vec<PathBuf>,
    pub actions: BTreeMap<String, String>,
}

/// `[identity]`: whose tokens are taken. Without issuers, the development issuer's, on loopback only.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    pub issuers: Vec<Issuer>,
    /// Clock skew that a token is allowed.
    pub leeway_seconds: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub url: String,
    pub audience: String,
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Where the keys are, if not where OIDC discovery says.
    #[serde(default, deserialize_with = "optional_url")]
    pub jwks: Option<Url>,
}

/// `[[connection]]`: an upstream, served at `/c/<name>`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    pub name: String,
    #[serde(default)]
    pub kind: ConnectionKind,
    #[serde(deserialize_with = "url")]
    pub upstream: Url,
    pub credential: Option<Credential>,
    #[serde(default)]
    pub record: Record,
    /// What the caller receives is masked; the record is made before.
    #[serde(default)]
    pub mask_answers: bool,
    /// What the upstream receives is masked.
    #[serde(default)]
    pub mask_requests: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    #[default]
    Mcp,
    Http,
}

/// The header that the upstream wants; its value is the whole header value.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    pub header: String,
    pub value: Secret,
}

/// What happens to a call that cannot be recorded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// It does not happen.
    #[default]
    Required,
    /// It happens, and is counted.
    BestEffort,
    /// Nothing is recorded but counts.
    Off,
}

impl Default for Ingress {
    fn default() -> Ingress {
        Ingress { listen: loopback(7400), public_url: None, tls: None, limits: Default::default() }
    }
}

impl Default for Console {
    fn default() -> Console {
        Console { listen: loopback(7401) }
    }
}

impl Default for Operation {
    fn default() -> Operation {
        Operation { listen: loopback(7402), drain_seconds_max: 30, spans: None }
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity { issuers: Vec::new(), leeway_seconds: 60 }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|error| D::Error::custom(format!("\"{text}\" is no URL: {error}")))
}

fn optional_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    url(from).map(Some)
}

fn all() -> f64 {
    1.0
}

fn groups_claim() -> String {
    "groups".to_owned()
}

impl Configuration {
    /// The configuration that every command takes: `--config`, else `hansard.toml` in the data directory, else the
    /// defaults.
    pub fn find(place: &Place, data: &Path) -> Result<Configuration> {
        let own = data.join("hansard.toml");
        match &place.config {
            Some(file) => Configuration::read(file),
            None if own.is_file() => Configuration::read(&own),
            None => Ok(Configuration::default()),
        }
    }

    pub fn read(file: &Path) -> Result<Configuration> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the configuration {shown}"))?;
        Configuration::parse(&text).with_context(|| format!("the configuration {shown} is wrong"))
    }

    pub fn parse(text: &str) -> Result<Configuration> {
        let configuration: Configuration =
            toml::from_str(text).map_err(|error| anyhow!("{}", one_line(&error, text)))?;
        configuration.check()?;
        Ok(configuration)
    }

    /// Nobody is asked who they are but by the development issuer.
    pub fn is_development(&self) -> bool {
        self.identity.issuers.is_empty()
    }

    /// What no single key can show to be wrong; all of it at once.
    fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        self.check_connections(&mut faults);
        self.check_reach(&mut faults);
        if let Err(error) = policy::Policy::compile(&self.policy) {
            faults.push(error.to_string());
        }
        for connection in self.redaction.tenants.keys() {
            if !self.connection.iter().any(|known| known.name == *connection) {
                faults.push(format!("[redaction] tenants: there is no connection \"{connection}\""));
            }
        }
        self.bus.check(&mut faults);
        self.check_spans(&mut faults);
        #[cfg(feature = "ingress")]
        self.check_drain(&mut faults);
        if faults.is_empty() { Ok(()) } else { Err(anyhow!("{}", faults.join("; "))) }
    }

    fn check_connections(&self, faults: &mut Vec<String>) {
        let mut seen = HashSet::new();
        for connection in &self.connection {
            let name = &connection.name;
            if !seen.insert(name) {
                faults.push(format!("two connections are named \"{name}\": give each its own name"));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
            if name.is_empty() || !name.chars().all(plain) {
                faults.push(format!("connection name \"{name}\": use letters, digits, '-', '_' and '.'"));
            }
            if !matches!(connection.upstream.scheme(), "http" | "https") || connection.upstream.host().is_none() {
                faults.push(format!("connection \"{name}\": upstream must be an http:// or https:// URL"));
            }
        }
    }

    fn check_spans(&self, faults: &mut Vec<String>) {
        let Some(Spans { endpoint, ratio, .. }) = &self.operation.spans else { return };
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.path() == "/" {
            faults.push(format!(
                "[operation] spans: \"{endpoint}\" must be the whole URL by http or https, as http://collector:4318/v1/traces"
            ));
        }
        if !(0.0..=1.0).contains(ratio) {
            faults.push(format!("[operation] spans: ratio = {ratio} must be between 0 and 1"));
        }
    }

    /// Ingress drains first.
    #[cfg(feature = "ingress")]
    fn check_drain(&self, faults: &mut Vec<String>) {
        let (calls, all) = (self.ingress.limits.drain_seconds_max, self.operation.drain_seconds_max);
        if calls >= all {
            faults.push(format!(
                "[ingress.limits] drain_seconds_max = {calls} leaves the roles behind ingress no time to drain: make it \
                 less than [operation] drain_seconds_max = {all}"
            ));
        }
    }

    /// Without identity, only this machine may come in.
    fn check_reach(&self, faults: &mut Vec<String>) {
        for (section, address) in [("ingress", self.ingress.listen), ("console", self.console.listen)] {
            if self.is_development() && !address.ip().is_loopback() {
                faults.push(format!(
                    "[{section}] listen = \"{address}\" can be reached from outside, and the development issuer lets anyone in \
                     who can read the data directory: configure [identity] issuers, or listen on 127.0.0.1"
                ));
            }
        }
    }
}

/// The message of a TOML error in one line, with the place.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => format!("line {}: {message}", text[..span.start.min(text.len())].matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, says: &[&str]) {
        let error = format!("{:#}", Configuration::parse(text).expect_err("must be refused"));
        for part in says {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
        assert!(!error.contains('\n'), "one line: {error:?}");
    }

    #[test]
    fn reference_shows_every_default() {
        let reference = Configuration::parse(include_str!("../deploy/hansard.toml")).unwrap();
        assert_eq!(reference, Configuration::default());
    }

    #[test]
    fn faults_are_named_in_one_line() {
        check("[ingress]\nlissten = \"127.0.0.1:1\"", &["line 2", "lissten"]);
        check("[bus]\nkind = \"rabbit\"", &["line 2", "embedded", "kafka"]);
        check("[bus]\nkind = \"kafka\"", &["[bus] brokers"]);
        check("[bus]\ntls = { certificate = \"c.pem\" }", &["certificate", "key"]);
        check("[bus]\nsasl = { mechanism = \"SCRAM-SHA-512\" }", &["username", "password"]);
        check("[bus]\nsasl = { mechanism = \"OAUTHBEARER\", password = \"env:P\" }", &["token"]);
        check("[bus]\nsasl = { mechanism = \"GSSAPI\" }", &["line 2", "SCRAM-SHA-512"]);
        check("[bus]\nevents = [\"ocsf\", \"ocsf\"]", &["[bus] events", "twice"]);
        check("[bus]\nevents = [\"leef\"]", &["line 2", "ocsf"]);
        let registry = |keys: &str| {
            format!(
                "[bus]\nkind = \"kafka\"\nbrokers = [\"k:9092\"]\nregistry = {{ url = \"http://127.0.0.1:1\"{keys} }}"
            )
        };
        check(&registry(", username = \"ada\""), &["registry", "username and password"]);
        check(&registry(", answer_seconds_max = 0"), &["registry", "answer_seconds_max"]);
        check("[bus]\nregistry = { url = \"https://s.example\" }", &["registry", "embedded"]);
        check("[bus]\nregistry = { url = \"nowhere\" }", &["line 2", "no URL"]);
        let twice = "[[connection]]\nname = \"a\"\nupstream = \"http://127.0.0.1:1\"\n".repeat(2);
        check(&twice, &["two connections are named \"a\""]);
        check("[[connection]]\nname = \"a/b\"\nupstream = \"ftp://x\"", &["a/b", "http://"]);
        check("[ingress]\nlisten = \"0.0.0.0:7400\"", &["development issuer", "identity"]);
        check("[console]\nlisten = \"[::]:7401\"", &["[console]", "127.0.0.1"]);
        check("[operation]\nspans = { endpoint = \"http://collector:4318\" }", &["/v1/traces"]);
        check("[operation]\nspans = { endpoint = \"http://c:1/v1/traces\", ratio = 2.0 }", &["ratio = 2", "0 and 1"]);
        check("[operation]\ndrain_seconds_max = 15", &["[ingress.limits] drain_seconds_max = 15", "= 15"]);
    }

    #[test]
    fn rules_that_do_not_compile_are_refused() {
        check("[[policy.rule]]\nname = \"broken\"\nwhen = \"call.method ==\"\nthen = \"block\"", &["broken"]);
    }

    #[test]
    fn identity_opens_other_addresses() {
        let text = "[ingress]\nlisten = \"0.0.0.0:7400\"\n[[identity.issuers]]\nurl = \"https://login.example\"\naudience = \"a\"";
        assert!(!Configuration::parse(text).unwrap().is_development());
    }
}
