//! Text that comes in pieces and goes on at once: what can still become part of a find is held back, the rest is
//! released, so that a value is masked wherever the pieces were cut.
//!
//! Each piece is looked at together with what is held and with some of what was released, for what announces a value
//! stands before it. Held back are the last bytes, a find that reaches into them, the last unbroken
//! run, and a PEM block without an end. It refuses
//! to hold more than [`HELD_BYTES_MAX`]: then the text is withheld.

use crate::{Redacted, Redactor, Withheld};

/// What is always held back, in bytes: longer than any value with white space in it that has no name or block around.
const BACK_BYTES: usize = 512;
/// How much of what was released is looked at again with what follows, in bytes.
const BEFORE_BYTES: usize = 1024;
/// Most text that is held back, in bytes.
pub const HELD_BYTES_MAX: usize = 256 * 1024;
/// Up to here each piece is looked at; beyond, only when this part of what is held has come anew.
const SMALL_BYTES: usize = 8 * 1024;
const GROWN_PART: usize = 8;

#[derive(Debug)]
pub struct Stream {
    redactor: Redactor,
    /// What was released last, as it came.
    before: String,
    held: String,
    /// How much of `held` has been looked at.
    looked_at: usize,
    /// The first bytes of a character whose others are still to come.
    cut: Vec<u8>,
}

impl Stream {
    pub fn new(redactor: Redactor) -> Stream {
        Stream { redactor, before: String::new(), held: String::new(), looked_at: 0, cut: Vec::new() }
    }

    /// Is there text that has not been released?
    pub fn holds(&self) -> bool {
        !self.held.is_empty() || !self.cut.is_empty()
    }

    /// Takes a piece; what may go on now.
    pub fn push(&mut self, piece: &[u8]) -> Result<String, Withheld> {
        self.take(piece)?;
        let grown = self.held.len() - self.looked_at;
        if self.held.len() > SMALL_BYTES && grown < self.held.len() / GROWN_PART {
            return Ok(String::new());
        }
        let window = self.window();
        let masked = self.redactor.redact_text("", &window)?;
        let back = window.len().saturating_sub(BACK_BYTES).min(last_run(&window)).min(open_block(&window));
        let released = self.release(&window, &masked, back)?;
        if self.held.len() > HELD_BYTES_MAX {
            return Err(Withheld::TooLarge(HELD_BYTES_MAX));
        }
        Ok(released)
    }

    /// What may go on when nothing has come for a while: all but what is plainly unfinished.
    pub fn settle(&mut self) -> Result<String, Withheld> {
        let window = self.window();
        let masked = self.redactor.redact_text("", &window)?;
        let unfinished = unfinished(&window).min(open_block(&window));
        self.release(&window, &masked, unfinished)
    }

