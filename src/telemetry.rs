//! What the program says of itself: log lines on standard error, metrics for Prometheus.

use std::{io::IsTerminal, time::Duration};

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::topics::Party;

mod metrics;
mod process;

/// Buckets of the latency histograms, in seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// `HANSARD_LOG` takes the filters of `tracing-subscriber`; without it, `info` for Hansard and `warn` for the rest.
pub fn install_log() {
    let quiet = "warn,rmcp=off,hansard=info,hansard_ingress=info,hansard_masker=info,hansard_approver=info,hansard_archiver=info,hansard_query=info,hansard_bus=info,hansard_identity=info,hansard_recorder=info";
    let filter = EnvFilter::try_from_env("HANSARD_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    let colours = std::io::stderr().is_terminal();
    // A line that cannot be written, as on a full disk, is dropped: complaining about it on the same standard error
    // would panic in the middle of a call.
    let lines = tracing_subscriber::fmt().log_internal_errors(false);
    lines.with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).with_target(false).init();
}

/// A panic says where it happened, and not what it says: its message may hold data of a call.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(at = place, "a task panicked; this is a fault of Hansard's, please report it");
    }));
}

/// How often histograms are summed up, so that they take no memory for calls that nobody has asked about yet.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The metrics of a program that has these roles; to be called before the roles are made.
pub fn install_metrics(roles: &[Party]) -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)
        .context("histogram buckets")?
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    self::metrics::describe(roles);
    ::metrics::gauge!("hansard_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let kept = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            kept.run_upkeep();
        }
    });
    Ok(handle)
}

/// What `/metrics` answers.
pub fn render(handle: &PrometheusHandle) -> String {
    process::show();
    handle.render()
}
