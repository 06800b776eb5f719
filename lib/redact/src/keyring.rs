//! The keys of masking: keyed hashes and reversible tokens, each bound to a tenant and an entity.
//!
//! From each key come four, by purpose: what hashes, what encrypts, what vouches for a token, and its id. The newest
//! makes tokens, all of them recognise and open. It refuses to take a token for ours that no key of ours vouches for.

use std::fmt;

use aes_siv::siv::Aes256Siv;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Of the keyed hash: 128 bits.
const HASH_BYTES: usize = 16;
/// Of what vouches for a token: 48 bits.
const SEAL_BYTES: usize = 6;
/// Of the id of a key.
const ID_BYTES: usize = 4;

/// The words of the two kinds of tokens.
pub(crate) const HASHED: &str = "hmac";
pub(crate) const ENCRYPTED: &str = "siv";

/// One key, by the id that stands in its tokens.
pub struct MaskingKey {
    id: String,
    hashes: Zeroizing<[u8; 32]>,
    encrypts: Zeroizing<[u8; 64]>,
    vouches: Zeroizing<[u8; 32]>,
}

/// All keys, the newest first. Without any, nothing can be hashed or tokenized.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<MaskingKey>,
}

/// What a token of ours says, once it is opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    pub rule: String,
    pub key_id: String,
    pub value: String,
}

/// Why a token does not give its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Sealed {
    #[error("not a token that was encrypted here")]
    NotOurs,
    #[error("it is of another tenant, or was altered")]
    Foreign,
}

impl MaskingKey {
    pub fn new(secret: &[u8; KEY_BYTES]) -> MaskingKey {
        let part = |purpose: &str| derived(secret, purpose);
        let mut encrypts = Zeroizing::new([0; 64]);
        encrypts[..32].copy_from_slice(&*part("encrypts/1"));
        encrypts[32..].copy_from_slice(&*part("encrypts/2"));
        let id = letters(&part("id")[..ID_BYTES]);
        MaskingKey { id, hashes: part("hashes"), encrypts, vouches: part("vouches") }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    fn siv(&self) -> Aes256Siv {
        Aes256Siv::new_from_slice(&*self.encrypts).expect("the key has the length that the cipher takes")
    }

    /// What proves that we have made this token.
    fn seal(&self, kind: &str, rule: &[u8], payload: &str) -> String {
        letters(&mac(&self.vouches[..], &[kind.as_bytes(), rule, payload.as_bytes()])[..SEAL_BYTES])
    }
}

impl Keyring {
    /// The newest first: it makes tokens.
    pub fn new(keys: Vec<MaskingKey>) -> Keyring {
        Keyring { keys }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The id of the key that makes tokens.
    pub fn current(&self) -> Option<&str> {
        self.keys.first().map(MaskingKey::id)
    }

    /// The ids of all keys, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(MaskingKey::id)
    }

    pub(crate) fn hmac(&self, tenant: &str, rule: &str, value: &[u8]) -> Option<String> {
        let key = self.keys.first()?;
        let hash = mac(&key.hashes[..], &[tenant.as_bytes(), rule.as_bytes(), value]);
        Some(self.token(key, HASHED, rule, &letters(&hash[..HASH_BYTES])))
    }

    pub(crate) fn tokenize(&self, tenant: &str, rule: &str, value: &[u8]) -> Option<String> {
        let key = self.keys.first()?;
        let sealed = key.siv().encrypt([tenant.as_bytes(), rule.as_bytes()], value).ok()?;
        Some(self.token(key, ENCRYPTED, rule, &letters(&sealed)))
    }

    fn token(&self, key: &MaskingKey, kind: &str, rule: &str, payload: &str) -> String {
        let seal = key.seal(kind, rule.as_bytes(), payload);
        format!("{}{rule}:{kind}:{}:{payload}{seal}]", crate::token::START, key.id)
    }

    /// Did one of our keys make this token?
    pub(crate) fn vouches(&self, kind: &str, rule: &[u8], key_id: &[u8], told: &[u8]) -> bool {
        self.vouched(kind, rule, key_id, told).is_some()
    }

    fn vouched<'t>(&self, kind: &str, rule: &[u8], key_id: &[u8], told: &'t [u8]) -> Option<(&MaskingKey, &'t str)> {
        let key = self.keys.iter().find(|key| key.id.as_bytes() == key_id)?;
        let told = std::str::from_utf8(told).ok()?;
        let (payload, seal) = told.split_at_checked(told.len().checked_sub(2 * SEAL_BYTES)?)?;
        // What an attacker learns from the time this takes is a token that says nothing.
        (key.seal(kind, rule, payload) == seal).then_some((key, payload))
    }

