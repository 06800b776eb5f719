//! What the committed position of a partition says besides its offset, so that a restart knows what it reads again.
//!
//! `<emitted> <first>-<last>… +<first>…`: everything before the offset `emitted` has been turned into outputs; the
//! streams from `first` to `last` ended early, and their records are out; the streams at `+first` are open though
//! their first chunk does not look like a first. The offsets of streams count from the position.

use std::collections::{BTreeMap, BTreeSet};

use bus::NOTE_BYTES_MAX;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) emitted: u64,
    /// Streams that ended early: from where to where.
    pub(crate) early: BTreeMap<u64, u64>,
    /// Streams that go on where an earlier one ended: from where.
    pub(crate) continued: BTreeSet<u64>,
}

impl Note {
    /// None when it is longer than a note may be.
    pub(crate) fn to_text(&self, next: u64) -> Option<String> {
        let mut text = self.emitted.to_string();
        for (first, last) in &self.early {
            text += &format!(" {}-{}", first.checked_sub(next)?, last.checked_sub(next)?);
        }
        for first in &self.continued {
            text += &format!(" +{}", first.checked_sub(next)?);
        }
        (text.len() <= NOTE_BYTES_MAX).then_some(text)
    }

    /// What does not read as a note of ours says nothing: then everything from the position on is new.
    pub(crate) fn from_text(text: &str, next: u64) -> Note {
        let mut words = text.split(' ');
        let emitted = words.next().and_then(|word| word.parse().ok()).unwrap_or(next);
        let mut note = Note { emitted: emitted.max(next), ..Note::default() };
        for word in words {
            let offset = |digits: &str| digits.parse::<u64>().ok().and_then(|offset| offset.checked_add(next));
            match (word.strip_prefix('+').map(offset), word.split_once('-')) {
                (Some(Some(first)), _) => drop(note.continued.insert(first)),
                (None, Some((first, last))) => {
                    note.early.extend(offset(first).zip(offset(last)));
                }
                _ => {}
            }
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_as_it_was_written() {
        let note = Note { emitted: 120, early: [(101, 107), (104, 104)].into(), continued: [100, 119].into() };
        let text = note.to_text(100).expect("short enough");
        assert_eq!(text, "120 1-7 4-4 +0 +19");
        assert_eq!(Note::from_text(&text, 100), note);
        assert_eq!(Note::from_text("", 100), Note { emitted: 100, ..Note::default() });
        assert_eq!(Note::from_text("some-one else's", 100).emitted, 100);
    }

    #[test]
    fn a_note_that_is_too_long_is_none() {
        let early = (0..2000).map(|first| (first, first)).collect();
        assert_eq!(Note { emitted: 1, early, ..Note::default() }.to_text(0), None);
    }
}
