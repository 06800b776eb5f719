//! How every librdkafka client of ours is set up, and what it tells us while it runs.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Statistics,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use tokio::sync::oneshot;

use super::{
    super::{Config, Sasl, Tls, TokenSource},
    statistics,
};
use crate::VALUE_BYTES_MAX;

/// Longest message with all that the protocol puts around its value, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = VALUE_BYTES_MAX + 1024 * 1024;
/// A request that is not answered for so long is given up, and its connection with it. Kafka wants it to be shorter
/// than a transaction.
const SOCKET_MILLISECONDS_MAX: u32 = 10_000;
const RECONNECT_MILLISECONDS_MAX: u32 = 1_000;
const STATISTICS_MILLISECONDS: u32 = 5_000;
/// How long a topic that a broker does not know is taken for one that it will know soon.
const UNKNOWN_TOPIC_MILLISECONDS: u32 = 1_000;

/// What all clients have in common. `part` says which one it is, to the brokers and in metrics.
pub(super) fn settings(config: &Config, part: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set_log_level(RDKafkaLogLevel::Warning);
    settings
        .set("bootstrap.servers", config.bootstrap())
        .set("client.id", format!("{}-{part}", config.client_id))
        .set("security.protocol", protocol(config))
        .set("socket.timeout.ms", SOCKET_MILLISECONDS_MAX.to_string())
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.max.ms", RECONNECT_MILLISECONDS_MAX.to_string())
        .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
        .set("receive.message.max.bytes", (4 * MESSAGE_BYTES_MAX).to_string())
        .set("topic.metadata.propagation.max.ms", UNKNOWN_TOPIC_MILLISECONDS.to_string())
        .set("statistics.interval.ms", STATISTICS_MILLISECONDS.to_string());
    // For whoever has to look into librdkafka itself: HANSARD_LOG=librdkafka=trace.
    if tracing::enabled!(target: "librdkafka", tracing::Level::TRACE) {
        settings.set_log_level(RDKafkaLogLevel::Debug).set("debug", "cgrp,consumer,eos");
    }
    if let Some(tls) = &config.tls {
        set_tls(&mut settings, tls);
    }
    if let Some(sasl) = &config.sasl {
        set_sasl(&mut settings, sasl);
    }
    settings
}

fn protocol(config: &Config) -> &'static str {
    match (&config.tls, &config.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    }
}

fn set_tls(settings: &mut ClientConfig, tls: &Tls) {
    let shown = |path: &Path| path.display().to_string();
    // The OpenSSL that is built in does not know where this machine keeps its authorities: `probe` looks for them.
    settings.set("ssl.ca.location", tls.ca.as_deref().map_or_else(|| "probe".to_owned(), shown));
    if let Some((certificate, key)) = &tls.identity {
        settings.set("ssl.certificate.location", shown(certificate)).set("ssl.key.location", shown(key));
    }
}

fn set_sasl(settings: &mut ClientConfig, sasl: &Sasl) {
    match sasl {
        Sasl::Password { mechanism, username, password } => settings
            .set("sasl.mechanisms", mechanism.as_str())
            .set("sasl.username", username)
            .set("sasl.password", password),
        Sasl::Token(_) => settings.set("sasl.mechanisms", "OAUTHBEARER"),
    };
}

/// Gets what a client has to say.
#[derive(Clone)]
pub(super) struct Context {
    part: &'static str,
    trouble: Trouble,
    tokens: Option<TokenSource>,
}

/// The last error that a client had with the cluster; its clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

/// Where a message went, or why it did not.
pub(super) type Delivered = Result<(i32, i64), KafkaError>;

impl Context {
    pub(super) fn new(config: &Config, part: &'static str, trouble: Trouble) -> Context {
        let tokens = match &config.sasl {
            Some(Sasl::Token(tokens)) => Some(tokens.clone()),
            _ => None,
        };
        Context { part, trouble, tokens }
    }
}

impl Trouble {
    pub(super) fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down is only the consequence of what was said before.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let is_error = matches!(
            level,
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error
        );
        // A connection that breaks is made anew, again and again; what comes of it is told where it matters.
        if is_error && facility != "FAIL" {
            tracing::warn!(client = self.part, facility, message, "the Kafka client has trouble");
        } else if matches!(level, RDKafkaLogLevel::Debug) {
            tracing::trace!(target: "librdkafka", client = self.part, facility, message);
        } else {
            tracing::debug!(client = self.part, facility, message);
        }
    }

    fn stats(&self, statistics: Statistics) {
        statistics::show(self.part, &statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        tracing::debug!(client = self.part, %code, reason, "the Kafka client has trouble");
        self.trouble.note(code, reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let tokens = self.tokens.as_ref().ok_or("no token is configured")?;
        let token = tokens()?;
        Ok(OAuthToken { token: token.value, principal_name: token.principal, lifetime_ms: token.expires_at_ms })
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    /// Who waits for the message, if anyone does.
    type DeliveryOpaque = Box<Option<oneshot::Sender<Delivered>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waits: Self::DeliveryOpaque) {
        let delivered = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever has gone does not want to know.
        let _ = (*waits).map(|waits| waits.send(delivered));
    }
}
