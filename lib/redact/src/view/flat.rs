//! Writing escapes flat: as many bytes of one class as they were long, so that every offset stays.
//!
//! Most texts are JSON in which no backslash follows another; in those the escapes of a block are written at once, without
//! a branch for each. In blocks with such pairs, runs of backslashes are read one by one, since what they say depends on how
//! deep the strings around are. It refuses to parse.

use memchr::{memchr, memrchr};

use super::{NESTING_MAX, QUOTE_BASE};
use crate::{
    Withheld,
    bytes::{before, window},
};

const BLOCK_BYTES: usize = 64;
/// A block, and the byte on either side of it.
const WINDOW_BYTES: usize = BLOCK_BYTES + 2;

/// How the text may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As nested, until an escape shows that the text is not canonical.
    Tentative,
    /// `\\n` in a string that is not nested is a backslash and an `n`.
    Nested,
    /// It is a newline all the same: of a log line that was put into a string.
    Escaped,
}

/// What flattening found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// There are escapes that have no flat form, so the rest was not looked at.
    pub(super) unflat: bool,
    /// A run of backslashes could be read in another way.
    pub(super) ambiguous: bool,
    /// Something was written otherwise than it stands in the text.
    pub(super) changed: bool,
}

/// The flat form; without escapes there is none.
pub(super) fn flatten(text: &[u8], reading: Reading) -> Result<(Vec<u8>, Seen), Withheld> {
    let mut flat = Flat { text, reading, bytes: Vec::new(), depth: 0, known: 0, seen: Seen::default() };
    if let Some(first) = memchr(b'\\', text) {
        flat.bytes = text.to_vec();
        flat.blocks(first)?;
    }
    Ok((flat.bytes, flat.seen))
}

struct Flat<'t> {
    text: &'t [u8],
    reading: Reading,
    /// What is written so far, and behind that the text itself.
    bytes: Vec<u8>,
    /// The depth of the last quote before `known`: it says how deep the strings around are.
    depth: usize,
    known: usize,
    seen: Seen,
}

/// One block, each of its escapes read as one backslash and its letter.
struct Block {
    flat: [u8; BLOCK_BYTES],
    changed: bool,
    /// A backslash follows another, so that they may be read otherwise.
    paired: bool,
    unflat: bool,
}

impl Flat<'_> {
    /// From the first backslash on, block by block; a block begins at a backslash, or at the letter of one that ended the
    /// last block.
    fn blocks(&mut self, first: usize) -> Result<(), Withheld> {
        let (mut room, mut next) = ([0; WINDOW_BYTES], Some(first));
        while let Some(base) = next {
            let block = Block::of(window::<1, WINDOW_BYTES>(self.text, base, &mut room));
            let mut done = self.text.len().min(base + BLOCK_BYTES);
            if block.paired || block.unflat {
                // The letter of an escape may be the first byte of this block.
                done = self.runs(base - usize::from(before(self.text, base) == Some(b'\\')), done)?;
                if self.seen.unflat {
                    return Ok(());
                }
            } else if block.changed {
                self.seen.changed = true;
                match self.bytes[base..].first_chunk_mut() {
                    Some(whole) => *whole = block.flat,
                    None => self.bytes[base..].copy_from_slice(&block.flat[..done - base]),
                }
            }
            let cut = done < self.text.len() && before(self.text, done) == Some(b'\\');
            next = if cut { Some(done) } else { self.next_backslash(done) };
        }
        Ok(())
    }

    fn next_backslash(&self, from: usize) -> Option<usize> {
        memchr(b'\\', self.text.get(from..)?).map(|gap| from + gap)
    }

    /// The runs of backslashes that begin between these places, one by one; says how far they went.
    fn runs(&mut self, from: usize, until: usize) -> Result<usize, Withheld> {
        let mut at = from;
        while let Some(run) = self.next_backslash(at).filter(|run| *run < until) {
            let end = run + self.text[run..].iter().take_while(|byte| **byte == b'\\').count();
            self.escape(run, end)?;
            if self.seen.unflat {
                break;
            }
            at = self.text.len().min(end + 1);
        }
        Ok(at.max(until))
    }

    /// A run of backslashes, and the letter at its end.
    fn escape(&mut self, run: usize, end: usize) -> Result<(), Withheld> {
        let (length, letter) = (end - run, self.text.get(end).copied().unwrap_or_default());
        match letter {
            b'"' => return self.quote(end, length.trailing_ones() as usize),
            b'n' | b'r' => self.space(run, end, b'\n'),
            b't' | b'b' | b'f' => self.space(run, end, b'\t'),
            b'u' | b'/' if self.reading == Reading::Tentative => self.seen.unflat = true,
            _ => {}
        }
        Ok(())
    }

    fn quote(&mut self, end: usize, level: usize) -> Result<(), Withheld> {
        if level >= NESTING_MAX {
            return Err(Withheld::TooDeep(NESTING_MAX));
        }
        if level > 0 {
            self.write(end, (1 << level) - 1, QUOTE_BASE + level as u8);
        }
        Ok(())
    }

    fn space(&mut self, run: usize, end: usize, class: u8) {
        let length = end - run;
        let level = length.trailing_zeros() as usize;
        let written = self.reading == Reading::Escaped || level <= self.depth_at(run);
        self.seen.ambiguous |= !written;
        if written && level < NESTING_MAX {
            self.write(end, (1 << level).min(length), class);
        }
    }

    /// Overwrites the letter at `end` and the backslashes before it that belong to it.
    fn write(&mut self, end: usize, backslashes: usize, class: u8) {
        self.seen.changed = true;
        self.bytes[end - backslashes..=end].iter_mut().for_each(|byte| *byte = class);
    }

    /// How deep the last quote before `at` is. Each byte is looked at once.
    fn depth_at(&mut self, at: usize) -> usize {
        if let Some(gap) = memrchr(b'"', &self.text[self.known..at]) {
            let quote = self.known + gap;
            let run = self.text[..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
            self.depth = run.trailing_ones() as usize;
        }
        self.known = at;
        self.depth
    }
}

