//! The page for SQL: a statement, and its answer below it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use maud::{Markup, html};
use pages::Room;
use url::form_urlencoded;

use super::{layout, rows};
use crate::{
    Error,
    http::{Door, Entrance},
};

/// What a newcomer may want to ask first.
const QUESTIONS: [&str; 5] = [
    "select occurred_at, subject, connection, method, target, outcome from exchanges order by occurred_at desc limit 50",
    "select * from who order by calls desc",
    "select * from what order by errors desc, calls desc",
    "select occurred_at, subject, source_ip, outcome, error from refusals order by occurred_at desc limit 50",
    "select held_at, subject, target, state, voters from approvals order by held_at desc",
];

pub(super) async fn empty(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match door.enter(&Entrance::page(&parts), "trail/sql").await {
        Ok(who) => layout::page(Room::Sql, "SQL", &who, &html! { (form(QUESTIONS[0])) (examples()) }),
        Err(error) => layout::turned_away(Room::Sql, &error),
    }
}

pub(super) async fn answered(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let who = match door.enter(&Entrance::form(&parts), "trail/sql").await {
        Ok(who) => who,
        Err(error) => return layout::turned_away(Room::Sql, &error),
    };
    let statement = match door.read(body).await.and_then(|body| statement(&body)) {
        Ok(statement) => statement,
        Err(error) => return layout::refused(Room::Sql, &who, &door.turn_away(&who, "trail/sql", error).await),
    };
    let answer = door.trail.sql(&who, &statement).await.and_then(|answer| rows::table(&answer));
    let below = answer.unwrap_or_else(|error| html! { p.wrong role="alert" { (layout::sentence(&error)) } });
    layout::page(Room::Sql, "SQL", &who, &html! { (form(&statement)) (below) (examples()) })
}

fn statement(body: &[u8]) -> Result<String, Error> {
    let sql = form_urlencoded::parse(body).find(|(name, _)| name == "sql");
    sql.map(|(_, sql)| sql.into_owned()).ok_or_else(|| Error::Malformed("the form lacks sql".to_owned()))
}

fn form(statement: &str) -> Markup {
    html! {
        h1 { "SQL" }
        form.card method="post" action="/sql" {
            label { "One statement that reads"
                textarea.mono name="sql" rows="5" spellcheck="false" { (statement) }
            }
            button.main { "Ask" }
            p.quiet.note { "Tables: records, exchanges, who, what, refusals, approvals. Every question is a record too." }
        }
    }
}

fn examples() -> Markup {
    html! {
        h2 { "Questions to start from" }
        form.wide method="post" action="/sql" {
            @for question in QUESTIONS { button.question.mono name="sql" value=(question) { (question) } }
        }
    }
}
