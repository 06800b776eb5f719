//! `/healthz`, `/readyz` and `/metrics`, on a listener of their own, without authentication: bind it where only
//! machines of yours can reach it. Says nothing of any call.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::telemetry;

/// What each role says of itself: `None` when it does its work, else why it does not.
pub type Readiness = watch::Receiver<Option<String>>;

#[derive(Clone, Debug)]
pub struct Roles(Arc<Vec<(&'static str, Readiness)>>);

impl Roles {
    pub fn new(roles: Vec<(&'static str, Readiness)>) -> Roles {
        Roles(Arc::new(roles))
    }

    /// Why which role is not ready.
    fn waiting(&self) -> Vec<(&'static str, String)> {
        self.0.iter().filter_map(|(role, readiness)| Some((*role, readiness.borrow().clone()?))).collect()
    }
}

pub fn router(roles: Roles, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(move || exposition(metrics.clone())))
        .with_state(roles)
}

/// The content type is that of Prometheus' text format; newer servers refuse to guess.
async fn exposition(metrics: PrometheusHandle) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render(&metrics))
}

/// 200 when every role does its work, 503 and the reasons when not.
async fn readiness(State(roles): State<Roles>) -> (StatusCode, Json<Value>) {
    let waiting = roles.waiting();
    let status = if waiting.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons: serde_json::Map<_, _> = waiting.into_iter().map(|(role, why)| (role.to_owned(), why.into())).collect();
    (status, Json(json!({ "ready": status == StatusCode::OK, "waiting": reasons })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_role_that_waits_makes_all_unready() {
        let (masker, masker_says) = watch::channel(None);
        let (_ingress, ingress_says) = watch::channel(None);
        let roles = Roles::new(vec![("ingress", ingress_says), ("masker", masker_says)]);
        assert_eq!(readiness(State(roles.clone())).await.0, StatusCode::OK);
        masker.send_replace(Some("the log cannot be read".to_owned()));
        let (status, Json(body)) = readiness(State(roles)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["waiting"]["masker"], "the log cannot be read");
    }
}
