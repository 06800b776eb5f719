//! Finding values in one text: candidates by literal anchors and by the shape of bytes, each then checked where it
//! stands.
//!
//! No pattern runs over the whole text: one automaton finds all anchors, one pass finds digits, `@`, `+` and `(`, and
//! every check looks at a bounded window, so the cost grows with the text and not with what somebody wrote into it.
//! It refuses to know JSON.

use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::{
    Withheld,
    rule::{self, Rule},
    work::Work,
};

mod bytes;
mod card;
mod email;
mod iban;
mod jwt;
pub(crate) mod keyed;
pub(crate) mod number;
mod pem;
mod secret;
mod url;

/// One find. Ranges are of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) rule: Rule,
}

/// What a check is told besides the place of its candidate, and what it tells besides its find.
#[derive(Debug, Default)]
struct Look {
    /// Everything before is looked at already: the end of the last find of this kind.
    done: usize,
    /// Bytes looked at, for the work budget.
    walked: usize,
    /// The candidate is none, and no other candidate of this kind before this place is one.
    none_before: usize,
}

/// Checks the candidate whose anchor stands at `at`.
type Check = fn(text: &[u8], at: usize, look: &mut Look) -> Option<Hit>;

/// A kind of candidate: the literals that announce it (found in any case) and its check.
struct Kind {
    anchors: &'static [&'static str],
    check: Check,
}

const KINDS: &[Kind] = &[
    Kind { anchors: &[rule::TOKEN_START], check: |_, _, _| None },
    Kind { anchors: &["-----BEGIN ", "-----END "], check: pem::check },
    Kind { anchors: &["eyJ"], check: jwt::check },
    Kind { anchors: &["AKIA", "ASIA"], check: secret::aws },
    Kind { anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], check: secret::github },
    Kind { anchors: &["xox", "xapp-"], check: secret::slack },
    Kind { anchors: &["sk-"], check: secret::model_key },
    Kind { anchors: &["bearer "], check: secret::bearer },
    Kind { anchors: &["://"], check: url::check },
    Kind {
        anchors: &[
            "pass",
            "pwd",
            "pw",
            "pin",
            "otp",
            "cvv",
            "cvc",
            "token",
            "jwt",
            "sessionid",
            "session_id",
            "session-id",
            "secret",
            "key",
            "auth",
            "cookie",
            "credential",
            "ssn",
            "security",
            "phone",
            "mobile",
            "tel",
        ],
        check: keyed::check,
    },
];

/// Index of the reserved replacements in [`KINDS`].
const RESERVED: usize = 0;

/// The compiled anchors.
pub(crate) struct Scanner {
    anchors: AhoCorasick,
    /// The kind of each anchor.
    kinds: Vec<usize>,
}

impl Scanner {
    pub(crate) fn new() -> Scanner {
        let literals = KINDS.iter().flat_map(|kind| kind.anchors);
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(literals)
            .expect("the anchors are few and short");
        let kinds = KINDS.iter().enumerate().flat_map(|(at, kind)| vec![at; kind.anchors.len()]).collect();
        Scanner { anchors, kinds }
    }

    /// All finds in `text`: disjoint, in order, and none within a replacement of ours.
    pub(crate) fn scan(&self, text: &[u8], work: &mut Work) -> Result<Vec<Hit>, Withheld> {
        work.spend(text.len())?;
        let (mut hits, mut reserved) = (Vec::new(), Vec::new());
        self.anchored(text, work, &mut hits, &mut reserved)?;
        shaped(text, work, &mut hits)?;
        Ok(if hits.is_empty() { hits } else { spare(&join(hits), &reserved, text) })
    }

