//! What the disk itself takes to make 4 KiB durable, where the log lies.

use std::{
    fs::OpenOptions,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Appends of one measurement.
const APPENDS: usize = 200;
const APPEND_BYTES: usize = 4096;

/// The times of appends with `fdatasync`, one after another.
pub(crate) fn appends(folder: &Path) -> Result<Vec<Duration>> {
    let path = folder.join("appends");
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let began = Instant::now();
        file.write_all(&[7; APPEND_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
