//! The fold of approval events: who may vote, when a held call goes on, and that it never comes back.

use std::time::Duration;

use hansard_schemas::{
    Approval, ApprovalEvent, ApprovalId, ExchangeId, Principal, Timestamp,
    approval::{Decision, Held, NotCounted, State, Vote, What},
    call::Terms,
};
use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;

const HELD_AT: Timestamp = Timestamp(1_000_000);
const EXPIRES: Duration = Duration::from_secs(60);

use Decision::{Approve, Deny};

#[test]
fn one_approval_releases_the_call_where_one_is_asked_for() {
    check(terms(1, 1), &[(vote("ada", Approve), Ok(()))], State::Approved);
    check(terms(1, 1), &[(vote("ada", Deny), Ok(()))], State::Denied);
    // A threshold of nothing is one of one: no terms release a call that nobody looked at.
    check(terms(0, 0), &[], State::Pending);
    check(terms(0, 0), &[(vote("ada", Approve), Ok(()))], State::Approved);
}

#[test]
fn thresholds_count_different_people() {
    let ada = || vote("ada", Approve);
    check(terms(2, 1), &[(ada(), Ok(())), (ada(), Err(NotCounted::Twice))], State::Pending);
    check(terms(2, 1), &[(ada(), Ok(())), (vote("ada", Deny), Err(NotCounted::Twice))], State::Pending);
    check(terms(2, 1), &[(ada(), Ok(())), (vote("bob", Approve), Ok(()))], State::Approved);
    let split = [(vote("ada", Deny), Ok(())), (vote("bob", Approve), Ok(())), (vote("eve", Deny), Ok(()))];
    check(terms(2, 2), &split, State::Denied);
}

#[test]
fn a_denial_before_the_last_approval_wins() {
    let over = Err(NotCounted::Over(State::Denied));
    let log = [(vote("ada", Approve), Ok(())), (vote("bob", Deny), Ok(())), (vote("eve", Approve), over)];
    check(terms(2, 1), &log, State::Denied);
}

#[test]
fn the_requester_never_decides() {
    check(terms(1, 1), &[(vote("requester", Approve), Err(NotCounted::Requester))], State::Pending);
    // Neither under another name and with other groups: the person is issuer and subject.
    let mut renamed = vote("requester", Approve);
    if let What::Vote(vote) = &mut renamed {
        vote.voter.name = Some("somebody else".into());
        vote.voter.groups.push("directors".into());
    }
    check(terms(1, 1), &[(renamed, Err(NotCounted::Requester))], State::Pending);
}

#[test]
fn the_same_subject_of_another_issuer_is_another_person() {
    let mut stranger = vote("requester", Approve);
    if let What::Vote(vote) = &mut stranger {
        vote.voter.issuer = "https://elsewhere.example".into();
    }
    check(terms(1, 1), &[(stranger, Ok(()))], State::Approved);
}

#[test]
fn only_reviewers_decide_where_reviewers_are_named() {
    let asks = |reviewers: &[&str]| Terms {
        reviewers: reviewers.iter().map(|group| (*group).to_owned()).collect(),
        ..terms(1, 1)
    };
    check(asks(&["sre"]), &[(vote("ada", Approve), Ok(()))], State::Approved);
    check(asks(&["board", "sre"]), &[(vote("ada", Approve), Ok(()))], State::Approved);
    check(asks(&["board"]), &[(vote("ada", Approve), Err(NotCounted::NotReviewer))], State::Pending);
    check(asks(&["SRE"]), &[(vote("ada", Deny), Err(NotCounted::NotReviewer))], State::Pending);
}

#[test]
fn a_vote_counts_until_the_moment_of_expiry_by_the_time_of_the_log() {
    let last = HELD_AT.plus(EXPIRES);
    let mut approval = held(terms(1, 1));
    assert_eq!(approval.expires_at(), last);
    assert_eq!(approval.apply(&event(vote("ada", Approve)), last), Err(NotCounted::TooLate));
    assert_eq!(approval.state, State::Pending);
    assert_eq!(approval.apply(&event(vote("ada", Approve)), Timestamp(last.0 - 1)), Ok(()));
    assert_eq!(approval.state, State::Approved);
}

#[test]
fn what_is_over_stays_over() {
    let over = |state| Err(NotCounted::Over(state));
    check(terms(1, 1), &[(What::Expired, Ok(())), (vote("ada", Approve), over(State::Expired))], State::Expired);
    check(terms(1, 1), &[(What::Withdrawn, Ok(())), (vote("ada", Deny), over(State::Withdrawn))], State::Withdrawn);
    check(terms(1, 1), &[(What::Redeemed, over(State::Pending))], State::Pending);
    let approved = (vote("ada", Approve), Ok(()));
    check(terms(1, 1), &[approved.clone(), (What::Expired, over(State::Approved))], State::Approved);
    check(terms(1, 1), &[approved.clone(), (What::Withdrawn, Ok(()))], State::Withdrawn);
    let twice = [approved, (What::Redeemed, Ok(())), (What::Redeemed, over(State::Redeemed))];
    check(terms(1, 1), &twice, State::Redeemed);
    let again = What::Held(held(terms(1, 1)).held);
    check(terms(1, 1), &[(again, over(State::Pending))], State::Pending);
}

