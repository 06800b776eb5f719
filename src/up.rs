//! `hansard up`: all roles in one process, on one data directory.
//!
//! Starts the stages, and on SIGTERM lets them end in the order of the data's path, so that nothing is lost and little
//! is left to do. A kill at any moment is no special case: the next start reads where the log and the archive stopped.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use archiver::ObjectStore;
use axum::Router;
use bus::DirectoryLock;
use identity::Authenticator;
use policy::Policy;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    configuration::Configuration,
    data::{Addresses, DataDirectory},
    exit::Failure,
    keys::Keys,
    operation::{self, Readiness},
    telemetry,
    wiring::{self, Ground},
};

/// How long an answer for people or machines may still take when the program ends. Whoever never ends a request must
/// not take the time that masker and archiver need.
const PAGES_DRAIN: Duration = Duration::from_secs(3);

/// The roles while they run.
pub struct Running {
    pub addresses: Addresses,
    pub ground: Ground,
    data: DataDirectory,
    /// In the order in which they end: who feeds the others first.
    roles: Vec<Role>,
    drain: Duration,
    _lock: DirectoryLock,
}

#[derive(Debug)]
struct Role {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
}

/// What a start says of the program.
fn started() -> String {
    serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string()
}

/// Listeners are bound before anything starts, so that a port in use changes nothing.
struct Listeners {
    ingress: TcpListener,
    console: TcpListener,
    operation: TcpListener,
}

impl Running {
    pub async fn start(data: &DataDirectory, configuration: &Configuration) -> Result<Running, Failure> {
        let lock = bus::data_dir_lock(data.path()).map_err(|error| Failure::Unavailable(error.into()))?;
        let listeners = Listeners::bind(configuration).await.map_err(Failure::Unavailable)?;
        let keys = Keys::generate(data)?;
        let ground = Ground::open(data, configuration, &keys, data.emitter()?).await?;
        let addresses = listeners.addresses()?;
        let roles = start_roles(data, configuration, &keys, &ground, listeners).await?;
        ground.recorder.lifecycle("lifecycle/started", started()).await.context("cannot record the start")?;
        data.publish_addresses(&addresses)?;
        let drain = Duration::from_secs(configuration.operation.drain_seconds_max);
        Ok(Running { addresses, ground, data: data.clone(), roles, drain, _lock: lock })
    }

    /// Resolves when a role ends by itself, which none should.
    pub async fn broken(&mut self) -> anyhow::Error {
        let ends = self.roles.iter_mut().map(|role| {
            let name = role.name;
            Box::pin(async move { (name, (&mut role.task).await) })
        });
        let ((name, result), ..) = futures::future::select_all(ends).await;
        match result {
            Ok(Ok(())) => anyhow!("the role {name} ended without being told to"),
            Ok(Err(error)) => error.context(format!("the role {name} failed")),
            Err(panic) => anyhow!("the role {name} panicked: {panic}"),
        }
    }

    /// Ends the roles one after another, each within the time that is left.
    pub async fn stop(self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + self.drain;
        self.data.withdraw_addresses();
        let (mut late, mut failed) = (Vec::new(), None);
        for role in self.roles {
            if role.name == "masker"
                && let Err(error) = self.ground.recorder.lifecycle("lifecycle/stopped", String::new()).await
            {
                warn!(error = %error, "the stop could not be recorded");
            }
            role.stop.cancel();
            let Ok(end) = tokio::time::timeout_at(deadline, role.task).await else {
                late.push(role.name);
                continue;
            };
            if let Err(error) = end.context("it panicked").and_then(|end| end) {
                // The roles behind it are still to be drained.
                failed.get_or_insert(error.context(format!("the role {} failed", role.name)));
            }
        }
        if !late.is_empty() {
            warn!(roles = late.join(", "), "stopped before all was drained; the next start goes on from here");
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Listeners {
    async fn bind(configuration: &Configuration) -> Result<Listeners> {
        Ok(Listeners {
            ingress: bind("ingress", configuration.ingress.listen).await?,
            console: bind("console", configuration.console.listen).await?,
            operation: bind("operation", configuration.operation.listen).await?,
        })
    }

    fn addresses(&self) -> Result<Addresses> {
        let of = |listener: &TcpListener| listener.local_addr().context("a listener without an address");
        Ok(Addresses { ingress: of(&self.ingress)?, console: of(&self.console)?, operation: of(&self.operation)? })
    }
}

async fn bind(section: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: end the program that does, or set another address (or port 0) as [{section}] listen")
    })
}

/// Starts every role. The order is that of the data's path, which is the order in which they end.
async fn start_roles(
    data: &DataDirectory,
    configuration: &Configuration,
    keys: &Keys,
    ground: &Ground,
    listeners: Listeners,
) -> Result<Vec<Role>> {
    let metrics = telemetry::install_metrics()?;
    let authenticator = wiring::authenticator(configuration, keys, &ground.clock)?;
    let store = wiring::store(data, configuration)?;
    let mut start = Start { configuration, ground, authenticator, store, roles: Vec::new(), readiness: Vec::new() };
    start.ingress(listeners.ingress)?;
    start.console(listeners.console).await?;
    start.masker(keys)?;
    start.archiver();
    let health = operation::router(operation::Roles::new(start.readiness), metrics);
    start.roles.push(serve("operation", listeners.operation, health, CancellationToken::new()));
    Ok(start.roles)
}

/// The roles that have been started so far, and what they share.
struct Start<'a> {
    configuration: &'a Configuration,
    ground: &'a Ground,
    authenticator: Arc<Authenticator>,
    store: Arc<dyn ObjectStore>,
    roles: Vec<Role>,
    readiness: Vec<(&'static str, Readiness)>,
}

impl Start<'_> {
    fn ingress(&mut self, listener: TcpListener) -> Result<()> {
        let config = wiring::ingress(self.configuration)?;
        let deps = ingress::Deps {
            recorder: self.ground.recorder.clone(),
            approvals: self.ground.bus.reader(),
            authenticator: self.authenticator.clone(),
            policy: watch::channel(Policy::compile(&self.configuration.policy)?.into()).1,
            clock: self.ground.clock.clone(),
            ready: self.waits("ingress"),
        };
        self.run("ingress", |stop| async move { Ok(ingress::run(listener, config, deps, stop).await?) });
        Ok(())
    }

