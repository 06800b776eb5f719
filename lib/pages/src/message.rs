//! Pieces of a record: its message with the masked places marked, the words of what became of it, its moment.

use maud::{Markup, html};

use crate::text::{indented, visible};

/// How a masked place begins and ends.
const MASK: (&str, char) = ("[REDACTED:", ']');
/// Longest name of a rule that is marked; a mask is short, whatever a message claims.
const MASK_BYTES_MAX: usize = 80;

/// A message as it is kept: JSON with line breaks, anything else as it is, and masked places marked.
pub fn message(body: &str) -> Markup {
    let text = visible(&indented(body));
    html! {
        pre.mono tabindex="0" aria-label="Masked message" {
            @for (piece, masked) in pieces(&text) {
                @if masked { mark { (piece) } } @else { (piece) }
            }
        }
    }
}

fn pieces(text: &str) -> Vec<(&str, bool)> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, mask, after)) = next_mask(rest) {
        pieces.extend([(before, false), (mask, true)]);
        rest = after;
    }
    pieces.push((rest, false));
    pieces
}

fn next_mask(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find(MASK.0)?;
    let length = text[start..].find(MASK.1)? + 1;
    if length > MASK_BYTES_MAX {
        return None;
    }
    let (before, from) = text.split_at(start);
    let (mask, after) = from.split_at(length);
    Some((before, mask, after))
}

/// A word of `outcome`, `verdict`, `state` or `redaction_status`, in its colour.
pub fn word(word: &str) -> Markup {
    let colour = match word {
        "ok" | "allow" | "approved" | "redeemed" => "good",
        "pending" | "hold" | "masked" => "open",
        "expired" | "withdrawn" | "cancelled" | "clean" => "over",
        _ => "bad",
    };
    html! { span.word.(colour) { (visible(&word.replace('_', " "))) } }
}

/// A moment in RFC 3339, UTC, as people read it; the machine's form goes with it.
pub fn moment(at: &str) -> Markup {
    html! { time datetime=(at) { (at.replacen('T', " ", 1).trim_end_matches('Z')) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_places_are_marked_and_all_text_is_kept() {
        let text = "a [REDACTED:card] b [REDACTED:email] c [REDACTED:";
        let found = pieces(text);
        assert_eq!(found.iter().map(|(piece, _)| *piece).collect::<String>(), text);
        let marked: Vec<_> = found.iter().filter(|(_, masked)| *masked).map(|(piece, _)| *piece).collect();
        assert_eq!(marked, ["[REDACTED:card]", "[REDACTED:email]"]);
    }

    #[test]
    fn a_message_is_escaped_and_keeps_its_order_and_repetitions() {
        let shown = message(r#"{"b":"<script>","a":1e400,"a":2}"#).into_string();
        assert!(shown.contains("\n  &quot;b&quot;: &quot;&lt;script&gt;&quot;,\n  &quot;a&quot;: 1e400,\n"), "{shown}");
        assert!(shown.contains("&quot;a&quot;: 2\n}"), "{shown}");
    }

    #[test]
    fn what_is_not_known_is_not_good() {
        assert!(word("new_word").into_string().contains("bad"));
        assert_eq!(word("rpc_error").into_string(), r#"<span class="word bad">rpc error</span>"#);
    }

    #[test]
    fn moments_are_read_by_people_and_machines() {
        let shown = moment("2026-07-28T09:30:00.5Z").into_string();
        assert_eq!(shown, r#"<time datetime="2026-07-28T09:30:00.5Z">2026-07-28 09:30:00.5</time>"#);
    }
}
