//! CPU time of the calling thread, from the kernel's accounts; wall time where there are none.

use std::{fs, time::Instant};

/// What `work` gave, and the seconds it took.
pub(crate) fn cpu_seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let (wall, before) = (Instant::now(), on_cpu());
    let result = work();
    let seconds = match (before, on_cpu()) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e9,
        _ => wall.elapsed().as_secs_f64(),
    };
    (seconds.max(1e-9), result)
}

fn on_cpu() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
