//! Which numbers have no frame that is known to be durable: ranges, joined where they touch, and bounded.
//!
//! It refuses to name a number that was not lost: past the limit it only counts.

/// Most ranges that are listed; numbers beyond them are counted as `unlisted`.
pub const LOST_RANGES_MAX: usize = 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// First and last of each, in order; neither touching nor overlapping.
    ranges: Vec<(u64, u64)>,
    unlisted: u64,
}

impl Lost {
    pub fn add(&mut self, seq: u64) {
        self.insert(seq, seq);
    }

    pub fn merge(&mut self, other: Lost) {
        self.unlisted += other.unlisted;
        for (first, last) in other.ranges {
            self.insert(first, last);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.unlisted == 0
    }

    /// All of them, listed or not.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum::<u64>() + self.unlisted
    }

    /// `{"unrecorded":[[first,last],…],"count":n,"unlisted":m}`
    pub fn to_json(&self) -> String {
        let ranges: Vec<String> = self.ranges.iter().map(|(first, last)| format!("[{first},{last}]")).collect();
        let (count, unlisted) = (self.count(), self.unlisted);
        format!(r#"{{"unrecorded":[{}],"count":{count},"unlisted":{unlisted}}}"#, ranges.join(","))
    }

    /// No number is handed out twice, so a new range overlaps none that is here; it may touch its neighbours.
    fn insert(&mut self, first: u64, last: u64) {
        let at = self.ranges.partition_point(|range| range.1 < first);
        let after_previous = at > 0 && self.ranges[at - 1].1 + 1 == first;
        let before_next = self.ranges.get(at).is_some_and(|next| last + 1 == next.0);
        match (after_previous, before_next) {
            (true, true) => {
                self.ranges[at - 1].1 = self.ranges[at].1;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].1 = last,
            (false, true) => self.ranges[at].0 = first,
            (false, false) if self.ranges.len() < LOST_RANGES_MAX => self.ranges.insert(at, (first, last)),
            (false, false) => self.unlisted += last - first + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seqs: impl IntoIterator<Item = u64>, expected: &[(u64, u64)]) {
        let mut lost = Lost::default();
        seqs.into_iter().for_each(|seq| lost.add(seq));
        assert_eq!(lost.ranges, expected);
    }

    #[test]
    fn numbers_join_into_ranges_in_any_order() {
        check([], &[]);
        check([0], &[(0, 0)]);
        check([3, 4, 5], &[(3, 5)]);
        check([5, 4, 3], &[(3, 5)]);
        check([1, 3, 2], &[(1, 3)]);
        check([9, 1, 5, 6, 0], &[(0, 1), (5, 6), (9, 9)]);
    }

    #[test]
    fn merging_gives_what_adding_gives() {
        let (mut even, mut odd) = (Lost::default(), Lost::default());
        (0..40).step_by(2).for_each(|seq| even.add(seq));
        (1..40).step_by(2).for_each(|seq| odd.add(seq));
        even.merge(odd);
        assert_eq!(even.to_json(), r#"{"unrecorded":[[0,39]],"count":40,"unlisted":0}"#);
    }

    #[test]
    fn past_the_limit_it_counts_and_still_names_no_wrong_number() {
        let mut lost = Lost::default();
        (0..LOST_RANGES_MAX as u64 + 10).for_each(|number| lost.add(number * 2));
        assert_eq!((lost.ranges.len(), lost.unlisted), (LOST_RANGES_MAX, 10));
        assert_eq!(lost.count(), LOST_RANGES_MAX as u64 + 10);
        assert!(lost.ranges.iter().all(|(first, last)| first == last && first % 2 == 0));
        // What touches a listed range still finds its place.
        lost.add(1);
        assert_eq!((lost.ranges[0], lost.unlisted), ((0, 2), 10));
    }
}
