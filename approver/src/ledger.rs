//! The approvals as the log has them so far, and who waits for a vote to be counted.
//!
//! It refuses to decide: `schemas::Approval` does, and this only keeps what it decided.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use schemas::{
    Approval, ApprovalEvent, ApprovalId, Timestamp,
    approval::{NotCounted, State, What},
};
use tokio::sync::oneshot;

/// What became of a vote: the state that it led to, or why it changed nothing.
pub(crate) type Counted = Result<State, NotCounted>;

#[derive(Debug)]
pub(crate) struct Ledger {
    approvals_max: usize,
    waiting_max: usize,
    folded: Mutex<Folded>,
}

#[derive(Debug, Default)]
struct Folded {
    /// Up to where the log ended when it was first read.
    is_read: bool,
    /// Ids are UUIDv7, so their order is the order in time.
    approvals: BTreeMap<ApprovalId, Approval>,
    /// By vote id.
    waiting: HashMap<String, oneshot::Sender<Counted>>,
}

/// Waits for one vote; forgets it when dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    ledger: &'a Ledger,
    vote_id: String,
    counted: oneshot::Receiver<Counted>,
}

impl Ledger {
    pub(crate) fn new(approvals_max: usize, waiting_max: usize) -> Ledger {
        Ledger { approvals_max: approvals_max.max(1), waiting_max, folded: Mutex::default() }
    }

    /// All that the log had at the start is folded.
    pub(crate) fn show(&self) {
        self.folded().is_read = true;
    }

    pub(crate) fn is_read(&self) -> bool {
        self.folded().is_read
    }

    /// The log is to be read again from its beginning.
    pub(crate) fn forget(&self) {
        self.folded().approvals.clear();
    }

    /// Takes the next event of the log.
    pub(crate) fn apply(&self, event: &ApprovalEvent, logged_at: Timestamp) {
        let mut folded = self.folded();
        let counted = folded.apply(event, logged_at);
        if let What::Vote(vote) = &event.what
            && let Some(waiting) = folded.waiting.remove(&vote.vote_id)
        {
            // Who waited may have left.
            let _left = waiting.send(counted);
        }
        folded.shrink(self.approvals_max);
    }

    /// Oldest first.
    pub(crate) fn approvals(&self) -> Vec<Approval> {
        self.folded().approvals.values().cloned().collect()
    }

    pub(crate) fn approval(&self, id: ApprovalId) -> Option<Approval> {
        self.folded().approvals.get(&id).cloned()
    }

    /// To be asked for before the vote is on its way. None when too many wait.
    pub(crate) fn wait_for(&self, vote_id: String) -> Option<Waiting<'_>> {
        let mut folded = self.folded();
        if folded.waiting.len() >= self.waiting_max {
            return None;
        }
        let (sender, counted) = oneshot::channel();
        folded.waiting.insert(vote_id.clone(), sender);
        Some(Waiting { ledger: self, vote_id, counted })
    }

    /// No code that holds the lock can panic half-way, so a poisoned one is whole.
    fn folded(&self) -> MutexGuard<'_, Folded> {
        self.folded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folded {
    fn apply(&mut self, event: &ApprovalEvent, logged_at: Timestamp) -> Counted {
        if let Some(approval) = self.approvals.get_mut(&event.approval_id) {
            return approval.apply(event, logged_at).map(|()| approval.state);
        }
        let approval = Approval::open(event, logged_at).ok_or(NotCounted::Unknown)?;
        self.approvals.insert(event.approval_id, approval);
        Ok(State::Pending)
    }

    fn shrink(&mut self, approvals_max: usize) {
        while self.approvals.len() > approvals_max {
            let decided = self.approvals.values().find(|approval| approval.state != State::Pending);
            let oldest = decided.or(self.approvals.values().next()).map(|approval| approval.approval_id);
            let Some(oldest) = oldest else { return };
            self.approvals.remove(&oldest);
        }
    }
}

impl Waiting<'_> {
    pub(crate) async fn counted(&mut self) -> Counted {
        (&mut self.counted).await.unwrap_or(Err(NotCounted::Unknown))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ledger.folded().waiting.remove(&self.vote_id);
    }
}
