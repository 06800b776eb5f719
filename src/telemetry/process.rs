//! What the operating system says of this process, under the names that every Prometheus client gives it.

use std::{fs, path::Path};

use metrics::{counter, gauge};

/// What `/proc` counts CPU time in; the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/self/stat` behind the name of the program: user and system time.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// Brings the metrics up to date. Where there is no `/proc`, they are left out.
pub fn show() {
    if let Some(seconds) = cpu_seconds() {
        counter!("process_cpu_seconds_total").absolute(seconds);
    }
    if let Some(bytes) = resident_bytes() {
        gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    if let Ok(open) = fs::read_dir(Path::new("/proc/self/fd")) {
        gauge!("process_open_fds").set(open.count() as f64);
    }
}

/// Whole seconds: counters of this house are whole numbers.
fn cpu_seconds() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold blanks and brackets; what follows its last bracket does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some((ticks(USER_TIME)? + ticks(SYSTEM_TIME)?) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
