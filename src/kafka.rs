//! From `[bus]` to a Kafka cluster.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bus::kafka::{self, Cluster};

use crate::{
    configuration::{Bus, Mechanism, Sasl},
    secret::Secret,
    wiring,
};

/// A token counts for so long, then it is read again: whoever renews it does so in shorter steps.
const TOKEN_MILLISECONDS: i64 = 60_000;

/// Connects; `who` is how the brokers call us in their logs.
pub async fn connect(section: &Bus, who: &str) -> Result<Cluster> {
    Ok(Cluster::connect(config(section, who)?).await?)
}

pub fn config(section: &Bus, who: &str) -> Result<kafka::Config> {
    Ok(kafka::Config {
        brokers: section.brokers.clone(),
        client_id: format!("hansard-{who}"),
        tls: section
            .tls
            .as_ref()
            .map(|tls| kafka::Tls { ca: tls.ca.clone(), identity: tls.certificate.clone().zip(tls.key.clone()) }),
        sasl: section.sasl.as_ref().map(sasl).transpose().context("[bus] sasl")?,
        send_timeout: Duration::from_secs(section.send_seconds_max),
    })
}

/// Reads what only a start would read.
pub fn check(section: &Bus) -> Result<()> {
    let config = config(section, "check")?;
    let files = config.tls.iter().flat_map(|tls| {
        let (certificate, key) = tls.identity.clone().unzip();
        [tls.ca.clone(), certificate, key]
    });
    for file in files.flatten() {
        std::fs::read(&file).with_context(|| format!("[bus] tls: cannot read {}", file.display()))?;
    }
    Ok(())
}

fn sasl(section: &Sasl) -> Result<kafka::Sasl> {
    let username = section.username.clone().unwrap_or_else(|| "hansard".to_owned());
    let mechanism = match section.mechanism {
        Mechanism::Plain => kafka::Mechanism::Plain,
        Mechanism::ScramSha256 => kafka::Mechanism::ScramSha256,
        Mechanism::ScramSha512 => kafka::Mechanism::ScramSha512,
        Mechanism::OAuthBearer => {
            let token = section.token.clone().context("token is missing")?;
            token.read().context("token")?;
            return Ok(kafka::Sasl::Token(Arc::new(move || fresh(&token, &username))));
        }
    };
    let password = section.password.as_ref().context("password is missing")?.read().context("password")?;
    Ok(kafka::Sasl::Password { mechanism, username, password })
}

fn fresh(token: &Secret, principal: &str) -> Result<kafka::Token, String> {
    Ok(kafka::Token {
        value: token.read().map_err(|error| format!("{error:#}"))?,
        principal: principal.to_owned(),
        expires_at_ms: wiring::now().0 / 1000 + TOKEN_MILLISECONDS,
    })
}
