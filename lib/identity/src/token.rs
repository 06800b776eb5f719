//! A token taken apart, before anything in it is believed.
//!
//! It refuses whatever is not exactly a signed JWT in compact form, and says why without quoting any of it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Refused, claims::Claims};

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

const SCHEME: &str = "Bearer";
/// What `typ` may say, in any case, with or without `application/` before it (RFC 9068, RFC 7519).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

pub(crate) struct Unverified<'a> {
    pub(crate) header: Header,
    /// What was signed: header and payload as they were sent.
    pub(crate) signed: &'a str,
    /// In base64url.
    pub(crate) signature: &'a str,
    claims: Claims,
}

/// What of the header matters here. `jku`, `jwk` and `x5u` are never followed: keys come from the issuer alone.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// The token in an `Authorization` header's value.
pub(crate) fn bearer(authorization: Option<&str>) -> Result<&str, Refused> {
    let value = authorization.ok_or(Refused::Missing)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Refused::Missing);
    }
    let token = token.trim_matches(' ');
    match token.len() {
        0 => Err(Refused::Missing),
        1..=TOKEN_BYTES_MAX => Ok(token),
        _ => Err(malformed("it is too long")),
    }
}

impl<'a> Unverified<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Unverified<'a>, Refused> {
        let not_three = || malformed("it does not have the three parts of a signed JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(not_three)?;
        let (header, payload) = signed.split_once('.').ok_or_else(not_three)?;
        if payload.contains('.') || [header, payload, signature].contains(&"") {
            return Err(not_three());
        }
        let header: Header = json(header).ok_or_else(|| malformed("its header is not what a JWT's is"))?;
        header.check()?;
        let claims: Claims = json(payload).ok_or_else(|| malformed("its claims are not what a JWT's are"))?;
        Ok(Unverified { header, signed, signature, claims })
    }

    /// Not to be believed yet; only to find the keys by.
    pub(crate) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// To be called when the signature was verified.
    pub(crate) fn into_claims(self) -> Claims {
        self.claims
    }
}

impl Header {
    fn check(&self) -> Result<(), Refused> {
        if self.crit.is_some() {
            return Err(malformed("its header names critical extensions, and none is known here"));
        }
        let Some(typ) = &self.typ else { return Ok(()) };
        let typ = typ.to_ascii_lowercase();
        if TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ)) {
            return Ok(());
        }
        Err(malformed("it is of a type that is no access token"))
    }
}

pub(crate) fn malformed(why: &str) -> Refused {
    Refused::Malformed(why.to_owned())
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
