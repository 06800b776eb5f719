//! `hansard ingress | masker | approver | archiver | query`: one role in this process, on Kafka, as often as wanted.
//!
//! Each has a data directory of its own, for its name and for the keys that it needs; none makes keys, since what is
//! sealed to keys that only one of them has could not be opened by the others. Before anything else it is checked that
//! the topics are there and that the user may do with them what the role does.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use bus::{Bus, DirectoryLock};
use recorder::Recorder;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    configuration::{BusKind, Configuration},
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    running::{self, Roles, bind},
    start::{Desk, Start},
    telemetry,
    topics::Party,
    wiring::{self, Ground},
};

/// How long the log may refuse to take the record of a start.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries.
const START_PAUSE: Duration = Duration::from_secs(1);

/// One role while it runs.
struct Running {
    roles: Roles,
    /// Where callers or people come in.
    door: Option<SocketAddr>,
    operation: SocketAddr,
    _lock: DirectoryLock,
}

/// From the first line it prints to its end by SIGTERM or SIGINT.
pub async fn command(data: &DataDirectory, configuration: &Configuration, role: Party) -> Result<(), Failure> {
    if configuration.bus.kind != BusKind::Kafka {
        return Err(Failure::Usage(anyhow!(
            "a single role needs a log that others share: set [bus] kind = \"kafka\" and brokers, or run all roles with `hansard up`"
        )));
    }
    let mut ended = running::signals()?;
    let mut running = tokio::select! {
        started = start(data, configuration, role) => started?,
        _ = ended.recv() => return Ok(()),
    };
    announce(&running, role);
    running::until_ended(&mut running.roles, &mut ended).await?;
    Ok(running.roles.stop().await?)
}

async fn start(data: &DataDirectory, configuration: &Configuration, role: Party) -> Result<Running, Failure> {
    let lock = bus::data_dir_lock(data.path()).map_err(|error| Failure::Unavailable(error.into()))?;
    let operation = bind("operation", configuration.operation.listen).await.map_err(Failure::Unavailable)?;
    let operation_address = operation.local_addr().context("a listener without an address")?;
    let door = door(configuration, role).await.map_err(Failure::Unavailable)?;
    let door_address = door.as_ref().and_then(|door| door.local_addr().ok());
    let clock = wiring::clock();
    let bus = wiring::log(data, configuration, &clock, &[role]).await.map_err(Failure::Unavailable)?;
    let metrics = telemetry::install_metrics(&[role])?;
    let mut start = Start::new(configuration, bus.clone(), clock);
    let recorder = match door {
        Some(door) => Some(at_desk(data, &mut start, role, door, bus).await?),
        None => {
            behind(data, &mut start, role)?;
            None
        }
    };
    let roles = start.operated(operation, metrics, recorder.clone());
    if let Some(recorder) = &recorder {
        record_start(recorder, role).await?;
    }
    Ok(Running { roles, door: door_address, operation: operation_address, _lock: lock })
}

/// The start is a record as well. Until the log has taken it, `/readyz` says why it does not.
async fn record_start(recorder: &Recorder, role: Party) -> Result<()> {
    let until = Instant::now() + START_PATIENCE;
    loop {
        match recorder.lifecycle("lifecycle/started", running::started(Some(role.as_str()))).await {
            Err(error) if Instant::now() < until => {
                tracing::warn!(%error, "the start cannot be recorded yet");
                tokio::time::sleep(START_PAUSE).await;
            }
            recorded => return recorded.context("cannot record the start"),
        }
    }
}

/// The listener of those who answer callers or people.
async fn door(configuration: &Configuration, role: Party) -> Result<Option<TcpListener>> {
    match role {
        Party::Ingress => bind("ingress", configuration.ingress.listen).await.map(Some),
        Party::Approver | Party::Query => bind("console", configuration.console.listen).await.map(Some),
        _ => Ok(None),
    }
}

/// Those who answer, and record what they do.
async fn at_desk(
    data: &DataDirectory,
    start: &mut Start<'_>,
    role: Party,
    door: TcpListener,
    bus: Arc<dyn Bus>,
) -> Result<Arc<Recorder>> {
    let keys = Keys::of(data).context(NO_KEYS)?;
    let recorder = Ground::on(bus, &keys, data.emitter()?)?.recorder;
    let authenticator = wiring::authenticator(start.configuration, &keys, &start.clock)?;
    let desk = Desk { recorder: recorder.clone(), authenticator };
    let stop = CancellationToken::new();
    match role {
        #[cfg(feature = "ingress")]
        Party::Ingress => start.ingress(door, desk)?,
        #[cfg(feature = "approver")]
        Party::Approver => {
            let pages = start.votes(desk, &stop).await;
            start.console(door, pages, stop);
        }
        #[cfg(feature = "query")]
        Party::Query => {
            let pages = start.questions(desk, wiring::store(data, start.configuration)?).await?;
            start.console(door, pages, stop);
        }
        _ => drop((door, desk, stop)),
    }
    Ok(recorder)
}

/// Those who only work on what is on the log.
fn behind(data: &DataDirectory, start: &mut Start<'_>, role: Party) -> Result<()> {
    match role {
        #[cfg(feature = "masker")]
        Party::Masker => start.masker(&Keys::of(data).context(NO_KEYS)?),
        #[cfg(feature = "archiver")]
        Party::Archiver => {
            start.archiver(wiring::store(data, start.configuration)?);
            Ok(())
        }
        _ => {
            let _ = (data, start);
            Ok(())
        }
    }
}

/// Why a role does not make its keys.
pub const NO_KEYS: &str = "on Kafka, keys are made once and shared: run `hansard keys generate`, and copy keys/ to the masker's data \
     directories and keys/sealing.public to those of ingress, approver and query";

#[expect(clippy::print_stdout, reason = "these lines are what the role is asked for")]
fn announce(running: &Running, role: Party) {
    if let Some(door) = running.door {
        println!("{role:<10} http://{door}/");
    }
    println!("operation  http://{}/metrics, /healthz, /readyz", running.operation);
    println!("ready");
}
