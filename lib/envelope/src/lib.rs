//! Seal to a public key, open with a private one.
//!
//! A [`Sealer`] holds public keys only and cannot open what it seals; the code that opens is behind the feature `open`,
//! which the ingress build does not have. Bytes are sealed with AES-256-GCM under a data key that HPKE (RFC 9180:
//! DHKEM X25519, HKDF-SHA256, AES-256-GCM) encapsulates to the recipient; data keys are rotated by time and count.
//!
//! What a seal promises: only the recipient reads it, and any change of a single bit, of the associated data or of the
//! length is noticed. What it does not promise: who sealed it. Anyone with the public key can seal, so who may write to
//! the log is the log's business.
//!
//! This room refuses to know what it seals, and to read files or clocks.

mod format;
mod key;
#[cfg(feature = "open")]
mod open;
mod seal;

pub use format::OVERHEAD_BYTES;
pub use key::{KeyError, KeyId, PublicKey};
#[cfg(feature = "open")]
pub use open::{DATA_KEYS_MAX, OpenError, Opener, PrivateKey};
pub use seal::{MESSAGES_MAX, Rotation, SealError, Sealer};

/// Which key the sealed bytes ask for, without opening them.
pub fn key_id_of(sealed: &[u8]) -> Result<KeyId, SealError> {
    let parts = format::Parts::of(sealed).ok_or_else(|| SealError("not a sealed message".to_owned()))?;
    Ok(parts.key_id())
}
