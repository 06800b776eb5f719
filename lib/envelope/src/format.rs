//! The sealed message, version 1, as bytes. It refuses to look beyond lengths and the version.
//!
//! ```text
//!  offset  bytes
//!       0      1  version, 1                                         ┐
//!       1      8  key id of the recipient                            │ header: the same for all messages of a data key
//!       9     32  HPKE encapsulated key (X25519)                     │
//!      41     48  data key, sealed by HPKE: 32 and a tag of 16       ┘
//!      89     12  nonce: 4 zero bytes, then a counter, big-endian
//!     101      n  AES-256-GCM ciphertext under the data key
//!   101+n     16  its tag
//! ```
//!
//! HPKE runs in base mode with the info [`INFO`] and binds version and key id; AES-256-GCM binds the whole header in
//! front of the caller's associated data. The header has a fixed length, so the two cannot be confused.

use crate::key::KeyId;

pub(crate) const VERSION: u8 = 1;
/// HPKE's `info`: a key unwrapped for anything else is not unwrapped here.
pub(crate) const INFO: &[u8] = b"hansard/envelope/v1";
pub(crate) const PUBLIC_KEY_BYTES: usize = 32;
pub(crate) const DATA_KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
/// Version and key id: what HPKE binds.
pub(crate) const PREFIX_BYTES: usize = 1 + 8;
const ENCAPSULATED_END: usize = PREFIX_BYTES + PUBLIC_KEY_BYTES;
pub(crate) const HEADER_BYTES: usize = ENCAPSULATED_END + DATA_KEY_BYTES + TAG_BYTES;
const NONCE_END: usize = HEADER_BYTES + NONCE_BYTES;
/// How much longer a sealed message is than what it seals.
pub const OVERHEAD_BYTES: usize = NONCE_END + TAG_BYTES;

pub(crate) type Header = [u8; HEADER_BYTES];

/// The first bytes of every message to this key.
pub(crate) fn prefix(key: KeyId) -> [u8; PREFIX_BYTES] {
    let mut prefix = [VERSION; PREFIX_BYTES];
    prefix[1..].copy_from_slice(&key.0);
    prefix
}

/// The nonce of a data key's message `number`. A data key is never used by two sealers, so a counter never repeats.
pub(crate) fn nonce(number: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// What AES-256-GCM binds besides the plaintext.
pub(crate) fn bound(header: &Header, associated_data: &[u8]) -> Vec<u8> {
    [header, associated_data].concat()
}

/// A sealed message taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a Header,
    #[cfg_attr(not(feature = "open"), expect(dead_code, reason = "only opening needs it"))]
    pub(crate) nonce: &'a [u8; NONCE_BYTES],
    /// With its tag at the end.
    #[cfg_attr(not(feature = "open"), expect(dead_code, reason = "only opening needs it"))]
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    /// None when it is too short or of a version that is not known here.
    pub(crate) fn of(sealed: &'a [u8]) -> Option<Parts<'a>> {
        if sealed.len() < OVERHEAD_BYTES || sealed[0] != VERSION {
            return None;
        }
        let (header, rest) = sealed.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some(Parts { header, nonce, ciphertext })
    }

    pub(crate) fn key_id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.header[1..PREFIX_BYTES]);
        KeyId(id)
    }
}

#[cfg(feature = "open")]
impl<'a> Parts<'a> {
    pub(crate) fn prefix(&self) -> &'a [u8] {
        &self.header[..PREFIX_BYTES]
    }

    pub(crate) fn encapsulated(&self) -> &'a [u8] {
        &self.header[PREFIX_BYTES..ENCAPSULATED_END]
    }

    pub(crate) fn sealed_data_key(&self) -> &'a [u8] {
        &self.header[ENCAPSULATED_END..]
    }
}
