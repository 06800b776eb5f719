//! To the upstream: the caller's bytes as they came, with the gateway's credential in place of the caller's own.
//!
//! It refuses to forward `Authorization`, cookies and hop-by-hop headers, to ask for a compressed answer, and to retry
//! what an upstream may have seen.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use protocol::mcp::code;
use schemas::Outcome;
use tokio::time::timeout;
use url::Url;

use crate::{
    Error,
    config::{Connection, Limits},
    exchange::{Exchange, TRACEPARENT, seconds},
    head, measure,
    outlet::Outlet,
    route,
    stop::Stop,
};

/// An idle connection is given up before common servers give it up (Node: 5 s), so that no call meets a closing one.
const UPSTREAM_IDLE: Duration = Duration::from_secs(4);
/// Read and write buffer of one upstream connection.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Headers that mean the connection to the gateway, not the message.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];
/// What the caller shows the gateway, and what the gateway sets itself.
const NOT_FORWARDED: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::EXPECT,
];
/// What the upstream says to the gateway's credential; the caller has another.
const NOT_RETURNED: [HeaderName; 2] = [header::SET_COOKIE, header::WWW_AUTHENTICATE];

/// Connections to all upstreams.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Upstreams {
    pub(crate) fn new(connections: &[Connection], limits: &Limits) -> Result<Upstreams, Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(seconds(limits.upstream_connect_seconds_max)));
        let tls = tls(connections.iter().any(|connection| connection.upstream.scheme() == "https"))?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(UPSTREAM_IDLE)
            .http1_max_buf_size(BUFFER_BYTES_MAX)
            .build(connector.wrap_connector(http));
        Ok(Upstreams(client))
    }
}

/// Trusts the authorities of this system. Their absence matters only where an upstream is reached by https.
fn tls(needed: bool) -> Result<rustls::ClientConfig, Error> {
    use hyper_rustls::ConfigBuilderExt as _;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions");
    match builder.clone().with_native_roots() {
        Ok(trusting) => Ok(trusting.with_no_client_auth()),
        Err(error) if needed => Err(Error::Roots(error)),
        Err(_) => Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()),
    }
}

/// Sends the body and waits for the head of the answer.
pub(crate) async fn forward(
    exchange: &mut Exchange,
    outlet: &mut Outlet,
    body: Bytes,
) -> Result<Response<Incoming>, Stop> {
    let request = request(exchange, body)?;
    measure::forwarded(exchange.connection_name());
    let patience = seconds(exchange.gate.limits.upstream_first_byte_seconds_max);
    let answer = exchange.gate.upstreams.0.request(request);
    let cut = exchange.gate.cut.clone();
    tokio::select! {
        answer = timeout(patience, answer) => match answer {
            Ok(Ok(response)) => Ok(alone(response)),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(silent(patience)),
        },
        () = outlet.closed(), if exchange.ends_with_caller() => Err(Stop::cancelled()),
        () = cut.cancelled() => Err(Stop::closing()),
    }
}

/// Streams are long, so nothing of the head keeps the buffer that it was read into.
fn alone(mut response: Response<Incoming>) -> Response<Incoming> {
    *response.headers_mut() = head::values_alone(std::mem::take(response.headers_mut()));
    // A reason phrase is a slice of the buffer too, and nobody asks for it.
    response.extensions_mut().clear();
    response
}

fn request(exchange: &Exchange, body: Bytes) -> Result<Request<Full<Bytes>>, Stop> {
    let connection = exchange.connection.as_ref().expect("forwarding follows routing");
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = exchange.head.method.clone();
    *request.uri_mut() = uri(connection, exchange).ok_or_else(unroutable)?;
    *request.headers_mut() = outgoing(&exchange.head.headers, connection);
    if let Some(tracing) = &exchange.tracing {
        request.headers_mut().insert(TRACEPARENT, tracing.traceparent());
    }
    Ok(request)
}

fn uri(connection: &Connection, exchange: &Exchange) -> Option<Uri> {
    let upstream = &connection.upstream;
    let path = route::upstream_path(upstream, &exchange.suffix, exchange.head.uri.query())?;
    let port = upstream.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{path}", upstream.scheme(), upstream.host_str()?).parse().ok()
}

/// A URL that is not the connection's upstream or below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutsideUpstream;

/// The URL that this exchange asks the upstream for.
pub(crate) fn upstream_url(exchange: &Exchange) -> Result<Url, OutsideUpstream> {
    let connection = exchange.connection.as_ref().ok_or(OutsideUpstream)?;
    let uri = uri(connection, exchange).ok_or(OutsideUpstream)?;
    Url::parse(&uri.to_string()).map_err(|_| OutsideUpstream)
}

