//! Tokens that were verified a moment ago, so that a caller pays for a signature once a minute and not on each call.
//!
//! It keeps the SHA-256 of a token, never the token, and no longer than the token is valid.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use schemas::{Principal, Timestamp};

/// Longest time that a token is not checked again.
pub const VERIFIED_SECONDS_MAX: u64 = 60;
/// Most tokens that are remembered.
pub const VERIFIED_TOKENS_MAX: usize = 10_000;

pub(crate) type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

#[derive(Default)]
pub(crate) struct Verified(Mutex<HashMap<Fingerprint, Entry>>);

struct Entry {
    principal: Principal,
    from: Timestamp,
    until: Timestamp,
}

pub(crate) fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; digest::SHA256_OUTPUT_LEN];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    fingerprint
}

impl Verified {
    pub(crate) fn find(&self, token: &Fingerprint, now: Timestamp) -> Option<Principal> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(token).filter(|entry| entry.holds(now)).map(|entry| entry.principal.clone())
    }

    pub(crate) fn keep(&self, token: Fingerprint, principal: Principal, now: Timestamp, expires_at: Timestamp) {
        let until = expires_at.min(now.plus(Duration::from_secs(VERIFIED_SECONDS_MAX)));
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= VERIFIED_TOKENS_MAX {
            entries.retain(|_, entry| entry.holds(now));
        }
        // All of them still hold: starting over costs each caller one signature, and keeps the bound.
        if entries.len() >= VERIFIED_TOKENS_MAX {
            entries.clear();
        }
        entries.insert(token, Entry { principal, from: now, until });
    }
}

impl Entry {
    /// Not when the clock went back behind the check: then nothing is known of the times.
    fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}
