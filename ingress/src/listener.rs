//! Accepting connections, one task each, until the shutdown; then draining.
//!
//! It refuses connections beyond `connections_max` by letting them wait in the kernel, and hangs up on whoever does
//! not finish the head of a request in time.

mod first_bytes;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{
    Deps, Error,
    approvals::Approvals,
    call,
    config::{Config, Limits},
    exchange::{Gate, seconds},
    forward::Upstreams,
    head,
    hold::Holds,
    listener::first_bytes::{FirstBytes, Version},
    outlet::{Answer, Outlet},
    session::{Conversations, Sessions},
    skipped::{self, Skipped},
    tls::Certificate,
    tools::Tools,
    trail::Log,
};

/// Read and write buffer of one connection, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long accepting rests after it failed, as when the process has no more file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How often a failing log is tried when no call tries it.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// What is left of the drain for calls to record that they were cut.
const CUT_GRACE: Duration = Duration::from_secs(2);
/// Requests at once on one HTTP/2 connection.
const H2_STREAMS_MAX: u32 = 200;

pub(crate) async fn serve(
    listener: TcpListener,
    config: Config,
    deps: Deps,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let background = TaskTracker::new();
    let stop = CancellationToken::new();
    let acceptor = acceptor(&config, &background, &stop)?;
    let gate = gate(&listener, config, &deps, shutdown.clone())?;
    let following = gate.approvals.follow(deps.approvals, &deps.ready, (&background, &stop));
    match shutdown.run_until_cancelled(following).await {
        Some(followed) => followed.map_err(Error::Approvals)?,
        None => return Ok(()),
    }
    spawn_until(&background, &stop, watch_recording(Arc::clone(&gate), deps.ready.clone()));
    spawn_until(&background, &stop, report_skipped(Arc::clone(&gate)));
    deps.ready.send_replace(None);

    let server =
        Server { gate: Arc::clone(&gate), acceptor, connections: TaskTracker::new(), calls: TaskTracker::new() };
    server.accept(&listener, &shutdown).await;
    drop(listener);
    deps.ready.send_replace(Some("shutting down".to_owned()));
    server.drain().await;
    stop.cancel();
    background.close();
    background.wait().await;
    skipped::report(&gate.log.skipped, &gate.log.recorder).await;
    Ok(())
}

fn gate(listener: &TcpListener, config: Config, deps: &Deps, draining: CancellationToken) -> Result<Arc<Gate>, Error> {
    if deps.redactor.is_none() && config.masks() {
        return Err(Error::Rules);
    }
    let limits = config.limits;
    let upstreams = Upstreams::new(&config.connections, &limits)?;
    let address = listener.local_addr().map_err(Error::Listener)?;
    let named = |connection: crate::Connection| (connection.name.clone(), Arc::new(connection));
    Ok(Arc::new(Gate {
        connections: config.connections.into_iter().map(named).collect(),
        public_url: config.public_url,
        loopback: address.ip().is_loopback(),
        secure: config.tls.is_some(),
        log: Log {
            recorder: Arc::clone(&deps.recorder),
            skipped: Arc::new(Skipped::default()),
            clock: Arc::clone(&deps.clock),
        },
        authenticator: Arc::clone(&deps.authenticator),
        policy: deps.policy.clone(),
        spans: deps.spans.clone(),
        redactor: deps.redactor.clone(),
        upstreams,
        sessions: Sessions::new(limits.sessions_max),
        conversations: Conversations::new(limits.conversations_max, seconds(limits.conversation_idle_seconds_max)),
        tools: Tools::new(limits.tools_max),
        approvals: Arc::new(Approvals::default()),
        holds: Holds::new(limits.holds_max),
        draining,
        cut: CancellationToken::new(),
        limits,
    }))
}

fn acceptor(config: &Config, background: &TaskTracker, stop: &CancellationToken) -> Result<Option<TlsAcceptor>, Error> {
    let Some(files) = config.tls.clone() else { return Ok(None) };
    let certificate = Certificate::load(files)?;
    spawn_until(background, stop, Arc::clone(&certificate).watch());
    Ok(Some(TlsAcceptor::from(certificate.server_config())))
}

fn spawn_until(tasks: &TaskTracker, stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}

/// Says whether calls can be recorded, and tries a failing log even when no call does, because a balancer that reads
/// readiness sends none.
async fn watch_recording(gate: Arc<Gate>, ready: tokio::sync::watch::Sender<Option<String>>) {
    let mut failing = gate.log.recorder.failing();
    loop {
        let reason = failing.borrow_and_update().clone();
        let is_failing = reason.is_some();
        ready.send_replace(reason);
        tokio::select! {
            changed = failing.changed() => if changed.is_err() { return },
            () = sleep(PROBE_EVERY), if is_failing => {
                // Its failure is what is being watched.
                let _ = gate.log.recorder.lifecycle("recording/probed", String::new()).await;
            }
        }
    }
}

