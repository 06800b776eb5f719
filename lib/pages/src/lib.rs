//! The one look of all pages for people: the frame, the sign-in form, the style sheet, and how a recorded message is
//! shown. Plain HTML for keyboards, screen readers and small screens.
//!
//! It refuses scripts, everything from elsewhere, frames around it, and text that would look like another text.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

mod message;
mod text;

pub use message::{message, moment, word};
pub use text::visible;

/// Where [`style`] is served.
pub const STYLE_PATH: &str = "/approvals/style.css";

/// Nothing runs and nothing is fetched but our style sheet; forms go to us alone; nobody frames us.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::CACHE_CONTROL, "no-store"),
    // Not `no-referrer`: with that, browsers send forms with `Origin: null`, and nobody could tell whose they are.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Where the bar leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Trail,
    Approvals,
    Sql,
}

#[derive(Debug)]
pub struct Page<'a> {
    pub status: StatusCode,
    pub title: &'a str,
    /// The room that the page is in.
    pub room: Room,
    /// Who is signed in, by a name for people.
    pub visitor: Option<&'a str>,
    pub content: &'a Markup,
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        (self.status, HEADERS, self.document().into_string()).into_response()
    }
}

impl Page<'_> {
    fn document(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (visible(self.title)) " · Hansard" }
                    link rel="stylesheet" href=(STYLE_PATH);
                }
                body {
                    (self.bar())
                    main { (self.content) }
                }
            }
        }
    }

    /// Strangers see that this is Hansard, and no more.
    fn bar(&self) -> Markup {
        html! {
            header.bar {
                a.brand href="/" { "Hansard" }
                @if let Some(visitor) = self.visitor {
                    nav aria-label="Pages" {
                        @for (room, path, name) in [(Room::Trail, "/", "Trail"), (Room::Approvals, "/approvals", "Approvals"), (Room::Sql, "/sql", "SQL")] {
                            a href=(path) aria-current=[(room == self.room).then_some("page")] { (name) }
                        }
                    }
                    form method="post" action="/session/end" {
                        span.quiet { (visible(visitor)) }
                        button.plain { "Sign out" }
                    }
                }
            }
        }
    }
}

/// The form that makes a token a session, and what was wrong with the last try.
pub fn sign_in(status: StatusCode, room: Room, wrong: Option<&str>) -> Response {
    let content = html! {
        form.card.narrow method="post" action="/session" {
            h1 { "Sign in" }
            @if let Some(wrong) = wrong {
                p.wrong role="alert" { "You were not signed in: " (visible(wrong)) "." }
            }
            label { "Your token"
                textarea.mono name="token" rows="5" required autofocus autocomplete="off" spellcheck="false" {}
            }
            p.quiet { "A JWT of your issuer; on your own machine, what " code { "hansard token --subject you" } " prints." }
            button.main { "Sign in" }
        }
    };
    Page { status, title: "Sign in", room, visitor: None, content: &content }.into_response()
}

/// The style sheet of all pages.
pub fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(visitor: Option<&str>) -> String {
        let content = html! { p { "<script>" } };
        let page = Page { status: StatusCode::OK, title: "<b>", room: Room::Sql, visitor, content: &content };
        page.document().into_string()
    }

    #[test]
    fn titles_names_and_content_are_escaped() {
        let document = document(Some("<i>Ada\u{202e}"));
        for hostile in ["<script>", "<b>", "<i>", "\u{202e}"] {
            assert!(!document.contains(hostile), "{hostile}: {document}");
        }
        assert!(document.contains("&lt;i&gt;Ada\\u{202e}"), "{document}");
    }

    #[test]
    fn the_bar_says_where_one_is_and_tells_strangers_nothing() {
        let signed_in = document(Some("Ada"));
        assert!(signed_in.contains(r#"href="/sql" aria-current="page""#), "{signed_in}");
        assert_eq!(signed_in.matches("aria-current").count(), 1);
        assert!(!document(None).contains("<nav"));
    }

    #[test]
    fn nothing_runs_on_a_page() {
        let response = sign_in(StatusCode::UNAUTHORIZED, Room::Trail, None);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }
}
