//! The `hansard` command: argv, configuration, wiring, signals and telemetry. The only place that knows all stages,
//! reads the environment, binds ports and tells the time.
//!
//! It refuses to hold logic of a stage: what a stage does is in its own room.

#![expect(unreachable_pub, reason = "a program has no outside")]
#![cfg_attr(
    not(feature = "all"),
    allow(dead_code, unused_imports, unused_variables, reason = "a build of some roles uses some of this")
)]

mod argv;
mod configuration;
mod data;
mod dispatch;
mod exit;
mod health;
mod kafka;
mod keys;
mod memory;
mod operation;
mod registry;
mod running;
mod secret;
mod single;
mod start;
mod telemetry;
mod topics;
mod wiring;

#[cfg(feature = "all")]
mod approvals;
#[cfg(feature = "all")]
mod authority;
#[cfg(feature = "all")]
mod console;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "all")]
mod detokenize;
#[cfg(feature = "query")]
mod forget;
#[cfg(feature = "all")]
mod quarantine;
#[cfg(feature = "query")]
mod reading;
#[cfg(any(feature = "ingress", feature = "masker"))]
mod redaction;
#[cfg(any(feature = "ingress", feature = "masker"))]
mod signed;
#[cfg(feature = "query")]
mod table;
#[cfg(feature = "query")]
mod tail;
#[cfg(feature = "masker")]
mod token;
#[cfg(feature = "all")]
mod up;

use clap::Parser;

fn main() -> std::process::ExitCode {
    memory::give_back_at_once();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().expect("no TLS provider was installed before main");
    telemetry::install_log();
    telemetry::install_panic_hook();
    match argv::Arguments::try_parse() {
        Ok(arguments) => exit::code(dispatch::run(arguments)),
        Err(error) => exit::usage(&error),
    }
}
