//! The half that opens; only the masker's build has it.
//!
//! Unwrapped data keys are kept, up to [`DATA_KEYS_MAX`] of them, so that the public-key step is paid once per data key
//! and not once per message. It refuses to say more of a message that does not open than that it does not.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{
    Deserializable, Kem, OpModeR, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256,
    single_shot_open,
};
use zeroize::Zeroizing;

use crate::{
    format::{self, DATA_KEY_BYTES, Header, INFO, Parts, TAG_BYTES},
    key::{self, KeyError, KeyId, PublicKey},
};

const PRIVATE: &str = "hansard-private-v1";

/// Most unwrapped data keys that an [`Opener`] keeps; the least recently used one goes.
pub const DATA_KEYS_MAX: usize = 256;

/// An X25519 private key; wiped from memory when dropped, and never shown.
pub struct PrivateKey(<X25519HkdfSha256 as Kem>::PrivateKey);

/// Opens what was sealed to any of its keys.
pub struct Opener {
    keys: HashMap<KeyId, PrivateKey>,
    unwrapped: Mutex<Unwrapped>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("no private key {0} is here")]
    UnknownKey(KeyId),
    #[error("the sealed bytes are damaged, or belong elsewhere")]
    Damaged,
    #[error("not a sealed message of a version known here")]
    Malformed,
}

/// The ciphers of the data keys seen lately. A whole header names one, so a header that was tampered with finds none.
#[derive(Default)]
struct Unwrapped {
    ciphers: HashMap<Header, (Arc<Aes256Gcm>, u64)>,
    uses: u64,
}

impl PrivateKey {
    /// From the operating system's randomness; panics where that has none.
    pub fn generate() -> PrivateKey {
        PrivateKey(X25519HkdfSha256::gen_keypair().0)
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }

    /// One line of text: `hansard-private-v1 <base64>`.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; format::PUBLIC_KEY_BYTES]);
        self.0.write_exact(bytes.as_mut_slice());
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE.len() + 1 + bytes.len() * 2));
        text.push_str(PRIVATE);
        text.push(' ');
        // The capacity above is enough for the base64, so no copy of the key is left behind by growing.
        STANDARD.encode_string(bytes.as_slice(), &mut text);
        text
    }

    pub fn from_text(text: &str) -> Result<PrivateKey, KeyError> {
        let bytes = key::decode(PRIVATE, text)?;
        let key = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(bytes.as_slice());
        key.map(PrivateKey).map_err(|_| KeyError("its length is wrong".to_owned()))
    }
}

impl Opener {
    pub fn new(keys: Vec<PrivateKey>) -> Opener {
        let keys = keys.into_iter().map(|key| (key.public().id(), key)).collect();
        Opener { keys, unwrapped: Mutex::default() }
    }

    pub fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = Parts::of(sealed).ok_or(OpenError::Malformed)?;
        let cipher = self.cipher(&parts)?;
        let bound = format::bound(parts.header, associated_data);
        let (ciphertext, tag) = parts.ciphertext.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Malformed)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        cipher
            .decrypt_inout_detached(parts.nonce.into(), &bound, plaintext.as_mut_slice().into(), tag.into())
            .map_err(|_| OpenError::Damaged)?;
        Ok(plaintext)
    }

    fn cipher(&self, parts: &Parts<'_>) -> Result<Arc<Aes256Gcm>, OpenError> {
        if let Some(cipher) = self.unwrapped().find(parts.header) {
            return Ok(cipher);
        }
        let key = self.keys.get(&parts.key_id()).ok_or_else(|| OpenError::UnknownKey(parts.key_id()))?;
        // Not under the lock: this is the slow step. Two threads may do it for one data key; the results are equal.
        let cipher = Arc::new(unwrap(key, parts)?);
        self.unwrapped().keep(*parts.header, Arc::clone(&cipher));
        Ok(cipher)
    }

    fn unwrapped(&self) -> std::sync::MutexGuard<'_, Unwrapped> {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwrap(key: &PrivateKey, parts: &Parts<'_>) -> Result<Aes256Gcm, OpenError> {
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(parts.encapsulated());
    let encapsulated = encapsulated.map_err(|_| OpenError::Damaged)?;
    let opened = single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &key.0,
        &encapsulated,
        INFO,
        parts.sealed_data_key(),
        parts.prefix(),
    );
    let secret = Zeroizing::new(opened.map_err(|_| OpenError::Damaged)?);
    let secret: &[u8; DATA_KEY_BYTES] = secret.as_slice().try_into().map_err(|_| OpenError::Damaged)?;
    Ok(Aes256Gcm::new(secret.into()))
}

impl Unwrapped {
    fn find(&mut self, header: &Header) -> Option<Arc<Aes256Gcm>> {
        self.uses += 1;
        let (cipher, used) = self.ciphers.get_mut(header)?;
        *used = self.uses;
        Some(Arc::clone(cipher))
    }

    fn keep(&mut self, header: Header, cipher: Arc<Aes256Gcm>) {
        if self.ciphers.len() >= DATA_KEYS_MAX {
            // A look at all of them costs far less than the unwrapping that just happened.
            let oldest = self.ciphers.iter().min_by_key(|(_, (_, used))| *used).map(|(header, _)| *header);
            oldest.map(|header| self.ciphers.remove(&header));
        }
        self.ciphers.insert(header, (cipher, self.uses));
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().id())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("keys", &self.keys.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Rotation, Sealer};

    #[test]
    fn it_keeps_no_more_data_keys_than_the_limit_and_the_ones_in_use() {
        let header = |number: usize| {
            let mut header = [0; format::HEADER_BYTES];
            header[..8].copy_from_slice(&number.to_be_bytes());
            header
        };
        let mut unwrapped = Unwrapped::default();
        let cipher = Arc::new(Aes256Gcm::new(&[0; DATA_KEY_BYTES].into()));
        for number in 0..DATA_KEYS_MAX + 20 {
            unwrapped.keep(header(number), Arc::clone(&cipher));
            assert!(unwrapped.find(&header(0)).is_some(), "in use, so it stays");
        }
        assert_eq!(unwrapped.ciphers.len(), DATA_KEYS_MAX);
        assert!(unwrapped.find(&header(1)).is_none() && unwrapped.find(&header(DATA_KEYS_MAX)).is_some());
    }

    #[test]
    fn a_message_that_does_not_unwrap_is_not_remembered() {
        let key = PrivateKey::generate();
        let sealer = Sealer::new(key.public(), Rotation { messages_max: 9, age_max: Duration::MAX });
        let opener = Opener::new(vec![key]);
        let mut sealed = sealer.seal(b"x", b"", 0).expect("seals");
        sealed[20] ^= 1;
        assert_eq!(opener.open(&sealed, b""), Err(OpenError::Damaged));
        assert!(opener.unwrapped().ciphers.is_empty());
    }
}