    /// The value of a token that was encrypted for one of these tenants.
    pub fn detokenize(&self, token: &str, tenants: &[&str]) -> Result<Opened, Sealed> {
        let inner = token.strip_prefix(crate::token::START).and_then(|rest| rest.strip_suffix(']'));
        let inner = inner.and_then(|inner| inner.split('#').next()).ok_or(Sealed::NotOurs)?;
        let [rule, ENCRYPTED, key_id, told] = inner.split(':').collect::<Vec<_>>()[..] else {
            return Err(Sealed::NotOurs);
        };
        let vouched = self.vouched(ENCRYPTED, rule.as_bytes(), key_id.as_bytes(), told.as_bytes());
        let (key, payload) = vouched.ok_or(Sealed::NotOurs)?;
        let sealed = bytes(payload).ok_or(Sealed::NotOurs)?;
        let open = |tenant: &&str| key.siv().decrypt([tenant.as_bytes(), rule.as_bytes()], &sealed).ok();
        let value = tenants.iter().find_map(open).and_then(|value| String::from_utf8(value).ok());
        let value = value.ok_or(Sealed::Foreign)?;
        Ok(Opened { rule: rule.to_owned(), key_id: key_id.to_owned(), value })
    }
}

/// HMAC-SHA-256 over parts, each with its length before it, so that no two lists of parts are the same bytes.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The token of a file: letters from a to p are the hexadecimal digits of its SHA-256.
pub(crate) fn digest(rule: &str, file: &[u8]) -> String {
    format!("{}{rule}:sha256:{}:{}]", crate::token::START, letters(&Sha256::digest(file)), file.len())
}

fn derived(secret: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(mac(secret, &[b"hansard/masking/v1", purpose.as_bytes()]))
}

/// Half a byte is a letter from a to p: no rule for numbers, addresses or words finds anything in it.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(b'a' + half)).collect()
}

fn bytes(letters: &str) -> Option<Vec<u8>> {
    let half = |letter: u8| letter.checked_sub(b'a').filter(|half| *half < 16);
    let pair = |pair: &[u8]| Some(half(pair[0])? << 4 | half(*pair.get(1)?)?);
    letters.as_bytes().chunks(2).map(pair).collect()
}

impl fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("rule", &self.rule).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::new(keys.iter().map(|byte| MaskingKey::new(&[*byte; KEY_BYTES])).collect())
    }

    #[test]
    fn a_hash_is_of_its_value_key_tenant_and_entity() {
        let of = |key, tenant, rule, value: &str| ring(&[key]).hmac(tenant, rule, value.as_bytes()).expect("a key");
        let one = of(1, "north", "email", "ada");
        assert_eq!(one, of(1, "north", "email", "ada"));
        for other in [
            of(2, "north", "email", "ada"),
            of(1, "south", "email", "ada"),
            of(1, "north", "phone", "ada"),
            of(1, "north", "email", "adb"),
            of(1, "northe", "mail", "ada"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(Keyring::default().hmac("", "email", b"x"), None);
    }

    #[test]
    fn what_is_tokenized_comes_back_to_its_key_and_tenant_alone() {
        let token = ring(&[1]).tokenize("north", "email", "ada@example.org".as_bytes()).expect("a key");
        let opened = ring(&[2, 1]).detokenize(&token, &["", "north"]).expect("the older key opens");
        assert_eq!((opened.rule.as_str(), opened.value.as_str()), ("email", "ada@example.org"));
        assert_eq!(ring(&[1]).detokenize(&token, &["south"]), Err(Sealed::Foreign));
        assert_eq!(ring(&[2]).detokenize(&token, &["north"]), Err(Sealed::NotOurs));
        let numbered = token.replace(']', "#3]");
        assert_eq!(ring(&[1]).detokenize(&numbered, &["north"]), Ok(opened));
        assert_eq!(ring(&[1]).detokenize("[REDACTED:email]", &[""]), Err(Sealed::NotOurs));
    }

    #[test]
    fn a_letter_changed_is_no_token_of_ours() {
        let token = ring(&[1]).tokenize("", "email", b"ada@example.org").expect("a key");
        for (at, _) in token.match_indices(|letter: char| ('a'..='p').contains(&letter)).skip("REDACTEDemailsiv".len())
        {
            let other = if token.as_bytes()[at] == b'a' { "b" } else { "a" };
            let altered = [&token[..at], other, &token[at + 1..]].concat();
            assert_eq!(ring(&[1]).detokenize(&altered, &[""]), Err(Sealed::NotOurs), "{at}");
        }
    }

    #[test]
    fn nobody_sees_a_key_or_a_value() {
        let opened = Opened { rule: "email".into(), key_id: "x".into(), value: "ada".into() };
        let shown = format!("{:?} {opened:?}", ring(&[7]));
        assert!(!shown.contains("ada") && !shown.contains("7, 7"), "{shown}");
    }

    #[test]
    fn the_cipher_is_that_of_rfc_5297() {
        // Appendix A.1, the deterministic example; by the cipher of half the key length that it is given for.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
        };
        let key = hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let header = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
        let mut siv = aes_siv::siv::Aes128Siv::new_from_slice(&key).expect("32 bytes");
        let sealed = siv.encrypt([&header], &hex("112233445566778899aabbccddee")).expect("it encrypts");
        assert_eq!(sealed, hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"));
    }
}
