//! What must hold of the trail, whatever went wrong on the way.
//!
//! - Each call that the upstream saw is one request row; each answer that a caller got is one response row with that
//!   body, and each event of a stream one notification row.
//! - Each sealed frame is one row, and no row has the id of another.
//! - No answer stands without its request.
//! - The numbers of each emitter are gap-free, but for those that it reported as lost, and those that were on their way
//!   when it was killed.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Record, RecordKind, RedactionStatus};
use serde_json::Value;

use super::{
    callers::{Call, Given, call_in_turn},
    pipeline::Site,
    sealed::Frames,
    upstream::Upstream,
};

/// Frames that one process may have on their way at one moment: callers, and the events that a stream has under way.
const UNDERWAY_MAX: i64 = 128;

/// What is known of the calls from outside.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By the upstream.
    pub(crate) seen: Vec<String>,
    /// By the callers.
    pub(crate) given: Given,
}

/// `what` says which run this is, for whoever has to run it again.
pub(crate) fn check(what: &str, known: &Known, rows: &[Record]) {
    check_ids(what, rows);
    check_calls(what, known, rows);
    check_events(what, &known.given.events, rows);
    check_answers_have_requests(what, rows);
    check_numbers(what, rows);
    let withheld: Vec<_> = rows.iter().filter(|row| row.redaction_status == RedactionStatus::Withheld).collect();
    assert!(withheld.is_empty(), "{what}: all frames can be read: {withheld:#?}");
}

/// Each frame is one row.
pub(crate) fn check_frames(what: &str, frames: &Frames, rows: &[Record]) {
    let found = frames_of(rows);
    let missing: Vec<_> = frames.iter().filter(|(name, count)| found.get(*name) != Some(count)).collect();
    let invented: Vec<_> = found.iter().filter(|(name, _)| !frames.contains_key(*name)).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{what}: frames {missing:?} against rows {invented:?}");
}

/// What the frames of these rows were.
pub(crate) fn frames_of(rows: &[Record]) -> Frames {
    let mut frames = Frames::new();
    for row in rows {
        *frames.entry((row.exchange_id.0, row.kind.as_str().to_owned())).or_default() += 1;
    }
    frames
}

fn check_ids(what: &str, rows: &[Record]) {
    let mut ids = BTreeSet::new();
    for row in rows {
        assert!(ids.insert(row.record_id), "{what}: {} is there twice: {row:#?}", row.record_id);
    }
}

fn check_calls(what: &str, known: &Known, rows: &[Record]) {
    let (requests, responses) = (by_call(rows, RecordKind::Request), by_call(rows, RecordKind::Response));
    let mut once = BTreeSet::new();
    for id in &known.seen {
        assert!(once.insert(id), "{what}: the upstream saw {id} twice");
        let found = requests.get(id).map_or(0, Vec::len);
        assert_eq!(found, 1, "{what}: the upstream saw {id}, request rows");
    }
    for (id, answer) in &known.given.answers {
        let found = responses.get(id).map_or(&[][..], Vec::as_slice);
        assert_eq!(found, std::slice::from_ref(answer), "{what}: a caller got the answer to {id}");
        assert!(once.contains(id), "{what}: the upstream never saw {id}, and a caller got an answer");
    }
    let twice: Vec<_> = requests.iter().chain(&responses).filter(|(_, bodies)| bodies.len() > 1).collect();
    assert!(twice.is_empty(), "{what}: rows for one message: {twice:?}");
}

/// The messages of these rows, by the id of the call.
fn by_call(rows: &[Record], kind: RecordKind) -> BTreeMap<String, Vec<Value>> {
    let mut bodies: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for message in messages(rows, kind) {
        let Some(id) = message["id"].as_str() else { continue };
        bodies.entry(id.to_owned()).or_default().push(message.clone());
    }
    bodies
}

fn messages(rows: &[Record], kind: RecordKind) -> impl Iterator<Item = Value> {
    let of_kind = rows.iter().filter(move |row| row.kind == kind);
    of_kind.filter_map(|row| row.body.as_deref()).map(|body| serde_json::from_str(body).expect("a message is JSON"))
}

