//! The half that seals: one data key at a time, counted, and replaced by age and count.
//!
//! Nonces are a counter under a data key that lives only here: made from the operating system's randomness, never
//! written, never shared. The counter is advanced under the same lock that replaces the key, so no two messages can
//! have the same key and nonce. (A machine that is snapshotted with its memory and resumed twice would break this; so
//! do not.)

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, Generate},
};
use hpke::{OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256, single_shot_seal};
use zeroize::Zeroizing;

use crate::{
    format::{self, DATA_KEY_BYTES, HEADER_BYTES, Header, INFO, OVERHEAD_BYTES, TAG_BYTES},
    key::PublicKey,
};

/// Most messages under one data key, whatever [`Rotation`] says.
pub const MESSAGES_MAX: u64 = 1 << 32;

/// When a data key is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// 0 is taken as 1.
    pub messages_max: u64,
    pub age_max: Duration,
}

/// Seals to one recipient. Shared by reference between tasks.
pub struct Sealer {
    recipient: PublicKey,
    messages_max: u64,
    age_us_max: u64,
    current: Mutex<Option<Current>>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot seal: {0}")]
pub struct SealError(pub String);

struct Current {
    key: Arc<DataKey>,
    made_at_us: i64,
    /// Messages so far: the number of the next one.
    used: u64,
}

struct DataKey {
    /// Holds the expanded key, and wipes it when dropped (feature `zeroize` of `aes-gcm`).
    cipher: Aes256Gcm,
    header: Header,
}

impl Sealer {
    pub fn new(recipient: PublicKey, rotation: Rotation) -> Sealer {
        Sealer {
            recipient,
            messages_max: rotation.messages_max.clamp(1, MESSAGES_MAX),
            age_us_max: u64::try_from(rotation.age_max.as_micros()).unwrap_or(u64::MAX),
            current: Mutex::new(None),
        }
    }

    /// `now_us`: microseconds since the Unix epoch, for rotation by age.
    pub fn seal(&self, plaintext: &[u8], associated_data: &[u8], now_us: i64) -> Result<Vec<u8>, SealError> {
        let (key, number) = self.next(now_us)?;
        key.seal(number, plaintext, associated_data)
    }

    /// The data key for the next message and the message's number under it: never given out twice.
    fn next(&self, now_us: i64) -> Result<(Arc<DataKey>, u64), SealError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|current| self.is_spent(current, now_us)) {
            let key = Arc::new(DataKey::generate(&self.recipient)?);
            *current = Some(Current { key, made_at_us: now_us, used: 0 });
        }
        let current = current.as_mut().expect("made above where there was none");
        let number = current.used;
        current.used += 1;
        Ok((Arc::clone(&current.key), number))
    }

    /// A clock that went back a long way ends a key as well: its age is not known then.
    fn is_spent(&self, current: &Current, now_us: i64) -> bool {
        current.used >= self.messages_max || now_us.abs_diff(current.made_at_us) >= self.age_us_max
    }
}

impl DataKey {
    fn generate(recipient: &PublicKey) -> Result<DataKey, SealError> {
        let fresh = <[u8; DATA_KEY_BYTES]>::try_generate();
        let fresh = fresh.map_err(|error| SealError(format!("the operating system gives no randomness: {error}")))?;
        let secret = Zeroizing::new(fresh);
        let header = encapsulate(recipient, &secret)?;
        Ok(DataKey { cipher: Aes256Gcm::new((&*secret).into()), header })
    }

    fn seal(&self, number: u64, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = format::nonce(number);
        let bound = format::bound(&self.header, associated_data);
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&self.header);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plaintext);
        let tag = self.cipher.encrypt_inout_detached((&nonce).into(), &bound, (&mut sealed[start..]).into());
        let tag = tag.map_err(|_| SealError("the message is longer than AES-GCM can take".to_owned()))?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }
}

/// The header of all messages under `secret`: the recipient's name, and the secret sealed to its key.
fn encapsulate(recipient: &PublicKey, secret: &[u8; DATA_KEY_BYTES]) -> Result<Header, SealError> {
    let prefix = format::prefix(recipient.id());
    let sealed = single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient.0,
        INFO,
        secret,
        &prefix,
    );
    let (encapsulated, sealed_key) = sealed.map_err(|error| SealError(format!("HPKE: {error}")))?;
    debug_assert_eq!(sealed_key.len(), DATA_KEY_BYTES + TAG_BYTES);
    let mut header = [0; HEADER_BYTES];
    header.copy_from_slice(&[&prefix[..], &encapsulated.to_bytes(), &sealed_key].concat());
    Ok(header)
}

/// Can anything be sealed to this key?
pub(crate) fn try_out(recipient: &PublicKey) -> Result<(), SealError> {
    encapsulate(recipient, &[0; DATA_KEY_BYTES]).map(|_| ())
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("recipient", &self.recipient).finish_non_exhaustive()
    }
}
