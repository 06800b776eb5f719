//! An issuer for one's own machine: makes its key, prints its JWKS, signs tokens. Refused on any address but
//! loopback, by the command.

use std::{fmt, time::Duration};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use schemas::{Principal, Timestamp};
use serde_json::{Value, json};

use crate::ConfigError;

pub const ISSUER: &str = "https://development.hansard.invalid";

const PEM_LABEL: &str = "PRIVATE KEY";
const PEM_COLUMNS: usize = 64;
/// A key is named by so many bytes of the SHA-256 of its public half.
const KEY_ID_BYTES: usize = 8;

pub struct DevelopmentIssuer {
    pair: Ed25519KeyPair,
}

impl DevelopmentIssuer {
    /// From the operating system's randomness; panics where that has none.
    pub fn generate() -> Self {
        Self { pair: Ed25519KeyPair::generate().expect("the operating system gives randomness") }
    }

    /// PEM (PKCS#8), to be stored with mode 0600.
    pub fn to_pem(&self) -> String {
        let der = self.pair.to_pkcs8v1().expect("a key that was made can be written");
        let encoded = STANDARD.encode(der.as_ref());
        let mut pem = format!("-----BEGIN {PEM_LABEL}-----\n");
        for line in encoded.as_bytes().chunks(PEM_COLUMNS) {
            pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            pem.push('\n');
        }
        pem + &format!("-----END {PEM_LABEL}-----\n")
    }

    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        let pair = der(pem).and_then(|der| Ed25519KeyPair::from_pkcs8(&der).ok());
        let pair = pair.ok_or_else(|| ConfigError("not an Ed25519 private key in PEM (PKCS#8)".to_owned()))?;
        Ok(Self { pair })
    }

    /// The public half, for [`super::Keys::Static`].
    pub fn jwks(&self) -> String {
        let key = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.key_id(),
            "x": URL_SAFE_NO_PAD.encode(self.pair.public_key()),
        });
        json!({ "keys": [key] }).to_string()
    }

    /// `principal.issuer` is not used: the issuer is always [`ISSUER`].
    pub fn token(&self, principal: &Principal, audience: &str, now: Timestamp, lifetime: Duration) -> String {
        let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.key_id() });
        let claims = claims(principal, audience, now, lifetime);
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn key_id(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.pair.public_key().as_ref());
        URL_SAFE_NO_PAD.encode(&digest.as_ref()[..KEY_ID_BYTES])
    }
}

fn claims(principal: &Principal, audience: &str, now: Timestamp, lifetime: Duration) -> Value {
    let seconds = |time: Timestamp| time.0.div_euclid(1_000_000);
    let mut claims = json!({
        "iss": ISSUER,
        "sub": principal.subject,
        "aud": audience,
        "iat": seconds(now),
        "exp": seconds(now.plus(lifetime)),
        "groups": principal.groups,
    });
    let optional = [
        ("name", principal.name.as_ref().map(|name| json!(name))),
        ("azp", principal.agent.as_ref().map(|agent| json!(agent))),
        ("act", chain(&principal.act)),
    ];
    for (claim, value) in optional {
        if let Some(value) = value {
            claims[claim] = value;
        }
    }
    claims
}

/// The delegation chain, outermost actor first, as nested claims (RFC 8693).
fn chain(actors: &[String]) -> Option<Value> {
    actors.iter().rev().fold(None, |inner, actor| match inner {
        None => Some(json!({ "sub": actor })),
        Some(inner) => Some(json!({ "sub": actor, "act": inner })),
    })
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix(&format!("-----BEGIN {PEM_LABEL}-----"))?;
    let body = body.strip_suffix(&format!("-----END {PEM_LABEL}-----"))?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

impl fmt::Debug for DevelopmentIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevelopmentIssuer").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}
