//! The values of a JSON document with the steps that lead to them and their places in the text.
//!
//! It refuses to judge: of a document that was cut off it tells what is there, and of what is no JSON something or nothing.

use std::ops::Range;

/// Values that stand deeper are not told.
const STEPS_MAX: usize = 8;
/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'d> {
    Key(&'d str),
    Item(usize),
}

/// What stands at the end of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Between the quotes.
    String,
    /// A number, `true`, `false` or `null`.
    Word,
    /// With its brackets.
    Container,
}

struct Level<'d> {
    start: usize,
    /// The name of the current member, none while it is still to come; or the place of the current item.
    step: Option<Step<'d>>,
    is_object: bool,
}

/// Tells every value; containers when they end.
pub(super) fn walk<'d>(data: &'d str, mut tell: impl FnMut(&[Step<'d>], Kind, Range<usize>)) {
    let (bytes, mut at) = (data.as_bytes(), 0);
    let mut levels: Vec<Level<'d>> = Vec::new();
    let mut told = |levels: &[Level<'d>], kind, range| {
        let steps: Option<Vec<_>> = levels.iter().map(|level| level.step).collect();
        if let Some(steps) = steps.filter(|steps| steps.len() <= STEPS_MAX) {
            tell(&steps, kind, range);
        }
    };
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' | b'[' if levels.len() == DEPTH_MAX => return,
            b'{' => levels.push(Level { start, step: None, is_object: true }),
            b'[' => levels.push(Level { start, step: Some(Step::Item(0)), is_object: false }),
            b'}' | b']' => {
                if let Some(level) = levels.pop() {
                    told(&levels, Kind::Container, level.start..at);
                }
            }
            b',' => match levels.last_mut() {
                Some(Level { step: Some(Step::Item(place)), .. }) => *place += 1,
                Some(level) => level.step = None,
                None => {}
            },
            b'"' => {
                at = string_end(bytes, at);
                let range = start + 1..at;
                at = (at + 1).min(bytes.len());
                match levels.last_mut().filter(|level| level.is_object && level.step.is_none()) {
                    Some(level) => level.step = data.get(range).map(Step::Key),
                    None => told(&levels, Kind::String, range),
                }
            }
            byte if byte.is_ascii_alphanumeric() || *byte == b'-' => {
                let word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                at += bytes[at..].iter().take_while(word).count();
                told(&levels, Kind::Word, start..at);
            }
            _ => {}
        }
    }
}

/// Where the string ends whose first byte this is: at its quote, or where it was cut off.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, expected: &[&str]) {
        let mut seen = Vec::new();
        walk(data, |steps, kind, range| {
            let steps: String = steps
                .iter()
                .map(|step| match step {
                    Step::Key(key) => format!("/{key}"),
                    Step::Item(place) => format!("/{place}"),
                })
                .collect();
            if kind != Kind::Container {
                seen.push(format!("{steps} {}", &data[range]));
            }
        });
        assert_eq!(seen, expected, "{data}");
    }

    #[test]
    fn values_have_steps_and_places() {
        check(r#"{"a":[{"b":"x\"y"},-1.5e+3],"c":{"d":null,"e":[]}}"#, &["/a/0/b x\\\"y", "/a/1 -1.5e+3", "/c/d null"]);
        check(r#""alone""#, &[" alone"]);
        check(r#"{ "a" : "b" , "a": true }"#, &["/a b", "/a true"]);
    }

    #[test]
    fn what_was_cut_off_is_told_as_far_as_it_goes() {
        check(r#"{"a":{"b":"begun"#, &["/a/b begun"]);
        check(r#"{"a":"b\"#, &["/a b\\"]);
        check(r#"{"a"#, &[]);
        check("]}x,", &[" x"]);
    }

    #[test]
    fn what_is_deeper_is_not_told() {
        check(&format!("{}1{}", "[".repeat(9), "]".repeat(9)), &[]);
        check(&"[".repeat(100_000), &[]);
    }
}
