//! The fields of an approval event in the order of `approval.avsc`, and the principal and terms that frames share.
//!
//! On the wire the event is a word and two nullable records, which SIEMs and SQL read more easily than a union of five;
//! the reader holds that a held call comes with its `held`, a vote with its `vote`, and the others with neither.

use std::time::Duration;

use super::{DecodeError, Reader, Writer};
use crate::{
    approval::{ApprovalEvent, Decision, Held, Vote, What},
    call::Terms,
    id::{ApprovalId, ExchangeId},
    principal::Principal,
    time::Timestamp,
};

pub(super) fn write(w: &mut Writer, event: &ApprovalEvent) {
    w.uuid(event.approval_id.0);
    w.uuid(event.exchange_id.0);
    w.long(event.occurred_at.0);
    w.string(event.what.as_str());
    w.option(event.what.held(), write_held);
    w.option(event.what.vote(), write_vote);
}

fn write_held(w: &mut Writer, held: &Held) {
    write_principal(w, &held.requester);
    w.string(&held.connection);
    w.string(&held.method);
    w.string(&held.target);
    w.string(&held.body);
    w.string(&held.rule);
    w.string(&held.policy_id);
    w.string(&held.arguments_digest);
    write_terms(w, &held.terms);
}

fn write_vote(w: &mut Writer, vote: &Vote) {
    w.string(&vote.vote_id);
    write_principal(w, &vote.voter);
    w.string(vote.decision.as_str());
    w.string(&vote.comment);
}

pub(super) fn write_principal(w: &mut Writer, principal: &Principal) {
    w.string(&principal.issuer);
    w.string(&principal.subject);
    w.option(principal.name.as_deref(), Writer::string);
    w.strings(&principal.groups);
    w.option(principal.agent.as_deref(), Writer::string);
    w.strings(&principal.act);
}

pub(super) fn write_terms(w: &mut Writer, terms: &Terms) {
    w.strings(&terms.reviewers);
    w.long(terms.approve.into());
    w.long(terms.deny.into());
    w.count(terms.expires_us());
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<ApprovalEvent, DecodeError> {
    Ok(ApprovalEvent {
        approval_id: ApprovalId(r.uuid()?),
        exchange_id: ExchangeId(r.uuid()?),
        occurred_at: Timestamp(r.long()?),
        what: read_what(r)?,
    })
}

fn read_what(r: &mut Reader<'_>) -> Result<What, DecodeError> {
    let word = r.text()?;
    let held = r.option(read_held)?;
    let vote = r.option(read_vote)?;
    What::from_parts(word, held, vote).ok_or_else(|| r.not("an approval event and what it carries"))
}

fn read_held(r: &mut Reader<'_>) -> Result<Held, DecodeError> {
    Ok(Held {
        requester: read_principal(r)?,
        connection: r.string()?,
        method: r.string()?,
        target: r.string()?,
        body: r.string()?,
        rule: r.string()?,
        policy_id: r.string()?,
        arguments_digest: r.string()?,
        terms: read_terms(r)?,
    })
}

fn read_vote(r: &mut Reader<'_>) -> Result<Vote, DecodeError> {
    Ok(Vote {
        vote_id: r.string()?,
        voter: read_principal(r)?,
        decision: r.word("a decision", Decision::parse)?,
        comment: r.string()?,
    })
}

pub(super) fn read_principal(r: &mut Reader<'_>) -> Result<Principal, DecodeError> {
    Ok(Principal {
        issuer: r.string()?,
        subject: r.string()?,
        name: r.option(Reader::string)?,
        groups: r.strings()?,
        agent: r.option(Reader::string)?,
        act: r.strings()?,
    })
}

pub(super) fn read_terms(r: &mut Reader<'_>) -> Result<Terms, DecodeError> {
    Ok(Terms {
        reviewers: r.strings()?,
        approve: r.number()?,
        deny: r.number()?,
        expires: Duration::from_micros(r.count()?),
    })
}
