//! `hansard token`: one JWT of the development issuer on standard output, and nothing else.

use std::time::Duration;

use anyhow::anyhow;
use schemas::Principal;

use crate::{
    configuration::{Configuration, DEVELOPMENT_AUDIENCE},
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    wiring,
};

/// Who the token is for.
#[derive(Debug)]
pub struct Subject {
    pub subject: String,
    pub groups: Vec<String>,
    pub name: Option<String>,
    pub lifetime: Duration,
}

/// Makes the keys of a new data directory, as `up` would, so that the order of the two does not matter.
pub fn mint(data: &DataDirectory, configuration: &Configuration, subject: Subject) -> Result<String, Failure> {
    if !configuration.is_development() {
        return Err(Failure::Usage(anyhow!(
            "[identity] names issuers, so tokens of the development issuer are not taken: get one from {}",
            configuration.identity.issuers[0].url
        )));
    }
    let issuer = Keys::generate(data)?.development_issuer()?;
    let principal =
        Principal { subject: subject.subject, groups: subject.groups, name: subject.name, ..Principal::default() };
    Ok(issuer.token(&principal, DEVELOPMENT_AUDIENCE, wiring::now(), subject.lifetime))
}
