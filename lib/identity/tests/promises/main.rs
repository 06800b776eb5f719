//! Who is let in and who is not, with keys of every accepted kind and an issuer on loopback that can fail.

mod keys;
mod server;
mod signer;
mod tokens;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use schemas::{Clock, Timestamp};

/// The time of these tests, in seconds since the Unix epoch.
const NOW: i64 = 1_700_000_000;
const AUDIENCE: &str = "https://hansard.example";

/// A clock that stands still until it is told to move.
#[derive(Clone, Debug)]
struct Time(Arc<AtomicI64>);

impl Time {
    fn new() -> Time {
        Time(Arc::new(AtomicI64::new(NOW * 1_000_000)))
    }

    fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || Timestamp(time.load(Ordering::SeqCst)))
    }

    fn advance(&self, seconds: u64) {
        self.0.fetch_add(i64::try_from(seconds).expect("a few hours") * 1_000_000, Ordering::SeqCst);
    }
}