    fn anchored(
        &self,
        text: &[u8],
        work: &mut Work,
        hits: &mut Vec<Hit>,
        reserved: &mut Vec<(usize, usize)>,
    ) -> Result<(), Withheld> {
        // A candidate inside the last find of its own kind tells nothing new, nor does one in a run that is known to
        // hold none; without this, repeats cost a square.
        let mut done = [0; KINDS.len()];
        for anchor in self.anchors.find_overlapping_iter(text) {
            let (kind, at) = (self.kinds[anchor.pattern().as_usize()], anchor.start());
            if at < done[kind] {
                continue;
            }
            if kind == RESERVED {
                reserved.extend(rule::token_end(text, at).map(|end| (at, end)));
                continue;
            }
            let mut look = Look { done: done[kind], ..Look::default() };
            let hit = (KINDS[kind].check)(text, at, &mut look);
            let found = hit.map_or(0, |hit| hit.end - hit.start);
            work.spend(CANDIDATE_COST + look.walked.max(found))?;
            done[kind] = hit.map_or(look.none_before, |hit| hit.end).max(done[kind]);
            hits.extend(hit);
        }
        Ok(())
    }
}

impl Scanner {
    /// The replacements that stand in the text already.
    pub(crate) fn reserved(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let found =
            self.anchors.find_overlapping_iter(text).filter(|found| self.kinds[found.pattern().as_usize()] == RESERVED);
        found.filter_map(|found| Some((found.start(), rule::token_end(text, found.start())?))).collect()
    }
}

/// What one candidate costs of the work budget, in bytes.
const CANDIDATE_COST: usize = 16;

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("anchors", &self.kinds.len()).finish_non_exhaustive()
    }
}

/// The anchors in order, for the rule set's id.
pub(crate) fn anchors() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|kind| kind.anchors.iter().copied())
}

/// Finds by the shape of bytes: numbers and e-mail addresses.
fn shaped(text: &[u8], work: &mut Work, hits: &mut Vec<Hit>) -> Result<(), Withheld> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                work.spend(CANDIDATE_COST)?;
                let end = bytes::run(text, at, |byte| byte.is_ascii_digit());
                hits.extend(at_digits(text, at, end));
                at = end;
                continue;
            }
            b'@' => {
                work.spend(CANDIDATE_COST)?;
                hits.extend(email::check(text, at));
            }
            b'+' | b'(' => {
                work.spend(CANDIDATE_COST)?;
                hits.extend(number::phone(text, at));
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn at_digits(text: &[u8], at: usize, end: usize) -> impl Iterator<Item = Hit> {
    let found = [
        card::check(text, at),
        iban::check(text, at, end),
        number::ssn(text, at, end),
        number::phone(text, at),
        number::ipv4(text, at, end),
    ];
    found.into_iter().flatten()
}

/// Overlapping finds become one, under the rule that comes first.
pub(crate) fn join(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.start, hit.rule));
    let mut joined: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match joined.last_mut() {
            Some(last) if hit.start < last.end => {
                // `user:secret@host.example`: what follows the password only looks like an address.
                if last.rule == Rule::UrlCredential && hit.rule == Rule::Email && hit.start >= last.start {
                    continue;
                }
                last.end = last.end.max(hit.end);
                last.rule = last.rule.min(hit.rule);
            }
            _ => joined.push(hit),
        }
    }
    joined
}

/// Takes the replacements that are in the text already out of the finds.
pub(crate) fn spare(hits: &[Hit], reserved: &[(usize, usize)], text: &[u8]) -> Vec<Hit> {
    if reserved.is_empty() {
        return hits.to_vec();
    }
    let mut spared = Vec::with_capacity(hits.len());
    let mut from = 0;
    for hit in hits {
        let mut start = hit.start;
        while reserved.get(from).is_some_and(|(_, end)| *end <= start) {
            from += 1;
        }
        let inside = reserved[from..].iter().take_while(|(begin, _)| *begin < hit.end);
        let mut cut = false;
        for (begin, end) in inside {
            cut = true;
            spared.extend(piece(start, *begin, hit.rule, text));
            start = *end;
        }
        if cut {
            spared.extend(piece(start, hit.end, hit.rule, text));
        } else {
            spared.push(*hit);
        }
    }
    spared
}

/// What is left beside a replacement, unless it is only punctuation.
fn piece(start: usize, end: usize, rule: Rule, text: &[u8]) -> Option<Hit> {
    let tells = text.get(start..end)?.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    tells.then_some(Hit { start, end, rule })
}