fn check_events(what: &str, events: &[Value], rows: &[Record]) {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    messages(rows, RecordKind::Notification).for_each(|message| *found.entry(message.to_string()).or_default() += 1);
    for event in events {
        let rows = found.get(&event.to_string()).copied().unwrap_or(0);
        assert_eq!(rows, 1, "{what}: a caller got the event {event}, rows");
    }
}

fn check_answers_have_requests(what: &str, rows: &[Record]) {
    let of = |kind| rows.iter().filter(move |row| row.kind == kind).map(|row| row.exchange_id).collect::<BTreeSet<_>>();
    let asked = of(RecordKind::Request);
    let orphans: Vec<_> = of(RecordKind::Response).difference(&asked).copied().collect();
    assert!(orphans.is_empty(), "{what}: answers without their requests: {orphans:?}");
}

fn check_numbers(what: &str, rows: &[Record]) {
    for ((emitter, epoch), numbers) in numbers(rows) {
        let reported = reported(rows, emitter, epoch);
        let last = numbers.last().copied().unwrap_or(-1);
        let missing: Vec<i64> =
            (0..last - UNDERWAY_MAX).filter(|number| !numbers.contains(number) && !reported.contains(number)).collect();
        assert!(missing.is_empty(), "{what}: of {emitter} in {epoch} up to {last}, nobody knows of {missing:?}");
    }
}

/// The numbers of each emitter, by its starts.
fn numbers(rows: &[Record]) -> BTreeMap<(&str, i64), BTreeSet<i64>> {
    let mut numbers: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
    for row in rows {
        let (Some(emitter), Some(epoch), Some(number)) = (&row.emitter_id, row.emitter_epoch, row.emitter_seq) else {
            panic!("every row of a frame has its emitter's number: {row:#?}");
        };
        let of_start = numbers.entry((emitter.as_str(), epoch)).or_default();
        assert!(of_start.insert(number), "{emitter} has given {number} twice in {epoch}");
    }
    numbers
}

/// What the emitter says it lost in this start.
fn reported(rows: &[Record], emitter: &str, epoch: i64) -> BTreeSet<i64> {
    let own = rows.iter().filter(|row| row.emitter_id.as_deref() == Some(emitter) && row.emitter_epoch == Some(epoch));
    own.filter_map(lost).flatten().collect()
}

/// The numbers that a report lists; none for any other row.
pub(crate) fn lost(row: &Record) -> Option<Vec<i64>> {
    if row.method.as_deref() != Some("recording/resumed") {
        return None;
    }
    let report: Value = serde_json::from_str(row.body.as_deref()?).expect("a report is JSON");
    let ranges = report["unrecorded"].as_array()?.iter();
    let numbers = |range: &Value| range[0].as_i64().unwrap_or(0)..=range[1].as_i64().unwrap_or(-1);
    Some(ranges.flat_map(numbers).collect())
}

/// A verdict that lets everything pass is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_doubled_or_changed_is_noticed() {
    let upstream = Upstream::start().await;
    let site = Site::new(upstream.address);
    let life = site.start().await;
    let given = call_in_turn(&life.door, &[Call::plain("one".into()), Call::streamed("two".into())]).await;
    life.stop().await;
    let known = Known { seen: upstream.seen(), given };
    let rows = site.archived("a run without faults").await;
    check("a run without faults", &known, &rows);

    for (number, row) in rows.iter().enumerate() {
        if row.kind != RecordKind::Lifecycle {
            refuses(&known, &rows, |rows| drop(rows.remove(number)));
            refuses(&known, &rows, |rows| rows[number].body = Some("{}".to_owned()));
        }
        refuses(&known, &rows, |rows| rows.push(row.clone()));
    }
    let frames = frames_of(&rows);
    let noticed = std::panic::catch_unwind(|| check_frames("a row less", &frames, &rows[1..]));
    assert!(noticed.is_err(), "a frame that is no row");
}

fn refuses(known: &Known, rows: &[Record], spoil: impl FnOnce(&mut Vec<Record>)) {
    let mut spoilt = rows.to_vec();
    spoil(&mut spoilt);
    let noticed = std::panic::catch_unwind(|| check("spoilt", known, &spoilt));
    assert!(noticed.is_err(), "nobody notices: {spoilt:#?}");
}
