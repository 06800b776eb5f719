//! Speaks to the console of a running `hansard up`, on this machine.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an answer may take.
const ANSWER_SECONDS_MAX: u64 = 60;

pub async fn post(console: SocketAddr, path: &str, token: &str, body: &Value) -> Result<(StatusCode, Value)> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, console.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .context("the token or the id is no text for an HTTP request")?;
    match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), exchange(console, request)).await {
        Ok(answer) => answer,
        Err(_) => bail!("the console at {console} gave no answer within {ANSWER_SECONDS_MAX} s"),
    }
}

async fn exchange(console: SocketAddr, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value)> {
    let stream = TcpStream::connect(console)
        .await
        .with_context(|| format!("nothing answers at {console}: is `hansard up` running on this --data directory?"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.context("the console broke off")?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the console's answer broke off: {error}"))?.to_bytes();
    let json =
        serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    ensure!(!status.is_redirection(), "the console sends elsewhere ({status})");
    Ok((status, json))
}
