//! The allocator: mimalloc, told to give back at once what is free.
//!
//! With that of glibc, threads wait for each other's arenas on the path of a call (docs/performance.md). Huge pages are off
//! (a feature of the crate), and it refuses to keep for a second what is freed, as it does by itself: with both, a thousand
//! open streams took 235 and 266 MiB in place of 138.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` in mimalloc.h, the same in all its versions: how long what is free is kept, in milliseconds.
const PURGE_DELAY: c_int = 15;

#[expect(unsafe_code, reason = "the allocator is set up by a function of C")]
// SAFETY: it takes two numbers and keeps one; an option that it does not know it passes over.
unsafe extern "C" {
    safe fn mi_option_set(option: c_int, value: c_long);
}

pub(crate) fn give_back_at_once() {
    mi_option_set(PURGE_DELAY, 0);
}
