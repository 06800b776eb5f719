//! Keys of every accepted kind, and tokens made with them: right ones, and whatever a test wants to have wrong.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

/// What stands before the RSA key itself in the PKCS#8 of a key of 2048 bits.
const RSA_PKCS8_HEADER_BYTES: usize = 26;

pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
    key: EncodingKey,
}

impl Signer {
    pub(crate) fn ed25519(kid: &str) -> Signer {
        let der = Ed25519KeyPair::generate().expect("a key").to_pkcs8v1().expect("DER");
        Signer { algorithm: Algorithm::EdDSA, kid: kid.to_owned(), key: EncodingKey::from_ed_der(der.as_ref()) }
    }

    pub(crate) fn p256(kid: &str) -> Signer {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
        Signer { algorithm: Algorithm::ES256, kid: kid.to_owned(), key: EncodingKey::from_ec_der(der.as_ref()) }
    }

    pub(crate) fn p384(kid: &str) -> Signer {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
        Signer { algorithm: Algorithm::ES384, kid: kid.to_owned(), key: EncodingKey::from_ec_der(der.as_ref()) }
    }

    pub(crate) fn rsa(kid: &str) -> Signer {
        let der = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key").as_der().expect("DER");
        let key = EncodingKey::from_rsa_der(&der.as_ref()[RSA_PKCS8_HEADER_BYTES..]);
        Signer { algorithm: Algorithm::RS256, kid: kid.to_owned(), key }
    }

    pub(crate) fn with(&self, algorithm: Algorithm) -> Signer {
        Signer { algorithm, kid: self.kid.clone(), key: self.key.clone() }
    }

    /// The public half. It does not say which algorithm it is for.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public half");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.kid);
        jwk.as_object_mut().expect("an object").remove("alg");
        jwk
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": format!("{:?}", self.algorithm), "kid": self.kid })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// Signs what is given, JSON or not.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("a signature");
        format!("{signed}.{signature}")
    }
}

/// The same with a shared secret, as nobody should be able to.
pub(crate) fn sign_hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256);
    format!("{signed}.{}", signature.expect("a signature"))
}

pub(crate) fn jwks(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}
