//! Who called.

use serde::{Deserialize, Serialize};

/// The authenticated caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The `iss` of the token, or `local` for a person at the machine itself.
    pub issuer: String,
    /// The `sub` of the token: unique within the issuer.
    pub subject: String,
    /// A name for people to read, when the token carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// The program that called on the subject's behalf (`azp` or `client_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The delegation chain of RFC 8693 (`act`), outermost actor first.
    #[serde(default)]
    pub act: Vec<String>,
}

impl Principal {
    /// The same person, whatever the name or groups on this token say.
    pub fn is(&self, other: &Principal) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }
}
