//! Approvals: events in one log, and the state as a pure fold over them in log order.
//!
//! Ingress, approver and query read the same log and apply the same fold, so they always agree and there is no
//! database. Everything here is already masked: votes and withdrawals enter as sealed frames like all else, and the
//! masker publishes them.

use serde::{Deserialize, Serialize};

mod json;

pub use json::NotAnEvent;

use crate::{
    call::Terms,
    id::{ApprovalId, ExchangeId},
    principal::Principal,
    time::Timestamp,
};

#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalEvent {
    pub approval_id: ApprovalId,
    pub exchange_id: ExchangeId,
    pub occurred_at: Timestamp,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Held(Held),
    Vote(Vote),
    /// The caller left.
    Withdrawn,
    /// Nobody decided in time.
    Expired,
    /// The call went on to the upstream.
    Redeemed,
}

/// What a reviewer needs to know of a held call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub requester: Principal,
    pub connection: String,
    pub method: String,
    pub target: String,
    /// The masked message.
    pub body: String,
    pub rule: String,
    pub policy_id: String,
    /// Keyed digest of the exact arguments, lower-case hex.
    pub arguments_digest: String,
    pub terms: Terms,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Tells this vote from others of the same person; UUID text.
    pub vote_id: String,
    pub voter: Principal,
    pub decision: Decision,
    pub comment: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Deny,
}

/// One held call and what has been said of it so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub approval_id: ApprovalId,
    pub exchange_id: ExchangeId,
    pub held: Held,
    pub held_at: Timestamp,
    /// Votes that counted, in log order.
    pub votes: Vec<Vote>,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Approved,
    Denied,
    Expired,
    Withdrawn,
    Redeemed,
}

/// Why an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    #[error("no such held call")]
    Unknown,
    #[error("the call is no longer waiting: it is {}", .0.as_str())]
    Over(State),
    #[error("the time to decide is over")]
    TooLate,
    #[error("the requester cannot decide on the own call")]
    Requester,
    #[error("the voter is in none of the groups that may review this call")]
    NotReviewer,
    #[error("this person has voted already")]
    Twice,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Approved => "approved",
            State::Denied => "denied",
            State::Expired => "expired",
            State::Withdrawn => "withdrawn",
            State::Redeemed => "redeemed",
        }
    }
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Approve => "approve",
            Decision::Deny => "deny",
        }
    }

    pub fn parse(word: &str) -> Option<Decision> {
        [Decision::Approve, Decision::Deny].into_iter().find(|decision| decision.as_str() == word)
    }
}

impl What {
    pub fn as_str(&self) -> &'static str {
        match self {
            What::Held(_) => "held",
            What::Vote(_) => "vote",
            What::Withdrawn => "withdrawn",
            What::Expired => "expired",
            What::Redeemed => "redeemed",
        }
    }

    pub fn held(&self) -> Option<&Held> {
        match self {
            What::Held(held) => Some(held),
            _ => None,
        }
    }

    pub fn vote(&self) -> Option<&Vote> {
        match self {
            What::Vote(vote) => Some(vote),
            _ => None,
        }
    }

    /// The event of this word with what was stored beside it; none where the two do not belong together.
    pub(crate) fn from_parts(word: &str, held: Option<Held>, vote: Option<Vote>) -> Option<What> {
        match (word, held, vote) {
            ("held", Some(held), None) => Some(What::Held(held)),
            ("vote", None, Some(vote)) => Some(What::Vote(vote)),
            ("withdrawn", None, None) => Some(What::Withdrawn),
            ("expired", None, None) => Some(What::Expired),
            ("redeemed", None, None) => Some(What::Redeemed),
            _ => None,
        }
    }
}

impl Approval {
    /// The approval as its `Held` event opens it.
    pub fn open(event: &ApprovalEvent, logged_at: Timestamp) -> Option<Approval> {
        let What::Held(held) = &event.what else { return None };
        Some(Approval {
            approval_id: event.approval_id,
            exchange_id: event.exchange_id,
            held: held.clone(),
            held_at: logged_at,
            votes: Vec::new(),
            state: State::Pending,
        })
    }

    pub fn expires_at(&self) -> Timestamp {
        self.held_at.plus(self.held.terms.expires)
    }

    /// Takes the next event of the log. `logged_at` is the log's own time, the only clock the fold knows.
    pub fn apply(&mut self, event: &ApprovalEvent, logged_at: Timestamp) -> Result<(), NotCounted> {
        match &event.what {
            What::Held(_) => Err(NotCounted::Over(self.state)),
            What::Vote(vote) => self.count(vote, logged_at),
            What::Withdrawn => self.end(State::Withdrawn, &[State::Pending, State::Approved]),
            What::Expired => self.end(State::Expired, &[State::Pending]),
            What::Redeemed => self.end(State::Redeemed, &[State::Approved]),
        }
    }

    /// May `voter` decide at this moment? What the approver asks before it takes a vote, and the fold when it counts it.
    pub fn may_vote(&self, voter: &Principal, logged_at: Timestamp) -> Result<(), NotCounted> {
        let terms = &self.held.terms;
        if self.state != State::Pending {
            return Err(NotCounted::Over(self.state));
        }
        if logged_at >= self.expires_at() {
            return Err(NotCounted::TooLate);
        }
        if voter.is(&self.held.requester) {
            return Err(NotCounted::Requester);
        }
        if !terms.reviewers.is_empty() && !terms.reviewers.iter().any(|group| voter.groups.contains(group)) {
            return Err(NotCounted::NotReviewer);
        }
        if self.votes.iter().any(|vote| vote.voter.is(voter)) {
            return Err(NotCounted::Twice);
        }
        Ok(())
    }

    fn count(&mut self, vote: &Vote, logged_at: Timestamp) -> Result<(), NotCounted> {
        self.may_vote(&vote.voter, logged_at)?;
        self.votes.push(vote.clone());
        let of = |decision| self.votes.iter().filter(|vote| vote.decision == decision).count();
        // A denial is looked at first: where both thresholds are met, deny wins.
        if of(Decision::Deny) >= self.held.terms.deny.max(1) as usize {
            self.state = State::Denied;
        } else if of(Decision::Approve) >= self.held.terms.approve.max(1) as usize {
            self.state = State::Approved;
        }
        Ok(())
    }

    fn end(&mut self, state: State, from: &[State]) -> Result<(), NotCounted> {
        if !from.contains(&self.state) {
            return Err(NotCounted::Over(self.state));
        }
        self.state = state;
        Ok(())
    }
}
