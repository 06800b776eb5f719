//! One suite for every implementation of the log: what the traits promise, and nothing else.
//!
//! An implementation comes in by a [`Place`]; each case gets a fresh one.

// As the rest of the house calls it.
extern crate hansard_bus as bus;

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bus::Bus;
use tokio::{sync::Semaphore, time::Instant};

mod appends;
mod embedded;
mod groups;
mod kafka;
mod prefixed;
mod reads;
mod rebalances;
mod transactions;
mod workbench;

/// A log of its own, with [`workbench::topics`].
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens it; once more as another process would, if it is open already.
    async fn open(&self) -> Arc<dyn Bus>;
}

type Case = fn(Arc<dyn Place>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every promise by its name.
fn cases() -> Vec<(&'static str, Case)> {
    [appends::cases(), reads::cases(), transactions::cases(), groups::cases(), rebalances::cases()].concat()
}

/// Longest time for all cases together.
const SUITE_SECONDS_MAX: u64 = 240;

/// Runs all cases, some at a time, and says which have failed or did not end.
async fn check(at_once: usize, place: impl Fn() -> Arc<dyn Place>) {
    let turns = Arc::new(Semaphore::new(at_once));
    let run = |(name, case): (&'static str, Case)| {
        let (turns, place) = (turns.clone(), place());
        let turn = async move { turns.acquire_owned().await.expect("nobody closes it") };
        let case = async move {
            let _turn = turn.await;
            case(place).await;
        };
        (name, tokio::spawn(case))
    };
    let running: Vec<_> = cases().into_iter().map(run).collect();
    let deadline = Instant::now() + Duration::from_secs(SUITE_SECONDS_MAX);
    let mut failed = Vec::new();
    for (name, case) in running {
        if !matches!(tokio::time::timeout_at(deadline, case).await, Ok(Ok(()))) {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
