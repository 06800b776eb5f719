//! How the system's allocator keeps what was freed: in two arenas for each core.
//!
//! glibc makes up to eight arenas for each core, and what the threads of one have freed no other uses. With two for each
//! core, a process with 1 000 streams is smaller by some MiB; with one, calls cost a third more CPU time, because threads
//! wait for each other (docs/performance.md). It refuses to replace the allocator.

/// Fewer are waited for, more keep more memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_PER_CORE: usize = 2;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is set up by a function of C")]
pub(crate) fn limit_arenas() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = libc::c_int::try_from(cores * ARENAS_PER_CORE).unwrap_or(libc::c_int::MAX);
    // SAFETY: it takes two numbers and keeps one. Where it refuses, all stays as it was.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn limit_arenas() {}
