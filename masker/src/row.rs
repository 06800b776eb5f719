//! From a frame to its record: every column, masked, with its leaf. Pure but for the salts.
//!
//! It refuses to leave a text of the caller's unmasked, wherever it stands.

use std::{collections::HashMap, sync::Arc};

use envelope::Opener;
use hmac::{Hmac, KeyInit, Mac};
use redact::{Redactor, Withheld};
use schemas::{
    ApprovalEvent, ApprovalId, Context, Ending, Frame, FrameKind, Principal, Record, RecordId, RecordKind,
    RedactionStatus, Stamp, Timestamp, approval::What, leaf,
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{
    Deps, Publishing,
    evidence::{Evidence, withheld},
    open::Unreadable,
    partition::Work,
};

/// Bytes of the HMAC that make a `principal_id`: 128 bits.
const PRINCIPAL_ID_BYTES: usize = 16;

#[derive(Debug)]
pub(crate) struct Masker {
    pub(crate) redactor: watch::Receiver<Arc<Redactor>>,
    shadow: watch::Receiver<Option<Arc<Redactor>>>,
    tenants: HashMap<String, String>,
    pub(crate) opener: Arc<Opener>,
    pub(crate) identity_key: [u8; 32],
    pub(crate) publishing: Arc<Publishing>,
}

/// A record, and the approval event that came with it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) record: Record,
    pub(crate) event: Option<ApprovalEvent>,
    /// In one word, why something of the frame is not in the record.
    pub(crate) withheld: Option<&'static str>,
}

impl Masker {
    pub(crate) fn of(deps: &Deps) -> Masker {
        Masker {
            redactor: deps.redactor.clone(),
            shadow: deps.shadow.clone(),
            tenants: deps.tenants.clone(),
            opener: deps.opener.clone(),
            identity_key: deps.identity_key,
            publishing: Arc::new(deps.publishing.clone()),
        }
    }

    /// The record of a frame that stands for itself, or of the frame that ends a stream.
    pub(crate) fn row(&self, frame: &Frame, logged_at: Timestamp, work: Work) -> Row {
        let context = frame.context.clone().unwrap_or_default();
        let tool = context.target.as_deref().filter(|_| !is_batch(frame));
        let of_call = |redactor: &Redactor| redactor.for_call(tool, frame.direction);
        let redactor = of_call(&self.redactor(frame));
        let trial = self.shadow.borrow().as_deref().map(of_call);
        let mut evidence = Evidence::new(&redactor, trial.as_ref());
        let mut record = blank(frame, kind(frame.kind), logged_at);
        self.fill_who(&mut record, &context, &mut evidence);
        self.fill_what(&mut record, &context, &mut evidence);
        if let Some(ending) = &frame.ending {
            fill_outcome(&mut record, ending, &mut evidence);
        }
        let event = match frame.kind {
            FrameKind::Decision => decision(frame, &mut record, &mut evidence),
            _ => {
                record.body = frame.body.as_deref().map(|body| evidence.stream(body));
                held(frame, &record, &context)
            }
        };
        record.redaction_status = evidence.status();
        if work == Work::Release && evidence.withheld.is_none() {
            record.redaction_status = RedactionStatus::Released;
            record.record_id = record_id("released", &frame.stamp, frame.occurred_at);
        }
        let withheld = evidence.withheld.as_ref().map(word);
        record.redactions = evidence.redactions;
        Row { record: seal(record, &redactor), event, withheld }
    }

    /// One set of rules for the whole record, whatever is loaded meanwhile; for the tenant of its connection.
    fn redactor(&self, frame: &Frame) -> Redactor {
        let redactor = self.redactor.borrow().clone();
        let connection = frame.context.as_ref().and_then(|context| context.connection.as_ref());
        match connection.and_then(|connection| self.tenants.get(connection)) {
            Some(tenant) => redactor.for_tenant(tenant),
            None => redactor.as_ref().clone(),
        }
    }