    /// Approvals, SQL and pages share a listener, a sign-in and a look.
    async fn console(&mut self, listener: TcpListener) -> Result<()> {
        let stop = CancellationToken::new();
        let votes = approver::Deps {
            recorder: self.ground.recorder.clone(),
            approvals: self.ground.bus.reader(),
            authenticator: self.authenticator.clone(),
            clock: self.ground.clock.clone(),
            ready: self.waits("approver"),
        };
        let questions = query::Deps {
            reader: self.ground.bus.reader(),
            store: self.store.clone(),
            recorder: self.ground.recorder.clone(),
            clock: self.ground.clock.clone(),
            ready: self.waits("query"),
        };
        let trail = query::Trail::open(self.configuration.query.clone(), questions).await?;
        let pages = approver::router(self.configuration.approver.clone(), votes, stop.clone())
            .await?
            .merge(query::router(trail, self.authenticator.clone()).await);
        self.roles.push(serve("console", listener, pages, stop));
        Ok(())
    }

    fn masker(&mut self, keys: &Keys) -> Result<()> {
        let config = self.configuration.masker.clone();
        let deps = masker::Deps {
            bus: self.ground.bus.clone(),
            opener: keys.opener()?.into(),
            redactor: crate::redaction::watched(&self.configuration.redaction)?,
            identity_key: keys.identity()?,
            clock: self.ground.clock.clone(),
            ready: self.waits("masker"),
        };
        self.run("masker", |stop| async move { Ok(masker::run(config, deps, stop).await?) });
        Ok(())
    }

    fn archiver(&mut self) {
        let config = self.configuration.archiver.clone();
        let deps = archiver::Deps {
            bus: self.ground.bus.clone(),
            store: self.store.clone(),
            clock: self.ground.clock.clone(),
            ready: self.waits("archiver"),
        };
        self.run("archiver", |stop| async move { Ok(archiver::run(config, deps, stop).await?) });
    }

    /// What `name` says of itself; until it speaks, it is starting.
    fn waits(&mut self, name: &'static str) -> watch::Sender<Option<String>> {
        let (ready, says) = watch::channel(Some("starting".to_owned()));
        self.readiness.push((name, says));
        ready
    }

    fn run<F: Future<Output = Result<()>> + Send + 'static>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce(CancellationToken) -> F,
    ) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(stage(stop.clone()));
        self.roles.push(Role { name, stop, task });
    }
}

fn serve(name: &'static str, listener: TcpListener, pages: Router, stop: CancellationToken) -> Role {
    let (stopped, cut) = (stop.clone().cancelled_owned(), stop.clone().cancelled_owned());
    let task = tokio::spawn(async move {
        let service = pages.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
        tokio::select! {
            served = serving => served.context("the listener failed"),
            () = async { cut.await; tokio::time::sleep(PAGES_DRAIN).await } => Ok(()),
        }
    });
    Role { name, stop, task }
}

/// `hansard up`, from the first line it prints to its end by SIGTERM or SIGINT.
pub async fn command(data: &DataDirectory, configuration: &Configuration) -> Result<(), Failure> {
    let mut ended = signals()?;
    let mut running = Running::start(data, configuration).await?;
    announce(&running, configuration);
    let failure = tokio::select! {
        _ = ended.recv() => None,
        error = running.broken() => Some(error),
    };
    if let Some(error) = failure {
        return Err(Failure::Other(error));
    }
    info!("ending: no new calls are taken");
    Ok(running.stop().await?)
}

/// Carries one message for the first SIGTERM or SIGINT.
pub fn signals() -> Result<mpsc::Receiver<()>> {
    let mut term = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => (), _ = interrupt.recv() => () }
        let _ = send.send(()).await;
    });
    Ok(receive)
}

/// One line per fact that a person needs.
#[expect(clippy::print_stdout, reason = "these lines are what `up` is asked for")]
fn announce(running: &Running, configuration: &Configuration) {
    let Addresses { ingress, console, operation } = running.addresses;
    let scheme = if configuration.ingress.tls.is_some() { "https" } else { "http" };
    println!("ingress    {scheme}://{ingress}/c/<name>");
    for connection in &configuration.connection {
        println!("connection {scheme}://{ingress}/c/{} → {}", connection.name, connection.upstream);
    }
    println!("console    http://{console}/");
    println!("operation  http://{operation}/metrics, /healthz, /readyz");
    println!("data       {}", running.data.path().display());
    if configuration.is_development() {
        println!(
            "identity   development issuer; a token: hansard token --subject you --data {}",
            running.data.path().display()
        );
    }
    if configuration.connection.is_empty() {
        println!(
            "no connection is configured: add [[connection]] name, upstream to a file and start with --config FILE"
        );
    }
    println!("ready");
}
