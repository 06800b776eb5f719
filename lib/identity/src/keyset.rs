//! An issuer's public keys, and what each may verify.
//!
//! The algorithm is the key's to say, not the token's: a key verifies only algorithms of its own type, and shared
//! secrets (`oct`, HS256…) and `none` are not in the list at all. Keys that are of no use here are passed over, as an
//! issuer may have others for others.

use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{Refused, token::Unverified};

/// Most keys of an issuer; a longer list is refused.
pub const KEYS_MAX: usize = 100;

const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

pub(crate) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    /// What it may verify; never empty.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why no key verified a token.
pub(crate) enum Failure {
    /// The token asks for a key that is not here; newer keys may have it.
    NoSuchKey,
    Final(Refused),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// None when this is no JWKS, or one without a key that is of use here.
    pub(crate) fn of(json: &[u8]) -> Option<KeySet> {
        let document: Document = serde_json::from_slice(json).ok()?;
        if document.keys.len() > KEYS_MAX {
            return None;
        }
        let keys: Vec<Key> = document.keys.into_iter().filter_map(Key::of).collect();
        (!keys.is_empty()).then_some(KeySet(keys))
    }

    pub(crate) fn verify(&self, token: &Unverified<'_>) -> Result<(), Failure> {
        let algorithm = pinned(&token.header.alg)
            .ok_or_else(|| Failure::Final(bad_signature("its algorithm is not accepted here")))?;
        let named: Vec<&Key> = self.0.iter().filter(|key| key.is_named(token.header.kid.as_deref())).collect();
        if named.is_empty() {
            return Err(Failure::NoSuchKey);
        }
        let mut fitting = named.into_iter().filter(|key| key.algorithms.contains(&algorithm)).peekable();
        if fitting.peek().is_none() {
            return Err(Failure::Final(bad_signature("its algorithm does not fit the key")));
        }
        if fitting.any(|key| key.verifies(token, algorithm)) {
            return Ok(());
        }
        // Without a name, a key that is not here yet may be the one.
        match token.header.kid {
            Some(_) => Err(Failure::Final(bad_signature("it was not made by the key that the token names"))),
            None => Err(Failure::NoSuchKey),
        }
    }
}

impl Key {
    fn of(json: Value) -> Option<Key> {
        let said = json.get("alg").map(|alg| alg.as_str().and_then(pinned));
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        let mut algorithms = fitting(&jwk.algorithm);
        if let Some(said) = said {
            algorithms.retain(|algorithm| Some(*algorithm) == said);
        }
        if algorithms.is_empty() || !may_verify(&jwk) {
            return None;
        }
        Some(Key { id: jwk.common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(&jwk).ok()? })
    }

    fn is_named(&self, kid: Option<&str>) -> bool {
        kid.is_none() || kid == self.id.as_deref()
    }

    fn verifies(&self, token: &Unverified<'_>, algorithm: Algorithm) -> bool {
        crypto::verify(token.signature, token.signed.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

fn may_verify(jwk: &Jwk) -> bool {
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let operations = jwk.common.key_operations.as_ref();
    for_signatures && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// The algorithms that a key of this type can verify.
fn fitting(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
        _ => Vec::new(),
    }
}

/// The algorithms that are accepted at all, by the names that a token or a key may give them.
fn pinned(name: &str) -> Option<Algorithm> {
    match name {
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        _ => RSA.into_iter().find(|algorithm| format!("{algorithm:?}") == name),
    }
}

pub(crate) fn bad_signature(why: &str) -> Refused {
    Refused::BadSignature(why.to_owned())
}
