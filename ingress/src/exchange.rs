//! One exchange while it lasts, and the gate that all of them pass.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use protocol::{
    jsonrpc::Id,
    mcp::{self, Era, TraceParent},
};
use schemas::{Context, Outcome, Principal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    approvals::Approvals,
    config::{Connection, Kind, Limits},
    forward::Upstreams,
    hold::{Holds, Ticket},
    measure,
    session::{Conversations, Sessions},
    span::Tracing,
    tools::Tools,
    trail::{Log, Trail},
};

pub(crate) const SESSION_HEADER: HeaderName = HeaderName::from_static(protocol::mcp::headers::SESSION_ID);

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What all exchanges share.
pub(crate) struct Gate {
    pub(crate) connections: HashMap<String, Arc<Connection>>,
    pub(crate) public_url: Option<Url>,
    pub(crate) limits: Limits,
    /// The listener is on a loopback address, so only loopback names may lead to it.
    pub(crate) loopback: bool,
    /// The listener speaks TLS.
    pub(crate) secure: bool,
    pub(crate) log: Log,
    pub(crate) authenticator: Arc<identity::Authenticator>,
    pub(crate) policy: watch::Receiver<Arc<policy::Policy>>,
    pub(crate) spans: Option<spans::Spans>,
    pub(crate) redactor: Option<watch::Receiver<Arc<redact::Redactor>>>,
    pub(crate) upstreams: Upstreams,
    pub(crate) sessions: Sessions,
    pub(crate) conversations: Conversations,
    pub(crate) tools: Tools,
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) holds: Holds,
    /// Fires when no more calls are taken: listening streams and held calls end.
    pub(crate) draining: CancellationToken,
    /// Fires when the time to drain is over: everything ends.
    pub(crate) cut: CancellationToken,
}

/// One request and everything it leads to.
pub(crate) struct Exchange {
    pub(crate) gate: Arc<Gate>,
    pub(crate) head: Parts,
    pub(crate) trail: Trail,
    pub(crate) connection: Option<Arc<Connection>>,
    /// What follows `/c/<name>`.
    pub(crate) suffix: String,
    pub(crate) principal: Principal,
    pub(crate) era: Era,
    /// The JSON-RPC requests that still wait for an answer.
    pub(crate) awaited: Vec<Id>,
    pub(crate) is_batch: bool,
    /// The session was nobody's before this exchange.
    pub(crate) claimed_session: bool,
    /// Set when policy wants people to decide.
    pub(crate) held: Option<Ticket>,
    /// Time that was the upstream's or people's, not ours.
    pub(crate) waited_us: i64,
    /// The trace that the caller is in, by its own word.
    pub(crate) called_from: Option<TraceParent>,
    /// Where spans are wanted.
    pub(crate) tracing: Option<Tracing>,
    /// How it ended, once it has.
    pub(crate) outcome: Option<Outcome>,
}

impl Exchange {
    pub(crate) fn new(gate: Arc<Gate>, head: Parts, source: IpAddr) -> Exchange {
        let context = Context {
            auth_method: "none".to_owned(),
            source_ip: Some(source.to_canonical().to_string()),
            protocol: "http".to_owned(),
            method: Some(head.method.to_string()),
            target: Some(head.uri.path().to_owned()),
            ..Context::default()
        };
        let began_at = (gate.log.clock)();
        let trail = Trail::new(gate.log.clone(), gate.log.recorder.new_exchange_id(), context, began_at);
        let mut exchange = Exchange {
            gate,
            head,
            trail,
            connection: None,
            suffix: String::new(),
            principal: Principal::default(),
            era: Era::Sessions,
            awaited: Vec::new(),
            is_batch: false,
            claimed_session: false,
            held: None,
            waited_us: 0,
            called_from: None,
            tracing: None,
            outcome: None,
        };
        let named = exchange.header(&TRACEPARENT).and_then(mcp::trace);
        exchange.trace(named);
        exchange
    }

    /// The message itself names a trace, which goes before the header's. The spans of a batch are in the header's.
    pub(crate) fn trace_message(&mut self, traceparent: &str) {
        let named = mcp::trace(traceparent);
        if named != self.called_from && !(self.is_batch && self.tracing.is_some()) {
            self.trace(named);
        }
    }

    fn trace(&mut self, named: Option<TraceParent>) {
        self.tracing = self.gate.spans.as_ref().map(|spans| Tracing::new(spans, named.as_ref()));
        let ids = match &self.tracing {
            Some(tracing) => Some(tracing.ids()),
            None => named.clone().map(|parent| (parent.trace_id, parent.span_id)),
        };
        (self.trail.context.trace_id, self.trail.context.span_id) = ids.unzip();
        self.called_from = named;
    }

    /// It has ended so.
    pub(crate) fn ends(&mut self, outcome: Outcome) {
        measure::called(self.connection_name(), outcome);
        self.outcome = Some(outcome);
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.connection.as_ref().map(|connection| connection.kind)
    }

    pub(crate) fn connection_name(&self) -> &str {
        self.connection.as_ref().map_or("", |connection| &connection.name)
    }

    /// Errors of this exchange are JSON-RPC errors.
    pub(crate) fn speaks_rpc(&self) -> bool {
        self.kind() != Some(Kind::Http)
    }

    /// The caller waits for an answer with an id, or would if its message could be read.
    pub(crate) fn awaits_rpc_answer(&self) -> bool {
        !self.awaited.is_empty() || (self.kind() == Some(Kind::Mcp) && self.is_unread_post())
    }

    /// These requests have their answers.
    pub(crate) fn answered(&mut self, answers: &[Id]) {
        self.awaited.retain(|awaited| !answers.contains(awaited));
    }

    fn is_unread_post(&self) -> bool {
        self.head.method == Method::POST && self.trail.context.ruling.is_none()
    }

    /// The caller's leaving ends the exchange: in the stateless era it is the way to cancel, and a listening stream is
    /// nothing without its listener. In the session era an answer is read to its end, for the record.
    pub(crate) fn ends_with_caller(&self) -> bool {
        self.era == Era::Stateless || self.kind() != Some(Kind::Mcp) || self.head.method != Method::POST
    }

    pub(crate) fn host(&self) -> Option<&str> {
        host(&self.head)
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        text(&self.head.headers, name)
    }

    pub(crate) fn session(&self) -> Option<&str> {
        if self.kind() == Some(Kind::Mcp) { self.header(&SESSION_HEADER) } else { None }
    }

    /// What only the owner of a session knows: its id, or the URL that the upstream gave it (2024-11-05).
    pub(crate) fn session_key(&self) -> Option<String> {
        if let Some(session) = self.session() {
            return Some(session.to_owned());
        }
        let query =
            self.head.uri.query().filter(|_| self.kind() == Some(Kind::Mcp) && self.head.method == Method::POST)?;
        Some(format!("{}?{query}", self.suffix))
    }
}

/// The authority that the caller used: HTTP/2 has it in the URI.
pub(crate) fn host(head: &Parts) -> Option<&str> {
    head.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(&head.headers, &header::HOST))
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn seconds(limit: u64) -> Duration {
    Duration::from_secs(limit)
}
