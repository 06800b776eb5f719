//! The gate as it runs, between a scripted upstream and a caller on real sockets, on a real log in a temporary folder.

use std::{sync::Arc, time::Duration};

use bus::{
    Bus, Message, Partition, Topic,
    embedded::Embedded,
    fault::{Faults, Faulty},
};
use bytes::Bytes;
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use hansard_ingress::{Config, Connection, Credential, Deps, Kind, Limits, Mode};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use identity::{
    Authenticator, Issuer, Keys,
    development::{DevelopmentIssuer, ISSUER},
};
use policy::Policy;
use recorder::Recorder;
use schemas::{
    ApprovalEvent, Clock, ExchangeId, Frame, FrameKind, Principal, Timestamp, frame::associated_data, topic,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const AUDIENCE: &str = "https://hansard.invalid";
/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const START_US: i64 = 1_800_000_000_000_000;

/// What differs between tests.
pub(crate) struct Setup {
    pub(crate) rules: Value,
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) kind: Kind,
    pub(crate) credential: Option<Credential>,
    pub(crate) public_url: Option<Url>,
    pub(crate) tls: Option<hansard_ingress::Tls>,
    /// How often the log does not say where it ends.
    pub(crate) bounds_failing: usize,
    pub(crate) mask_answers: bool,
    pub(crate) mask_requests: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            rules: json!({}),
            limits: Limits::default(),
            mode: Mode::Required,
            kind: Kind::Mcp,
            credential: None,
            public_url: None,
            tls: None,
            bounds_failing: 0,
            mask_answers: false,
            mask_requests: false,
        }
    }
}

pub(crate) struct House {
    pub(crate) address: String,
    pub(crate) faults: Faults,
    pub(crate) ready: watch::Receiver<Option<String>>,
    pub(crate) policy: watch::Sender<Arc<Policy>>,
    log: Embedded,
    opener: Opener,
    issuer: DevelopmentIssuer,
    clock: Clock,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Result<(), hansard_ingress::Error>>>,
    client: Client<HttpConnector, Full<Bytes>>,
    _folder: TempDir,
}

/// An answer that was read to its end.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {:?}", self.body))
    }
}

impl House {
    pub(crate) async fn before(upstream: &str) -> House {
        House::with(upstream, Setup::default()).await
    }

    pub(crate) async fn with(upstream: &str, setup: Setup) -> House {
        let started = Instant::now();
        let clock: Clock =
            Arc::new(move || Timestamp(START_US + i64::try_from(started.elapsed().as_micros()).expect("a short test")));
        let folder = tempfile::tempdir().expect("a folder");
        let (log, bus, faults) = open_log(&folder, &clock).await;
        faults.fail_bounds(setup.bounds_failing);
        let key = PrivateKey::generate();
        let rotation = Rotation { messages_max: 1000, age_max: Duration::from_secs(60) };
        let sealer = Sealer::new(key.public(), rotation);
        let recorder = Recorder::new("gate-1".into(), 1, sealer, bus.producer(), Arc::clone(&clock));
        let issuer = DevelopmentIssuer::generate();
        let (policy, policy_seen) = watch::channel(compiled(&setup.rules));
        let (ready, ready_seen) = watch::channel(Some("starting".to_owned()));
        let deps = Deps {
            spans: None,
            recorder: Arc::new(recorder),
            approvals: bus.reader(),
            authenticator: authenticator(&issuer, &clock),
            policy: policy_seen,
            redactor: Some(watch::channel(Arc::new(redact::Redactor::built_in())).1),
            clock: Arc::clone(&clock),
            ready,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(hansard_ingress::run(listener, config(upstream, setup), deps, shutdown.clone()));
        let mut house = House {
            address,
            faults,
            ready: ready_seen,
            policy,
            log,
            opener: Opener::new(vec![key]),
            issuer,
            clock,
            shutdown,
            running: Some(running),
            client: Client::builder(TokioExecutor::new()).build_http(),
            _folder: folder,
        };
        house.until_ready().await;
        house
    }

    pub(crate) async fn until_ready(&mut self) {
        let ready = self.ready.wait_for(|reason| reason.is_none());
        timeout(PATIENCE, ready).await.expect("ready in time").expect("running");
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_for(subject, AUDIENCE, Duration::from_secs(600))
    }

    pub(crate) fn token_for(&self, subject: &str, audience: &str, lifetime: Duration) -> String {
        self.issuer.token(&person(subject), audience, self.now(), lifetime)
    }

    /// A POST by `ann` with the headers that an MCP client sends.
    pub(crate) async fn post(&self, body: &Value) -> Answered {
        self.post_as("ann", &[], body.to_string()).await
    }

    pub(crate) async fn post_as(&self, subject: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answered {
        read(self.open_as(subject, headers, body).await).await
    }

    pub(crate) async fn open_as(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let request = self.request(Method::POST, "/c/files", Some(&self.token(subject)), headers, body);
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        timeout(PATIENCE, self.client.request(request)).await.expect("an answer in time").expect("an answer")
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header("accept", "application/json, text/event-stream");
        }
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(body.into())).expect("a request")
    }

