//! One rule: its condition, what follows from it, and whether its configuration makes sense.

use std::collections::HashSet;

use cel::Env;
use schemas::{
    Level,
    call::{Terms, Verdict},
};

use crate::{
    Decision, HOLD_MAX, HOLD_MIN, MESSAGE_BYTES_MAX, NAME_BYTES_MAX, RULES_MAX, VOTES_MAX,
    condition::Condition,
    config::{Config, DefaultConfig, ExampleConfig, HoldConfig, LevelConfig, RuleConfig, ThenConfig, duration},
    facts::Facts,
    pattern::Pattern,
};

pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) condition: Condition,
    verdict: Verdict,
    level: Level,
}

impl Rule {
    pub(crate) fn compile(config: &RuleConfig, env: &Env, patterns: &mut Vec<Pattern>) -> Result<Rule, Vec<String>> {
        let mut faults = own_faults(config);
        let verdict = match &config.then {
            ThenConfig::Allow => Verdict::Allow,
            ThenConfig::Block => Verdict::Block { message: block_message(config) },
            ThenConfig::Hold(hold) => Verdict::Hold(terms(hold, &mut faults)),
        };
        let condition = Condition::compile(&config.when, env, patterns).map_err(|own| faults.extend(own)).ok();
        match condition.filter(|_| faults.is_empty()) {
            Some(condition) => Ok(Rule { name: config.name.clone(), condition, verdict, level: level(config.record) }),
            None => Err(faults.into_iter().map(|fault| format!("policy rule {:?}: {fault}", config.name)).collect()),
        }
    }

    /// A rule that blocks or holds does so, too, when its condition cannot be evaluated.
    pub(crate) fn matches_on_failure(&self) -> bool {
        self.verdict != Verdict::Allow
    }

    pub(crate) fn decision(&self, failed: Vec<String>) -> Decision {
        Decision { verdict: self.verdict.clone(), level: self.level, rule: Some(self.name.clone()), failed }
    }

    pub(crate) fn failed_examples(
        &self,
        config: &RuleConfig,
        env: &std::sync::Arc<Env>,
        patterns: &[Pattern],
    ) -> Vec<String> {
        let matched = |example: &ExampleConfig| {
            let (principal, call) = (example.principal.principal(), example.call.call());
            let facts = Facts::new(&principal, &call, patterns);
            self.condition.holds(&facts, &facts.context(env))
        };
        let failed = |list: &str, examples: &[ExampleConfig], expected: bool| -> Vec<String> {
            let failures = examples.iter().map(matched).enumerate().filter(|(_, matched)| *matched != Ok(expected));
            failures.map(|(index, matched)| example_fault(&self.name, list, index + 1, matched.is_err())).collect()
        };
        [failed("must_match", &config.must_match, true), failed("must_not_match", &config.must_not_match, false)]
            .concat()
    }
}

/// What is wrong with the rules together.
pub(crate) fn faults_between(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    if config.rules.len() > RULES_MAX {
        faults.push(format!("policy: there are {} rules: at most {RULES_MAX} may be", config.rules.len()));
    }
    let mut names = HashSet::new();
    for rule in config.rules.iter().filter(|rule| !names.insert(&rule.name)) {
        faults.push(format!("policy rule {:?}: another rule has this name: rename one", rule.name));
    }
    faults
}

pub(crate) fn default_verdict(config: DefaultConfig) -> Verdict {
    match config {
        DefaultConfig::Allow => Verdict::Allow,
        DefaultConfig::Block => Verdict::Block { message: "no rule allows this call".into() },
    }
}

fn example_fault(name: &str, list: &str, number: usize, failed: bool) -> String {
    let what = match (failed, list) {
        (true, _) => "cannot be evaluated",
        (false, "must_match") => "is not matched",
        (false, _) => "is matched",
    };
    format!("policy rule {name:?}: example {number} of {list} {what}: correct the condition or the example")
}

fn own_faults(config: &RuleConfig) -> Vec<String> {
    let mut faults = Vec::new();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if config.name.is_empty() || config.name.len() > NAME_BYTES_MAX || !config.name.bytes().all(plain) {
        faults.push(format!("name it with 1 to {NAME_BYTES_MAX} letters, digits and -_."));
    }
    if config.message.as_ref().is_some_and(|message| message.is_empty() || message.len() > MESSAGE_BYTES_MAX) {
        faults.push(format!("the message must have 1 to {MESSAGE_BYTES_MAX} bytes"));
    }
    if config.message.is_some() && config.then != ThenConfig::Block {
        faults.push("only a blocked caller is told a message: leave it out".into());
    }
    match (&config.then, config.record) {
        (ThenConfig::Hold(_), Some(LevelConfig::Metadata | LevelConfig::None)) => {
            faults.push("reviewers see what is recorded, so a held call is recorded in full: leave record out".into());
        }
        (ThenConfig::Block, Some(LevelConfig::None)) => {
            faults.push("refusals are always recorded: use record = \"metadata\"".into());
        }
        _ => {}
    }
    faults
}

fn block_message(config: &RuleConfig) -> String {
    config.message.clone().unwrap_or_else(|| format!("the rule {} does not allow this call", config.name))
}

fn terms(hold: &HoldConfig, faults: &mut Vec<String>) -> Terms {
    for (key, votes) in [("approve", hold.approve), ("deny", hold.deny)] {
        if votes == 0 || votes > VOTES_MAX {
            faults.push(format!("hold.{key} must be 1 to {VOTES_MAX} votes"));
        }
    }
    if hold.reviewers.iter().any(String::is_empty) {
        faults
            .push("hold.reviewers has an empty name: leave the list empty to let anyone but the requester vote".into());
    }
    let expires = duration(&hold.expires);
    if expires.is_none_or(|expires| !(HOLD_MIN..=HOLD_MAX).contains(&expires)) {
        faults.push("hold.expires must be 1s to 24h, written as \"90s\", \"15m\" or \"2h\"".into());
    }
    let expires = expires.unwrap_or_default();
    Terms { reviewers: hold.reviewers.clone(), approve: hold.approve, deny: hold.deny, expires }
}

fn level(config: Option<LevelConfig>) -> Level {
    match config {
        None | Some(LevelConfig::Full) => Level::Full,
        Some(LevelConfig::Metadata) => Level::Metadata,
        Some(LevelConfig::None) => Level::None,
    }
}
