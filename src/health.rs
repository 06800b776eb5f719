//! `hansard health`: asks the role that runs beside it, as images without a shell need it for their health check.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::{configuration::Configuration, exit::Failure};

/// How long the role may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is shown, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Succeeds if the role answers well: that it is alive, or with `ready` that it does its work.
#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
pub async fn command(configuration: &Configuration, ready: bool) -> Result<(), Failure> {
    let address = near(configuration.operation.listen);
    let path = if ready { "/readyz" } else { "/healthz" };
    let asked = timeout(PATIENCE, ask(address, path)).await;
    let (status, body) = asked.map_err(anyhow::Error::from).and_then(|answer| answer).map_err(|error| {
        let error = error.context(format!("nothing answers at http://{address}{path}, [operation] listen"));
        Failure::Unavailable(error)
    })?;
    if status != StatusCode::OK {
        return Err(Failure::Unavailable(anyhow!("{status}: {}", body.trim())));
    }
    println!("{}", body.trim());
    Ok(())
}

/// An address that means all of this machine's is asked on loopback.
fn near(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    address
}

async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body =
        Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| anyhow!(error)).context("its answer")?;
    Ok((head.status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_all_is_asked_on_loopback() {
        let check = |listen: &str, asked: &str| {
            assert_eq!(near(listen.parse().expect("an address")), asked.parse().expect("an address"));
        };
        check("0.0.0.0:7402", "127.0.0.1:7402");
        check("[::]:7402", "[::1]:7402");
        check("10.1.2.3:1", "10.1.2.3:1");
    }
}
