//! Files that somebody has signed: beside each its signature, Ed25519 over its bytes, by one of the keys that are trusted.
//!
//! It refuses to sign. Whoever may change a file on the machine is not who may sign it; `openssl` signs, anywhere else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

/// Where the signature of a file stands.
pub fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Was this, which stands in the file, signed with one of these keys? Without keys nothing has to be signed.
pub fn check(file: &Path, content: &[u8], keys: &[PathBuf]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let beside = signature_of(file);
    let signature = fs::read(&beside).with_context(|| {
        let (beside, file) = (beside.display(), file.display());
        format!("cannot read {beside}: openssl pkeyutl -sign -rawin -inkey <key> -in {file} -out {beside} makes it")
    })?;
    for key in keys {
        if public(key)?.verify_sig(content, &signature).is_ok() {
            return Ok(());
        }
    }
    bail!("{} is not signed with any of the trusted keys as it stands: sign it again", file.display());
}

fn public(file: &Path) -> Result<ParsedPublicKey> {
    let key = SubjectPublicKeyInfoDer::from_pem_file(file)
        .with_context(|| format!("{} is no public key in PEM", file.display()))?;
    ParsedPublicKey::new(&ED25519, &key).with_context(|| format!("{} is no public key of Ed25519", file.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        signature::{Ed25519KeyPair, KeyPair},
    };
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    /// A key of its own, and its public half in a file.
    pub(crate) struct Signer {
        folder: tempfile::TempDir,
        pair: Ed25519KeyPair,
    }

    impl Signer {
        pub(crate) fn new() -> Signer {
            let pair = Ed25519KeyPair::generate().unwrap();
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let (folder, lines) = (tempfile::tempdir().unwrap(), STANDARD.encode(der.as_ref()));
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
            fs::write(folder.path().join("signer.pem"), pem).unwrap();
            Signer { folder, pair }
        }

        pub(crate) fn key(&self) -> PathBuf {
            self.folder.path().join("signer.pem")
        }

        pub(crate) fn sign(&self, file: &Path, content: &str) {
            fs::write(signature_of(file), self.pair.sign(content.as_bytes())).unwrap();
        }
    }

    fn refused(file: &Path, content: &str, keys: &[PathBuf]) -> String {
        format!("{:#}", check(file, content.as_bytes(), keys).expect_err("it is refused"))
    }

    #[test]
    fn only_what_a_trusted_key_has_signed_counts() {
        let (signer, other) = (Signer::new(), Signer::new());
        let file = signer.folder.path().join("rules.toml");
        signer.sign(&file, "rules");
        check(&file, b"rules", &[signer.key()]).unwrap();
        check(&file, b"rules", &[other.key(), signer.key()]).unwrap();
        check(&file, b"whatever", &[]).unwrap();
        assert!(refused(&file, "other rules", &[signer.key()]).contains("sign it again"));
        assert!(refused(&file, "rules", &[other.key()]).contains("not signed"));
        fs::write(signature_of(&file), b"torn").unwrap();
        assert!(refused(&file, "rules", &[signer.key()]).contains("not signed"));
        fs::remove_file(signature_of(&file)).unwrap();
        assert!(refused(&file, "rules", &[signer.key()]).contains("openssl pkeyutl"));
        signer.sign(&file, "rules");
        fs::write(signer.key(), "no key").unwrap();
        assert!(refused(&file, "rules", &[signer.key()]).contains("no public key"));
    }
}
