//! What all pages share: the bar, the frame, and the headers that keep other content out. Sign-in and style sheet are
//! the approver's, which serves beside us.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use crate::Error;

/// Nothing runs and nothing is fetched but our style sheet; forms go to us alone; nobody frames us.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(super) fn page(title: &str, content: &Markup) -> Response {
    answer(StatusCode::OK, title, content)
}

/// Says what went wrong; to whoever is not signed in, how to do that.
pub(super) fn refused(error: &Error) -> Response {
    let content = html! {
        h1 { "No answer" }
        p.refusal role="alert" { (error) }
        @if error.status() == StatusCode::UNAUTHORIZED { (sign_in()) }
    };
    answer(error.status(), "No answer", &content)
}

fn sign_in() -> Markup {
    html! {
        form.inline method="post" action="/session" {
            label { "Token " input type="password" name="token" autocomplete="off" required; }
            button { "Sign in" }
        }
        p.hint { "A JWT of a configured issuer. On one's own machine: " span.mono { "hansard token --subject NAME" } }
    }
}

fn answer(status: StatusCode, title: &str, content: &Markup) -> Response {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Hansard" }
                link rel="stylesheet" href="/approvals/style.css";
            }
            body {
                header.bar {
                    strong { "Hansard" }
                    nav aria-label="Pages" {
                        a href="/" { "Trail" } " " a href="/approvals" { "Approvals" } " " a href="/sql" { "SQL" }
                    }
                    @if status == StatusCode::OK {
                        form.inline method="post" action="/session/end" { button { "Sign out" } }
                    }
                }
                main { (content) }
            }
        }
    };
    let mut response = (status, body.into_string()).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::CACHE_CONTROL, "no-store"),
    // Not `no-referrer`: with that, browsers send forms with `Origin: null`, and nobody could tell whose they are.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
