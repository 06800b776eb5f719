//! End to end: the real program over real sockets, its commands as a person types them.
//!
//! What needs a tool that is not there says `skipped: why`; under `CI=true` it fails instead.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test program")]

#[expect(unreachable_pub, reason = "a test has no outside")]
mod end_to_end {
    mod alone;
    mod approvals;
    mod bad_input;
    mod browser;
    mod bucket;
    mod clouds;
    mod commands;
    mod deploy;
    mod doors;
    mod exposition;
    mod kafka;
    mod keys;
    mod masking;
    mod oracle;
    mod parts;
    mod pipeline;
    mod program;
    mod real_parts;
    mod scene;
    mod secrets;
    mod spans;
    mod starts;
    mod upstream;
}
