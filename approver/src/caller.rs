//! Who asks: by the `Authorization` header for programs, by the session cookie for people at a page.
//!
//! The two are never mixed: a cookie, which a browser sends by itself, opens pages only.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use identity::Refused;
use schemas::Principal;

use crate::{Approver, answer::Refusal, reading};

/// The cookie that holds the token of a person at a page.
pub(crate) const COOKIE: &str = "hansard_session";

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) source_ip: Option<String>,
}

/// A person at a page; none when nobody is signed in, or not any more.
#[derive(Clone, Debug)]
pub(crate) struct Visitor(pub(crate) Result<Caller, Refused>);

impl FromRequestParts<Arc<Approver>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, approver: &Arc<Approver>) -> Result<Caller, Refusal> {
        let authorization = parts.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
        match approver.authenticator.authenticate(authorization).await {
            Ok(principal) => Ok(Caller { principal, source_ip: source_ip(parts) }),
            Err(refused) => {
                let refusal = refusal(refused);
                reading::turn_away(approver, source_ip(parts), &refusal).await;
                Err(refusal)
            }
        }
    }
}

impl FromRequestParts<Arc<Approver>> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        approver: &Arc<Approver>,
    ) -> Result<Visitor, std::convert::Infallible> {
        let authorization = token(&parts.headers).map(|token| format!("Bearer {token}"));
        let principal = approver.authenticator.authenticate(authorization.as_deref()).await;
        let source_ip = source_ip(parts);
        Ok(Visitor(principal.map(|principal| Caller { principal, source_ip })))
    }
}

/// Whose fault it is that the token does not do.
fn refusal(refused: Refused) -> Refusal {
    let status = match refused {
        Refused::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    Refusal::new(status, refused)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Known when the command serves with connection info.
fn source_ip(parts: &Parts) -> Option<String> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_string())
}
