//! The shortest time of several: what else runs on the machine, and on the machine that lends it, only makes times longer.

use std::time::{Duration, Instant};

/// How often work is done at least, and for how long.
const TIMES_MIN: usize = 5;
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// What `work` gives, and the seconds of its fastest time.
pub(crate) fn seconds<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let (begun, mut best) = (Instant::now(), f64::MAX);
    for times in 1.. {
        let (seconds, result) = once(&mut work);
        best = best.min(seconds);
        if times >= TIMES_MIN && begun.elapsed() >= LONG_ENOUGH {
            return (best, result);
        }
    }
    unreachable!("the loop has no end")
}

/// What `work` gives, and the seconds that it takes.
pub(crate) fn once<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}
