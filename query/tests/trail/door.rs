//! The routes over a real socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hansard_query::Config;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use identity::{
    Authenticator, Issuer, Keys,
    development::{DevelopmentIssuer, ISSUER},
};
use schemas::{FrameKind, Outcome, Timestamp};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::{
    ground::{Ground, principal},
    rows::{MORNING, exchange_id, request, response},
};

const AUDIENCE: &str = "https://hansard.example";

pub(crate) struct Served {
    pub(crate) ground: Ground,
    address: SocketAddr,
    issuer: DevelopmentIssuer,
}

impl Served {
    pub(crate) async fn new() -> Served {
        Served::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Served {
        let ground = Ground::with(config).await;
        ground.publish(&[request(1), response(1, "ok")]).await;
        let issuer = DevelopmentIssuer::generate();
        let trusted = Issuer {
            url: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            groups_claim: "groups".to_owned(),
            keys: Keys::Static(issuer.jwks()),
        };
        let config = identity::Config { issuers: vec![trusted], leeway: Duration::from_secs(5) };
        let authenticator = Authenticator::new(config, Arc::clone(&ground.clock)).expect("an authenticator");
        let router = hansard_query::router(Arc::clone(&ground.trail), authenticator).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Served { ground, address, issuer }
    }

    fn token(&self, groups: &[&str]) -> String {
        let who = principal("ada", groups);
        self.issuer.token(&who, AUDIENCE, Timestamp(MORNING), Duration::from_secs(600))
    }

    pub(crate) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Response<Bytes> {
        let (parts, body) = self.open(request, body).await.into_parts();
        Response::from_parts(parts, body.collect().await.expect("a body").to_bytes())
    }

    /// The answer, whose body is still to come.
    pub(crate) async fn open(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let request = request.header("host", self.address.to_string()).body(Full::new(body.into())).expect("a request");
        sender.send_request(request).await.expect("an answer")
    }

    pub(crate) fn as_ada(&self, request: http::request::Builder) -> http::request::Builder {
        self.as_one_of(&["auditors"], request)
    }

    pub(crate) fn as_one_of(&self, groups: &[&str], request: http::request::Builder) -> http::request::Builder {
        request.header("authorization", format!("Bearer {}", self.token(groups)))
    }

    pub(crate) async fn last_refusal(&self) -> Outcome {
        let last = self.ground.frames().await.pop().expect("a frame");
        assert_eq!(last.kind, FrameKind::Refusal);
        last.ending.expect("an ending").outcome
    }
}

pub(crate) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).expect("text")
}

#[tokio::test]
async fn sql_is_answered_in_the_form_that_is_asked_for() {
    let served = Served::new().await;
    let ask = || served.as_ada(Request::post("/v1/sql").header("content-type", "application/json"));
    let sql = r#"{"sql":"select count(*) as n from exchanges"}"#;
    let json = served.send(ask(), sql).await;
    assert_eq!((json.status(), text(&json)), (StatusCode::OK, r#"[{"n":1}]"#));
    let csv = served.send(ask().header("accept", "text/csv"), sql).await;
    assert_eq!((csv.headers()["content-type"].as_bytes(), text(&csv)), (b"text/csv".as_slice(), "n\n1\n"));
    let parquet = served.send(ask().header("accept", "application/vnd.apache.parquet"), sql).await;
    assert!(parquet.body().starts_with(b"PAR1"));
    let plain = served.as_ada(Request::post("/v1/sql?format=json").header("content-type", "text/plain"));
    assert_eq!(text(&served.send(plain, "select 1 as n").await), r#"[{"n":1}]"#);
}

#[tokio::test]
async fn a_replay_is_an_array_of_records() {
    let served = Served::new().await;
    let asked = served.as_ada(Request::get(format!("/v1/replay/{}", exchange_id(1))));
    let answer = served.send(asked, "").await;
    let records: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!((records[0]["kind"].clone(), records[1]["kind"].clone()), (json!("request"), json!("response")));
    let missing = served.as_ada(Request::get("/v1/replay/00000000-0000-0000-0000-000000000000"));
    assert_eq!(served.send(missing, "").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_but_a_record() {
    let served = Served::new().await;
    for (method, path) in [
        ("POST", "/v1/sql"),
        ("GET", "/v1/replay/x"),
        ("GET", "/v1/tail"),
        ("GET", "/"),
        ("GET", "/sql"),
        ("GET", "/exchange/x"),
    ] {
        let refused = served.send(Request::builder().method(method).uri(path), "select 1").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(served.last_refusal().await, Outcome::Unauthenticated);
    }
    let frames = served.ground.frames().await;
    assert_eq!(frames.len(), 6);
    let context = frames[0].context.as_ref().expect("a context");
    assert_eq!((context.principal.as_ref(), context.source_ip.as_deref()), (None, Some("127.0.0.1")));
    assert_eq!(frames[0].body, None, "what a stranger sent is not kept");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_recorded() {
    let served = Served::new().await;
    let json = || served.as_ada(Request::post("/v1/sql").header("content-type", "application/json"));
    for body in ["{", "{}", r#"{"sql":1}"#] {
        let refused = served.send(json(), body).await;
        assert_eq!(
            (refused.status(), served.last_refusal().await),
            (StatusCode::BAD_REQUEST, Outcome::Malformed),
            "{body}"
        );
    }
    let refused = served.send(json().header("x", "y"), vec![b' '; 1 << 20]).await;
    assert_eq!((refused.status(), served.last_refusal().await), (StatusCode::PAYLOAD_TOO_LARGE, Outcome::TooLarge));
    let refused = served.send(served.as_ada(Request::post("/v1/sql?format=xml")), "select 1").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn pages_are_shown_to_a_session_and_escape_what_they_show() {
    let served = Served::new().await;
    let hostile = schemas::Record {
        body: Some("<script>alert(1)</script>".to_owned()),
        name: Some("<b>Ada</b>".to_owned()),
        ..request(7)
    };
    served.ground.publish(&[hostile]).await;
    let cookie = format!("hansard_session={}", served.token(&["auditors"]));
    for path in ["/?from=2026-07-28&who=ada".to_owned(), format!("/exchange/{}", exchange_id(7)), "/sql".to_owned()] {
        let page = served.send(Request::get(&path).header("cookie", &cookie), "").await;
        assert_eq!(page.status(), StatusCode::OK, "{path}: {}", text(&page));
        assert!(!text(&page).contains("<script>") && !text(&page).contains("<b>"), "{path}");
        let policy = page.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'"));
    }
    let page = served.send(Request::get("/?from=2026-07-28").header("cookie", &cookie), "").await;
    assert!(text(&page).contains("&lt;b&gt;Ada&lt;/b&gt;"), "{}", text(&page));
}

#[tokio::test]
async fn the_form_for_sql_takes_the_session_from_its_own_page_only() {
    let served = Served::new().await;
    let cookie = format!("hansard_session={}", served.token(&["auditors"]));
    let form = |site: &str| Request::post("/sql").header("cookie", &cookie).header("sec-fetch-site", site);
    let own = served.send(form("same-origin"), "sql=select+40%2B2+as+n").await;
    assert_eq!(own.status(), StatusCode::OK);
    assert!(text(&own).contains(">42</td>"));
    let foreign = served.send(form("cross-site"), "sql=select+1").await;
    assert_eq!(foreign.status(), StatusCode::UNAUTHORIZED);
    let api = Request::post("/v1/sql").header("cookie", &cookie).header("sec-fetch-site", "same-origin");
    assert_eq!(served.send(api, "select 1").await.status(), StatusCode::UNAUTHORIZED);
}
