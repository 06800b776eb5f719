//! Fetches the two documents of an issuer: its OIDC discovery document and its JWKS.
//!
//! It refuses http but to the machine itself, redirects, documents that are too long, and to wait too long.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::aws_lc_rs;
use serde::Deserialize;
use url::{Host, Url};

use crate::ConfigError;

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 512 * 1024;
/// Longest wait for one document, from the connection to its last byte.
pub const FETCH_SECONDS_MAX: u64 = 5;

#[derive(Clone)]
pub(crate) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    patience: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot reach the issuer")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the issuer did not answer within {FETCH_SECONDS_MAX} seconds")]
    Slow,
    #[error("the issuer answered with status {0}")]
    Status(StatusCode),
    #[error("the issuer's answer broke off, or is longer than {DOCUMENT_BYTES_MAX} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the issuer's discovery document is not one")]
    NotDiscovery,
    #[error("the issuer's discovery document is of another issuer: compare `issuer` in it with the configuration")]
    OtherIssuer,
    #[error("the URL of the issuer's keys is not https")]
    Insecure,
    #[error("the issuer's keys are not a JWKS with a key that is of use here")]
    NotKeys,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(crate) fn new() -> Result<Fetcher, ConfigError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        let connector = connector.map_err(|error| {
            ConfigError(format!("cannot check the certificates of issuers ({error}): install ca-certificates"))
        })?;
        let connector = connector.https_or_http().enable_http1().enable_http2().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Fetcher { client, patience: Duration::from_secs(FETCH_SECONDS_MAX) })
    }

    /// Where the keys of `issuer` are, by its own word.
    pub(crate) async fn discover(&self, issuer: &str, document: &Url) -> Result<Url, FetchError> {
        let body = self.document(document).await?;
        let discovery: Discovery = serde_json::from_slice(&body).map_err(|_| FetchError::NotDiscovery)?;
        if discovery.issuer != issuer {
            return Err(FetchError::OtherIssuer);
        }
        Url::parse(&discovery.jwks_uri).map_err(|_| FetchError::NotDiscovery)
    }

    pub(crate) async fn document(&self, url: &Url) -> Result<Bytes, FetchError> {
        if !is_safe(url) {
            return Err(FetchError::Insecure);
        }
        tokio::time::timeout(self.patience, self.get(url)).await.map_err(|_| FetchError::Slow)?
    }

    async fn get(&self, url: &Url) -> Result<Bytes, FetchError> {
        let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json").body(Empty::new());
        let request = request.expect("a URL that was parsed is a URI");
        let response = self.client.request(request).await.map_err(FetchError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
        Ok(body.map_err(FetchError::Body)?.to_bytes())
    }
}

/// Keys that came over a line that others can write to are nobody's keys.
pub(crate) fn is_safe(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => IpAddr::from(address).is_loopback(),
        ("http", Some(Host::Ipv6(address))) => IpAddr::from(address).is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What comes of a server that sends `answer` and then nothing more, with the connection open.
    async fn check(answer: &'static [u8], expected: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            std::future::pending::<()>().await;
        });
        let fetcher = Fetcher { patience: Duration::from_millis(100), ..Fetcher::new().expect("a client") };
        let error = fetcher.document(&url.parse().expect("a URL")).await.expect_err("no document");
        assert_eq!(error.to_string(), expected);
        server.abort();
    }

    #[tokio::test]
    async fn a_silent_server_and_one_that_stops_halfway_cost_no_more_than_the_patience() {
        let slow = "the issuer did not answer within 5 seconds";
        check(b"", slow).await;
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", slow).await;
    }

    #[test]
    fn keys_are_fetched_over_lines_that_nobody_else_can_write_to() {
        let is_safe = |url: &str| super::is_safe(&url.parse().expect("a URL"));
        for url in
            ["https://a.example", "http://localhost:1/x", "http://127.0.0.1", "http://127.9.9.9:80", "http://[::1]:1"]
        {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://a.example",
            "http://localhost.a.example",
            "http://127.0.0.1.a.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://[::2]",
            "http://[::ffff:10.0.0.1]",
            "file:///etc/passwd",
            "ftp://localhost",
            "data:,{}",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
