//! The first page: the last exchanges, by filter, and who and what they were.

mod filters;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use maud::{Markup, html};

use self::filters::Filters;
use super::{layout, rows};
use crate::{
    Answer, Error,
    http::{Door, Entrance},
};

pub(super) async fn page(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let who = match door.enter(&Entrance::page(&parts), "trail/explore").await {
        Ok(who) => who,
        Err(error) => return layout::refused(&error),
    };
    let filters = match Filters::read(parts.uri.query().unwrap_or_default(), door.trail.now()) {
        Ok(filters) => filters,
        Err(error) => return layout::refused(&door.turn_away(&who, "trail/explore", error).await),
    };
    let answers = door.trail.explore(&who, filters.to_json(), filters.statements()).await;
    match answers.and_then(|answers| content(&filters, &answers)) {
        Ok(content) => layout::page("Explorer", &content),
        Err(error) => layout::refused(&error),
    }
}

fn content(filters: &Filters, answers: &[Answer]) -> Result<Markup, Error> {
    let [exchanges, who, what] = answers else {
        return Err(Error::Internal("three answers make this page".to_owned()));
    };
    Ok(html! {
        h1 { "Explorer" }
        (form(filters))
        h2 { "Exchanges" }
        (rows::table(exchanges)?)
        h2 { "Who" }
        (rows::table(who)?)
        h2 { "What" }
        (rows::table(what)?)
    })
}

fn form(filters: &Filters) -> Markup {
    html! {
        form.inline method="get" action="/" {
            @for (name, value) in filters.texts() {
                label { (name) " " input name=(name) value=(value); } " "
            }
            button { "Show" }
        }
        p.hint { "Times are UTC, as 2026-07-28 or 2026-07-28T09:30; without one, the last day is shown." }
    }
}