fn unroutable() -> Stop {
    Stop::refused(
        Outcome::Malformed,
        code::REFUSED,
        crate::stop::Status::Always(StatusCode::NOT_FOUND),
        "what follows the connection's name in the path leads out of the upstream's URL",
    )
}

/// The caller's headers as the upstream may see them, with the gateway's credential.
pub(crate) fn outgoing(headers: &HeaderMap, connection: &Connection) -> HeaderMap {
    let mut passed = without(headers, &NOT_FORWARDED);
    passed.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(credential) = &connection.credential {
        let mut value = credential.value.clone();
        value.set_sensitive(true);
        passed.insert(credential.header.clone(), value);
    }
    passed
}

/// The upstream's headers as the caller may see them.
pub(crate) fn returned(headers: &HeaderMap) -> HeaderMap {
    without(headers, &NOT_RETURNED)
}

fn without(headers: &HeaderMap, dropped: &[HeaderName]) -> HeaderMap {
    let nominated = nominated(headers);
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !HOP_BY_HOP.contains(name) && !dropped.contains(name) && !nominated.contains(name) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

/// Headers that `Connection` names as hop-by-hop.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

fn failed(error: &ClientError) -> Stop {
    let hyper = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    if error.is_connect() {
        let message = "the upstream cannot be reached, so the call did not happen; \
                       the upstream or its address is at fault, not the call";
        return Stop::upstream(Outcome::Unreachable, code::UNREACHABLE, StatusCode::BAD_GATEWAY, message);
    }
    if hyper.is_some_and(|error| error.is_parse()) {
        return garbage("the upstream's answer is not HTTP");
    }
    let message = "the upstream closed the connection without an answer; \
                   the upstream is at fault, and whether it acted on the call is not known";
    Stop::upstream(Outcome::Interrupted, code::UNREACHABLE, StatusCode::BAD_GATEWAY, message)
}

pub(crate) fn silent(patience: Duration) -> Stop {
    let message = format!(
        "the upstream kept silent for {} s; the upstream is at fault, and whether it acted on the call is not known",
        patience.as_secs()
    );
    Stop::upstream(Outcome::Timeout, code::TIMEOUT, StatusCode::GATEWAY_TIMEOUT, message)
}

pub(crate) fn garbage(what: &str) -> Stop {
    let message = format!("{what}; the upstream is at fault, and it may have acted on the call");
    Stop::upstream(Outcome::Garbage, code::GARBAGE, StatusCode::BAD_GATEWAY, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Kind, Mode};

    fn connection(credential: Option<(&'static str, &'static str)>) -> Connection {
        Connection {
            name: "files".into(),
            kind: Kind::Mcp,
            upstream: "http://h/mcp".parse().expect("a URL"),
            credential: credential.map(|(header, value)| Credential {
                header: HeaderName::from_static(header),
                value: HeaderValue::from_static(value),
            }),
            record: Mode::Required,
            mask_answers: false,
            mask_requests: false,
        }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn the_callers_own_secrets_and_hops_stay_here() {
        let sent = headers(&[
            ("authorization", "Bearer caller"),
            ("cookie", "a=b"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("proxy-authorization", "Basic x"),
            ("accept-encoding", "gzip"),
            ("mcp-session-id", "s"),
            ("x-mine", "1"),
        ]);
        let expected = headers(&[("mcp-session-id", "s"), ("x-mine", "1"), ("accept-encoding", "identity")]);
        assert_eq!(outgoing(&sent, &connection(None)), expected);
    }

    #[test]
    fn the_gateways_credential_takes_the_place_of_the_callers() {
        let sent = headers(&[("authorization", "Bearer caller"), ("x-api-key", "caller")]);
        let passed = outgoing(&sent, &connection(Some(("x-api-key", "gateway"))));
        assert_eq!(passed.get_all("x-api-key").iter().collect::<Vec<_>>(), ["gateway"]);
        assert!(passed["x-api-key"].is_sensitive());
        assert!(!passed.contains_key("authorization"));
    }

    #[test]
    fn the_caller_gets_no_cookie_and_no_challenge_of_the_upstream() {
        let answered = headers(&[("set-cookie", "a=b"), ("www-authenticate", "Bearer"), ("x-up", "1")]);
        assert_eq!(returned(&answered), headers(&[("x-up", "1")]));
    }
}
