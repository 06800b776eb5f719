//! The archive in buckets: S3 by moto, Azure Blob by Azurite, Google's by a stub of ours. Each row is in it exactly
//! once, over stops, restarts and kills, as a stranger reads it with nothing but the commit log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use archiver::{ObjectStore, ObjectStoreExt};
use bytes::Bytes;
use futures::TryStreamExt;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::{
    Record, RecordKind,
    commit::{COMMITS, CommitEntry, DATA, entry_path},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::{
    bucket,
    parts::{self, Running},
    program::{self, PATIENCE, Place, Program, call, connection, mcp_headers},
    upstream::Upstream,
};

const CALLERS: u64 = 4;
const KILLS: usize = 3;
/// Small batches, so that a kill finds the archiver at work.
const SMALL_BATCHES: &str = "archiver.batch_rows_max = 20\narchiver.retry_milliseconds_max = 200\n";

/// A bucket that somebody serves, and how it is opened.
struct Cloud {
    url: &'static str,
    options: BTreeMap<String, String>,
    _server: Option<Running>,
}

impl Cloud {
    async fn s3() -> Option<Cloud> {
        let (server, address) = parts::s3(parts::installed()?);
        let made = program::http(Method::PUT, address, "/audit", &[], b"").await;
        assert_eq!(made.status, 200, "{made:?}");
        Some(Cloud { _server: Some(server), ..Cloud::at_s3(address) })
    }

    fn at_s3(address: SocketAddr) -> Cloud {
        let endpoint = format!("http://{address}");
        let options = [
            ("aws_access_key_id", "testing"),
            ("aws_secret_access_key", "testing"),
            ("aws_endpoint", &endpoint),
            ("aws_region", "us-east-1"),
            ("aws_allow_http", "true"),
            ("aws_conditional_put", "etag"),
        ];
        Cloud::new("s3://audit/hansard", &options)
    }

    fn azure() -> Option<Cloud> {
        let (server, endpoint) = parts::azure_blobs(parts::installed()?, "audit");
        let options = [
            ("azure_storage_account_name", parts::AZURE_ACCOUNT),
            ("azure_storage_account_key", parts::AZURE_KEY),
            ("azure_endpoint", &endpoint),
            ("azure_allow_http", "true"),
        ];
        Some(Cloud { _server: Some(server), ..Cloud::new("az://audit/hansard", &options) })
    }

    async fn google() -> Cloud {
        let base = format!("http://{}", bucket::serve(true).await);
        let account = json!({ "gcs_base_url": base, "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": "" });
        Cloud::new(
            "gs://audit/hansard",
            &[("google_service_account_key", &account.to_string()), ("google_allow_http", "true")],
        )
    }

    fn new(url: &'static str, options: &[(&str, &str)]) -> Cloud {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Cloud { url, options, _server: None }
    }

    /// A place with this archive; keys of the root come first.
    fn place(&self, upstream: SocketAddr) -> Place {
        let mut text = format!("{SMALL_BATCHES}[archive]\nurl = \"{}\"\n[archive.options]\n", self.url);
        for (name, value) in &self.options {
            writeln!(text, "{name} = '{value}'").unwrap();
        }
        Place::new(&(text + &connection(upstream)))
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        archiver::open_store(self.url, self.options.clone()).unwrap()
    }
}

/// All rows of the bucket, after the list of objects was held against the commit log. The program has ended.
async fn rows(store: &dyn ObjectStore) -> Vec<Record> {
    let (rows, named) = committed(store).await;
    assert_eq!(names(store, DATA).await, named, "the objects are those of the commit log");
    rows
}

/// The rows that the commit log names, and the objects that they are in.
async fn committed(store: &dyn ObjectStore) -> (Vec<Record>, BTreeSet<String>) {
    let (mut rows, mut named) = (Vec::new(), BTreeSet::new());
    let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
    for number in 0..names(store, COMMITS).await.len() as u64 {
        let entry = CommitEntry::from_json(&read(store, &entry_path(number)).await).unwrap();
        let end = ends.insert(entry.batch.partition, entry.batch.next_offset).unwrap_or(0);
        assert_eq!(entry.batch.start_offset, end, "it takes over where the one before it ended: {entry:?}");
        let file = read(store, &entry.object).await;
        let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        rows.extend(batches.flat_map(|batch| schemas::arrow::from_batch(&batch.unwrap()).unwrap()));
        named.insert(entry.object);
    }
    (rows, named)
}

/// Until the archive has gone on behind the calls: what a kill left waiting is adopted before that.
async fn until_archived(store: &dyn ObjectStore, answered: &BTreeSet<u64>) {
    let until = Instant::now() + PATIENCE;
    while !answered.is_subset(&calls(&committed(store).await.0, RecordKind::Response)) {
        assert!(Instant::now() < until, "not all of {} calls are archived", answered.len());
    }
}

/// The numbers of the calls that have a row of this kind, none of which has two.
fn calls(rows: &[Record], kind: RecordKind) -> BTreeSet<u64> {
    let echoes = rows.iter().filter(|row| row.kind == kind && row.target.as_deref() == Some("echo"));
    let numbers: Vec<u64> = echoes.filter_map(|row| number(row.body.as_deref()?)).collect();
    let once: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(once.len(), numbers.len(), "{kind:?}: no call is there twice");
    once
}

async fn names(store: &dyn ObjectStore, folder: &str) -> BTreeSet<String> {
    let listed: Vec<_> = store.list(Some(&Path::from(folder))).try_collect().await.unwrap();
    listed.into_iter().map(|object| object.location.to_string()).collect()
}

async fn read(store: &dyn ObjectStore, path: &str) -> Bytes {
    store.get(&Path::from(path)).await.unwrap().bytes().await.unwrap()
}

/// No row is there twice, every answered call is there with its answer, and SQL counts what the bucket holds.
async fn check(place: &Place, cloud: &Cloud, answered: &BTreeSet<u64>) {
    let rows = rows(&*cloud.store()).await;
    let ids: BTreeSet<_> = rows.iter().map(|row| row.record_id).collect();
    assert_eq!(ids.len(), rows.len(), "every row has an id of its own");
    for kind in [RecordKind::Request, RecordKind::Response] {
        let missing: Vec<_> = answered.difference(&calls(&rows, kind)).copied().collect();
        assert!(missing.is_empty(), "{kind:?}: {missing:?} of {} calls", answered.len());
    }
    let counted = place.sql("SELECT count(*) AS n, count(DISTINCT record_id) AS ids FROM records");
    assert_eq!(counted, [json!({ "n": rows.len(), "ids": rows.len() })]);
}

/// The number of the call that a message is, or answers.
fn number(body: &str) -> Option<u64> {
    serde_json::from_str::<Value>(body).ok()?["id"].as_u64()
}

/// A caller on one connection, until it has made its calls or the program is gone.
async fn call_on(ingress: SocketAddr, token: String, calls: std::ops::Range<u64>, answered: Arc<Mutex<BTreeSet<u64>>>) {
    let Ok(stream) = TcpStream::connect(ingress).await else { return };
    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await else {
        return;
    };
    tokio::spawn(connection);
    let bearer = format!("Bearer {token}");
    for id in calls {
        let mut request = http::Request::post("/c/c").header("host", ingress.to_string());
        for (name, value) in mcp_headers(&bearer) {
            request = request.header(name, value);
        }
        let message = call(id, "echo", json!({ "text": format!("call {id}") })).to_string();
        let Ok(answer) = sender.send_request(request.body(Full::new(Bytes::from(message))).unwrap()).await else {
            return;
        };
        assert_eq!(answer.status(), 200);
        if answer.into_body().collect().await.is_err() {
            return;
        }
        answered.lock().unwrap().insert(id);
    }
}

/// Callers that make their share of `calls` each.
fn load(
    running: &Program,
    token: &str,
    calls: std::ops::Range<u64>,
    answered: &Arc<Mutex<BTreeSet<u64>>>,
) -> JoinSet<()> {
    let each = (calls.end - calls.start) / CALLERS;
    let share = |caller| calls.start + caller * each..calls.start + (caller + 1) * each;
    (0..CALLERS).map(|caller| call_on(running.ingress, token.to_owned(), share(caller), answered.clone())).collect()
}

async fn check_stops(cloud: Cloud) {
    let upstream = Upstream::start().await;
    let (place, answered) = (cloud.place(upstream.address), Arc::default());
    for start in 0..2 {
        let running = place.start();
        let token = place.token("ada", &["platform"]);
        load(&running, &token, start * 40..(start + 1) * 40, &answered).join_all().await;
        assert!(running.stop().success());
        let answered = answered.lock().unwrap().clone();
        assert_eq!(answered.len() as u64, (start + 1) * 40);
        check(&place, &cloud, &answered).await;
    }
}

async fn check_kills(cloud: Cloud) {
    let upstream = Upstream::start().await;
    let (place, answered, store) = (cloud.place(upstream.address), Arc::default(), cloud.store());
    for kill in 0..KILLS {
        let running = place.start();
        let token = place.token("ada", &["platform"]);
        let before = names(&*store, DATA).await.len();
        let first = kill as u64 * 1_000_000;
        let callers = load(&running, &token, first..first + 1_000_000, &answered);
        let until = Instant::now() + PATIENCE;
        while names(&*store, DATA).await.len() < before + 2 + kill {
            assert!(Instant::now() < until, "nothing is archived");
        }
        running.kill();
        callers.join_all().await;
    }
    let answered = answered.lock().unwrap().clone();
    let running = place.start();
    until_archived(&*store, &answered).await;
    assert!(running.stop().success());
    check(&place, &cloud, &answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_has_every_row_once_over_stops() {
    if let Some(cloud) = Cloud::s3().await {
        check_stops(cloud).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_has_every_row_once_over_kills() {
    if let Some(cloud) = Cloud::s3().await {
        check_kills(cloud).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_has_every_row_once_over_stops() {
    if let Some(cloud) = Cloud::azure() {
        check_stops(cloud).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_has_every_row_once_over_kills() {
    if let Some(cloud) = Cloud::azure() {
        check_kills(cloud).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_has_every_row_once_over_stops() {
    check_stops(Cloud::google().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_has_every_row_once_over_kills() {
    check_kills(Cloud::google().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_what_it_should_create_is_refused() {
    let upstream = Upstream::start().await;
    let cloud = Cloud::at_s3(bucket::serve(false).await);
    let ended = program::output(&mut cloud.place(upstream.address).command(&["up"]));
    let why = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success(), "{why}");
    assert!(why.contains("If-None-Match") && why.contains("use a store that honours them"), "{why}");
    assert!(names(&*cloud.store(), DATA).await.is_empty(), "nothing is trusted to it");
}
