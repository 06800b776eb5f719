//! An approver on loopback with a real log below it, and a stand-in for the masker: it opens the frames and publishes
//! the approval events, as the masker does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bus::{
    Bus, Message, Partition, Producer, Topic,
    embedded::{self, Embedded},
    fault::Faulty,
};
use bytes::Bytes;
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use hansard_approver as approver;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use identity::{Authenticator, Issuer, Keys, development};
use recorder::Recorder;
use schemas::{
    ApprovalEvent, ApprovalId, Clock, ExchangeId, Frame, FrameKind, Principal, Timestamp,
    approval::{Held, What},
    call::Terms,
    frame::{KIND_HEADER, associated_data},
    topic,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const START_US: i64 = 1_785_231_000_000_000;
const AUDIENCE: &str = "https://hansard.example";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) address: String,
    pub(crate) ready: watch::Receiver<Option<String>>,
    now_us: Arc<AtomicI64>,
    issuer: development::DevelopmentIssuer,
    client: Client<HttpConnector, Full<Bytes>>,
    frames: Arc<Mutex<Vec<Frame>>>,
    key: String,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl World {
    pub(crate) async fn new(config: approver::Config) -> World {
        World::with(config, |producer| producer).await
    }

    /// `wrap` comes between the approver and the log that takes its frames.
    pub(crate) async fn with(
        config: approver::Config,
        wrap: impl FnOnce(Arc<dyn Producer>) -> Arc<dyn Producer>,
    ) -> World {
        World::on(config, 0, wrap).await
    }

    /// On a log that fails so many times when it is asked for its bounds.
    pub(crate) async fn failing(times: usize) -> World {
        World::on(approver::Config::default(), times, |producer| producer).await
    }

    async fn on(
        config: approver::Config,
        failures: usize,
        wrap: impl FnOnce(Arc<dyn Producer>) -> Arc<dyn Producer>,
    ) -> World {
        let folder = tempfile::tempdir().expect("tempdir");
        let now_us = Arc::new(AtomicI64::new(START_US));
        let bus: Arc<dyn Bus> = Arc::new(open_log(folder.path(), now_us.clone()).await);
        let key = PrivateKey::generate();
        let issuer = development::DevelopmentIssuer::generate();
        let clock = clock(&now_us);
        let (approvals, faults) = Faulty::new(bus.clone());
        faults.fail_bounds(failures);
        let deps_of = |ready| approver::Deps {
            recorder: Arc::new(recorder(&key, wrap(bus.producer()), clock.clone())),
            approvals: approvals.reader(),
            authenticator: authenticator(&issuer, clock.clone()),
            clock: clock.clone(),
            ready,
        };
        let (ready, says) = watch::channel(Some("starting".to_owned()));
        let shutdown = CancellationToken::new();
        let router = approver::router(config, deps_of(ready), shutdown.clone()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        World {
            bus,
            address,
            ready: says,
            now_us,
            issuer,
            client: Client::builder(TokioExecutor::new()).build_http(),
            frames: Arc::default(),
            key: key.to_text().to_string(),
            shutdown,
            _folder: folder,
        }
    }

    pub(crate) fn pass(&self, span: Duration) {
        self.now_us.fetch_add(i64::try_from(span.as_micros()).expect("short"), Ordering::Relaxed);
    }

    pub(crate) fn token(&self, subject: &str, groups: &[&str]) -> String {
        let now = Timestamp(self.now_us.load(Ordering::Relaxed));
        self.issuer.token(&person(subject, groups), AUDIENCE, now, Duration::from_secs(3600))
    }

    /// A call by `asker` is held; resolves when the approver shows it.
    /// A held call that the approver shows.
    pub(crate) async fn hold(&self, terms: Terms) -> ApprovalId {
        let id = self.publish_held(terms).await;
        let path = format!("/v1/approvals/{id}");
        self.until(async || self.get(&path).await.status == 200).await;
        id
    }

    pub(crate) async fn publish_held(&self, terms: Terms) -> ApprovalId {
        let event = ApprovalEvent {
            approval_id: ApprovalId(Uuid::now_v7()),
            exchange_id: ExchangeId(Uuid::now_v7()),
            occurred_at: Timestamp(START_US),
            what: What::Held(held(terms)),
        };
        self.publish(&event).await;
        event.approval_id
    }

    pub(crate) async fn publish(&self, event: &ApprovalEvent) {
        publish(&*self.bus, event).await;
    }

    /// Opens the frames as they come, and publishes the events among them.
    pub(crate) fn mask(&self) -> JoinHandle<()> {
        let opener = Opener::new(vec![PrivateKey::from_text(&self.key).expect("key")]);
        let (bus, frames) = (self.bus.clone(), self.frames.clone());
        tokio::spawn(async move {
            let (at, mut next) = (Partition { topic: topic::FRAMES.to_owned(), number: 0 }, 0);
            loop {
                for message in bus.reader().read(&at, next, 1 << 20, Duration::from_secs(1)).await.expect("frames") {
                    next = message.offset + 1;
                    let frame = open(&opener, &message);
                    if frame.kind == FrameKind::Decision {
                        let body = serde_json::from_slice(frame.body.as_ref().expect("body")).expect("JSON");
                        publish(&*bus, &ApprovalEvent::from_json(&body).expect("event")).await;
                    }
                    frames.lock().expect("frames").push(frame);
                }
            }
        })
    }

    /// The frames so far, of one kind.
    pub(crate) fn frames(&self, kind: FrameKind) -> Vec<Frame> {
        self.frames.lock().expect("frames").iter().filter(|frame| frame.kind == kind).cloned().collect()
    }

    pub(crate) async fn until(&self, mut condition: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("in time");
    }

    /// As a reviewer.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token("reviewer", &["sre"]));
        self.send(Method::GET, path, &[("authorization", &bearer)], "").await
    }

    pub(crate) async fn vote(&self, id: ApprovalId, token: &str, body: &str) -> Answer {
        let (path, bearer) = (format!("/v1/approvals/{id}/votes"), format!("Bearer {token}"));
        self.send(Method::POST, &path, &[("authorization", &bearer)], body).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("request");
        answer(self.client.request(request).await.expect("an answer")).await
    }

    /// A form from a page of this server.
    pub(crate) async fn post_form(&self, path: &str, cookie: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let form = "application/x-www-form-urlencoded";
        let headers = [("origin", origin.as_str()), ("cookie", cookie), (header::CONTENT_TYPE.as_str(), form)];
        self.send(Method::POST, path, &headers, body).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn terms(approve: u32, deny: u32) -> Terms {
    Terms { reviewers: vec!["sre".to_owned()], approve, deny, expires: Duration::from_secs(600) }
}

fn person(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        issuer: development::ISSUER.to_owned(),
        subject: subject.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Principal::default()
    }
}

fn held(terms: Terms) -> Held {
    Held {
        requester: person("asker", &["sre"]),
        connection: "shop".to_owned(),
        method: "tools/call".to_owned(),
        target: "deploy_<script>".to_owned(),
        body: r#"{"method":"tools/call","params":{"arguments":{"note":"</pre><script>alert(1)</script>"}}}"#.to_owned(),
        rule: "production-writes".to_owned(),
        policy_id: "sha256:00".to_owned(),
        arguments_digest: "00".to_owned(),
        terms,
    }
}

fn clock(now_us: &Arc<AtomicI64>) -> Clock {
    let now_us = now_us.clone();
    Arc::new(move || Timestamp(now_us.load(Ordering::Relaxed)))
}

async fn open_log(folder: &std::path::Path, now_us: Arc<AtomicI64>) -> Embedded {
    let topic = |name: &str, partitions| Topic {
        name: name.to_owned(),
        partitions,
        retention: Duration::from_secs(86_400),
        retention_bytes: 1 << 30,
    };
    let topics = vec![topic(topic::FRAMES, 1), topic(topic::APPROVALS, 2)];
    let clock_us = Arc::new(move || now_us.load(Ordering::Relaxed));
    Embedded::open(embedded::Config { path: folder.join("log.sqlite"), topics, clock_us }).await.expect("a new log")
}

fn recorder(key: &PrivateKey, producer: Arc<dyn Producer>, clock: Clock) -> Recorder {
    let rotation = Rotation { messages_max: 1000, age_max: Duration::from_secs(3600) };
    Recorder::new("approver".to_owned(), 1, Sealer::new(key.public(), rotation), producer, clock)
}

fn authenticator(issuer: &development::DevelopmentIssuer, clock: Clock) -> Arc<Authenticator> {
    let issuer = Issuer {
        url: development::ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        groups_claim: "groups".to_owned(),
        keys: Keys::Static(issuer.jwks()),
    };
    let config = identity::Config { issuers: vec![issuer], leeway: Duration::from_secs(1) };
    Authenticator::new(config, clock).expect("authenticator")
}

async fn publish(bus: &dyn Bus, event: &ApprovalEvent) {
    let message = Message {
        topic: topic::APPROVALS.to_owned(),
        key: Bytes::copy_from_slice(event.approval_id.0.as_bytes()),
        headers: vec![],
        value: event.to_avro().into(),
    };
    bus.producer().send(message).await.expect("durable");
}

fn open(opener: &Opener, message: &bus::Stored) -> Frame {
    let exchange_id = ExchangeId(Uuid::from_slice(&message.key).expect("exchange id"));
    let kind = message.header(KIND_HEADER).and_then(|kind| std::str::from_utf8(kind).ok()).expect("kind");
    let kind = FrameKind::parse(kind).expect("a kind");
    let bound = associated_data(topic::FRAMES, exchange_id, kind);
    Frame::from_avro(&opener.open(&message.value, &bound).expect("sealed to us")).expect("a frame")
}

async fn answer(response: Response<hyper::body::Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("body").to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
}
