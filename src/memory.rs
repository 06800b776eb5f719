//! How the system's allocator keeps what was freed: in one arena for each core.
//!
//! glibc makes up to eight arenas for each core, and what the threads of one have freed no other uses. With as many as
//! cores, a process with 1 000 streams is 15 MiB smaller (docs/performance.md). It refuses to replace the allocator.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is set up by a function of C")]
pub(crate) fn share_arenas() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = libc::c_int::try_from(cores).unwrap_or(libc::c_int::MAX);
    // SAFETY: it takes two numbers and keeps one. Where it refuses, all stays as it was.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share_arenas() {}
