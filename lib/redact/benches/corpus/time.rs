//! CPU time of the calling thread, from the kernel's accounts; they go by ticks, so short work is repeated.

use std::{fs, time::Instant};

/// Shortest time that is taken for a measurement, in seconds.
const LEAST_SECONDS: f64 = 0.2;

/// What `work` gives, and the seconds that it takes once.
pub(crate) fn cpu_seconds<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let (wall, before, mut times) = (Instant::now(), on_cpu(), 0.0);
    loop {
        let result = work();
        times += 1.0;
        if wall.elapsed().as_secs_f64() < LEAST_SECONDS {
            continue;
        }
        let seconds = match (before, on_cpu()) {
            (Some(before), Some(after)) if after > before => (after - before) as f64 / 1e9,
            _ => wall.elapsed().as_secs_f64(),
        };
        return (seconds / times, result);
    }
}

fn on_cpu() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
