//! Signing in to the pages: a person's token, checked, in a cookie that no script can read and no other site can send.
//!
//! It refuses forms from other origins, and tokens that no browser would keep.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Form, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::post,
};
use identity::Refused;
use pages::Room;
use url::Url;

use crate::{Approver, answer::Refusal, api::BODY_BYTES_MAX, caller::COOKIE};

/// Browsers keep cookies of up to 4096 bytes, name and attributes included.
const TOKEN_BYTES_MAX: usize = 3800;

pub(crate) fn routes() -> Router<Arc<Approver>> {
    Router::new()
        .route("/session", post(begin))
        .route("/session/end", post(end))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn begin(
    State(approver): State<Arc<Approver>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if let Err(refusal) = check_origin(&headers) {
        return refusal.into_response();
    }
    let token = form.get("token").map_or("", |token| token.trim());
    if token.len() > TOKEN_BYTES_MAX {
        return ask(&Refused::Malformed(format!("longer than the {TOKEN_BYTES_MAX} bytes that fit a cookie")));
    }
    match approver.authenticator.authenticate(Some(&format!("Bearer {token}"))).await {
        Ok(_) => set_cookie(&format!("{COOKIE}={token}"), &headers),
        Err(refused) => ask(&refused),
    }
}

async fn end(headers: HeaderMap) -> Response {
    match check_origin(&headers) {
        Ok(()) => set_cookie(&format!("{COOKIE}=; Max-Age=0"), &headers),
        Err(refusal) => refusal.into_response(),
    }
}

/// The sign-in form, and what was wrong with the last try.
pub(crate) fn ask(refused: &Refused) -> Response {
    let status = match refused {
        Refused::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    let wrong = (*refused != Refused::Missing).then(|| refused.to_string());
    pages::sign_in(status, Room::Approvals, wrong.as_deref())
}

/// Was the form sent by a page of ours? Browsers always say where a POST comes from; `SameSite` alone would let pages
/// on other ports of this host vote.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = || Refusal::new(StatusCode::FORBIDDEN, "the form was not sent by a page of this server");
    let origin = origin(headers).ok_or_else(refused)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(refused)?;
    let ours = Url::parse(&format!("{}://{host}", origin.scheme())).map_err(|_| refused())?;
    if ours.origin() == origin.origin() { Ok(()) } else { Err(refused()) }
}

fn origin(headers: &HeaderMap) -> Option<Url> {
    Url::parse(headers.get(header::ORIGIN)?.to_str().ok()?).ok().filter(|origin| origin.has_host())
}

/// `Secure` where the browser came by TLS, also when a proxy ended it before us.
fn set_cookie(pair: &str, headers: &HeaderMap) -> Response {
    let secure = origin(headers).is_some_and(|origin| origin.scheme() == "https");
    let cookie = format!("{pair}; Path=/; HttpOnly; SameSite=Strict{}", if secure { "; Secure" } else { "" });
    // A token that passed the check is base64url and dots; nothing else becomes a cookie.
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => {
            (AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(&came_from(headers))).into_response()
        }
        Err(_) => ask(&Refused::Malformed("not a JWT".to_owned())),
    }
}

/// The page of ours on which the form was, to go back to; the inbox where that is not known.
fn came_from(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|referer| referer.to_str().ok());
    let page = referer.and_then(|referer| Url::parse(referer).ok());
    let ours = page.filter(|page| origin(headers).is_some_and(|origin| origin.origin() == page.origin()));
    // Paths of a URL begin with one slash; two would name another host.
    let path = ours.map(|page| page.path().to_owned()).filter(|path| !path.starts_with("//"));
    path.filter(|path| !path.starts_with("/session")).unwrap_or_else(|| "/approvals".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("host"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("origin"));
        }
        check_origin(&headers).is_ok()
    }

    #[test]
    fn only_pages_of_this_very_origin_may_post() {
        assert!(check(Some("http://127.0.0.1:7410"), "127.0.0.1:7410"));
        assert!(check(Some("https://audit.example"), "audit.example"));
        assert!(check(Some("https://audit.example"), "AUDIT.example:443"));
        for origin in [None, Some("null"), Some("http://127.0.0.1:7411"), Some("http://evil.example"), Some("garbage")]
        {
            assert!(!check(origin, "127.0.0.1:7410"), "{origin:?}");
        }
    }

    #[test]
    fn people_go_back_to_the_page_of_ours_that_they_came_from() {
        for (referer, back) in [
            ("http://a.example/sql?x", "/sql"),
            ("http://a.example/session", "/approvals"),
            ("http://a.example//evil.example/", "/approvals"),
            ("http://evil.example/page", "/approvals"),
            ("garbage", "/approvals"),
        ] {
            let pairs = [(header::ORIGIN, "http://a.example"), (header::REFERER, referer)];
            let headers = HeaderMap::from_iter(pairs.map(|(name, value)| (name, value.parse().expect("header"))));
            assert_eq!(came_from(&headers), back, "{referer}");
        }
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
        for (origin, secure) in [("http://127.0.0.1:1", false), ("https://audit.example", true)] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, origin.parse().expect("origin"))]);
            let response = set_cookie("a=b", &headers);
            let cookie = response.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
            assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        }
    }
}
