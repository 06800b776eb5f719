//! `hansard up`: all roles in one process, on one data directory.
//!
//! Starts the stages, and on SIGTERM lets them end in the order of the data's path, so that nothing is lost and little
//! is left to do. A kill at any moment is no special case: the next start reads where the log and the archive stopped.

use anyhow::{Context, Result};
use bus::DirectoryLock;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    configuration::{BusKind, Configuration},
    data::{Addresses, DataDirectory},
    exit::Failure,
    keys::Keys,
    running::{self, Roles, bind},
    single::NO_KEYS,
    start::{Desk, Start},
    telemetry,
    topics::Party,
    wiring::{self, Ground},
};

/// The roles while they run.
pub struct Running {
    pub addresses: Addresses,
    pub ground: Ground,
    data: DataDirectory,
    roles: Roles,
    _lock: DirectoryLock,
}

/// Who takes part in a program that is all of them.
const ALL: [Party; 5] = [Party::Ingress, Party::Masker, Party::Approver, Party::Archiver, Party::Query];

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
        let keys = match configuration.bus.kind {
            BusKind::Embedded => Keys::generate(data)?,
            BusKind::Kafka => Keys::of(data).context(NO_KEYS)?,
        };
        let metrics = telemetry::install_metrics(&ALL)?;
        let bus = wiring::log(data, configuration, &wiring::clock(), &ALL).await?;
        let ground = Ground::on(bus, &keys, data.emitter()?)?;
        let addresses = listeners.addresses()?;
        let roles = start_roles(data, configuration, &keys, &ground, (listeners, metrics)).await?;
        let said = running::started(None);
        ground.recorder.lifecycle("lifecycle/started", said).await.context("cannot record the start")?;
        data.publish_addresses(&addresses)?;
        Ok(Running { addresses, ground, data: data.clone(), roles, _lock: lock })
    }

    /// Ends the roles in their order.
    pub async fn stop(self) -> Result<()> {
        self.data.withdraw_addresses();
        self.roles.stop().await
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

/// Starts every role. The order is that of the data's path, which is the order in which they end.
async fn start_roles(
    data: &DataDirectory,
    configuration: &Configuration,
    keys: &Keys,
    ground: &Ground,
    (listeners, metrics): (Listeners, PrometheusHandle),
) -> Result<Roles> {
    let authenticator = wiring::authenticator(configuration, keys, &ground.clock)?;
    let store = wiring::store(data, configuration)?;
    let desk = Desk { recorder: ground.recorder.clone(), authenticator };
    let mut start = Start::new(configuration, ground.bus.clone(), ground.clock.clone());
    start.ingress(listeners.ingress, desk.clone())?;
    // Approvals, SQL and pages share a listener, a sign-in and a look.
    let stop = CancellationToken::new();
    let votes = start.votes(desk.clone(), &stop).await;
    let questions = start.questions(desk.clone(), store.clone()).await?;
    start.console(listeners.console, votes.merge(questions), stop);
    start.masker(keys)?;
    start.archiver(store);
    Ok(start.operated(listeners.operation, metrics, Some(desk.recorder)))
}

/// `hansard up`, from the first line it prints to its end by SIGTERM or SIGINT.
pub async fn command(data: &DataDirectory, configuration: &Configuration) -> Result<(), Failure> {
    let mut ended = running::signals()?;
    let mut running = Running::start(data, configuration).await?;
    announce(&running, configuration);
    running::until_ended(&mut running.roles, &mut ended).await?;
    Ok(running.stop().await?)
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
