//! A bucket of our own for what no emulator can show: Google's preconditions, and a store that ignores those of S3.
//!
//! It is a stub: it knows just the requests that an archive makes of the XML interface that S3 and Google share, and
//! checks no signature.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use tokio::net::TcpListener;

/// Headers by which a client asks to create and never to overwrite.
const CREATE_ONLY: [(&str, &str); 2] = [("if-none-match", "*"), ("x-goog-if-generation-match", "0")];

#[derive(Clone, Debug)]
struct Bucket {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
    honours_create_only: bool,
}

/// Serves the bucket `audit`.
pub async fn serve(honours_create_only: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bucket = Bucket { objects: Arc::default(), honours_create_only };
    let pages =
        Router::new().route("/audit", get(list)).route("/audit/{*key}", get(read).put(write)).with_state(bucket);
    tokio::spawn(async move { axum::serve(listener, pages).await });
    address
}

async fn write(State(bucket): State<Bucket>, Path(key): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let mut objects = bucket.objects.lock().unwrap();
    let create_only = CREATE_ONLY.iter().any(|(name, value)| headers.get(*name).is_some_and(|given| given == value));
    if create_only && bucket.honours_create_only && objects.contains_key(&key) {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    objects.insert(key, body);
    version("").into_response()
}

async fn read(State(bucket): State<Bucket>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let Some(object) = bucket.objects.lock().unwrap().get(&key).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(asked) = headers.get(header::RANGE) else { return version(object).into_response() };
    let range = range(asked.to_str().unwrap(), object.len());
    let told = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len());
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, told)], version(object.slice(range))).into_response()
}

/// `bytes=5-9`, `bytes=5-` or `bytes=-9`.
fn range(asked: &str, length: usize) -> Range<usize> {
    let (first, last) = asked.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..length.min(last + 1),
        (Ok(first), Err(_)) => first..length,
        (Err(_), Ok(bytes)) => length.saturating_sub(bytes)..length,
        (Err(_), Err(_)) => panic!("no range: {asked}"),
    }
}

/// Every object is in its first version.
fn version(body: impl IntoResponse) -> impl IntoResponse {
    let headers = [("etag", "\"1\""), ("x-goog-generation", "1"), ("last-modified", "Tue, 28 Jul 2026 09:30:00 GMT")];
    (headers, body)
}

async fn list(State(bucket): State<Bucket>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let (mut objects, mut folders) = (String::new(), BTreeSet::new());
    for (key, object) in bucket.objects.lock().unwrap().iter() {
        let Some(rest) = key.strip_prefix(asked("prefix")) else { continue };
        let folder = rest.split_once('/').filter(|_| asked("delimiter") == "/");
        if let Some((folder, _)) = folder {
            folders.insert(format!("{}{folder}/", asked("prefix")));
        } else if key.as_str() > asked("start-after") {
            let length = object.len();
            let rest = "<LastModified>2026-07-28T09:30:00.000Z</LastModified><ETag>\"1\"</ETag>";
            write!(objects, "<Contents><Key>{key}</Key><Size>{length}</Size>{rest}</Contents>").unwrap();
        }
    }
    for folder in folders {
        write!(objects, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>").unwrap();
    }
    format!("<ListBucketResult>{objects}</ListBucketResult>").into_response()
}
