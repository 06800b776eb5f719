//! `[policy]` of the configuration, as it is written.

use std::{collections::BTreeMap, time::Duration};

use schemas::{
    Call, Principal,
    call::{Arguments, Findings},
};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What happens to a call that no rule matches.
    pub default: DefaultConfig,
    #[serde(rename = "rule")]
    pub rules: Vec<RuleConfig>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DefaultConfig {
    #[default]
    Allow,
    Block,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    pub name: String,
    /// A CEL expression over `principal` and `call`.
    pub when: String,
    pub then: ThenConfig,
    /// What a blocked caller is told.
    pub message: Option<String>,
    /// How much of the call is recorded; everything when not said.
    pub record: Option<LevelConfig>,
    /// Calls that the condition must match, tried when the policy is compiled.
    #[serde(default)]
    pub must_match: Vec<ExampleConfig>,
    /// Calls that the condition must not match.
    #[serde(default)]
    pub must_not_match: Vec<ExampleConfig>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ThenConfig {
    Allow,
    Block,
    Hold(HoldConfig),
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct HoldConfig {
    /// Groups whose members may vote; empty: anyone but the requester.
    pub reviewers: Vec<String>,
    pub approve: u32,
    pub deny: u32,
    /// How long the call may wait, as `90s`, `15m` or `2h`.
    pub expires: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LevelConfig {
    Full,
    Metadata,
    None,
}

/// A call to try a condition on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ExampleConfig {
    pub principal: ExamplePrincipal,
    pub call: ExampleCall,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ExamplePrincipal {
    pub issuer: String,
    pub subject: String,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub agent: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ExampleCall {
    pub connection: String,
    pub protocol: String,
    pub method: String,
    pub target: String,
    pub arguments: BTreeMap<String, serde_json::Value>,
    /// The strings of `arguments`, one per line, when not said.
    pub text: Option<String>,
    /// What redaction finds in it; nothing, when not said.
    pub findings: Vec<String>,
}

impl Default for HoldConfig {
    fn default() -> Self {
        HoldConfig { reviewers: Vec::new(), approve: 1, deny: 1, expires: "15m".into() }
    }
}

impl ExamplePrincipal {
    pub(crate) fn principal(&self) -> Principal {
        let ExamplePrincipal { issuer, subject, name, groups, agent } = self.clone();
        Principal { issuer, subject, name, groups, agent, act: Vec::new() }
    }
}

impl ExampleCall {
    pub(crate) fn call(&self) -> Call {
        let ExampleCall { connection, protocol, method, target, arguments, text, findings } = self.clone();
        let arguments = Arguments::told(serde_json::Value::Object(arguments.into_iter().collect()), text);
        let findings = Findings::Known(findings);
        Call { connection, protocol, method, target, arguments, arguments_digest: None, findings }
    }
}

/// `90s`, `15m` or `2h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.len().checked_sub(1).filter(|&at| text.is_char_boundary(at))?);
    let seconds_each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| plain)?;
    Some(Duration::from_secs(count.checked_mul(seconds_each)?))
}
