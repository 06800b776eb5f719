//! What a tail knows of one partition: an unbroken piece of it, and what was found at its end.
//!
//! It refuses to have holes that the log does not have: a message either continues the piece, or is not taken.

use std::collections::VecDeque;

use crate::Stored;

/// Bytes of values that are kept; a single message may be larger.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Window {
    /// All committed messages from here to `next` are in `messages`; what else was there is marks of transactions.
    start: u64,
    next: u64,
    messages: VecDeque<Stored>,
    bytes: usize,
    /// Whether fetching goes on at `next`.
    placed: bool,
    /// That it has come to the end since it was placed or got a message.
    at_end: bool,
    /// That something of it came since it was placed, so that what librdkafka says of its place is of this one.
    heard: bool,
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
            heard: false,
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

    /// Fetching begins anew at `next`.
    pub(super) fn place(&mut self) {
        (self.placed, self.at_end, self.heard) = (true, false, false);
    }

    pub(super) fn displace(&mut self) {
        (self.placed, self.at_end, self.heard) = (false, false, false);
    }

    pub(super) fn reached_end(&mut self) {
        (self.at_end, self.heard) = (self.placed, self.placed);
    }

    /// Fetching has come to `offset`, and all messages before it were pushed: the rest are marks of transactions. Whether
    /// that is news.
    pub(super) fn passed(&mut self, offset: u64) -> bool {
        let is_news = self.placed && self.heard && offset > self.next;
        if is_news {
            self.next = offset;
        }
        is_news
    }

    /// There is nothing to read before `offset`.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    /// False when no more is to be taken for now.
    pub(super) fn push(&mut self, message: Stored) -> bool {
        if !self.placed || message.offset < self.next {
            return self.placed;
        }
        self.next = message.offset + 1;
        (self.at_end, self.heard) = (false, true);
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
    fn marks_are_passed_over_once_something_was_heard() {
        let mut window = Window::at(7);
        assert!(!window.passed(20), "it is not placed");
        window.place();
        assert!(!window.passed(20), "that was the place before this one");
        window.push(message(8, 1));
        assert!(!window.passed(9) && window.passed(10) && !window.passed(10));
        assert_eq!((window.next(), offsets(&mut window, 8, 100)), (10, vec![8]));
        window.displace();
        assert!(!window.passed(30) && window.next() == 10, "nothing is fetched");
    }

    #[test]
    fn an_end_counts_until_something_comes() {
        let mut window = Window::at(7);
        window.reached_end();
        assert!(!window.is_at_end(), "it is not placed");
        window.place();
        window.reached_end();
        assert!(window.passed(8) && window.is_at_end());
        window.push(message(9, 1));
        assert!(!window.is_at_end());
    }
}