impl Block {
    fn of(window: &[u8; WINDOW_BYTES]) -> Block {
        let (mut flat, mut changed, mut paired, mut unflat) = ([0; BLOCK_BYTES], 0, 0, 0);
        for (written, three) in flat.iter_mut().zip(window.array_windows()) {
            let [last, here, next] = *three;
            let starts = here == b'\\';
            let letter = if starts { next } else { here };
            *written = if starts | (last == b'\\') { class(letter, here) } else { here };
            changed |= *written ^ here;
            paired |= u8::from(starts & (next == b'\\'));
            unflat |= u8::from(starts & ((next == b'u') | (next == b'/')));
        }
        Block { flat, changed: changed != 0, paired: paired != 0, unflat: unflat != 0 }
    }
}

/// What both bytes of an escape with this letter are written as.
#[inline]
fn class(letter: u8, here: u8) -> u8 {
    let line = (letter == b'n') | (letter == b'r');
    let tab = (letter == b't') | (letter == b'b') | (letter == b'f');
    let space = if tab { b'\t' } else { here };
    let space = if line { b'\n' } else { space };
    if letter == b'"' { QUOTE_BASE + 1 } else { space }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Run by run from the start on.
    fn slowly(text: &[u8], reading: Reading) -> Result<(Vec<u8>, Seen), Withheld> {
        let mut flat = Flat { text, reading, bytes: text.to_vec(), depth: 0, known: 0, seen: Seen::default() };
        flat.runs(0, text.len())?;
        Ok((flat.bytes, flat.seen))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn blocks_say_what_runs_say(
            pieces in prop::collection::vec("\\\\?[\"nrtbfxu/]|[ \"a]{0,40}|\\\\n|\\\\\"|\\\\{2,9}[\"nt]?", 0..24),
            reading in prop::sample::select(vec![Reading::Tentative, Reading::Nested, Reading::Escaped]),
        ) {
            let text = pieces.concat();
            let (fast, slow) = (flatten(text.as_bytes(), reading), slowly(text.as_bytes(), reading));
            prop_assert_eq!(fast.is_err(), slow.is_err());
            let (Ok((fast, seen)), Ok((slow, seen_slowly))) = (fast, slow) else { return Ok(()) };
            prop_assert_eq!(seen.unflat, seen_slowly.unflat);
            if !seen.unflat {
                prop_assert_eq!(&seen, &seen_slowly);
                prop_assert!(!text.contains('\\') || fast == slow, "{}", text);
            }
        }
    }
}
