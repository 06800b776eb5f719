//! The keys of a data directory: made on first start, mode 0600, never overwritten, never shown.
//!
//! ```text
//! keys/sealing.public          what ingress seals to; the id of the current key
//! keys/sealing-<id>.private    opens; one per rotation, all of them are tried
//! keys/identity.key            HMAC key of principal_id and of argument digests
//! keys/lock                    held while the keys of a new directory are made
//! keys/masking-<id>.key        hashes and tokenizes what is masked; one per rotation
//! keys/masking.current         the id of the one that makes tokens
//! keys/development.pem         signs the tokens of `hansard token`
//! ```
//!
//! It refuses to make new keys beside an old log: what is sealed in there could never be opened again.

use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf};

use anyhow::{Context, Result, ensure};
use envelope::PublicKey;
use identity::development::DevelopmentIssuer;

use crate::data::DataDirectory;

const PUBLIC: &str = "sealing.public";
const IDENTITY: &str = "identity.key";
#[cfg(feature = "masker")]
const MASKING: &str = "masking.current";
const DEVELOPMENT: &str = "development.pem";
/// Anyone but the owner may do nothing with a private key.
const PRIVATE_MODE: u32 = 0o600;

#[derive(Clone, Debug)]
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// The keys of a data directory that has them.
    pub fn of(data: &DataDirectory) -> Result<Keys> {
        let keys = Keys { folder: data.keys() };
        keys.public()?;
        Ok(keys)
    }

    /// The key that is sealed to now.
    pub fn public(&self) -> Result<PublicKey> {
        let text = self.read(PUBLIC)?;
        PublicKey::from_text(&text).with_context(|| format!("{} is no public key", self.path(PUBLIC).display()))
    }

    pub fn development_issuer(&self) -> Result<DevelopmentIssuer> {
        let pem = self.read_private(DEVELOPMENT)?;
        DevelopmentIssuer::from_pem(&pem)
            .with_context(|| format!("{} is no signing key", self.path(DEVELOPMENT).display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!(
                "the key file {} is missing: restore it from your backup, or start on another --data directory",
                path.display()
            ),
            _ => anyhow::Error::new(error).context(format!("cannot read the key file {}", path.display())),
        })
    }

    /// A private key that others may read is no private key.
    fn read_private(&self, name: &str) -> Result<String> {
        let text = self.read(name)?;
        let path = self.path(name);
        let mode =
            fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?.permissions().mode();
        ensure!(
            mode & 0o077 == 0,
            "the key file {shown} may be read by others (mode {:o}): run chmod 600 {shown}, and rotate it if that was so for long",
            mode & 0o777,
            shown = path.display()
        );
        Ok(text)
    }
}

#[cfg(feature = "masker")]
mod private {
    use std::os::unix::fs::OpenOptionsExt;

    use base64::{Engine, engine::general_purpose::STANDARD};
    use envelope::{KeyId, Opener, PrivateKey};
    use redact::{Keyring, MaskingKey};

    use anyhow::bail;

    use super::*;
    use crate::data::write_new;

