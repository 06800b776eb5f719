//! Our rules for dd-sensitive-data-scanner, as far as it can have them: patterns with their keywords, and a pattern for each
//! detector that has one. Names and their values are one rule.

use std::{fs, sync::Arc};

use dd_sds::{MatchAction, RegexRuleConfig, RootRuleConfig, RuleConfig, Scanner, SecondaryValidator};

/// What our detectors find, said as patterns.
const DETECTED: &[(&str, Option<SecondaryValidator>)] = &[
    (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24}", None),
    (r"\b(?:\d[ -]?){12,18}\d\b", Some(SecondaryValidator::LuhnChecksum)),
    (r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", None),
    (r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", None),
    (r"\+[0-9]{1,3}[ .-]?(?:[0-9]{2,4}[ .-]?){2,5}[0-9]{2,4}", None),
    (r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----", None),
    (r"eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{0,2000}", None),
    (r"://[^/\s:@]{1,64}:[^/\s:@]{1,256}@", None),
    (r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}", None),
    (
        r#"(?i:password|passwd|pwd|secret|token|api[_-]?key|authorization)["']?\s{0,4}[:=]\s{0,4}["']?[^\s"',;]{4,256}"#,
        None,
    ),
];

/// The scanner, and how many rules it has taken.
pub(crate) fn scanner() -> (Scanner, usize) {
    let detected =
        DETECTED.iter().map(|(pattern, validator)| RegexRuleConfig::new(pattern).with_validator(validator.clone()));
    let rules: Vec<_> = patterns().into_iter().chain(detected).map(root).filter(is_taken).collect();
    let scanner = Scanner::builder(&rules).build().expect("each rule was tried alone");
    (scanner, rules.len())
}

fn root(rule: RegexRuleConfig) -> RootRuleConfig<Arc<dyn RuleConfig>> {
    RootRuleConfig::new(rule.build()).match_action(MatchAction::redact("[REDACTED]"))
}

fn is_taken(rule: &RootRuleConfig<Arc<dyn RuleConfig>>) -> bool {
    Scanner::builder(std::slice::from_ref(rule)).build().is_ok()
}

/// The patterns of the packs.
fn patterns() -> Vec<RegexRuleConfig> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../packs");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the packs").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let packs = files.iter().map(|file| fs::read_to_string(file).expect("a pack"));
    let tables = packs.map(|text| text.parse::<toml::Table>().expect("a pack is TOML"));
    tables
        .flat_map(|table| table.get("rule").and_then(|rules| rules.as_array()).cloned().unwrap_or_default())
        .filter_map(|rule| pattern(&rule))
        .collect()
}

fn pattern(rule: &toml::Value) -> Option<RegexRuleConfig> {
    let pattern = rule.get("pattern")?.as_str()?;
    let listed = rule.get("keywords").and_then(|words| words.as_array());
    let keywords: Vec<_> = listed.into_iter().flatten().filter_map(|word| word.as_str()).collect();
    let config = RegexRuleConfig::new(pattern);
    Some(if keywords.is_empty() { config } else { config.with_included_keywords(keywords) })
}
