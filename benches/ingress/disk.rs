//! What the disk itself takes to make as many bytes durable as the log writes for one message, where the log lies.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Writes of one measurement.
const WRITES: usize = 200;
/// What the log writes beside a message: whole pages, of its tree and of where its partitions end.
const BESIDE_BYTES: usize = 16 * 1024;

/// Times of writes with `fdatasync`, one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Synced {
    /// The file grows with each.
    pub(crate) appends: Vec<Duration>,
    /// Into what the file has already, as a write-ahead log mostly does.
    pub(crate) overwrites: Vec<Duration>,
}

impl Synced {
    /// Measures once more, for messages of this length.
    pub(crate) fn measure(&mut self, folder: &Path, length: usize) -> Result<()> {
        let bytes = vec![7; length + BESIDE_BYTES];
        let path = folder.join("writes");
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        for times in [&mut self.appends, &mut self.overwrites] {
            for number in 0..WRITES {
                let began = Instant::now();
                file.write_all_at(&bytes, (number * bytes.len()) as u64)?;
                file.sync_data()?;
                times.push(began.elapsed());
            }
        }
        Ok(std::fs::remove_file(path)?)
    }
}
