//! Roles while they run: how they end, one after another, and how a program waits for its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::Router;
use recorder::Recorder;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long an answer for people or machines may still take when the program ends. Whoever never ends a request must
/// not take the time that masker and archiver need.
const PAGES_DRAIN: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Role {
    pub name: &'static str,
    /// Whether it records: the stop is recorded when the last of these has ended.
    pub records: bool,
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<()>>,
}

#[derive(Debug)]
pub struct Roles {
    /// In the order in which they end: who feeds the others first.
    pub roles: Vec<Role>,
    /// Of a program that records anything.
    pub recorder: Option<Arc<Recorder>>,
    /// How long the end may take.
    pub drain: Duration,
}

impl Roles {
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
    pub async fn stop(mut self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + self.drain;
        let (mut late, mut failed) = (Vec::new(), None);
        for role in self.roles {
            if !role.records
                && let Some(recorder) = self.recorder.take()
                && let Err(error) = recorder.lifecycle("lifecycle/stopped", String::new()).await
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

/// Serves pages until the role is stopped.
pub fn serve(name: &'static str, listener: TcpListener, pages: Router, stop: CancellationToken) -> Role {
    let (stopped, cut) = (stop.clone().cancelled_owned(), stop.clone().cancelled_owned());
    let task = tokio::spawn(async move {
        let service = pages.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
        tokio::select! {
            served = serving => served.context("the listener failed"),
            () = async { cut.await; tokio::time::sleep(PAGES_DRAIN).await } => Ok(()),
        }
    });
    Role { name, records: name == "console", stop, task }
}

pub async fn bind(section: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: end the program that does, or set another address (or port 0) as [{section}] listen")
    })
}

/// What a start says of the program.
pub fn started(role: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match role {
        Some(role) => serde_json::json!({ "version": version, "role": role }).to_string(),
        None => serde_json::json!({ "version": version }).to_string(),
    }
}

/// Runs until a signal or until a role breaks.
pub async fn until_ended(roles: &mut Roles, ended: &mut mpsc::Receiver<()>) -> Result<()> {
    tokio::select! {
        _ = ended.recv() => {
            info!("ending: no new calls are taken");
            Ok(())
        }
        error = roles.broken() => Err(error),
    }
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