    /// What can be said of a message that gives no frame.
    pub(crate) fn unreadable(&self, unreadable: &Unreadable, logged_at: Timestamp, place: &Stamp) -> Record {
        let kind = unreadable.kind.map_or(RecordKind::Lifecycle, kind);
        let like = unreadable.kind.unwrap_or(FrameKind::Lifecycle);
        let frame = Frame::internal(like, unreadable.exchange_id, logged_at, Context::default());
        let frame = Frame { stamp: place.clone(), ..frame };
        let mut record = blank(&frame, kind, logged_at);
        // The emitter is not known: the stamp only made the id.
        (record.emitter_id, record.emitter_epoch, record.emitter_seq) = (None, None, None);
        record.error = Some(format!("withheld: {}", unreadable.reason));
        record.body = Some(withheld(&unreadable.reason));
        record.redaction_status = RedactionStatus::Withheld;
        seal(record, &self.redactor.borrow())
    }

    fn fill_who(&self, record: &mut Record, context: &Context, evidence: &mut Evidence<'_>) {
        if let Some(principal) = &context.principal {
            record.principal_id = Some(self.principal_id(principal));
            record.issuer = Some(principal.issuer.clone());
            record.subject = Some(principal.subject.clone());
            record.name.clone_from(&principal.name);
            record.groups.clone_from(&principal.groups);
            record.agent = evidence.optional("agent", principal.agent.as_deref());
            record.act.clone_from(&principal.act);
        }
        record.auth_method = Some(context.auth_method.clone()).filter(|method| !method.is_empty());
        record.source_ip.clone_from(&context.source_ip);
    }

    fn fill_what(&self, record: &mut Record, context: &Context, evidence: &mut Evidence<'_>) {
        record.conversation_id = context.conversation_id;
        record.leg_of = context.leg_of;
        record.connection = evidence.optional("connection", context.connection.as_deref());
        record.upstream.clone_from(&context.upstream);
        record.protocol = Some(evidence.text("protocol", &context.protocol)).filter(|protocol| !protocol.is_empty());
        record.method = evidence.optional("method", context.method.as_deref());
        record.target = context.target.as_deref().map(|target| evidence.address("target", target));
        record.target_digest = context.target_digest.map(|digest| hex(&digest));
        record.arguments_digest = context.arguments_digest.map(|digest| hex(&self.keyed(b"arguments\0", &digest)));
        record.model = evidence.optional("model", context.model.as_deref());
        if let Some(ruling) = &context.ruling {
            record.verdict = Some(ruling.verdict.clone());
            record.rule.clone_from(&ruling.rule);
            record.policy_id = Some(ruling.policy_id.clone());
            record.approval_id = ruling.approval_id;
        }
        record.trace_id.clone_from(&context.trace_id);
        record.span_id.clone_from(&context.span_id);
    }

    fn principal_id(&self, principal: &Principal) -> String {
        let who = [principal.issuer.as_bytes(), b"\0", principal.subject.as_bytes()].concat();
        format!("p_{}", hex(&self.keyed(b"principal\0", &who)[..PRINCIPAL_ID_BYTES]))
    }

    fn keyed(&self, purpose: &[u8], value: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.identity_key).expect("HMAC takes keys of any length");
        mac.chain_update(purpose).chain_update(value).finalize().into_bytes().into()
    }
}

/// Answers to several calls in one message: whose tools they are of, its context does not say.
fn is_batch(frame: &Frame) -> bool {
    frame.body.as_deref().is_some_and(|body| body.trim_ascii_start().starts_with(b"["))
}

/// The last step: nothing of the record changes after its leaf.
fn seal(mut record: Record, redactor: &Redactor) -> Record {
    record.ruleset_id = Some(redactor.ruleset_id().to_owned());
    let mut salts = [[0; leaf::SALT_BYTES]; leaf::ERASABLE_FIELDS];
    getrandom::fill(salts.as_flattened_mut()).expect("the operating system gives random bytes");
    let mut salts = salts.into_iter();
    leaf::mint(&mut record, || salts.next().expect("there is one for every field that may be erased"));
    record
}

fn word(reason: &Withheld) -> &'static str {
    match reason {
        Withheld::NotText => "not_text",
        Withheld::TooDeep(_) => "too_deep",
        Withheld::TooLarge(_) => "too_large",
        Withheld::TooMany(_) => "too_many",
        Withheld::Unsettled => "unsettled",
        Withheld::Budget => "budget",
        Withheld::Panicked => "panic",
    }
}

