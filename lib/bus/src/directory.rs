//! The lock of a data directory: one running program per directory.
//!
//! The kernel holds it for us, so it ends with the process, however that ends. It refuses to be broken: there is
//! nothing to delete by hand after a crash.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use crate::Error;

/// The directory is ours until this is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _held: File,
    path: PathBuf,
}

impl DirectoryLock {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes `directory/lock`, or says which process has it.
pub fn data_dir_lock(directory: &Path) -> Result<DirectoryLock, Error> {
    let path = directory.join("lock");
    let mut file = open(&path).map_err(|source| {
        let tried = format!("cannot make {}: check that the directory exists and is writable", path.display());
        Error::because(tried, source)
    })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(directory, &mut file)),
        Err(TryLockError::Error(source)) => {
            return Err(Error::because(format!("cannot lock {}: is it on a network disk?", path.display()), source));
        }
    }
    sign(&mut file)
        .map_err(|source| Error::because(format!("cannot write {}: is the disk full?", path.display()), source))?;
    Ok(DirectoryLock { _held: file, path })
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Our process id, for whoever finds the directory taken.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn taken(directory: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    // Who holds it is only said as far as it can be read.
    let _ = file.take(32).read_to_string(&mut holder);
    let process = match holder.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    Error::new(format!(
        "{} is in use by {process}: stop that one first, or choose another data directory",
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_until_dropped_and_says_by_whom() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let held = data_dir_lock(directory.path()).expect("the first takes it");
        let refused = data_dir_lock(directory.path()).expect_err("the second does not").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        data_dir_lock(directory.path()).expect("free again");
    }

    #[test]
    fn names_a_directory_that_is_not_there() {
        let refused = data_dir_lock(Path::new("/nowhere/at/all")).expect_err("no such directory").to_string();
        assert!(refused.contains("/nowhere/at/all"), "{refused}");
    }
}