    /// All that is left.
    pub fn finish(self) -> Result<String, Withheld> {
        if !self.cut.is_empty() {
            return Err(Withheld::NotText);
        }
        let window = self.window();
        let masked = self.redactor.redact_text("", &window)?;
        Ok(self.told(&window, &masked, window.len()))
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Withheld> {
        let joined;
        let bytes = if self.cut.is_empty() {
            piece
        } else {
            joined = [std::mem::take(&mut self.cut).as_slice(), piece].concat();
            &joined
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => self.held.push_str(text),
            Err(error) if error.error_len().is_none() => {
                let (whole, cut) = bytes.split_at(error.valid_up_to());
                self.held.push_str(std::str::from_utf8(whole).map_err(|_| Withheld::NotText)?);
                self.cut = cut.to_vec();
            }
            Err(_) => return Err(Withheld::NotText),
        }
        Ok(())
    }

    fn window(&self) -> String {
        [self.before.as_str(), &self.held].concat()
    }

    /// Releases the window up to `end`, or to the find that reaches beyond.
    fn release(&mut self, window: &str, masked: &Redacted, end: usize) -> Result<String, Withheld> {
        let mut end = (0..=end).rev().find(|at| window.is_char_boundary(*at)).unwrap_or(0);
        for find in masked.redactions.iter().rev() {
            if (find.start as usize) < end && find.end as usize > end {
                end = find.start as usize;
            }
        }
        self.looked_at = self.held.len();
        if end <= self.before.len() {
            return Ok(String::new());
        }
        let released = self.told(window, masked, end);
        self.held = window[end..].to_owned();
        self.looked_at = self.held.len();
        let from = end.saturating_sub(BEFORE_BYTES);
        let from = (from..=end).find(|at| window.is_char_boundary(*at)).unwrap_or(end);
        self.before = window[from..end].to_owned();
        Ok(released)
    }

    /// What stands in the window between what was released before and `end`, masked. Of a find that has begun before,
    /// what is left is masked.
    fn told(&self, window: &str, masked: &Redacted, end: usize) -> String {
        let (mut text, mut from) = (String::new(), self.before.len());
        for find in masked.redactions.iter().filter(|find| find.action != "flag") {
            let (start, stop) = (find.start as usize, find.end as usize);
            if stop <= from || start >= end {
                continue;
            }
            text.push_str(window.get(from..start).unwrap_or_default());
            text.push_str(&masked.text[find.masked_start as usize..find.masked_end as usize]);
            from = stop;
        }
        text.push_str(window.get(from..end).unwrap_or_default());
        text
    }
}

/// Where the last run without a break begins.
fn last_run(text: &str) -> usize {
    text.rfind(is_break).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
}

/// Where a PEM block begins whose end has not come; the end of the text, when there is none.
fn open_block(text: &str) -> usize {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let Some(begin) = text.rfind(BEGIN) else { return text.len() };
    let body = &text[begin + BEGIN.len()..];
    let closed = body.find(END).is_some_and(|end| body[end + END.len()..].contains("-----"));
    if closed { text.len() } else { begin }
}

/// Where what is plainly not at its end begins: the last run, and the groups of digits before it.
fn unfinished(text: &str) -> usize {
    let mut start = last_run(text);
    loop {
        let before = text[..start].trim_end_matches(' ');
        let group = last_run(before);
        let digits = |letter: char| letter.is_ascii_digit() || "+()-./".contains(letter);
        if before.len() == start || group == before.len() || !before[group..].chars().all(digits) {
            return start;
        }
        start = group;
    }
}

/// No value that is longer than what is held back goes on over one of these, unless something announces it.
fn is_break(letter: char) -> bool {
    letter.is_whitespace() || "\"'`,;<>(){}[]|".contains(letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pieces::piece;

    /// The text cut at these places, through a stream.
    fn streamed(text: &str, cuts: &[usize]) -> Result<String, Withheld> {
        let mut stream = Stream::new(Redactor::built_in());
        let (mut told, mut from) = (String::new(), 0);
        for cut in cuts.iter().map(|cut| cut % (text.len() + 1)).filter(|cut| *cut > 0) {
            let to = cut.max(from);
            told += &stream.push(&text.as_bytes()[from..to])?;
            from = to;
        }
        told += &stream.push(&text.as_bytes()[from..])?;
        Ok(told + &stream.finish()?)
    }

    fn check(text: &str, cuts: &[usize]) -> Result<(), TestCaseError> {
        let whole = Redactor::built_in().redact_text("", text).expect("it can be masked");
        prop_assert_eq!(streamed(text, cuts), Ok(whole.text), "{:?}", text);
        Ok(())
    }

    fn text() -> impl Strategy<Value = String> {
        let between = prop_oneof![
            Just(" ".to_owned()),
            (1..80_usize).prop_map(|words| " and so on it goes,".repeat(words)),
            (1..40_usize).prop_map(|words| "\nline of a log".repeat(words) + "\n"),
        ];
        prop::collection::vec((piece(), between), 1..10)
            .prop_map(|pieces| pieces.iter().map(|(piece, between)| [piece.as_str(), between].concat()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_it_is_cut_does_not_matter(text in text(), mut cuts in prop::collection::vec(any::<usize>(), 0..12)) {
            cuts.iter_mut().for_each(|cut| *cut %= text.len() + 1);
            cuts.sort_unstable();
            check(&text, &cuts)?;
        }
    }

    #[test]
    fn a_value_cut_at_every_place_is_masked() {
        let prose = "what was said before it, ".repeat(40);
        let block = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat() + &"QUJDREVG\n".repeat(300);
        let block = block + &["-----END ", "PRIVATE KEY-----"].concat();
        let token = ["eyJhbGciOiJIUzI1NiJ9.", &"eyJzdWIiOiIxIn0".repeat(60), ".c2lnbmF0dXJl"].concat();
        for value in ["jane@example.org", "4111 1111 1111 1111", "password=\"correct horse\"", &token, &block] {
            let text = format!("{prose}{value} {prose}");
            let step = value.len() / 20 + 1;
            for cut in (0..=value.len()).step_by(step) {
                check(&text, &[prose.len() + cut]).expect("the same");
            }
            let every: Vec<usize> = (1..text.len()).step_by(7).collect();
            check(&text, &every).expect("the same");
        }
    }

    #[test]
    fn a_backslash_that_has_gone_on_changes_nothing_behind_it() {
        let prose = " and so on it goes,".repeat(60);
        check(&format!("\\ password{prose}<password> \u{200b}{prose}"), &[]).expect("the same");
    }

    #[test]
    fn most_of_a_text_goes_on_at_once() {
        let mut stream = Stream::new(Redactor::built_in());
        let told = stream.push("word ".repeat(1000).as_bytes()).expect("it can be masked");
        assert!(told.len() >= 5000 - BACK_BYTES - 5, "{}", told.len());
        assert!(stream.holds());
        let rest = stream.settle().expect("it can be masked");
        assert_eq!(told.len() + rest.len(), 5000);
    }

    #[test]
    fn what_is_unfinished_waits() {
        let mut stream = Stream::new(Redactor::built_in());
        assert_eq!(stream.push(b"pay with 4111 1111 11").as_deref(), Ok(""));
        assert_eq!(stream.settle().as_deref(), Ok("pay with "));
        assert_eq!(stream.push(b"11 1111 now").as_deref(), Ok(""));
        assert_eq!(stream.finish().as_deref(), Ok("[REDACTED:card] now"));
    }

    #[test]
    fn characters_may_be_cut_and_bytes_that_are_none_are_withheld() {
        let mut stream = Stream::new(Redactor::built_in());
        for byte in "ä😀 jane@example.org".bytes() {
            assert_eq!(stream.push(&[byte]).as_deref(), Ok(""));
        }
        assert_eq!(stream.finish().as_deref(), Ok("ä😀 [REDACTED:email]"));
        let mut stream = Stream::new(Redactor::built_in());
        assert_eq!(stream.push(b"x\xff"), Err(Withheld::NotText));
        let mut stream = Stream::new(Redactor::built_in());
        assert_eq!(stream.push(b"x\xe2").as_deref(), Ok(""));
        assert_eq!(stream.finish(), Err(Withheld::NotText));
    }

    #[test]
    fn a_run_without_end_is_withheld() {
        let mut stream = Stream::new(Redactor::built_in());
        let told = (0..HELD_BYTES_MAX).step_by(4096).map(|_| stream.push(&[b'x'; 4096])).find(Result::is_err);
        assert_eq!(told.or(Some(stream.push(&[b'x'; 65536]))), Some(Err(Withheld::TooLarge(HELD_BYTES_MAX))));
    }
}
