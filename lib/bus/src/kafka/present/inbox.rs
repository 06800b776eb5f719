//! Between the thread that polls librdkafka for a member of a group, and the member: what it is to be told, and the
//! messages that wait for it.
//!
//! A partition is held by a *lease*, a number that is never given twice, so that one that went and came back is not
//! taken for the same. What the group takes away is told first, and the lease goes on until the member has come for
//! it or has kept us waiting too long: so a member at work loses nothing by a rebalance, and one that hangs is fenced.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{Error, Partition, Position, Stored};

/// Bytes of values that wait for a member; a single message may be larger.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of values in one delivery, at most; but at least one message.
const DELIVERY_BYTES_MAX: usize = 1024 * 1024;
/// How long a member that is at work may take until it comes for what it has lost.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a seek may take.
const SEEK_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Something is there for the member.
    news: Notify,
    /// The member has taken something, or leaves.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    told: VecDeque<Event>,
    leases: BTreeMap<Partition, Lease>,
    last_lease: u64,
    /// The partition that was read last: the next one is next.
    last: Option<Partition>,
    waiting_bytes: usize,
    has_been_assigned: bool,
    leaving: bool,
}

#[derive(Debug)]
struct Lease {
    number: u64,
    messages: VecDeque<Stored>,
    /// The next offset that may come.
    next: u64,
    /// Where the member wants to read on; until then nothing comes.
    seek: Option<Seek>,
}

/// A wish to read a partition elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seek {
    pub(super) at: Partition,
    pub(super) offset: u64,
    /// It is of no use any more.
    pub(super) until: Instant,
}

/// What happened to a member.
#[derive(Debug)]
pub(super) enum Event {
    /// With the number of each lease.
    Assigned(Vec<(Position, u64)>),
    Revoked(Vec<Partition>),
    Messages(Partition, Vec<Stored>),
    Failed(Error),
}

/// The side of the thread.
impl Inbox {
    /// A member is told of its partitions once even if it has none.
    pub(super) fn assign(&self, positions: Vec<Position>) {
        let mut state = self.state();
        if positions.is_empty() && state.has_been_assigned {
            return;
        }
        state.has_been_assigned = true;
        let leased = positions.into_iter().map(|position| state.lease(position)).collect();
        state.told.push_back(Event::Assigned(leased));
        self.news.notify_one();
    }

