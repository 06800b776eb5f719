//! Token to [`Principal`]: OIDC discovery, JWKS, and the checks on a JWT.
//!
//! A token is let in when its issuer is configured, one of the issuer's keys signed it with an algorithm that fits the
//! key, it is meant for us (`aud`) and it is valid now (`exp`, `nbf`, `iat`, by the clock that was passed in).
//!
//! **How long a mistake lives.** A key that the issuer withdraws is believed for [`KEYS_OVERDUE_SECONDS`], and half of
//! that where calls are frequent; while the issuer cannot be reached, for [`KEYS_STALE_SECONDS_MAX`] at most. A token that was checked is
//! not checked again for [`VERIFIED_SECONDS_MAX`], but never beyond its `exp`.
//!
//! This room refuses to keep a token (only its SHA-256), to log one, and to accept an algorithm that was not pinned.

mod claims;
pub mod development;
mod fetch;
mod issuer;
mod keyset;
mod token;
mod verified;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use schemas::{Clock, Principal};
use url::Url;

pub use claims::{ACT_DEPTH_MAX, GROUPS_MAX};
pub use fetch::{DOCUMENT_BYTES_MAX, FETCH_SECONDS_MAX};
pub use issuer::{
    KEYS_FRESH_SECONDS, KEYS_OVERDUE_SECONDS, KEYS_STALE_SECONDS_MAX, REFRESH_SECONDS_MIN, RETRY_SECONDS_MIN,
};
pub use keyset::KEYS_MAX;
pub use token::TOKEN_BYTES_MAX;
pub use verified::{VERIFIED_SECONDS_MAX, VERIFIED_TOKENS_MAX};

use crate::{claims::Expectations, fetch::Fetcher, issuer::Source, token::Unverified, verified::Verified};

#[derive(Clone, Debug)]
pub struct Config {
    pub issuers: Vec<Issuer>,
    /// Clock skew that `exp`, `nbf` and `iat` are allowed.
    pub leeway: Duration,
}

#[derive(Clone, Debug)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub url: String,
    /// The `aud` that a token must carry.
    pub audience: String,
    /// The claim that lists groups, as an array of strings or as words in one string; default `groups`. A name that
    /// no claim has is read as a path: `realm_access.roles`.
    pub groups_claim: String,
    pub keys: Keys,
}

#[derive(Clone, Debug)]
pub enum Keys {
    /// By OIDC discovery at the issuer's URL.
    Discover,
    /// At this URL.
    Jwks(Url),
    /// Given: a JWKS as JSON. What the development issuer uses.
    Static(String),
}

/// Checks tokens. One per process; refreshes its keys by itself.
pub struct Authenticator {
    sources: HashMap<String, Arc<Source>>,
    /// Issuer URLs in the order of the configuration.
    issuers: Vec<String>,
    leeway: Duration,
    clock: Clock,
    verified: Verified,
}

impl Authenticator {
    /// Fetches nothing yet: keys are fetched when the first token of an issuer comes.
    pub fn new(config: Config, clock: Clock) -> Result<Arc<Authenticator>, ConfigError> {
        let remote = config.issuers.iter().any(|issuer| !matches!(issuer.keys, Keys::Static(_)));
        let fetcher = if remote { Some(Fetcher::new()?) } else { None };
        let issuers = config.issuers.iter().map(|issuer| issuer.url.clone()).collect();
        let mut sources = HashMap::new();
        for issuer in config.issuers {
            let url = issuer.url.clone();
            let source = Arc::new(Source::new(issuer, fetcher.clone(), clock.clone())?);
            if sources.insert(url.clone(), source).is_some() {
                return Err(ConfigError(format!("the issuer {url} is configured twice: keep one")));
            }
        }
        Ok(Arc::new(Authenticator { sources, issuers, leeway: config.leeway, clock, verified: Verified::default() }))
    }

    /// The principal of an `Authorization` header's value (`Bearer …`).
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Principal, Refused> {
        let token = token::bearer(authorization)?;
        let now = (self.clock)();
        let fingerprint = verified::fingerprint(token);
        if let Some(principal) = self.verified.find(&fingerprint, now) {
            return Ok(principal);
        }
        let (principal, expires_at) = self.check(token).await?;
        self.verified.keep(fingerprint, principal.clone(), (self.clock)(), expires_at);
        Ok(principal)
    }

    /// Issuer URLs, for RFC 9728 metadata.
    pub fn issuers(&self) -> Vec<String> {
        self.issuers.clone()
    }

    /// The whole check. Nothing that the token claims is believed before its signature, but for which issuer to ask.
    async fn check(&self, token: &str) -> Result<(Principal, schemas::Timestamp), Refused> {
        let token = Unverified::of(token)?;
        let source = self.sources.get(token.issuer()).ok_or(Refused::UnknownIssuer)?;
        source.verify(&token).await?;
        let issuer = source.issuer();
        let expectations = Expectations {
            audience: &issuer.audience,
            groups_claim: &issuer.groups_claim,
            leeway: self.leeway,
            now: (self.clock)(),
        };
        token.into_claims().check(&expectations)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// Why a caller is not let in. `Display` is safe to show to the caller: it never holds any of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no bearer token was sent")]
    Missing,
    #[error("the token is malformed: {0}")]
    Malformed(String),
    #[error("the token's issuer is not configured here")]
    UnknownIssuer,
    #[error("the token is for another audience; ask the issuer for one with audience {expected}")]
    WrongAudience { expected: String },
    #[error("the token has expired; get a new one")]
    Expired,
    #[error("the token is not valid yet; check the clocks")]
    NotYet,
    #[error("the token's signature does not verify: {0}")]
    BadSignature(String),
    /// Ours or the issuer's fault, not the caller's; a retry may help.
    #[error("the issuer's keys cannot be fetched at the moment; try again")]
    Unavailable,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
