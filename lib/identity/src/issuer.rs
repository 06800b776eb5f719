//! One configured issuer: its keys, how old they may be, and when they are fetched again.
//!
//! ```text
//! no keys                       fetch, the caller waits
//! younger than fresh            use
//! older than fresh              use, and fetch beside it
//! overdue                       fetch, the caller waits; when that failed lately: use, and fetch beside it
//! older than stale              fetch, the caller waits
//! a key that is not among them  fetch, the caller waits; but not more often than the minimum
//! ```
//!
//! There is one fetch at a time. It runs as a task of its own, so that a caller who goes away does not end it for the
//! others. It refuses to be driven by strangers: whatever tokens come, the issuer is asked once per minimum.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use schemas::{Clock, Timestamp};
use tracing::{info, warn};
use url::Url;

use crate::{
    ConfigError, Issuer, Keys, Refused,
    fetch::{self, FetchError, Fetcher},
    keyset::{Failure, KeySet, bad_signature},
    token::Unverified,
};

/// Keys of this age are fetched again, while they are used.
pub const KEYS_FRESH_SECONDS: u64 = 600;
/// Keys of this age are not used before a fetch was tried: nobody has come for a while, and much may have changed.
pub const KEYS_OVERDUE_SECONDS: u64 = 2 * KEYS_FRESH_SECONDS;
/// Keys of this age are not used any more, although the issuer cannot be reached.
pub const KEYS_STALE_SECONDS_MAX: u64 = 24 * 3600;
/// Least time between a fetch that succeeded and the next.
pub const REFRESH_SECONDS_MIN: u64 = 30;
/// Least time between a fetch that failed and the next.
pub const RETRY_SECONDS_MIN: u64 = 2;

const DISCOVERY: &str = "/.well-known/openid-configuration";

pub(crate) struct Source {
    issuer: Issuer,
    origin: Origin,
    clock: Clock,
    state: Mutex<State>,
    /// Held by the one fetch under way.
    flight: tokio::sync::Mutex<()>,
}

enum Origin {
    Given,
    Jwks(Fetcher, Url),
    Discovery(Fetcher, Url),
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    /// When the last fetch ended, and whether it brought keys.
    fetched: Option<(Timestamp, bool)>,
}

