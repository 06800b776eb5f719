//! The reference: each rule after the other, at every place of the text, without anchors. It is slow and obviously
//! right; the fast scanner has to find the same. It refuses every shortcut.

use super::{Found, Hit};
use crate::{
    bytes::is_digit,
    detector::Shape,
    keyed,
    rules::{Finder, How, Rules},
};

pub(crate) fn scan(rules: &Rules, text: &[u8]) -> Found {
    let mut found = Found::default();
    for finder in &rules.finders {
        match &finder.how {
            How::Pattern(_) => patterns(finder, text, &mut found.hits),
            How::Detector(detector) => detected(finder, detector.shape, text, &mut found.hits),
        }
    }
    names(rules, text, &mut found);
    found
}

/// Every match of the pattern, wherever it begins.
fn patterns(finder: &Finder, text: &[u8], hits: &mut Vec<Hit>) {
    let How::Pattern(pattern) = &finder.how else { return };
    let mut from = 0;
    while let Some(at) = pattern.next(text, from, text.len()) {
        let outcome = finder.try_at(text, at, from);
        hits.extend(outcome.hit);
        from = outcome.resume;
    }
}

fn detected(finder: &Finder, shape: Shape, text: &[u8], hits: &mut Vec<Hit>) {
    let mut done = 0;
    for at in 0..text.len() {
        if at >= done && announces(finder, shape, text, at) {
            let outcome = finder.try_at(text, at, done);
            hits.extend(outcome.hit);
            done = outcome.resume;
        }
    }
}

/// Is this a place that the detector is defined for?
fn announces(finder: &Finder, shape: Shape, text: &[u8], at: usize) -> bool {
    match shape {
        Shape::Literals(_) => finder.literals.iter().any(|literal| begins(text, at, literal.as_bytes())),
        Shape::Digits(..) => is_digit(text, at) && (at == 0 || !is_digit(text, at - 1)),
        Shape::AtSign => text[at] == b'@',
        Shape::Colon => text[at] == b':',
        Shape::Hyphen => text[at] == b'-',
        Shape::Dot | Shape::Point => text[at] == b'.',
    }
}

fn begins(text: &[u8], at: usize, literal: &[u8]) -> bool {
    text.get(at..at + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
}

/// Every place where one of the names' anchors stands.
fn names(rules: &Rules, text: &[u8], found: &mut Found) {
    let mut done = 0;
    for at in 0..text.len() {
        if at < done || !rules.name_anchors.iter().any(|anchor| begins(text, at, anchor)) {
            continue;
        }
        let outcome = keyed::check(rules, text, at);
        done = outcome.hit.map_or(at + 1, |hit| hit.end.max(at + 1));
        if outcome.quoted_name && found.names.last() != Some(&outcome.name_at) {
            found.names.push(outcome.name_at);
        }
        found.hits.extend(outcome.hit);
    }
}
