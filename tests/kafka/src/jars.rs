//! The jars of Kafka, fetched once per pinned `pom.xml` through Maven into a cache outside the tree.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use crate::cache;

const POM: &str = include_str!("../pom.xml");

/// The folder with the jars; made whole or not at all.
pub(crate) fn installed() -> Result<PathBuf, String> {
    // Two tests of one program fetch them once.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    run(Command::new("java").arg("-version"))?;
    let mut hasher = DefaultHasher::new();
    POM.hash(&mut hasher);
    let folder = cache().join(format!("kafka-{:016x}", hasher.finish()));
    if !folder.is_dir() {
        fetch(&folder)?;
    }
    Ok(folder)
}

fn fetch(folder: &Path) -> Result<(), String> {
    let aside = folder.with_extension(std::process::id().to_string());
    let cannot = |error: std::io::Error| format!("cannot make {}: {error}", aside.display());
    fs::create_dir_all(&aside).map_err(cannot)?;
    let pom = aside.join("pom.xml");
    fs::write(&pom, POM).map_err(cannot)?;
    let maven = ["--batch-mode", "--quiet", "dependency:copy-dependencies", "--file"];
    run(Command::new("mvn").args(maven).arg(&pom).arg(format!("-DoutputDirectory={}", aside.display())))?;
    // Whoever comes second finds those of the first.
    if fs::rename(&aside, folder).is_err() {
        let _ = fs::remove_dir_all(&aside);
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&said)))
}
