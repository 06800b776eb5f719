//! How the command is linked, where that depends on the system: its relocations are packed.
//!
//! A program of this size has some 300 000 addresses in its constants that are moved at its start. Listed one by one they
//! are 7 MiB that stay in memory; packed (`DT_RELR`) they are a fraction of one. glibc reads that from 2.36 on, so a
//! system with an older one, or a build for another system, is left alone.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to a build script by its environment")]

use std::{env, process::Command};

/// The first glibc that reads packed relocations.
const GLIBC: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    if is_glibc && is_native && glibc().is_some_and(|version| version >= GLIBC) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Of this system: `getconf` says `glibc 2.41`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
