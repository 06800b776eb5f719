//! Which policy was in force: a digest over every part of its configuration, independent of how the file was laid out.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::config::{Config, ExampleConfig, RuleConfig, ThenConfig};

/// Changes when the canonical form does.
const DOMAIN: &str = "hansard/policy/v1";

/// `sha256:<hex>` of the canonical form: each part with its length before it, so that no two configurations share one.
pub(crate) fn of(config: &Config) -> String {
    let mut form = Form(Sha256::new());
    form.text(DOMAIN);
    form.text(&format!("{:?}", config.default));
    form.count(config.rules.len());
    config.rules.iter().for_each(|rule| form.rule(rule));
    let mut id = String::from("sha256:");
    for byte in form.0.finalize() {
        write!(id, "{byte:02x}").expect("a string takes all");
    }
    id
}

struct Form(Sha256);

impl Form {
    fn rule(&mut self, rule: &RuleConfig) {
        self.text(&rule.name);
        self.text(&rule.when);
        self.then(&rule.then);
        self.option(rule.message.as_deref());
        self.option(rule.record.map(|record| format!("{record:?}")).as_deref());
        self.examples(&rule.must_match);
        self.examples(&rule.must_not_match);
    }

    fn then(&mut self, then: &ThenConfig) {
        match then {
            ThenConfig::Allow => self.text("allow"),
            ThenConfig::Block => self.text("block"),
            ThenConfig::Hold(hold) => {
                self.text("hold");
                self.texts(&hold.reviewers);
                self.count(hold.approve as usize);
                self.count(hold.deny as usize);
                self.text(&hold.expires);
            }
        }
    }

    fn examples(&mut self, examples: &[ExampleConfig]) {
        self.count(examples.len());
        for ExampleConfig { principal, call } in examples {
            self.text(&principal.issuer);
            self.text(&principal.subject);
            self.option(principal.name.as_deref());
            self.texts(&principal.groups);
            self.option(principal.agent.as_deref());
            [&call.connection, &call.protocol, &call.method, &call.target].into_iter().for_each(|text| self.text(text));
            self.count(call.arguments.len());
            for (key, value) in &call.arguments {
                self.text(key);
                self.text(&value.to_string());
            }
            self.option(call.text.as_deref());
            // Only where there are some, so that policies of before have the id of before.
            if !call.findings.is_empty() {
                self.text("findings");
                self.texts(&call.findings);
            }
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.count(texts.len());
        texts.iter().for_each(|text| self.text(text));
    }

    fn option(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }
}
