//! A page of the trail, for whoever is signed in; for others the sign-in form.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use identity::Refused;
use maud::{Markup, html};
use pages::{Page, Room, visible};

use crate::{Asker, Error};

pub(super) fn page(room: Room, title: &str, who: &Asker, content: &Markup) -> Response {
    Page { status: StatusCode::OK, title, room, visitor: name(who), content }.into_response()
}

/// Says what went wrong to somebody who was let in.
pub(super) fn refused(room: Room, who: &Asker, error: &Error) -> Response {
    let content = html! {
        h1 { "No answer" }
        p.wrong role="alert" { (sentence(error)) }
    };
    Page { status: error.status(), title: "No answer", room, visitor: name(who), content: &content }.into_response()
}

/// Says to somebody who was not let in how to be.
pub(super) fn turned_away(room: Room, error: &Error) -> Response {
    let wrong = match error {
        Error::Unauthenticated(Refused::Missing) => None,
        Error::Unauthenticated(refused) => Some(refused.to_string()),
        error => Some(error.to_string()),
    };
    pages::sign_in(error.status(), room, wrong.as_deref())
}

/// What an error says, as a sentence of its own.
pub(super) fn sentence(error: &Error) -> String {
    let text = visible(&error.to_string());
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), characters.as_str().trim_end_matches('.')),
        None => text,
    }
}

fn name(who: &Asker) -> Option<&str> {
    let principal = who.principal.as_ref()?;
    Some(principal.name.as_deref().unwrap_or(&principal.subject))
}