async fn report_skipped(gate: Arc<Gate>) {
    loop {
        sleep(seconds(gate.limits.skipped_report_seconds.max(1))).await;
        skipped::report(&gate.log.skipped, &gate.log.recorder).await;
    }
}

struct Server {
    gate: Arc<Gate>,
    acceptor: Option<TlsAcceptor>,
    connections: TaskTracker,
    calls: TaskTracker,
}

impl Server {
    async fn accept(&self, listener: &TcpListener, shutdown: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.gate.limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        let accepting = async {
            loop {
                let place = Arc::clone(&places).acquire_owned().await.expect("the places are never closed");
                match listener.accept().await {
                    Ok((stream, peer)) => self.spawn(stream, peer, place),
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_AGAIN_AFTER).await;
                    }
                }
            }
        };
        // Accepting never ends by itself.
        let _: Option<Infallible> = shutdown.run_until_cancelled(accepting).await;
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let (gate, calls, acceptor) = (Arc::clone(&self.gate), self.calls.clone(), self.acceptor.clone());
        self.connections.spawn(async move {
            let _place = place;
            // Small answers are not to wait for a delayed acknowledgement; without it they only come later.
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => converse(gate, calls, stream, peer.ip()).await,
                // Apart, since it takes more memory, which a connection in the clear must not pay for.
                Some(acceptor) => Box::pin(shake_hands(acceptor, gate, calls, stream, peer.ip())).await,
            }
        });
    }

    /// Calls under way end by themselves; what is left when the time is over is cut, which is recorded.
    async fn drain(&self) {
        self.connections.close();
        self.calls.close();
        let all = async {
            self.calls.wait().await;
            self.connections.wait().await;
        };
        let patience = seconds(self.gate.limits.drain_seconds_max);
        if timeout(patience, all).await.is_ok() {
            return;
        }
        self.gate.cut.cancel();
        if timeout(CUT_GRACE, self.calls.wait()).await.is_err() {
            warn!("calls under way were abandoned when the time to drain was over");
        }
    }
}

/// A connection by TLS, until either side ends it.
async fn shake_hands(acceptor: TlsAcceptor, gate: Arc<Gate>, calls: TaskTracker, stream: TcpStream, source: IpAddr) {
    let patience = seconds(gate.limits.header_read_seconds_max);
    match timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => converse(gate, calls, stream, source).await,
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => debug!("a TLS handshake took too long"),
    }
}

/// One connection, until either side ends it.
async fn converse<S>(gate: Arc<Gate>, calls: TaskTracker, stream: S, source: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = seconds(gate.limits.header_read_seconds_max);
    let (version, stream) = match gate.draining.run_until_cancelled(FirstBytes::read(stream, patience)).await {
        Some(Ok(read)) => read,
        Some(Err(error)) => return debug!(%source, %error, "a connection ended before its first call"),
        None => return,
    };
    let builder = builder(&gate.limits, version);
    let (serving, draining) = (Arc::clone(&gate), gate.draining.clone());
    let service = service_fn(move |request| respond(Arc::clone(&serving), calls.clone(), request, source));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%source, %error, "a connection ended early");
    }
}

fn builder(limits: &Limits, version: Version) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(seconds(limits.header_read_seconds_max))
        .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(seconds(limits.header_read_seconds_max.max(1)))
        .keep_alive_timeout(seconds(limits.header_read_seconds_max.max(1)));
    match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
    }
}

/// Lets the call live in a task of its own: it must record its end even when its connection is gone.
async fn respond(
    gate: Arc<Gate>,
    calls: TaskTracker,
    request: Request<Incoming>,
    source: IpAddr,
) -> Result<Response<Answer>, Infallible> {
    let patience = seconds(gate.limits.stream_idle_seconds_max);
    let (outlet, answer) = Outlet::new(patience, gate.cut.clone());
    let (head, body) = request.into_parts();
    calls.spawn(call::live(gate, head::alone(head), body, source, outlet));
    // Only a call that panicked ends without an answer.
    Ok(answer.await.unwrap_or_else(|_| broken()))
}

fn broken() -> Response<Answer> {
    let mut response = Response::new(Answer::whole("the gateway failed on this call; the fault is its own\n".into()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
