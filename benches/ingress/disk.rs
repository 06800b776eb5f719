//! What the disk itself takes to make 4 KiB durable, where the log lies.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Writes of one measurement.
const WRITES: usize = 200;
const WRITE_BYTES: usize = 4096;

/// Times of writes with `fdatasync`, one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Synced {
    /// The file grows with each.
    pub(crate) appends: Vec<Duration>,
    /// Into what the file has already, as a write-ahead log mostly does.
    pub(crate) overwrites: Vec<Duration>,
}

impl Synced {
    /// Measures once more.
    pub(crate) fn measure(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join("writes");
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        for times in [&mut self.appends, &mut self.overwrites] {
            for number in 0..WRITES {
                let began = Instant::now();
                file.write_all_at(&[7; WRITE_BYTES], (number * WRITE_BYTES) as u64)?;
                file.sync_data()?;
                times.push(began.elapsed());
            }
        }
        Ok(std::fs::remove_file(path)?)
    }
}
