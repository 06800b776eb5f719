//! The records as they come, over a real socket: pages, streams, places, and who may read them.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use hansard_query::Config;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use schemas::{FrameKind, Outcome};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    door::{Served, text},
    rows::{request, response},
};

const PATIENCE: Duration = Duration::from_secs(30);

impl Served {
    async fn tail(&self, query: &str) -> Response<Bytes> {
        self.send(self.as_ada(Request::get(format!("/v1/tail?{query}"))), "").await
    }

    /// Lines of the page, and where the next one begins.
    async fn page(&self, query: &str) -> (Vec<Value>, String) {
        let page = self.tail(query).await;
        assert_eq!(page.status(), StatusCode::OK, "{query}: {}", text(&page));
        let lines = text(&page).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (lines, position(&page))
    }

    async fn stream(&self, query: &str, last: &str) -> Events {
        let asked = Request::get(format!("/v1/tail?{query}")).header("accept", "text/event-stream");
        let answer = self.open(self.as_ada(asked.header("last-event-id", last)), "").await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events { body: answer.into_body(), read: String::new() }
    }
}

fn position(page: &Response<Bytes>) -> String {
    page.headers()["hansard-position"].to_str().expect("text").to_owned()
}

/// Server-sent events as they come.
struct Events {
    body: Incoming,
    read: String,
}

impl Events {
    /// The id and the data of the next event; none when the stream has ended.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let of = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let found = of("data: ").map(|data| (of("id: ").or(of("event: ")).unwrap_or_default(), data));
                self.read = rest.to_owned();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("something in time")?;
            let bytes = frame.expect("it goes on").into_data().expect("data");
            self.read.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }
}

