//! A schema registry in memory on loopback, for tests: Confluent's REST API as the real one answers it.
//!
//! It checks schemas and their compatibility by `apache-avro`, gives one id to one schema under all subjects, keeps its
//! own text of a schema, and answers with the statuses and error codes of the API (404/40401, 404/40402, 404/40403, 409,
//! 422/42201, 422/42202, 401/40101). It may be told to misbehave. Confluent's own Python client reads from it in the tests.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a part of tests")]

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

mod line;
mod shelf;

use line::Line;
use shelf::{Fault, Shelf};

/// Longer than any client waits here.
const SLOW: Duration = Duration::from_secs(60);
/// More than any client takes.
const LONG_BYTES: usize = 4 * 1024 * 1024;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Well,
    /// It takes the question and says nothing.
    Silent,
    /// Its store is away.
    Failing,
    /// Something else answers at its address.
    Strange,
    /// It says more than anybody wants to know.
    Endless,
    /// It is elsewhere now.
    Moved,
    /// Under each id it finds another schema.
    Confused,
}

/// A registry that runs until the program ends.
#[derive(Clone)]
pub struct Registry {
    address: SocketAddr,
    inner: Arc<Inner>,
    certificate: Option<String>,
}

#[derive(Default)]
struct Inner {
    shelf: Mutex<Shelf>,
    manner: Mutex<Manner>,
    /// The value of `Authorization` that it wants.
    key: Mutex<Option<String>>,
}

impl Registry {
    pub fn start() -> Registry {
        Registry::on(Line::plain(), None)
    }

    /// With a certificate of its own making.
    pub fn start_tls() -> Registry {
        let (line, certificate) = Line::encrypted();
        Registry::on(line, Some(certificate))
    }

    fn on(line: Line, certificate: Option<String>) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let routes = routes(inner.clone());
        thread::spawn(move || line.serve(listener, routes));
        Registry { address, inner, certificate }
    }

    pub fn url(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// PEM of whom a client must trust.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap_or_default()
    }

    pub fn want_password(&self, username: &str, password: &str) {
        *locked(&self.inner.key) = Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))));
    }

    pub fn want_token(&self, token: &str) {
        *locked(&self.inner.key) = Some(format!("Bearer {token}"));
    }

    pub fn set_manner(&self, manner: Manner) {
        *locked(&self.inner.manner) = manner;
    }

    /// What is registered under a subject, oldest first: ids and the registry's own texts.
    pub fn versions(&self, subject: &str) -> Vec<(u32, String)> {
        self.inner.shelf().versions(subject)
    }

    /// Registers whatever it is, as somebody else would.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        self.inner.shelf().register(subject, schema).unwrap()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        locked(&self.shelf)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(schema))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found") })
        .layer(middleware::from_fn_with_state(inner.clone(), behave))
        .with_state(inner)
}

async fn behave(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let manner = *locked(&inner.manner);
    match manner {
        Manner::Well | Manner::Confused => {}
        Manner::Silent => tokio::time::sleep(SLOW).await,
        Manner::Failing => return refused(StatusCode::INTERNAL_SERVER_ERROR, 50001, "Error in the backend data store"),
        Manner::Strange => return "<html>It works!</html>".into_response(),
        Manner::Endless => return vec![b' '; LONG_BYTES].into_response(),
        Manner::Moved => return Redirect::permanent("https://elsewhere.example/").into_response(),
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if locked(&inner.key).as_deref().is_some_and(|wanted| given != Some(wanted)) {
        return refused(StatusCode::UNAUTHORIZED, 40101, "User cannot access the resource.");
    }
    next.run(request).await
}

async fn find(State(inner): State<Arc<Inner>>, Path(subject): Path<String>, body: Bytes) -> Response {
    let found = asked(&body).and_then(|schema| inner.shelf().find(&subject, &schema));
    answer(
        found
            .map(|(id, version, schema)| json!({ "subject": subject, "id": id, "version": version, "schema": schema })),
    )
}

async fn register(State(inner): State<Arc<Inner>>, Path(subject): Path<String>, body: Bytes) -> Response {
    let registered = asked(&body).and_then(|schema| inner.shelf().register(&subject, &schema));
    answer(registered.map(|id| json!({ "id": id })))
}

async fn version(State(inner): State<Arc<Inner>>, Path((subject, version)): Path<(String, String)>) -> Response {
    let found = inner.shelf().version(&subject, &version);
    answer(
        found
            .map(|(id, version, schema)| json!({ "subject": subject, "id": id, "version": version, "schema": schema })),
    )
}

async fn schema(State(inner): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    if *locked(&inner.manner) == Manner::Confused {
        return answer(Ok(json!({ "schema": "\"string\"" })));
    }
    answer(inner.shelf().schema(&id).map(|schema| json!({ "schema": schema })))
}

/// The schema that a body asks about.
fn asked(body: &[u8]) -> Result<String, Fault> {
    let asked: Value = serde_json::from_slice(body).map_err(|error| Fault::invalid(&error))?;
    let is_avro = asked.get("schemaType").is_none_or(|kind| kind == "AVRO");
    let schema = asked.get("schema").and_then(Value::as_str).filter(|_| is_avro);
    schema.map(str::to_owned).ok_or_else(|| Fault::invalid(&"no Avro schema"))
}

fn answer(found: Result<Value, Fault>) -> Response {
    match found {
        Ok(body) => said(StatusCode::OK, &body),
        Err(fault) => refused(fault.status, fault.code, &fault.message),
    }
}

fn refused(status: StatusCode, code: u32, message: &str) -> Response {
    said(status, &json!({ "error_code": code, "message": message }))
}

fn said(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")], body.to_string()).into_response()
}
