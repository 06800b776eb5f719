//! What can be wrong with rules that can be read: each alone, all together, and tried on their own examples. It refuses
//! to be content with the first fault.

use super::{
    Example, RuleSet, Rules,
    source::{Class, Rule, Value},
};
use crate::{
    action::Action,
    detector, field, key,
    mask::{Mask, Scanner},
    token,
    validator::Validator,
    view::View,
    work::Work,
};

/// Most rules of a set.
const RULES_MAX: usize = 4096;
/// Longest id of a rule, in bytes: it stands in every replacement.
pub(crate) const ID_BYTES_MAX: usize = 40;

pub(crate) fn check(rules: &[Rule], faults: &mut Vec<String>) {
    check_each(rules, faults);
    for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.action.is_some()) {
        let differs =
            |other: &&Rule| other.id == rule.id && other.action.is_some_and(|action| Some(action) != rule.action);
        if let Some(other) = rules[..place].iter().find(differs) {
            faults.push(rule.fault(format!("it has another action in {}: rules of one id have one", other.file)));
        }
    }
}

/// What the configuration says of actions.
pub(crate) fn actions(set: &RuleSet, rules: &Rules, has_key: bool, faults: &mut Vec<String>) {
    for (what, _) in set.actions.iter().filter(|(what, _)| rules.id_of(what).is_none() && Class::parse(what).is_none())
    {
        faults.push(format!("actions: there is no rule {what}, nor is it one of secret, pii and custom"));
    }
    for rule in rules.all() {
        let (name, action) = (rules.name(rule), rules.action(rule));
        if action == Action::Partial && rules.class(rule) == Class::Secret {
            faults.push(format!("rule {name}: a part of a secret helps to guess the rest: partial is not for secrets"));
        }
        if action == Action::Digest && rules.blob.is_none_or(|blob| blob != rule) {
            faults.push(format!("rule {name}: digests have no key and are for files alone: hash it with hmac"));
        }
        if action.is_keyed() && !has_key {
            faults.push(format!(
                "rule {name}: {} needs a key of masking, and there is none: make one with `hansard keys generate`",
                action.as_str()
            ));
        }
    }
    if rules.all().all(|rule| rules.action(rule) == Action::Flag) {
        faults.push("every rule only flags: this would mask nothing".to_owned());
    }
}

fn check_each(rules: &[Rule], faults: &mut Vec<String>) {
    if rules.is_empty() {
        faults.push("there is no rule: this would mask nothing".to_owned());
    }
    if rules.len() > RULES_MAX {
        faults.push(format!("more than {RULES_MAX} rules"));
    }
    for rule in rules {
        identity(rule, faults);
        anchor(rule, faults);
        names(rule, faults);
        validators(rule, faults);
        scope(rule, faults);
        let paths = rule.fields.iter().chain(&rule.exclude_fields);
        faults.extend(paths.filter_map(|path| field::fault(path)).map(|fault| rule.fault(fault)));
    }
}

fn identity(rule: &Rule, faults: &mut Vec<String>) {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if rule.id.is_empty() || rule.id.len() > ID_BYTES_MAX || !rule.id.bytes().all(plain) {
        faults.push(rule.fault(format!("an id is 1 to {ID_BYTES_MAX} of a-z, 0-9 and _")));
    }
}

/// A rule that could match anywhere would be tried everywhere.
fn anchor(rule: &Rule, faults: &mut Vec<String>) {
    match (&rule.pattern, &rule.detector) {
        (Some(_), Some(_)) => faults.push(rule.fault("pattern and detector exclude each other")),
        (None, None) if rule.names.is_empty() && rule.fields.is_empty() && !rule.blobs => {
            faults.push(rule.fault("it finds nothing: give a pattern, a detector, names or fields"));
        }
        (None, Some(name)) if detector::named(name).is_none() => {
            faults.push(rule.fault(format!("unknown detector {name}: there are {}", detector::names())));
        }
        (Some(_), None) => pattern_anchor(rule, faults),
        _ => {}
    }
    if rule.literals.iter().any(|literal| literal.len() < 3) {
        faults.push(rule.fault("a literal has at least three bytes"));
    }
}

fn pattern_anchor(rule: &Rule, faults: &mut Vec<String>) {
    let anchored = [!rule.literals.is_empty(), rule.digits.is_some(), !rule.keywords.is_empty()];
    match anchored.iter().filter(|one| **one).count() {
        0 => faults.push(rule.fault("no anchor: give literals that the pattern begins with, digits or keywords")),
        1 => {}
        _ if rule.digits.is_some() && rule.literals.is_empty() => {}
        _ => faults.push(rule.fault("one kind of anchor: literals, or digits, or keywords")),
    }
    if rule.keywords.iter().any(|word| word.len() < 3) {
        faults.push(rule.fault("a keyword has at least three bytes"));
    }
}

