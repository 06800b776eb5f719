//! What a tail knows of one partition: an unbroken piece of it, and what was found at its end.
//!
//! It refuses to have holes that the log does not have: a message either continues the piece, or is not taken.

use std::collections::VecDeque;

use crate::Stored;

/// Bytes of values that are kept; a single message may be larger.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Window {
    /// All committed messages from here to `next` are in `messages`.
    start: u64,
    next: u64,
    messages: VecDeque<Stored>,
    bytes: usize,
    /// Whether fetching goes on at `next`.
    placed: bool,
    /// That it has come to the end since it was placed or got a message.
    at_end: bool,
    /// Between `next` and this offset there is nothing but marks of transactions.
    empty_until: u64,
}

impl Window {
    /// One that is still to be placed.
    pub(super) fn at(offset: u64) -> Window {
        Window {
            start: offset,
            next: offset,
            messages: VecDeque::new(),
            bytes: 0,
            placed: false,
            at_end: false,
            empty_until: offset,
        }
    }

    pub(super) fn covers(&self, offset: u64) -> bool {
        (self.start..=self.next).contains(&offset)
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn is_placed(&self) -> bool {
        self.placed
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether nothing is to be read from `offset` on while the log ends at `end`.
    pub(super) fn is_empty_until(&self, offset: u64, end: u64) -> bool {
        offset >= end || (offset == self.next && self.empty_until >= end)
    }

    /// That the end was come to, after it was known to be at `end` or behind.
    pub(super) fn note_empty_until(&mut self, end: u64) {
        self.empty_until = self.empty_until.max(end);
    }

    /// Fetching begins anew at `next`.
    pub(super) fn place(&mut self) {
        (self.placed, self.at_end) = (true, false);
    }

    pub(super) fn displace(&mut self) {
        (self.placed, self.at_end) = (false, false);
    }

    pub(super) fn reached_end(&mut self) {
        self.at_end = self.placed;
    }

    /// What was before `offset` is gone.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    /// False when no more is to be taken for now.
    pub(super) fn push(&mut self, message: Stored) -> bool {
        if !self.placed || message.offset < self.next {
            return self.placed;
        }
        self.next = message.offset + 1;
        self.at_end = false;
        self.bytes += message.value.len();
        self.messages.push_back(message);
        self.bytes < KEPT_BYTES_MAX
    }

    /// Messages from `from` on: at least one, if there is one, and then as many as fit. What lies before `from` is
    /// forgotten where there is too much.
    pub(super) fn read(&mut self, from: u64, bytes_max: usize) -> Vec<Stored> {
        let mut bytes = 0;
        let mut read: Vec<Stored> = Vec::new();
        for message in self.messages.iter().skip_while(|message| message.offset < from) {
            bytes += message.value.len();
            if bytes > bytes_max && !read.is_empty() {
                break;
            }
            read.push(message.clone());
        }
        self.forget_before(from);
        read
    }

    fn forget_before(&mut self, offset: u64) {
        while self.bytes > KEPT_BYTES_MAX / 2
            && let Some(message) = self.messages.pop_front_if(|message| message.offset < offset)
        {
            self.bytes -= message.value.len();
            self.start = message.offset + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(offset: u64, bytes: usize) -> Stored {
        Stored { offset, timestamp_us: 0, key: Bytes::new(), headers: Vec::new(), value: vec![0; bytes].into() }
    }

    fn offsets(window: &mut Window, from: u64, bytes_max: usize) -> Vec<u64> {
        window.read(from, bytes_max).iter().map(|message| message.offset).collect()
    }

    #[test]
    fn gaps_are_kept_and_what_comes_again_is_not() {
        let mut window = Window::at(3);
        assert!(!window.push(message(3, 1)), "not placed yet");
        window.place();
        for offset in [3, 5, 5, 4, 9] {
            window.push(message(offset, 1));
        }
        assert_eq!(offsets(&mut window, 3, 100), [3, 5, 9]);
        assert_eq!(offsets(&mut window, 4, 100), [5, 9]);
        assert_eq!(offsets(&mut window, 3, 0), [3]);
        assert_eq!(offsets(&mut window, 3, 2), [3, 5]);
        assert!(window.covers(3) && window.covers(10) && !window.covers(2) && !window.covers(11));
    }

    #[test]
    fn what_was_read_goes_when_there_is_too_much() {
        let mut window = Window::at(0);
        window.place();
        let large = KEPT_BYTES_MAX / 4;
        let more = (0..5).map(|offset| window.push(message(offset, large))).collect::<Vec<_>>();
        assert_eq!(more, [true, true, true, false, false]);
        assert_eq!(offsets(&mut window, 2, large), [2]);
        assert!(!window.covers(1) && window.covers(2), "the first two are forgotten");
    }

    #[test]
    fn an_end_counts_until_something_comes() {
        let mut window = Window::at(7);
        assert!(window.is_empty_until(7, 7) && !window.is_empty_until(7, 8));
        window.place();
        window.reached_end();
        window.note_empty_until(8);
        assert!(window.is_at_end() && window.is_empty_until(7, 8) && !window.is_empty_until(7, 9));
        window.push(message(9, 1));
        assert!(!window.is_at_end() && !window.is_empty_until(7, 8));
    }
}
