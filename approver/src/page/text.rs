//! What people read on the page, as text: nothing here escapes for HTML, the page does.

use schemas::{Principal, call::Terms};

pub(super) fn person(principal: &Principal) -> String {
    match &principal.name {
        Some(name) => format!("{name} ({} at {})", principal.subject, principal.issuer),
        None => format!("{} at {}", principal.subject, principal.issuer),
    }
}

pub(super) fn terms(terms: &Terms) -> String {
    let who = if terms.reviewers.is_empty() { "anybody".to_owned() } else { terms.reviewers.join(", ") };
    format!("{} to approve or {} to deny, of {who}, never who asked", terms.approve.max(1), terms.deny.max(1))
}

/// A span of time, as `4 min 05 s`.
pub(super) fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    match seconds / 60 {
        0 => format!("{seconds} s"),
        minutes if minutes < 60 => format!("{minutes} min {:02} s", seconds % 60),
        minutes => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units() {
        assert_eq!([span(5_000_000), span(65_000_000), span(3_660_000_000)], ["5 s", "1 min 05 s", "1 h 01 min"]);
    }
}