fn names(rule: &Rule, faults: &mut Vec<String>) {
    for name in &rule.names {
        let plain = key::normalised(name.trim_start_matches('*').as_bytes());
        if plain.is_empty() {
            faults.push(rule.fault(format!("the name {name:?} is empty")));
        }
        if !rule.anchors.is_empty() && !rule.anchors.iter().any(|anchor| plain.contains(anchor.as_str())) {
            faults.push(rule.fault(format!("no anchor is part of the name {name:?}")));
        }
    }
    if rule.anchors.iter().any(|anchor| anchor.len() < 2) {
        faults.push(rule.fault("an anchor has at least two bytes"));
    }
    if rule.value == Some(Value::Digits) && rule.value_digits.len() != 2 {
        faults.push(rule.fault("value = \"digits\" needs value_digits = [least, most]"));
    }
}

fn validators(rule: &Rule, faults: &mut Vec<String>) {
    for written in &rule.validators {
        if Validator::parse(written).is_none() {
            faults.push(rule.fault(format!("unknown validator {written:?}")));
        }
    }
}

/// Only paths can be limited: what has a shape of its own is masked wherever it stands.
fn scope(rule: &Rule, faults: &mut Vec<String>) {
    let limited = !rule.tools.is_empty() || rule.direction.is_some();
    let finds = rule.pattern.is_some() || rule.detector.is_some() || !rule.names.is_empty() || rule.blobs;
    if limited && (rule.fields.is_empty() || finds) {
        faults.push(rule.fault("tools and direction limit fields, and the rule has none, or more than these"));
    }
    if rule.direction.is_some() && rule.way().is_none() {
        faults.push(rule.fault("direction is to_upstream or to_caller"));
    }
    if let Some(tool) = rule.tools.iter().find(|tool| tool.trim_end_matches('*').is_empty() || tool.is_empty()) {
        faults.push(rule.fault(format!("the tool {tool:?} is any tool, or none")));
    }
}

/// Each rule finds its own examples and leaves its counter-examples, by both scanners; and no replacement is found.
pub(crate) fn try_examples(rules: &Rules, sources: &[Rule], faults: &mut Vec<String>) {
    for rule in sources {
        for example in &rule.examples {
            if in_document(rules, rule, &example.text()) {
                continue;
            }
            let (fast, reference) = (finds(rules, &example.text(), false), finds(rules, &example.text(), true));
            if !fast.contains(&rule.id) {
                faults.push(rule.fault(format!("its example {} is not found, but {fast:?}", place(rule, example))));
            }
            if fast != reference {
                faults.push(rule.fault(format!("its anchor misses what its pattern matches: {fast:?}, {reference:?}")));
            }
        }
        let masks = |example: &&Example| {
            finds(rules, &example.text(), false).contains(&rule.id) || in_document(rules, rule, &example.text())
        };
        for example in rule.not.iter().filter(masks) {
            faults.push(rule.fault(format!("it finds what it must not: {}", example.text())));
        }
        let replacement = token::plain(&rule.id);
        if !finds(rules, &format!("x {replacement} x"), false).is_empty() {
            faults.push(rule.fault(format!("some rule finds its replacement {replacement}")));
        }
    }
}

/// Does a rule of fields mask something in this document?
fn in_document(rules: &Rules, rule: &Rule, text: &str) -> bool {
    let mut mask = Mask::new(rules, Scanner::Fast, "", Work::unbounded());
    let masked = (!rule.fields.is_empty()).then(|| mask.message("", text));
    masked.is_some_and(|masked| masked.is_ok_and(|masked| masked.redactions.iter().any(|one| one.rule == rule.id)))
}

/// Which example it is, without saying it.
fn place(rule: &Rule, example: &Example) -> usize {
    rule.examples.iter().position(|other| other == example).map_or(0, |at| at + 1)
}

fn finds(rules: &Rules, text: &str, reference: bool) -> Vec<String> {
    let view = View::plain(text.as_bytes());
    let mut work = Work::unbounded();
    let found = if reference {
        crate::scan::reference::scan(rules, &view.bytes)
    } else {
        crate::scan::scan(rules, &view.bytes, &mut work).unwrap_or_default()
    };
    let mut ids: Vec<_> = found.hits.iter().map(|hit| (hit.start, rules.name(hit.rule).to_owned())).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().map(|(_, id)| id).collect()
}