#[test]
fn only_a_held_event_opens_an_approval() {
    for what in [What::Expired, What::Redeemed, What::Withdrawn, vote("ada", Approve)] {
        assert_eq!(Approval::open(&event(what), HELD_AT), None);
    }
}

proptest! {
    #[test]
    fn every_reader_of_a_log_comes_to_the_same_end(log in log()) {
        let (mut one, mut other) = (held(terms(2, 2)), held(terms(2, 2)));
        for (what, at) in &log {
            let event = event(what.clone());
            prop_assert_eq!(one.apply(&event, *at), other.apply(&event, *at));
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn what_ended_is_never_approved(log in log()) {
        let mut approval = held(terms(1, 1));
        for (what, at) in log {
            let before = approval.clone();
            let counted = approval.apply(&event(what), at);
            prop_assert_eq!(counted.is_err(), approval == before, "what is not counted changes nothing");
            prop_assert!(may_follow(before.state, approval.state), "{:?} after {:?}", approval.state, before.state);
        }
    }

    #[test]
    fn an_approved_call_was_approved_by_enough_people_who_may(log in log()) {
        let mut approval = held(terms(2, 2));
        for (what, at) in log {
            let _ = approval.apply(&event(what), at);
        }
        let approvals = || approval.votes.iter().filter(|vote| vote.decision == Approve).map(|vote| &vote.voter);
        let people: std::collections::BTreeSet<_> = approvals().map(|voter| &voter.subject).collect();
        prop_assert!(!people.contains(&"requester".to_owned()));
        prop_assert_eq!(people.len(), approvals().count());
        if matches!(approval.state, State::Approved | State::Redeemed) {
            prop_assert!(people.len() >= 2);
        }
    }
}

/// Applies the events one after another, each with what is to become of it, and looks at the end.
fn check(terms: Terms, log: &[(What, Result<(), NotCounted>)], expected: State) {
    let mut approval = held(terms);
    for (what, counted) in log {
        assert_eq!(approval.apply(&event(what.clone()), HELD_AT), *counted, "{what:?}");
    }
    assert_eq!(approval.state, expected);
}

fn may_follow(before: State, after: State) -> bool {
    match before {
        State::Pending => after != State::Redeemed,
        State::Approved => matches!(after, State::Approved | State::Withdrawn | State::Redeemed),
        State::Denied | State::Expired | State::Withdrawn | State::Redeemed => after == before,
    }
}

fn log() -> BoxedStrategy<Vec<(What, Timestamp)>> {
    let people = select(vec!["ada", "bob", "eve", "requester"]);
    let voted = (people, select(vec![Approve, Deny])).prop_map(|(person, decision)| vote(person, decision));
    let ended = select(vec![What::Withdrawn, What::Expired, What::Redeemed, What::Held(held(terms(1, 1)).held)]);
    // Around the time of expiry, both sides.
    let at = (0_i64..90_000_000).prop_map(|after| Timestamp(HELD_AT.0 + after));
    vec((prop_oneof![3 => voted, 1 => ended], at), 0..12).boxed()
}

fn held(terms: Terms) -> Approval {
    let held = Held {
        requester: person("requester"),
        connection: "warehouse".into(),
        method: "tools/call".into(),
        target: "drop_table".into(),
        body: "{}".into(),
        rule: "destructive-sql".into(),
        policy_id: "sha256:00ff".into(),
        arguments_digest: String::new(),
        terms,
    };
    Approval::open(&event(What::Held(held)), HELD_AT).expect("a held event")
}

fn terms(approve: u32, deny: u32) -> Terms {
    Terms { reviewers: Vec::new(), approve, deny, expires: EXPIRES }
}

fn vote(person_name: &str, decision: Decision) -> What {
    What::Vote(Vote { vote_id: "1".into(), voter: person(person_name), decision, comment: String::new() })
}

fn person(subject: &str) -> Principal {
    Principal {
        issuer: "https://login.example".into(),
        subject: subject.into(),
        groups: vec!["sre".into()],
        ..Principal::default()
    }
}

fn event(what: What) -> ApprovalEvent {
    ApprovalEvent {
        approval_id: ApprovalId(Uuid::from_u128(1)),
        exchange_id: ExchangeId(Uuid::from_u128(2)),
        occurred_at: HELD_AT,
        what,
    }
}
