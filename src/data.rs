//! The data directory: what lies where, and who may read it. Made on first use, mode 0700.
//!
//! ```text
//! lock                held by `hansard up`
//! log.sqlite          the embedded log
//! archive/            Parquet and commit log, unless [archive] url says otherwise
//! keys/               see keys.rs
//! emitter             the name this instance stamps its frames with
//! addresses.json      where the running `hansard up` listens
//! ```

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct DataDirectory {
    path: PathBuf,
}

/// Where a running `hansard up` listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub ingress: SocketAddr,
    pub console: SocketAddr,
    pub operation: SocketAddr,
}

impl DataDirectory {
    /// Makes the directory if need be.
    pub fn create(path: PathBuf) -> Result<DataDirectory> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        Ok(DataDirectory { path })
    }

    /// The directory of an earlier start.
    pub fn existing(path: PathBuf) -> Result<DataDirectory> {
        let directory = DataDirectory { path };
        ensure!(
            directory.log().is_file(),
            "there is no trail in {}: start `hansard up` with this --data first, or name another directory",
            directory.path.display()
        );
        DataDirectory::create(directory.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("log.sqlite")
    }

    pub fn archive(&self) -> PathBuf {
        self.path.join("archive")
    }

    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// The name of this instance: the same after every start.
    pub fn emitter(&self) -> Result<String> {
        let path = self.path.join("emitter");
        if let Ok(name) = fs::read_to_string(&path) {
            return Ok(name.trim().to_owned());
        }
        let name = format!("e-{}", Uuid::now_v7().simple());
        write_new(&path, name.as_bytes(), 0o600)?;
        Ok(name)
    }

    pub fn publish_addresses(&self, addresses: &Addresses) -> Result<()> {
        let json = serde_json::json!({
            "ingress": addresses.ingress.to_string(),
            "console": addresses.console.to_string(),
            "operation": addresses.operation.to_string(),
        });
        let (path, next) = (self.path.join("addresses.json"), self.path.join("addresses.json.next"));
        fs::write(&next, json.to_string()).with_context(|| format!("cannot write {}", next.display()))?;
        fs::rename(&next, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes the addresses, so that nobody calls a program that has ended.
    pub fn withdraw_addresses(&self) {
        let _ = fs::remove_file(self.path.join("addresses.json"));
    }

    pub fn addresses(&self) -> Result<Addresses> {
        let text = fs::read_to_string(self.path.join("addresses.json"))
            .with_context(|| format!("`hansard up` does not run on {}: start it first", self.path.display()))?;
        let json: serde_json::Value =
            serde_json::from_str(&text).context("addresses.json is damaged: start `hansard up` again")?;
        let of = |role: &str| -> Result<SocketAddr> {
            let address = json[role].as_str().with_context(|| format!("addresses.json does not name {role}"))?;
            address.parse().with_context(|| format!("addresses.json: {role} is not an address"))
        };
        Ok(Addresses { ingress: of("ingress")?, console: of("console")?, operation: of("operation")? })
    }
}

/// Writes a file that must not be there yet, durably, and readable by `mode` only. It gets its name when it is whole,
/// so that a kill leaves no half of a key for the next start.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let shown = path.display();
    let folder = path.parent().context("a file without a folder")?;
    let unnamed = path.with_added_extension(format!("{}.new", std::process::id()));
    // Only a process that was killed can have left it.
    let _ = fs::remove_file(&unnamed);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&unnamed)
        .with_context(|| format!("cannot make {shown}"))?;
    let written = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&unnamed, path));
    let _ = fs::remove_file(&unnamed);
    written.with_context(|| format!("cannot write {shown}"))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot write {shown}"))
}