    /// Ends the leases: at once where they are lost already, else when the member has been told.
    pub(super) fn revoke(&self, partitions: &[Partition], lost: bool) {
        let mut state = self.state();
        let held: Vec<Partition> = partitions.iter().filter(|at| state.leases.contains_key(at)).cloned().collect();
        if held.is_empty() {
            return;
        }
        held.iter().for_each(|at| state.forget_messages(at));
        state.told.push_back(Event::Revoked(held.clone()));
        self.news.notify_one();
        if !lost {
            let untold = |state: &mut State| !state.leaving && state.told.iter().any(Event::is_revocation);
            let waited = self.taken.wait_timeout_while(state, HANDOVER_PATIENCE, untold);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        held.iter().for_each(|at| drop(state.leases.remove(at)));
    }

    /// A message, unless nobody waits for it any more.
    pub(super) fn push(&self, at: &Partition, message: Stored) {
        let mut state = self.state();
        let Some(lease) = state.leases.get_mut(at) else { return };
        if lease.seek.is_some() || message.offset < lease.next {
            return;
        }
        lease.next = message.offset + 1;
        let bytes = message.value.len();
        lease.messages.push_back(message);
        state.waiting_bytes += bytes;
        self.news.notify_one();
    }

    pub(super) fn fail(&self, error: Error) {
        self.state().told.push_back(Event::Failed(error));
        self.news.notify_one();
    }

    /// Where the member wants to read on, until [`Inbox::sought`].
    pub(super) fn seeks(&self) -> Vec<Seek> {
        self.state().leases.values().filter_map(|lease| lease.seek.clone()).collect()
    }

    /// What is fetched from now on is behind this seek; unless the member wants another one by now.
    pub(super) fn sought(&self, seek: &Seek) {
        let mut state = self.state();
        if let Some(lease) = state.leases.get_mut(&seek.at).filter(|lease| lease.seek.as_ref() == Some(seek)) {
            (lease.next, lease.seek) = (seek.offset, None);
        }
    }

    /// Passes over offsets that are not kept any more.
    pub(super) fn skip_to(&self, at: &Partition, offset: u64) {
        if let Some(lease) = self.state().leases.get_mut(at) {
            lease.next = lease.next.max(offset);
        }
    }

    /// Whether there is room for more, waiting for it for a moment.
    pub(super) fn has_room(&self, patience: Duration) -> bool {
        let full = |state: &mut State| state.is_full() && !state.leaving && !state.has_seeks();
        let waited = self.taken.wait_timeout_while(self.state(), patience, full);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_full()
    }

    pub(super) fn is_left(&self) -> bool {
        self.state().leaving
    }
}

/// The side of the member.
impl Inbox {
    /// What happens next. Cancel safe: what is taken is returned without waiting.
    pub(super) async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.news.notified().await;
        }
    }

    /// Whether all these leases go on.
    pub(super) fn holds(&self, leases: &[(Partition, u64)]) -> bool {
        let state = self.state();
        leases.iter().all(|(at, number)| state.leases.get(at).is_some_and(|lease| lease.number == *number))
    }

    /// False if the lease has ended.
    pub(super) fn seek(&self, at: &Partition, number: u64, offset: u64) -> bool {
        let mut state = self.state();
        if state.leases.get(at).is_none_or(|lease| lease.number != number) {
            return false;
        }
        state.forget_messages(at);
        if let Some(lease) = state.leases.get_mut(at) {
            lease.seek = Some(Seek { at: at.clone(), offset, until: Instant::now() + SEEK_PATIENCE });
        }
        self.taken.notify_all();
        true
    }

    pub(super) fn leave(&self) {
        self.state().leaving = true;
        self.taken.notify_all();
    }

    fn take(&self) -> Option<Event> {
        let mut state = self.state();
        let event = state.told.pop_front().or_else(|| state.delivery());
        if event.is_some() {
            self.taken.notify_all();
        }
        event
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lease(&mut self, position: Position) -> (Position, u64) {
        self.last_lease += 1;
        let lease = Lease { number: self.last_lease, messages: VecDeque::new(), next: position.next, seek: None };
        self.leases.insert(position.at.clone(), lease);
        (position, self.last_lease)
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes >= WAITING_BYTES_MAX
    }

    fn has_seeks(&self) -> bool {
        self.leases.values().any(|lease| lease.seek.is_some())
    }

    fn forget_messages(&mut self, at: &Partition) {
        let Some(lease) = self.leases.get_mut(at) else { return };
        let bytes: usize = lease.messages.drain(..).map(|message| message.value.len()).sum();
        self.waiting_bytes -= bytes;
    }

    /// Messages of the next partition in turn that has any.
    fn delivery(&mut self) -> Option<Event> {
        let has_any = |(_, lease): &(&Partition, &Lease)| !lease.messages.is_empty();
        let after = match &self.last {
            Some(last) => self.leases.range((Bound::Excluded(last), Bound::Unbounded)).find(has_any),
            None => None,
        };
        let at = after.or_else(|| self.leases.iter().find(has_any)).map(|(at, _)| at.clone())?;
        let lease = self.leases.get_mut(&at)?;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while let Some(message) = lease.messages.front() {
            if bytes + message.value.len() > DELIVERY_BYTES_MAX && !messages.is_empty() {
                break;
            }
            bytes += message.value.len();
            messages.extend(lease.messages.pop_front());
        }
        self.waiting_bytes -= bytes;
        self.last = Some(at.clone());
        Some(Event::Messages(at, messages))
    }
}

impl Event {
    fn is_revocation(&self) -> bool {
        matches!(self, Event::Revoked(_))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn at() -> Partition {
        Partition { topic: "t".to_owned(), number: 0 }
    }

    fn message(offset: u64) -> Stored {
        Stored { offset, timestamp_us: 0, key: Bytes::new(), headers: Vec::new(), value: Bytes::from_static(b"v") }
    }

    /// An inbox that holds the partition from 3 on.
    fn leased() -> (Inbox, u64) {
        let inbox = Inbox::default();
        inbox.assign(vec![Position { at: at(), next: 3, note: String::new() }]);
        let Some(Event::Assigned(assigned)) = inbox.take() else { panic!("it is told first") };
        (inbox, assigned[0].1)
    }

    fn offsets(inbox: &Inbox) -> Vec<u64> {
        match inbox.take() {
            Some(Event::Messages(_, messages)) => messages.iter().map(|message| message.offset).collect(),
            None => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_comes_until_a_seek_is_done_and_nothing_of_before_it() {
        let (inbox, lease) = leased();
        inbox.push(&at(), message(3));
        assert!(inbox.seek(&at(), lease, 1));
        inbox.push(&at(), message(4));
        assert_eq!(offsets(&inbox), [0; 0], "what was fetched before is forgotten");
        let wish = inbox.seeks().remove(0);
        assert!(inbox.seek(&at(), lease, 7), "the member wants it elsewhere by now");
        inbox.sought(&wish);
        inbox.push(&at(), message(1));
        assert_eq!(offsets(&inbox), [0; 0], "the first wish counts no more");
        inbox.sought(&inbox.seeks()[0]);
        [6, 7, 7, 9].into_iter().for_each(|offset| inbox.push(&at(), message(offset)));
        assert_eq!(offsets(&inbox), [7, 9]);
        assert!(inbox.seeks().is_empty());
    }

    #[test]
    fn a_lease_that_ended_is_not_moved() {
        let (inbox, lease) = leased();
        inbox.revoke(&[at()], true);
        assert!(!inbox.seek(&at(), lease, 5) && inbox.seeks().is_empty() && !inbox.holds(&[(at(), lease)]));
    }
}
