//! Who is let in, and to what: origin, caller, connection.
//!
//! It refuses to look at a message, and to record what somebody without a token has sent.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use http::{StatusCode, header};
use identity::Refused;
use schemas::Outcome;
use url::Url;

use crate::{
    exchange::Exchange,
    metadata, read,
    route::{self, Route},
    stop::Stop,
};

/// Against DNS rebinding: a page in a browser must not reach a listener on the browser's own machine by a name of its
/// choosing.
pub(crate) fn check_origin(exchange: &Exchange) -> Result<(), Stop> {
    let host = exchange.host().unwrap_or_default();
    let public = exchange.gate.public_url.as_ref();
    let known = public.is_some_and(|url| authority(url) == host);
    if exchange.gate.loopback && !known && !is_loopback(host) {
        let message = format!("this listener answers to loopback names only, not to Host {host:?}; set public_url");
        return Err(Stop::door(Outcome::Forbidden, StatusCode::FORBIDDEN, message));
    }
    let Some(origin) = exchange.header(&header::ORIGIN) else { return Ok(()) };
    let origin_host = Url::parse(origin).map(|url| authority(&url)).unwrap_or_default();
    let is_public = public.is_some_and(|url| authority(url) == origin_host);
    if origin_host.is_empty() || !(origin_host == host || is_public || is_loopback(&origin_host)) {
        return Err(Stop::door(Outcome::Forbidden, StatusCode::FORBIDDEN, "calls from this web origin are not taken"));
    }
    Ok(())
}

fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Only as clients write them: what is spelled otherwise is not known.
fn is_loopback(authority: &str) -> bool {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (authority, ""),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    if let Some(ip) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback());
    }
    let name = name.to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (is_local && is_name) || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

pub(crate) async fn authenticate(exchange: &mut Exchange) -> Result<(), Stop> {
    let authorization = exchange.header(&header::AUTHORIZATION).map(str::to_owned);
    match exchange.gate.authenticator.authenticate(authorization.as_deref()).await {
        Ok(principal) => {
            exchange.trail.context.principal = Some(principal.clone());
            exchange.trail.context.auth_method = "jwt".to_owned();
            exchange.principal = principal;
            Ok(())
        }
        Err(refused) => Err(unauthenticated(exchange, &refused)),
    }
}

fn unauthenticated(exchange: &Exchange, refused: &Refused) -> Stop {
    let status =
        if *refused == Refused::Unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
    let sent = *refused != Refused::Missing;
    let path = exchange.head.uri.path();
    let resource = if path.starts_with("/c/") { path } else { "" };
    Stop {
        challenge: Some(metadata::challenge(&exchange.gate, exchange.host(), resource, sent)),
        bytes_seen: read::announced(&exchange.head.headers).unwrap_or_default(),
        // What follows on this connection is a body that nobody reads.
        close: true,
        ..Stop::door(Outcome::Unauthenticated, status, refused.to_string())
    }
}

/// What the path leads to; it is told only to callers who are let in.
pub(crate) fn find_connection(exchange: &mut Exchange) -> Result<(), Stop> {
    let gate = Arc::clone(&exchange.gate);
    let path = exchange.head.uri.path().to_owned();
    let Route::Connection { name, suffix } = route::route(&path) else {
        return Err(Stop::door(Outcome::Forbidden, StatusCode::NOT_FOUND, "nothing is served at this path"));
    };
    let Some(connection) = gate.connections.get(name) else {
        let message = format!("there is no connection {name:?} here; connections are served at /c/<name>");
        return Err(Stop::door(Outcome::Forbidden, StatusCode::NOT_FOUND, message));
    };
    exchange.trail.context.connection = Some(connection.name.clone());
    exchange.trail.context.upstream = Some(route::shown(&connection.upstream));
    exchange.trail.mode = connection.record;
    exchange.suffix = suffix.to_owned();
    exchange.connection = Some(Arc::clone(connection));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_all_its_names_and_no_others() {
        for name in [
            "localhost",
            "localhost:80",
            "app.localhost:1",
            "127.0.0.1",
            "127.9.9.9:7400",
            "[::1]:7400",
            "[::1]",
            "LocalHost",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert!(!is_loopback(name), "{name}");
        }
        for name in
            ["[::1]evil.example", "[localhost]", "[127.0.0.1]", "evil[.localhost", "localhost:x", "a@localhost", "::1"]
        {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
