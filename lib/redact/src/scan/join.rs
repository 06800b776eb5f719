//! Overlapping finds as disjoint ones, and beside replacements that stand in the text already. It refuses to drop a find.

use super::Hit;
use crate::rules::RuleId;

/// Overlapping finds become one, under the rule that comes first.
pub(crate) fn join(mut hits: Vec<Hit>, url_credential: Option<RuleId>) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.start, hit.rule));
    let mut joined: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match joined.last_mut() {
            Some(last) if hit.start < last.end => {
                // `user:secret@host.example`: what follows the password only looks like an address.
                if Some(last.rule) == url_credential && hit.end > last.end && hit.rule > last.rule {
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
pub(crate) fn spare(hits: Vec<Hit>, reserved: &[(usize, usize)], text: &[u8]) -> Vec<Hit> {
    if reserved.is_empty() {
        return hits;
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
            spared.extend(piece(start, *begin, hit, text));
            start = *end;
        }
        if cut {
            spared.extend(piece(start, hit.end, hit, text));
        } else {
            spared.push(hit);
        }
    }
    spared
}

/// What is left beside a replacement, unless it is only punctuation.
fn piece(start: usize, end: usize, hit: Hit, text: &[u8]) -> Option<Hit> {
    let tells = text.get(start..end)?.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    tells.then_some(Hit { start, end, ..hit })
}
