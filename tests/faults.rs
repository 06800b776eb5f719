//! Faults: the program is killed, its log and its store fail in every way, its disk is full, others read beside it.
//!
//! Afterwards everything is read again from the archive and by SQL ([`faults::verdict`] says what must hold): what the
//! upstream saw is there exactly once, and no answer that a caller got is missing.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test program")]
#![expect(unreachable_pub, reason = "a test has no outside")]

#[allow(dead_code, reason = "the other end-to-end tests use the rest")]
#[path = "end_to_end/program.rs"]
mod program;

mod faults {
    mod archive;
    mod callers;
    mod chance;
    mod full_disk;
    mod kafka;
    mod kept;
    mod kills;
    mod pipeline;
    mod readers;
    mod sealed;
    mod store;
    mod table;
    mod upstream;
    mod verdict;
}
