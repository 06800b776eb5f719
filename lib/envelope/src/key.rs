//! Public keys, their names, and how they are written as text. Private ones are in `open`.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem, Serializable, kem::X25519HkdfSha256};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{format::PUBLIC_KEY_BYTES, seal};

const PUBLIC: &str = "hansard-public-v1";

/// Names a key: the first 8 bytes of the SHA-256 of the public key, as hex in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

/// An X25519 public key that can be sealed to.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(crate) <X25519HkdfSha256 as Kem>::PublicKey);

#[derive(Debug, thiserror::Error)]
#[error("not a key: {0}")]
pub struct KeyError(pub String);

impl PublicKey {
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.to_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    /// One line of text: `hansard-public-v1 <base64>`.
    pub fn to_text(&self) -> String {
        format!("{PUBLIC} {}", STANDARD.encode(self.0.to_bytes()))
    }

    pub fn from_text(text: &str) -> Result<PublicKey, KeyError> {
        let bytes = decode(PUBLIC, text)?;
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes.as_slice());
        let key = PublicKey(key.map_err(|_| KeyError("its length is wrong".to_owned()))?);
        // A point of low order parses and gives everyone the same secret; sealing to it fails. Better now than later.
        seal::try_out(&key).map_err(|_| KeyError("nothing can be sealed to this point".to_owned()))?;
        Ok(key)
    }
}

/// The 32 bytes behind `label` and one space. White space around is allowed, anything else is not.
pub(crate) fn decode(label: &str, text: &str) -> Result<Zeroizing<[u8; PUBLIC_KEY_BYTES]>, KeyError> {
    let Some(encoded) = text.trim().strip_prefix(label).and_then(|rest| rest.strip_prefix(' ')) else {
        return Err(KeyError(format!("expected a line that begins with `{label} `")));
    };
    let mut bytes = Zeroizing::new([0; PUBLIC_KEY_BYTES]);
    // base64's estimate of the length may be longer than the bytes, so it decodes into a buffer with room.
    let mut room = Zeroizing::new([0; PUBLIC_KEY_BYTES + 3]);
    match STANDARD.decode_slice(encoded, room.as_mut_slice()) {
        Ok(PUBLIC_KEY_BYTES) => bytes.copy_from_slice(&room[..PUBLIC_KEY_BYTES]),
        _ => return Err(KeyError(format!("what follows `{label} ` is not the base64 of {PUBLIC_KEY_BYTES} bytes"))),
    }
    Ok(bytes)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}
