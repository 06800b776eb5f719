//! Who stands at the door: a token in `Authorization`, or for pages in the cookie that signing in has set.
//!
//! It refuses the cookie wherever another site could have sent it: programs' routes, and forms of another origin.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::ConnectInfo,
};
use http::{header, request::Parts};
use identity::Authenticator;

use crate::{Asker, Error, Trail, reading::Question};

/// Set by the approver's `POST /session`, HttpOnly.
const SESSION_COOKIE: &str = "hansard_session";
/// A statement as JSON or as a form is longer than itself, at most by this factor (`\u0000`).
const ESCAPED_FACTOR_MAX: usize = 6;
/// What stands around the statement in a body.
const AROUND_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) trail: Arc<Trail>,
    pub(crate) authenticator: Arc<Authenticator>,
}

/// What somebody shows at the door.
#[derive(Debug)]
pub(crate) struct Entrance {
    authorization: Option<String>,
    source_ip: Option<IpAddr>,
}

impl Entrance {
    /// For programs: only the header counts.
    pub(crate) fn api(parts: &Parts) -> Entrance {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Entrance {
            authorization: authorization.map(str::to_owned),
            source_ip: address.map(|ConnectInfo(address)| address.ip()),
        }
    }

    /// For pages, which only read: the header or the cookie.
    pub(crate) fn page(parts: &Parts) -> Entrance {
        let entrance = Entrance::api(parts);
        let authorization = entrance.authorization.or_else(|| session(parts).map(|token| format!("Bearer {token}")));
        Entrance { authorization, ..entrance }
    }

    /// For forms: the cookie counts if the form is ours.
    pub(crate) fn form(parts: &Parts) -> Entrance {
        if same_origin(parts) { Entrance::page(parts) } else { Entrance::api(parts) }
    }
}

impl Door {
    /// Lets somebody in, or records that it did not.
    pub(crate) async fn enter(&self, entrance: &Entrance, method: &'static str) -> Result<Asker, Error> {
        let stranger = Asker { principal: None, auth_method: "none".to_owned(), source_ip: entrance.source_ip };
        match self.authenticator.authenticate(entrance.authorization.as_deref()).await {
            Ok(principal) => Ok(Asker { principal: Some(principal), auth_method: "jwt".to_owned(), ..stranger }),
            Err(refused) => Err(self.turn_away(&stranger, method, refused.into()).await),
        }
    }

    /// Records why somebody got nothing. Nothing of what was sent is kept: it could not be read, or nobody sent it.
    pub(crate) async fn turn_away(&self, who: &Asker, method: &'static str, error: Error) -> Error {
        let question = Question { method, target: None, body: serde_json::Value::Null };
        self.trail.refuse(who, &question, &error).await;
        error
    }

    pub(crate) async fn read(&self, body: Body) -> Result<Bytes, Error> {
        let bytes_max = self.trail.config().statement_bytes_max;
        let limit = bytes_max * ESCAPED_FACTOR_MAX + AROUND_BYTES_MAX;
        to_bytes(body, limit).await.map_err(|_| Error::TooLong { bytes_max })
    }
}

fn session(parts: &Parts) -> Option<&str> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, token)| token)
}

/// Browsers say where a form comes from, in one of two headers; who says nothing is not believed.
fn same_origin(parts: &Parts) -> bool {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(http::Request::post("/sql"), |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_cookie_counts_for_pages_and_for_our_own_forms_only() {
        let cookie = ("cookie", "a=b; hansard_session=t.o.k; c=d");
        let token = Some("Bearer t.o.k".to_owned());
        assert_eq!(Entrance::page(&parts(&[cookie])).authorization, token);
        assert_eq!(Entrance::api(&parts(&[cookie])).authorization, None);
        assert_eq!(Entrance::form(&parts(&[cookie])).authorization, None);
        assert_eq!(Entrance::form(&parts(&[cookie, ("sec-fetch-site", "same-origin")])).authorization, token);
        assert_eq!(Entrance::form(&parts(&[cookie, ("sec-fetch-site", "cross-site")])).authorization, None);
        assert_eq!(Entrance::form(&parts(&[cookie, ("host", "h:1"), ("origin", "http://h:1")])).authorization, token);
        assert_eq!(Entrance::form(&parts(&[cookie, ("host", "h:1"), ("origin", "http://evil:1")])).authorization, None);
    }

    #[test]
    fn a_header_goes_before_a_cookie() {
        let both = parts(&[("cookie", "hansard_session=c"), ("authorization", "Bearer h")]);
        assert_eq!(Entrance::page(&both).authorization.as_deref(), Some("Bearer h"));
    }
}
