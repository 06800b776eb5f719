//! The claims of a token whose signature was verified: for us, for now, and for whom.
//!
//! Pure: the time comes in. It refuses to guess: a claim of the wrong shape is malformed and not ignored.

use std::time::Duration;

use schemas::{Principal, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Refused, token::malformed};

/// Most actors in a delegation chain (RFC 8693, `act`).
pub const ACT_DEPTH_MAX: usize = 8;
/// Most groups on a token.
pub const GROUPS_MAX: usize = 1024;

/// A claim that stands here may be there once; a second one is malformed.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    name: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    azp: Option<String>,
    client_id: Option<String>,
    act: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// What a token must fit.
pub(crate) struct Expectations<'a> {
    pub(crate) audience: &'a str,
    pub(crate) groups_claim: &'a str,
    pub(crate) leeway: Duration,
    pub(crate) now: Timestamp,
}

impl Claims {
    /// Who it is, and until when.
    pub(crate) fn check(self, expected: &Expectations<'_>) -> Result<(Principal, Timestamp), Refused> {
        if !self.aud.contains(expected.audience) {
            return Err(Refused::WrongAudience { expected: expected.audience.to_owned() });
        }
        let expires_at = self.check_times(expected)?;
        Ok((self.into_principal(expected.groups_claim)?, expires_at))
    }

    fn check_times(&self, expected: &Expectations<'_>) -> Result<Timestamp, Refused> {
        let latest = expected.now.plus(expected.leeway);
        if [self.nbf, self.iat].into_iter().flatten().any(|from| timestamp(from) > latest) {
            return Err(Refused::NotYet);
        }
        let expires_at = timestamp(self.exp).plus(expected.leeway);
        if expected.now >= expires_at {
            return Err(Refused::Expired);
        }
        Ok(expires_at)
    }

    fn into_principal(self, groups_claim: &str) -> Result<Principal, Refused> {
        if self.sub.is_empty() {
            return Err(malformed("its subject is empty"));
        }
        let groups = self.groups(groups_claim)?;
        let act = self.act.as_ref().map_or(Ok(Vec::new()), actors)?;
        let present = |claim: &Option<String>| claim.as_ref().is_some_and(|text| !text.is_empty());
        Ok(Principal {
            issuer: self.iss,
            subject: self.sub,
            name: [self.name, self.preferred_username, self.email].into_iter().find(present).flatten(),
            groups,
            agent: [self.azp, self.client_id].into_iter().find(present).flatten(),
            act,
        })
    }

    fn groups(&self, claim: &str) -> Result<Vec<String>, Refused> {
        let groups = match self.find(claim) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(words)) => words.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(items)) => {
                let groups: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                groups.ok_or_else(|| malformed("its groups are not all strings"))?
            }
            Some(_) => return Err(malformed("its groups are neither a list nor a string")),
        };
        if groups.len() > GROUPS_MAX {
            return Err(malformed("it names too many groups"));
        }
        Ok(groups)
    }

    /// By its name, or by the path that the name may be.
    fn find(&self, claim: &str) -> Option<&Value> {
        self.others.get(claim).or_else(|| {
            let (first, rest) = claim.split_once('.')?;
            rest.split('.').try_fold(self.others.get(first)?, |value, name| value.get(name))
        })
    }
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Audience::One(one) => one == audience,
            Audience::Some(some) => some.iter().any(|one| one == audience),
        }
    }
}

/// The chain of actors, outermost first. A chain that is too long is refused and not cut: it would name the wrong ones.
fn actors(outermost: &Value) -> Result<Vec<String>, Refused> {
    let mut chain = Vec::new();
    let mut next = Some(outermost);
    while let Some(actor) = next {
        if chain.len() == ACT_DEPTH_MAX {
            return Err(malformed("its chain of actors is too long"));
        }
        let name = ["sub", "client_id"].into_iter().find_map(|claim| actor.get(claim)?.as_str());
        chain.push(name.ok_or_else(|| malformed("its chain of actors names somebody without a subject"))?.to_owned());
        next = actor.get("act");
    }
    Ok(chain)
}

/// A NumericDate, which may have a fraction. Numbers beyond what a timestamp holds end at its ends.
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e6) as i64)
}
