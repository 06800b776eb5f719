//! The console's pages that read the trail: explorer, replay, SQL. Server-rendered; works without scripts.
//!
//! It refuses to show anything unescaped, and to read without recording that it did.

mod explorer;
mod layout;
mod retold;
mod rows;
mod workbench;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::http::Door;

pub(crate) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/", get(explorer::page))
        .route("/exchange/{id}", get(retold::page))
        .route("/conversation/{id}", get(retold::page))
        .route("/sql", get(workbench::empty).post(workbench::answered))
}