impl Source {
    pub(crate) fn new(issuer: Issuer, fetcher: Option<Fetcher>, clock: Clock) -> Result<Source, ConfigError> {
        let mut state = State::default();
        let origin = match (&issuer.keys, fetcher) {
            (Keys::Static(json), _) => {
                let keys = KeySet::of(json.as_bytes());
                let keys =
                    keys.ok_or_else(|| wrong(&issuer, "the keys given are not a JWKS with a key of use here"))?;
                state.keys = Some((Arc::new(keys), clock()));
                Origin::Given
            }
            (Keys::Jwks(url), Some(fetcher)) => Origin::Jwks(fetcher, safe(&issuer, url.clone())?),
            (Keys::Discover, Some(fetcher)) => Origin::Discovery(fetcher, safe(&issuer, discovery_url(&issuer)?)?),
            (_, None) => return Err(wrong(&issuer, "its keys are to be fetched, and there is nothing to fetch with")),
        };
        if issuer.audience.is_empty() {
            return Err(wrong(&issuer, "set the audience that its tokens must carry"));
        }
        Ok(Source { issuer, origin, clock, state: Mutex::new(state), flight: tokio::sync::Mutex::default() })
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Did one of the issuer's keys sign this token?
    pub(crate) async fn verify(self: &Arc<Self>, token: &Unverified<'_>) -> Result<(), Refused> {
        let keys = self.keys().await.ok_or(Refused::Unavailable)?;
        match keys.verify(token) {
            Ok(()) => return Ok(()),
            Err(Failure::Final(refused)) => return Err(refused),
            Err(Failure::NoSuchKey) => {}
        }
        let keys = self.refresh().await.ok_or(Refused::Unavailable)?;
        keys.verify(token).map_err(|failure| match failure {
            Failure::Final(refused) => refused,
            // With a failing issuer it is not known whether it has the key.
            Failure::NoSuchKey if self.is_failing() => Refused::Unavailable,
            Failure::NoSuchKey => bad_signature("the issuer has no key that made it"),
        })
    }

    /// The keys to use now; the table above.
    async fn keys(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        match self.kept() {
            Some((keys, _)) if matches!(self.origin, Origin::Given) => Some(keys),
            Some((_, age_us)) if age_us >= micros(KEYS_OVERDUE_SECONDS) && !self.failed_lately() => {
                self.refresh().await
            }
            Some((keys, age_us)) => {
                if age_us >= micros(KEYS_FRESH_SECONDS) && self.flight.try_lock().is_ok() && self.is_due() {
                    tokio::spawn(Arc::clone(self).fetch_once());
                }
                Some(keys)
            }
            None => self.refresh().await,
        }
    }

    /// The newest keys that may be used, after a fetch if one may be made now.
    async fn refresh(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        if !matches!(self.origin, Origin::Given) {
            // The task ends by itself within the limits of a fetch; a panic in it leaves the keys as they were.
            let _ = tokio::spawn(Arc::clone(self).fetch_once()).await;
        }
        self.kept().map(|(keys, _)| keys)
    }

    /// Keys that are not too old, and their age in microseconds. Keys that were given do not age.
    fn kept(&self) -> Option<(Arc<KeySet>, i64)> {
        let (keys, fetched_at) = self.state().keys.clone()?;
        let age_us = (self.clock)().micros_since(fetched_at);
        (matches!(self.origin, Origin::Given) || age_us < micros(KEYS_STALE_SECONDS_MAX)).then_some((keys, age_us))
    }

    /// Waits for the fetch under way, if there is one, and then makes one of its own only if that is due.
    async fn fetch_once(self: Arc<Self>) {
        let _flight = self.flight.lock().await;
        if !self.is_due() {
            return;
        }
        let fetched = self.fetch().await;
        let now = (self.clock)();
        let mut state = self.state();
        state.fetched = Some((now, fetched.is_ok()));
        match fetched {
            Ok(keys) => {
                state.keys = Some((Arc::new(keys), now));
                info!(issuer = %self.issuer.url, "fetched the issuer's keys");
            }
            Err(error) => warn!(issuer = %self.issuer.url, %error, cause = ?error, "cannot fetch the issuer's keys"),
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let document = match &self.origin {
            Origin::Given => return Err(FetchError::NotKeys),
            Origin::Jwks(fetcher, url) => fetcher.document(url).await?,
            Origin::Discovery(fetcher, url) => {
                let jwks = fetcher.discover(&self.issuer.url, url).await?;
                fetcher.document(&jwks).await?
            }
        };
        KeySet::of(&document).ok_or(FetchError::NotKeys)
    }

    /// May the issuer be asked again?
    fn is_due(&self) -> bool {
        let Some((at, succeeded)) = self.state().fetched else { return true };
        let least = if succeeded { REFRESH_SECONDS_MIN } else { RETRY_SECONDS_MIN };
        // A clock that went back would otherwise forbid it for as long as it went back.
        (self.clock)().0.abs_diff(at.0) >= micros(least).unsigned_abs()
    }

    fn failed_lately(&self) -> bool {
        let now = (self.clock)();
        matches!(self.state().fetched, Some((at, false)) if now.micros_since(at) < micros(KEYS_FRESH_SECONDS))
    }

    fn is_failing(&self) -> bool {
        matches!(self.state().fetched, Some((_, false)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn discovery_url(issuer: &Issuer) -> Result<Url, ConfigError> {
    let url = format!("{}{DISCOVERY}", issuer.url.trim_end_matches('/'));
    Url::parse(&url).map_err(|error| wrong(issuer, &format!("it is not a URL ({error})")))
}

fn safe(issuer: &Issuer, url: Url) -> Result<Url, ConfigError> {
    if fetch::is_safe(&url) {
        return Ok(url);
    }
    Err(wrong(issuer, "keys are fetched by https, or by http from the machine itself"))
}

fn wrong(issuer: &Issuer, what: &str) -> ConfigError {
    ConfigError(format!("issuer {}: {what}", issuer.url))
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(Duration::from_secs(seconds).as_micros()).expect("a few hours fit")
}
