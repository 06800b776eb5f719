//! Principal and call to verdict and recording level. Compiled once, decided in memory.
//!
//! Rules are tried from top to bottom and the first that matches decides; without a match the default does. Conditions
//! are CEL. A condition that fails to evaluate counts as a match where the rule blocks or holds, and as no match where
//! it allows: policy fails closed.
//!
//! This room refuses to do IO and to know HTTP.

use std::{fmt, sync::Arc};

use cel::Env;
use schemas::{Call, Level, Principal, call::Verdict};

mod condition;
mod config;
mod facts;
mod identity;
mod pattern;
mod rule;

pub use config::{
    Config, DefaultConfig, ExampleCall, ExampleConfig, ExamplePrincipal, HoldConfig, LevelConfig, RuleConfig,
    ThenConfig,
};
pub use limit::*;

use facts::Facts;
use pattern::Pattern;
use rule::Rule;

/// What a policy may ask of the machine it runs on.
mod limit {
    use std::time::Duration;

    pub const RULES_MAX: usize = 1000;
    /// Longest condition, in bytes.
    pub const CONDITION_BYTES_MAX: usize = 4096;
    /// Deepest nesting of a condition, in levels.
    pub const CONDITION_DEPTH_MAX: usize = 48;
    /// Memory of one compiled pattern of `matches`, in bytes.
    pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;
    /// Elements that one evaluation of a condition may look at in `all`, `exists`, `filter` and the like.
    pub const ELEMENTS_MAX: u64 = 100_000;
    pub const NAME_BYTES_MAX: usize = 64;
    pub const MESSAGE_BYTES_MAX: usize = 1000;
    /// Votes that a hold may ask for.
    pub const VOTES_MAX: u32 = 100;
    pub const HOLD_MIN: Duration = Duration::from_secs(1);
    pub const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
}

/// The rules of one configuration, ready to decide.
pub struct Policy {
    id: String,
    default: Verdict,
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    env: Arc<Env>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub level: Level,
    /// The rule that decided; none when the default did.
    pub rule: Option<String>,
    /// Rules whose condition failed to evaluate on the way here. Never why: the reason would quote the call.
    pub failed: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Policy {
    /// All faults at once, each naming its rule and what to do. The rules' examples are tried, too.
    pub fn compile(config: &Config) -> Result<Policy, Faults> {
        let mut faults = rule::faults_between(config);
        let mut policy = Policy {
            id: identity::of(config),
            default: rule::default_verdict(config.default),
            rules: Vec::with_capacity(config.rules.len()),
            patterns: Vec::new(),
            env: Arc::new(condition::environment()),
        };
        for rule in config.rules.iter().take(RULES_MAX) {
            match Rule::compile(rule, &policy.env, &mut policy.patterns) {
                Ok(rule) => policy.rules.push(rule),
                Err(own) => faults.extend(own),
            }
        }
        if faults.is_empty() {
            faults = policy.failed_examples(config);
        }
        if faults.is_empty() { Ok(policy) } else { Err(Faults(faults)) }
    }

    /// `sha256:<hex>` of the canonical form.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Does a rule ask what redaction finds in a call? Only then has anybody to look.
    pub fn asks_findings(&self) -> bool {
        self.rules.iter().any(|rule| rule.condition.asks_findings)
    }

    pub fn decide(&self, principal: &Principal, call: &Call) -> Decision {
        let mut failed = Vec::new();
        if !self.rules.is_empty() {
            let facts = Facts::new(principal, call, &self.patterns);
            let context = facts.context(&self.env);
            for rule in &self.rules {
                let matched = rule.condition.holds(&facts, &context);
                if matched.is_err() {
                    failed.push(rule.name.clone());
                }
                if matched.unwrap_or(rule.matches_on_failure()) {
                    return rule.decision(failed);
                }
            }
        }
        Decision { verdict: self.default.clone(), level: Level::Full, rule: None, failed }
    }

    fn failed_examples(&self, config: &Config) -> Vec<String> {
        let pairs = self.rules.iter().zip(&config.rules);
        pairs.flat_map(|(rule, config)| rule.failed_examples(config, &self.env, &self.patterns)).collect()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("id", &self.id).field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