    /// All frames so far, in the order of their numbers.
    pub(crate) async fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self.sealed().await.iter().map(|message| self.opened(message)).collect();
        frames.sort_by_key(|frame| frame.stamp.seq);
        frames
    }

    /// Frames of calls, without what the gate says of itself.
    pub(crate) async fn calls(&self) -> Vec<Frame> {
        self.frames().await.into_iter().filter(|frame| frame.kind != FrameKind::Lifecycle).collect()
    }

    /// Waits until the frames are as wanted.
    pub(crate) async fn calls_when(&self, what: &str, wanted: impl Fn(&[Frame]) -> bool) -> Vec<Frame> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frames = self.calls().await;
            if wanted(&frames) {
                return frames;
            }
            assert!(Instant::now() < deadline, "not in time: {what}; there is {frames:#?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn sealed(&self) -> Vec<bus::Stored> {
        let reader = self.log.reader();
        let mut all = Vec::new();
        for number in 0..reader.partitions(topic::FRAMES).await.expect("partitions") {
            let at = Partition { topic: topic::FRAMES.to_owned(), number };
            let end = reader.bounds(&at).await.expect("bounds").end;
            let mut from = 0;
            while from < end {
                let read = reader.read(&at, from, 64 << 20, Duration::ZERO).await.expect("messages");
                let Some(last) = read.last() else { break };
                from = last.offset + 1;
                all.extend(read);
            }
        }
        all
    }

    fn opened(&self, message: &bus::Stored) -> Frame {
        let kind = message.header("kind").map(|word| String::from_utf8_lossy(word).into_owned());
        let kind = kind.and_then(|word| FrameKind::parse(&word)).expect("a kind");
        let exchange_id = ExchangeId(uuid::Uuid::from_slice(&message.key).expect("an exchange id"));
        let bound = associated_data(topic::FRAMES, exchange_id, kind);
        let opened = self.opener.open(&message.value, &bound).expect("a sealed frame");
        Frame::from_avro(&opened).expect("a frame")
    }

    /// What the masker publishes.
    pub(crate) async fn publish(&self, event: &ApprovalEvent) {
        let message = Message {
            topic: topic::APPROVALS.to_owned(),
            key: Bytes::copy_from_slice(event.approval_id.0.as_bytes()),
            headers: Vec::new(),
            value: event.to_avro().into(),
        };
        self.log.producer().send(message).await.expect("published");
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Ends the gate and waits for it.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        let running = self.running.take().expect("stopped once");
        timeout(PATIENCE, running).await.expect("ends in time").expect("no panic").expect("no error");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) async fn read(response: Response<Incoming>) -> Answered {
    let (head, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("a whole answer in time").expect("a whole answer");
    Answered { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }
}

/// The next bytes of a stream; none at its end.
pub(crate) async fn next_bytes(body: &mut Incoming) -> Option<Bytes> {
    let frame = timeout(PATIENCE, body.frame()).await.expect("more of the stream in time")?;
    Some(frame.expect("an unbroken stream").into_data().expect("data"))
}

/// Reads the stream until it has said `text`; what was read.
pub(crate) async fn until_said(body: &mut Incoming, text: &str) -> String {
    let mut said = String::new();
    while !said.contains(text) {
        let bytes = next_bytes(body).await.unwrap_or_else(|| panic!("ended without {text:?}: {said:?}"));
        said.push_str(&String::from_utf8_lossy(&bytes));
    }
    said
}

pub(crate) fn person(subject: &str) -> Principal {
    Principal { issuer: ISSUER.into(), subject: subject.into(), groups: vec!["staff".into()], ..Principal::default() }
}

pub(crate) fn call(id: i64, tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

pub(crate) fn compiled(rules: &Value) -> Arc<Policy> {
    let config: policy::Config = serde_json::from_value(rules.clone()).expect("rules");
    Arc::new(Policy::compile(&config).expect("a policy"))
}

pub(crate) fn words(frames: &[Frame]) -> Vec<&'static str> {
    frames.iter().map(|frame| frame.kind.as_str()).collect()
}

pub(crate) fn outcome(frame: &Frame) -> &'static str {
    frame.ending.as_ref().map_or("none", |ending| ending.outcome.as_str())
}

pub(crate) fn body(frame: &Frame) -> String {
    String::from_utf8_lossy(frame.body.as_deref().unwrap_or_default()).into_owned()
}

fn config(upstream: &str, setup: Setup) -> Config {
    let connection = Connection {
        name: "files".to_owned(),
        kind: setup.kind,
        upstream: upstream.parse().expect("a URL"),
        credential: setup.credential,
        record: setup.mode,
        mask_answers: setup.mask_answers,
        mask_requests: setup.mask_requests,
    };
    Config { public_url: setup.public_url, tls: setup.tls, connections: vec![connection], limits: setup.limits }
}

async fn open_log(folder: &TempDir, clock: &Clock) -> (Embedded, Faulty, Faults) {
    let topic = |name: &str| Topic {
        name: name.to_owned(),
        partitions: 2,
        retention: Duration::from_secs(3600),
        retention_bytes: u64::MAX,
    };
    let clock = Arc::clone(clock);
    let config = bus::embedded::Config {
        path: folder.path().join("log.sqlite"),
        topics: vec![topic(topic::FRAMES), topic(topic::APPROVALS)],
        clock_us: Arc::new(move || clock().0),
    };
    let log = Embedded::open(config).await.expect("a log");
    let (faulty, faults) = Faulty::new(Arc::new(log.clone()));
    (log, faulty, faults)
}

fn authenticator(issuer: &DevelopmentIssuer, clock: &Clock) -> Arc<Authenticator> {
    let issuer = Issuer {
        url: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        groups_claim: "groups".to_owned(),
        keys: Keys::Static(issuer.jwks()),
    };
    let config = identity::Config { issuers: vec![issuer], leeway: Duration::from_secs(5) };
    Authenticator::new(config, Arc::clone(clock)).expect("an authenticator")
}