fn ids(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().map(|line| line["record_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_join_without_a_gap_and_without_an_overlap() {
    let served = Served::new().await;
    let (first, position) = served.page("from=earliest").await;
    assert_eq!(first.len(), 2);
    let more: Vec<_> = (2..40).flat_map(|n| [request(n), response(n, "ok")]).collect();
    served.ground.publish(&more).await;
    let (second, next) = served.page(&format!("from={position}")).await;
    assert_eq!(second.len(), 76);
    assert!(ids(&first).is_disjoint(&ids(&second)));
    let (nothing, same) = served.page(&format!("from={next}")).await;
    assert_eq!((nothing.len(), &same), (0, &next));
    assert_eq!(served.page("from=latest").await, (nothing, same));
    // The same twice, and in a form that knows no payload.
    let (again, _) = served.page(&format!("format=ocsf&from={position}")).await;
    assert_eq!((again.len(), &again[0]["class_uid"]), (76, &6003.into()));
    assert!(second[0]["body"].is_string() && again[0].get("body").is_none());
    let cef = served.tail(&format!("format=cef&from={position}")).await;
    assert!(text(&cef).starts_with("CEF:0|Hansard|") && text(&cef).lines().count() == 76);
}

#[tokio::test]
async fn a_page_is_bounded_and_says_that_there_is_more() {
    let served = Served::new().await;
    let large = |n| schemas::Record { body: Some("x".repeat(400_000)), ..request(n) };
    served.ground.publish(&(10..20).map(large).collect::<Vec<_>>()).await;
    let (mut seen, mut query, mut pages) = (BTreeSet::new(), "from=earliest".to_owned(), 0);
    loop {
        let page = served.tail(&query).await;
        assert!(page.body().len() < 2_500_000, "{} bytes", page.body().len());
        for line in text(&page).lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert!(seen.insert(line["record_id"].as_str().expect("an id").to_owned()), "twice");
        }
        pages += 1;
        query = format!("from={}", position(&page));
        if page.headers()["hansard-more"] == "false" {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(pages > 2, "{pages} pages");
}

#[tokio::test]
async fn a_stream_goes_on_where_its_reader_left_off() {
    let served = Served::new().await;
    let mut events = served.stream("format=ecs&from=earliest", "").await;
    let (_, line) = events.next().await.expect("the first");
    let (id, _) = events.next().await.expect("the second");
    assert!(serde_json::from_str::<Value>(&line).expect("JSON")["ecs"].is_object());
    served.ground.publish(&[request(2)]).await;
    let (_, third) = events.next().await.expect("what comes while it is read");
    drop(events);
    served.ground.publish(&[request(3), request(4)]).await;
    let mut again = served.stream("format=ecs&from=earliest", &id).await;
    // Partitions have no order among each other, so the third is among those that came later.
    let mut rest = BTreeSet::new();
    for _ in 0..3 {
        assert!(rest.insert(again.next().await.expect("what comes after the second").1), "twice");
    }
    assert!(rest.contains(&third), "{rest:?} have not {third}");
}

#[tokio::test]
async fn streams_are_few_and_end_so_that_readers_show_who_they_are() {
    let config = Config { streams_max: 1, stream_seconds_max: 1, ..Config::default() };
    let served = Served::with(config).await;
    let mut events = served.stream("", "").await;
    let asked = Request::get("/v1/tail").header("accept", "text/event-stream");
    let second = served.send(served.as_ada(asked), "").await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(events.next().await, None, "its time is over");
    drop(events);
    let mut third = served.stream("from=earliest", "").await;
    third.next().await.expect("there is room again");
}

#[tokio::test]
async fn what_is_not_kept_or_is_no_record_is_never_skipped() {
    let served = Served::new().await;
    let (_, now) = served.page("from=latest").await;
    served.ground.archive(0, 100).await;
    served.ground.archive(1, 100).await;
    served.ground.forget_archived();
    let gone = served.tail("from=0:0,1:0").await;
    assert_eq!(gone.status(), StatusCode::GONE, "{}", text(&gone));
    assert!(text(&gone).contains("archive") && text(&gone).contains("go on from"), "{}", text(&gone));
    assert_eq!(served.page("from=earliest").await, (vec![], now.clone()));
    served.ground.publish_rubbish().await;
    let unreadable = served.tail(&format!("from={now}")).await;
    assert_eq!(unreadable.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(&unreadable).contains("no record that this version can read"), "{}", text(&unreadable));
    let mut events = served.stream("", &now).await;
    let (kind, told) = events.next().await.expect("an event that says so");
    assert!(kind == "error" && told.contains("go on behind it"), "{kind}: {told}");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn nothing_is_given_of_another_log_than_the_archives() {
    let served = Served::new().await;
    served.ground.write_down_origin(None).await;
    let mut events = served.stream("from=latest", "").await;
    served.page("from=earliest").await;
    served.ground.replaced.store(true, Ordering::SeqCst);
    let refused = served.tail("from=earliest").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", text(&refused));
    assert!(text(&refused).contains("another log"), "{}", text(&refused));
    served.ground.publish(&[request(2)]).await;
    let (kind, told) = events.next().await.expect("an event that says so");
    assert!(kind == "error" && told.contains("another log"), "{kind}: {told}");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn who_reads_is_recorded_and_who_may_not_is_refused() {
    let served = Served::with(Config { readers: vec!["auditors".to_owned()], ..Config::default() }).await;
    served.page("format=ocsf&from=earliest").await;
    let frame = served.ground.frames().await.pop().expect("a frame");
    let body: Value = serde_json::from_slice(frame.body.as_ref().expect("a body")).expect("JSON");
    assert_eq!((frame.kind, &body["format"], &body["from"]), (FrameKind::Read, &"ocsf".into(), &"earliest".into()));
    assert_eq!(frame.context.expect("a context").method.as_deref(), Some("trail/tail"));
    for (query, status, outcome) in [
        ("format=xml", StatusCode::BAD_REQUEST, Outcome::Malformed),
        ("from=yesterday", StatusCode::BAD_REQUEST, Outcome::Malformed),
        ("from=0:99999", StatusCode::BAD_REQUEST, Outcome::Malformed),
        ("from=0:0,1:0,2:0", StatusCode::BAD_REQUEST, Outcome::Malformed),
    ] {
        assert_eq!((served.tail(query).await.status(), served.last_refusal().await), (status, outcome), "{query}");
    }
    let stranger = served.send(Request::get("/v1/tail?from=earliest"), "").await;
    assert_eq!((stranger.status(), served.last_refusal().await), (StatusCode::UNAUTHORIZED, Outcome::Unauthenticated));
    let other = served.as_one_of(&["engineers"], Request::get("/v1/tail?from=earliest"));
    assert_eq!(
        (served.send(other, "").await.status(), served.last_refusal().await),
        (StatusCode::FORBIDDEN, Outcome::Forbidden)
    );
}
