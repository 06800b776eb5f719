//! The caller: so many connections, each of which makes one call after another, for a while; on one thread.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::process;

/// What is called, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) token: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) message: Bytes,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// What was seen in the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) latencies: Vec<Duration>,
    /// CPU time of each process that was asked for.
    pub(crate) cpu: Vec<Duration>,
    /// All calls that were made, also outside the window.
    pub(crate) calls: u64,
}

/// Makes the calls, and notes what CPU time `processes` take meanwhile.
pub(crate) fn run(target: &Target, load: &Load, processes: &[u32]) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(offer(target, load, processes))
}

async fn offer(target: &Target, load: &Load, processes: &[u32]) -> Result<Seen> {
    let from = Instant::now() + load.warm_up;
    let until = from + load.window;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let callers: Vec<_> = (0..load.connections)
        .map(|_| tokio::spawn(call_until(target.clone(), load.message.clone(), from, until, seen.clone())))
        .collect();
    sleep_until(from).await;
    let before = cpu(processes)?;
    sleep_until(until).await;
    let after = cpu(processes)?;
    for caller in callers {
        caller.await??;
    }
    let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    seen.cpu = before.into_iter().zip(after).map(|(before, after)| after - before).collect();
    Ok(seen)
}

fn cpu(processes: &[u32]) -> Result<Vec<Duration>> {
    processes.iter().map(|process| process::cpu(*process)).collect()
}

/// One caller. A call belongs to the window in which it ends.
async fn call_until(
    target: Target,
    message: Bytes,
    from: Instant,
    until: Instant,
    seen: Arc<Mutex<Seen>>,
) -> Result<()> {
    let mut sender = connect(target.address).await?;
    let (mut latencies, mut calls) = (Vec::new(), 0);
    while Instant::now() < until {
        let began = Instant::now();
        let answer = sender.send_request(request(&target, message.clone())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status == StatusCode::OK && body.len() == message.len(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        let ended = Instant::now();
        calls += 1;
        if (from..until).contains(&ended) {
            latencies.push(ended - began);
        }
    }
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.latencies.append(&mut latencies);
    seen.calls += calls;
    Ok(())
}

pub(crate) async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// As a client of the session era sends it.
pub(crate) fn request(target: &Target, message: Bytes) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::post(target.path)
        .header(HOST, target.address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25");
    if let Some(token) = &target.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    Ok(request.body(Full::new(message))?)
}
