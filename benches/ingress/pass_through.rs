//! The least that a proxy does, in a process of its own: no parsing, no recording, one upstream connection for each
//! connection. What Hansard takes beyond this is its own.

use std::net::SocketAddr;

use anyhow::Result;
use hyper::{client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

use super::process;

pub(crate) const ROLE: &str = "pass-through";

/// On as many threads as there are cores, as `hansard up`; until the measurement ends.
pub(crate) fn serve(to: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        process::tell_address(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(pass(stream, to));
        }
    })
}

async fn pass(stream: TcpStream, to: SocketAddr) -> Result<()> {
    stream.set_nodelay(true)?;
    let upstream = TcpStream::connect(to).await?;
    upstream.set_nodelay(true)?;
    let (sender, connection) = client::conn::http1::handshake(TokioIo::new(upstream)).await?;
    tokio::spawn(connection);
    let sender = Mutex::new(sender);
    let service = service_fn(|request| async { sender.lock().await.send_request(request).await });
    server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}
