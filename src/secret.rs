//! Values that must not be seen: given in the configuration as `env:NAME`, `file:PATH`, or as they are.

use std::{fmt, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Longest secret in a file, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A reference as the configuration holds it. Shown, it shows nothing of a value.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value that is meant.
    pub fn read(&self) -> Result<String> {
        let value = if let Some(name) = self.0.strip_prefix("env:") {
            from_environment(name)?
        } else if let Some(path) = self.0.strip_prefix("file:") {
            from_file(Path::new(path))?
        } else {
            self.0.clone()
        };
        ensure!(!value.is_empty(), "{self:?} is empty: set it, or leave the key out");
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = self.0.starts_with("env:") || self.0.starts_with("file:");
        f.write_str(if reference { &self.0 } else { "a value given in the configuration" })
    }
}

#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
fn from_environment(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("cannot read env:{name}: set the environment variable {name}"))
}

/// A trailing newline, as editors leave one, is no part of the secret.
fn from_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read file:{shown}"))?.len();
    ensure!(
        size <= SECRET_FILE_BYTES_MAX,
        "file:{shown} has {size} bytes; a secret has at most {SECRET_FILE_BYTES_MAX}"
    );
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read file:{shown}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lose_the_last_newline_and_values_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "Bearer abc\n").unwrap();
        assert_eq!(Secret(format!("file:{}", path.display())).read().unwrap(), "Bearer abc");
        assert!(!format!("{:?}", Secret("Bearer abc".into())).contains("abc"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = format!("{:#}", Secret("file:/nowhere/token".into()).read().unwrap_err());
        assert!(error.contains("/nowhere/token"), "{error}");
        let error = format!("{:#}", Secret("env:HANSARD_TEST_UNSET".into()).read().unwrap_err());
        assert!(error.contains("HANSARD_TEST_UNSET"), "{error}");
    }
}
