//! The pipeline in this process: ingress, masker and archiver on one log and one store that fail on demand.
//!
//! A [`Site`] is what outlives a crash, a [`Life`] what does not. A life has a runtime of its own: when that goes, every
//! task of it ends where it stands.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use archiver::ObjectStore;
use bus::{
    Bus, Topic,
    embedded::{self, Embedded},
    fault::{self, Faulty},
};
use envelope::{Opener, PrivateKey, Rotation, Sealer};
use identity::{
    Authenticator, Issuer, Keys,
    development::{DevelopmentIssuer, ISSUER},
};
use ingress::{Connection, Kind, Limits, Mode};
use policy::Policy;
use recorder::Recorder;
use redact::Redactor;
use schemas::{Clock, Principal, Record, Timestamp, topic};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    archive,
    callers::{Door, let_pass},
    sealed, store, verdict,
};
use crate::program::PATIENCE;

const AUDIENCE: &str = "https://hansard.invalid";
const IDENTITY_KEY: [u8; 32] = [7; 32];
const PARTITIONS: u32 = 2;
/// How often a condition is looked at.
const POLL_MILLISECONDS: u64 = 10;

/// Keys, log file, archive and upstream.
pub(crate) struct Site {
    folder: TempDir,
    key: String,
    issuer: DevelopmentIssuer,
    upstream: SocketAddr,
    epoch: AtomicU64,
}

/// The stages while they run.
pub(crate) struct Life {
    runtime: Option<Runtime>,
    pub(crate) log: Embedded,
    pub(crate) door: Door,
    pub(crate) faults: Switches,
    pub(crate) ingress_says: watch::Receiver<Option<String>>,
    stop: CancellationToken,
    stages: Vec<tokio::task::JoinHandle<()>>,
}

/// What each stage can be made to suffer.
#[derive(Clone, Debug)]
pub(crate) struct Switches {
    pub(crate) ingress: fault::Faults,
    pub(crate) masker: fault::Faults,
    pub(crate) archiver: fault::Faults,
    pub(crate) store: store::Faults,
}

impl Switches {
    pub(crate) fn struck(&self) -> u64 {
        self.ingress.struck() + self.masker.struck() + self.archiver.struck() + self.store.struck()
    }
}

impl Site {
    pub(crate) fn new(upstream: SocketAddr) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let key = PrivateKey::generate().to_text().to_string();
        Site { folder, key, issuer: DevelopmentIssuer::generate(), upstream, epoch: AtomicU64::new(1) }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log.sqlite")
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    /// Starts all stages, as after any crash.
    pub(crate) async fn start(&self) -> Life {
        let runtime = Runtime::new().expect("a runtime");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ingress = listener.local_addr().expect("an address");
        let log = Embedded::open(self.log_config()).await.expect("the log opens");
        let (at_ingress, ingress_faults) = Faulty::new(Arc::new(log.clone()));
        let (at_masker, masker_faults) = Faulty::new(Arc::new(log.clone()));
        let (at_archiver, archiver_faults) = Faulty::new(Arc::new(log.clone()));
        let kept = archiver::open_store(&self.archive().display().to_string(), BTreeMap::new()).expect("a folder");
        let faults = Switches {
            ingress: ingress_faults,
            masker: masker_faults,
            archiver: archiver_faults,
            store: store::Faults::default(),
        };
        let failing = Arc::new(store::Faulty { kept, faults: faults.store.clone() });
        let stop = CancellationToken::new();
        let (gate, mut ingress_says) = self.ingress(&at_ingress);
        let stages = vec![
            runtime.spawn(run(ingress::run(listener, self.ingress_config(), gate, stop.clone()))),
            runtime.spawn(run(masker::run(masker_config(), self.masker(at_masker), stop.clone()))),
            runtime.spawn(run(archiver::run(archiver_config(), archiver(at_archiver, failing), stop.clone()))),
        ];
        tokio::time::timeout(PATIENCE, ingress_says.wait_for(Option::is_none))
            .await
            .expect("in time")
            .expect("it runs");
        let door = Door { ingress, token: self.token() };
        Life { runtime: Some(runtime), log, door, faults, ingress_says, stop, stages }
    }

    /// All rows, once every frame is one. Nothing runs before and after.
    pub(crate) async fn archived(&self, what: &str) -> Vec<Record> {
        let life = self.start().await;
        let frames = sealed::read(&self.log()).await;
        let until = Instant::now() + PATIENCE;
        while archive::count(&self.archive()) < frames.values().sum() && Instant::now() < until {
            let_pass(POLL_MILLISECONDS).await;
        }
        life.stop().await;
        let rows = archive::read(&self.archive());
        verdict::check_frames(what, &frames, &rows);
        rows
    }

