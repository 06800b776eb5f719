//! What strangers wrote, as text that people can trust their eyes on. Nothing here escapes for HTML, the page does.

use std::fmt::Write as _;

/// Characters that change how others look (direction, joining, nothing at all) are spelled out, so that nobody approves
/// something else than what they see.
pub fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => seen.push(character),
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                spell(&mut seen, character);
            }
            character if character.is_control() => spell(&mut seen, character),
            character => seen.push(character),
        }
    }
    seen
}

fn spell(seen: &mut String, character: char) {
    write!(seen, "\\u{{{:x}}}", u32::from(character)).expect("a string takes all");
}

/// JSON with line breaks and indents between its tokens, which stay as they are: a parser would drop repeated keys and
/// change numbers.
pub(crate) fn indented(json: &str) -> String {
    if !json.starts_with(['{', '[']) {
        return json.to_owned();
    }
    let mut out = Indented { text: String::with_capacity(json.len() * 2), depth: 0 };
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            out.text.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else {
            in_string = character == '"';
            out.token(character);
        }
    }
    out.text
}

struct Indented {
    text: String,
    depth: usize,
}

impl Indented {
    fn token(&mut self, character: char) {
        match character {
            '{' | '[' => {
                self.depth += 1;
                self.text.push(character);
                self.line();
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.line();
                self.text.push(character);
            }
            ',' => {
                self.text.push(character);
                self.line();
            }
            ':' => self.text.push_str(": "),
            ' ' | '\t' | '\r' | '\n' => {}
            character => self.text.push(character),
        }
    }

    /// Deeper than any person reads, the indent stays where it is.
    fn line(&mut self) {
        const DEPTH_MAX: usize = 16;
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth.min(DEPTH_MAX)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_is_spelled_out() {
        assert_eq!(visible("a\u{202e}b\u{200b}c\u{7}\n"), "a\\u{202e}b\\u{200b}c\\u{7}\n");
        assert_eq!(visible("Grüße 你好"), "Grüße 你好");
    }

    #[test]
    fn json_is_indented_and_not_changed() {
        assert_eq!(
            indented(r#"{"a":[1,"x, {\"y\"}"],"a":{}}"#),
            "{\n  \"a\": [\n    1,\n    \"x, {\\\"y\\\"}\"\n  ],\n  \"a\": {\n    \n  }\n}"
        );
        assert_eq!(indented("no json: {"), "no json: {");
    }

    proptest! {
        #[test]
        fn indenting_keeps_every_character_but_blanks(text in "[\\[{][ -~]{0,60}") {
            let solid = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
            prop_assert_eq!(solid(&indented(&text)), solid(&text));
        }
    }
}