    /// One key pair of the data directory, as `keys list` shows it.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Listed {
        pub id: KeyId,
        pub current: bool,
    }

    impl Keys {
        /// Makes what is missing on a first start. Beside a log that is there already, a missing key is an error.
        pub fn generate(data: &DataDirectory) -> Result<Keys> {
            let keys = Keys { folder: data.keys() };
            let first_start = !data.log().exists();
            if !keys.path(PUBLIC).exists() && first_start {
                keys.make()?;
            }
            keys.public()?;
            keys.opener()?;
            keys.identity()?;
            keys.make_masking()?;
            Ok(keys)
        }

        /// Two first uses at once make one set of keys: whoever comes second waits, and finds those of the first.
        fn make(&self) -> Result<()> {
            fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))
                .context("cannot protect the key folder")?;
            let _locked = self.lock()?;
            if self.path(PUBLIC).exists() {
                return Ok(());
            }
            if !self.path(IDENTITY).exists() {
                write_new(&self.path(IDENTITY), STANDARD.encode(random()?).as_bytes(), PRIVATE_MODE)?;
            }
            if !self.path(DEVELOPMENT).exists() {
                write_new(&self.path(DEVELOPMENT), DevelopmentIssuer::generate().to_pem().as_bytes(), PRIVATE_MODE)?;
            }
            // The public key comes last: where it is, all the others are.
            self.rotate().map(|_| ())
        }

        fn lock(&self) -> Result<fs::File> {
            let path = self.path("lock");
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE_MODE).open(&path);
            let file = file.with_context(|| format!("cannot make {}", path.display()))?;
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            Ok(file)
        }

        /// A new key to seal to. The private half is durable before anything can be sealed to it.
        pub fn rotate(&self) -> Result<KeyId> {
            let key = PrivateKey::generate();
            let public = key.public();
            write_new(&self.path(&private_name(public.id())), key.to_text().as_bytes(), PRIVATE_MODE)?;
            let next = self.path("sealing.public.next");
            let _ = fs::remove_file(&next);
            write_new(&next, public.to_text().as_bytes(), 0o644)?;
            fs::rename(&next, self.path(PUBLIC)).context("cannot put the new public key in place")?;
            Ok(public.id())
        }

        /// Opens what was sealed to any key of this directory.
        pub fn opener(&self) -> Result<Opener> {
            let current = self.public()?.id();
            let names = self.private_names()?;
            ensure!(
                names.contains(&private_name(current)),
                "the key file {} is missing: what is sealed to it cannot be opened; restore it from your backup",
                self.path(&private_name(current)).display()
            );
            let key = |name: &String| {
                let text = self.read_private(name)?;
                PrivateKey::from_text(&text).with_context(|| format!("{} is no private key", self.path(name).display()))
            };
            Ok(Opener::new(names.iter().map(key).collect::<Result<Vec<_>>>()?))
        }

        pub fn identity(&self) -> Result<[u8; 32]> {
            let text = self.read_private(IDENTITY)?;
            let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.with_context(|| format!("{} is damaged: restore it from your backup", self.path(IDENTITY).display()))
        }

        pub fn list(&self) -> Result<Vec<Listed>> {
            let current = self.public()?.id();
            let key = |name: &String| {
                let text = self.read_private(name)?;
                let key = PrivateKey::from_text(&text).with_context(|| format!("{name} is no private key"))?;
                let id = key.public().id();
                Ok(Listed { id, current: id == current })
            };
            self.private_names()?.iter().map(key).collect()
        }

        /// All keys of masking, the current one first; none in a directory that is older than they are.
        pub fn masking(&self) -> Result<Keyring> {
            let names = self.names("masking-", ".key")?;
            if !self.path(MASKING).exists() {
                return Ok(Keyring::default());
            }
            let current = self.read(MASKING)?;
            let mut keys = names.iter().map(|name| self.masking_key(name)).collect::<Result<Vec<_>>>()?;
            let place = keys.iter().position(|key| key.id() == current.trim()).with_context(|| {
                let name = masking_name(current.trim());
                format!("the key file {} is missing: restore it from your backup", self.path(&name).display())
            })?;
            keys.swap(0, place);
            Ok(Keyring::new(keys))
        }

        fn masking_key(&self, name: &str) -> Result<MaskingKey> {
            let secret = STANDARD.decode(self.read_private(name)?.trim()).ok().and_then(|bytes| bytes.try_into().ok());
            let key = secret.map(|secret| MaskingKey::new(&secret)).filter(|key| masking_name(key.id()) == name);
            key.with_context(|| format!("{} is damaged: restore it from your backup", self.path(name).display()))
        }

        /// A new key for the tokens of masking. It is durable before anything is masked with it.
        pub fn rotate_masking(&self) -> Result<String> {
            let _locked = self.lock()?;
            self.new_masking()
        }

        /// The first key of masking, in a directory that has none.
        fn make_masking(&self) -> Result<()> {
            if !self.path(MASKING).exists() {
                let _locked = self.lock()?;
                if !self.path(MASKING).exists() {
                    self.new_masking()?;
                }
            }
            self.masking().map(|_| ())
        }

        fn new_masking(&self) -> Result<String> {
            let secret = random()?;
            let id = MaskingKey::new(&secret).id().to_owned();
            write_new(&self.path(&masking_name(&id)), STANDARD.encode(secret).as_bytes(), PRIVATE_MODE)?;
            let next = self.path("masking.current.next");
            let _ = fs::remove_file(&next);
            write_new(&next, id.as_bytes(), PRIVATE_MODE)?;
            fs::rename(&next, self.path(MASKING)).context("cannot put the new key of masking in place")?;
            Ok(id)
        }

        /// Changes whenever the keys of masking do.
        pub fn masking_stamp(&self) -> Option<std::time::SystemTime> {
            fs::metadata(self.path(MASKING)).and_then(|about| about.modified()).ok()
        }

        fn private_names(&self) -> Result<Vec<String>> {
            self.names("sealing-", ".private")
        }

        fn names(&self, begin: &str, end: &str) -> Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.folder).with_context(|| format!("cannot read {}", self.folder.display()))? {
                let name = entry.context("cannot read the key folder")?.file_name();
                let Some(name) = name.to_str() else {
                    bail!("a file in {} has no readable name", self.folder.display())
                };
                if name.starts_with(begin) && name.ends_with(end) {
                    names.push(name.to_owned());
                }
            }
            names.sort();
            Ok(names)
        }
    }

    fn masking_name(id: &str) -> String {
        format!("masking-{id}.key")
    }

    fn private_name(id: KeyId) -> String {
        format!("sealing-{id}.private")
    }

    fn random() -> Result<[u8; 32]> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("the operating system gave no random bytes")?;
        Ok(bytes)
    }
}