    fn token(&self) -> String {
        let ann = Principal { issuer: ISSUER.into(), subject: "ann".into(), ..Principal::default() };
        self.issuer.token(&ann, AUDIENCE, clock()(), Duration::from_secs(3600))
    }

    fn log_config(&self) -> embedded::Config {
        let topic = |name: &str| Topic {
            name: name.to_owned(),
            partitions: PARTITIONS,
            retention: Duration::from_secs(3600),
            retention_bytes: u64::MAX,
        };
        let topics = [topic::FRAMES, topic::RECORDS, topic::APPROVALS, topic::QUARANTINE].map(topic).to_vec();
        let clock = clock();
        embedded::Config { path: self.log(), topics, clock_us: Arc::new(move || clock().0) }
    }

    fn ingress(&self, bus: &Faulty) -> (ingress::Deps, watch::Receiver<Option<String>>) {
        let (ready, says) = watch::channel(Some("starting".to_owned()));
        let rotation = Rotation { messages_max: 1000, age_max: Duration::from_secs(60) };
        let public = PrivateKey::from_text(&self.key).expect("a key").public();
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        let sealer = Sealer::new(public, rotation);
        let recorder = Recorder::new("gate".into(), epoch, sealer, bus.producer(), clock());
        let policy = Policy::compile(&policy::Config::default()).expect("a policy");
        let deps = ingress::Deps {
            spans: None,
            recorder: Arc::new(recorder),
            approvals: bus.reader(),
            authenticator: self.authenticator(),
            redactor: Some(tokio::sync::watch::channel(Arc::new(Redactor::built_in())).1),
            policy: watch::channel(Arc::new(policy)).1,
            clock: clock(),
            ready,
        };
        (deps, says)
    }

    fn authenticator(&self) -> Arc<Authenticator> {
        let issuer = Issuer {
            url: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            groups_claim: "groups".to_owned(),
            keys: Keys::Static(self.issuer.jwks()),
        };
        let config = identity::Config { issuers: vec![issuer], leeway: Duration::from_secs(60) };
        Authenticator::new(config, clock()).expect("an authenticator")
    }

    fn ingress_config(&self) -> ingress::Config {
        let connection = Connection {
            name: "c".to_owned(),
            kind: Kind::Mcp,
            upstream: format!("http://{}/mcp", self.upstream).parse().expect("a URL"),
            credential: None,
            record: Mode::Required,
            mask_answers: false,
            mask_requests: false,
        };
        ingress::Config { public_url: None, tls: None, connections: vec![connection], limits: Limits::default() }
    }

    fn masker(&self, bus: Faulty) -> masker::Deps {
        let key = PrivateKey::from_text(&self.key).expect("a key");
        masker::Deps {
            bus: Arc::new(bus),
            opener: Opener::new(vec![key]).into(),
            redactor: tokio::sync::watch::channel(Arc::new(Redactor::built_in())).1,
            shadow: tokio::sync::watch::channel(None).1,
            tenants: std::collections::HashMap::new(),
            identity_key: IDENTITY_KEY,
            clock: clock(),
            ready: watch::Sender::new(None),
        }
    }
}

impl Life {
    /// Waits until a planned fault has happened.
    pub(crate) async fn struck(&self, what: &str) {
        let until = Instant::now() + PATIENCE;
        while self.faults.struck() == 0 {
            assert!(Instant::now() < until, "{what}: the fault never happened");
            let_pass(POLL_MILLISECONDS).await;
        }
    }

    /// Every task ends where it stands, and nobody is told.
    pub(crate) fn crash(self) {
        drop(self);
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        for stage in self.stages.drain(..) {
            tokio::time::timeout(PATIENCE, stage).await.expect("a stage ends in time").expect("no stage panics");
        }
    }
}

impl Drop for Life {
    /// A runtime cannot be dropped within another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE)).join();
            assert!(ended.is_ok() || std::thread::panicking(), "the runtime ends");
        }
    }
}

async fn run<E: std::fmt::Debug>(stage: impl Future<Output = Result<(), E>>) {
    stage.await.expect("no stage fails for good");
}

fn archiver(bus: Faulty, store: Arc<dyn ObjectStore>) -> archiver::Deps {
    archiver::Deps { bus: Arc::new(bus), store, clock: clock(), ready: watch::Sender::new(None) }
}

fn masker_config() -> masker::Config {
    masker::Config { retry_milliseconds_max: 50, ..masker::Config::default() }
}

fn archiver_config() -> archiver::Config {
    archiver::Config {
        batch_rows_max: 4,
        batch_age_seconds_max: 0,
        row_group_rows: 3,
        retry_milliseconds_max: 50,
        ..archiver::Config::default()
    }
}

/// The real time: tokens and rows are as in life.
#[expect(clippy::disallowed_methods, reason = "stands in for the command, which tells the time")]
fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        Timestamp(i64::try_from(since.as_micros()).expect("not that far in the future"))
    })
}