fn kind(kind: FrameKind) -> RecordKind {
    match kind {
        FrameKind::Request => RecordKind::Request,
        FrameKind::Notification => RecordKind::Notification,
        FrameKind::Chunk | FrameKind::Response => RecordKind::Response,
        FrameKind::Refusal => RecordKind::Refusal,
        FrameKind::Decision => RecordKind::Decision,
        FrameKind::Read => RecordKind::Read,
        FrameKind::Lifecycle => RecordKind::Lifecycle,
    }
}

fn fill_outcome(record: &mut Record, ending: &Ending, evidence: &mut Evidence<'_>) {
    record.outcome = Some(ending.outcome.as_str().to_owned());
    record.transport_status = ending.transport_status.map(i32::from);
    record.rpc_code = ending.rpc_code;
    record.is_error = ending.is_error;
    record.duration_us = ending.duration_us;
    record.first_byte_us = ending.first_byte_us;
    record.usage = evidence.optional("usage", ending.usage.as_deref());
    record.error = evidence.optional("error", ending.error.as_deref());
}

/// A decision says itself which approval it is of; its comment is the only free text in it.
fn decision(frame: &Frame, record: &mut Record, evidence: &mut Evidence<'_>) -> Option<ApprovalEvent> {
    let body = frame.body.as_deref().unwrap_or_default();
    let event = serde_json::from_slice(body).ok().and_then(|json| ApprovalEvent::from_json(&json).ok());
    let Some(mut event) = event else {
        record.body = frame.body.as_deref().map(|body| evidence.body(body));
        record.error = Some("not an approval event: it decides nothing".to_owned());
        return None;
    };
    if let What::Vote(vote) = &mut event.what {
        vote.comment = evidence.text("body", &vote.comment);
    }
    record.approval_id = Some(event.approval_id);
    record.body = Some(event.to_json().to_string());
    Some(event)
}

/// The event that opens an approval, of a request that is held.
fn held(frame: &Frame, record: &Record, context: &Context) -> Option<ApprovalEvent> {
    let (ruling, terms) = (context.ruling.as_ref()?, context.terms.clone()?);
    let approval_id: ApprovalId = ruling.approval_id?;
    if frame.kind != FrameKind::Request {
        return None;
    }
    let held = schemas::approval::Held {
        requester: context.principal.clone()?,
        connection: record.connection.clone().unwrap_or_default(),
        method: record.method.clone().unwrap_or_default(),
        target: record.target.clone().unwrap_or_default(),
        body: record.body.clone().unwrap_or_default(),
        rule: ruling.rule.clone().unwrap_or_default(),
        policy_id: ruling.policy_id.clone(),
        arguments_digest: record.arguments_digest.clone().unwrap_or_default(),
        terms,
    };
    let what = What::Held(held);
    Some(ApprovalEvent { approval_id, exchange_id: frame.exchange_id, occurred_at: frame.occurred_at, what })
}

/// The same frame always gives the same id, in the order of time: UUIDv7 whose random part is a hash of the stamp.
fn record_id(purpose: &str, stamp: &Stamp, occurred_at: Timestamp) -> RecordId {
    let mut hash = Sha256::new();
    hash.update(format!("hansard/{purpose}/v1\0"));
    hash.update(stamp.emitter_id.as_bytes());
    hash.update(stamp.epoch.to_be_bytes());
    hash.update(stamp.seq.to_be_bytes());
    let random: [u8; 32] = hash.finalize().into();
    let milliseconds = u64::try_from(occurred_at.0 / 1000).unwrap_or(0);
    let random = random[..10].try_into().expect("ten of thirty-two bytes");
    RecordId(uuid::Builder::from_unix_timestamp_millis(milliseconds, random).into_uuid())
}

fn blank(frame: &Frame, kind: RecordKind, logged_at: Timestamp) -> Record {
    Record {
        direction: frame.direction,
        recorded_at: logged_at,
        emitter_id: Some(frame.stamp.emitter_id.clone()),
        emitter_epoch: i64::try_from(frame.stamp.epoch).ok(),
        emitter_seq: i64::try_from(frame.stamp.seq).ok(),
        body_bytes: i64::try_from(frame.body_bytes).unwrap_or(i64::MAX),
        truncated: frame.truncated,
        ..Record::new(record_id("record", &frame.stamp, frame.occurred_at), frame.exchange_id, kind, frame.occurred_at)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).expect("half a byte is one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
