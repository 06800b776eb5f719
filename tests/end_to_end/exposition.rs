//! What `/metrics` shows, read as an operator's tools read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
};

use http::Method;
use serde_json::json;

use super::{oracle, program::http, scene::Scene};

/// The metrics that `docs/operations.md` tells of, with what it says of each.
pub fn documented() -> BTreeMap<String, String> {
    let page = include_str!("../../docs/operations.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter(|row| row.starts_with("hansard_") || row.starts_with("process_"));
    let told = rows.map(|row| {
        let (name, said) = row.split_once("` | ").unwrap();
        (name.split('{').next().unwrap().to_owned(), said.trim_end_matches(" |").to_owned())
    });
    told.collect()
}

/// The text, which must be what Prometheus wants, and the names in it, all of which must be documented.
pub async fn check(operation: SocketAddr) -> BTreeSet<String> {
    let answer = http(Method::GET, operation, "/metrics", &[], b"").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    if let Some(promtool) = oracle::promtool() {
        oracle::promtool_accepts(promtool, &["check", "metrics"], text);
    }
    let (documented, helps) = (documented(), helps(text));
    for (name, help) in &helps {
        assert_eq!(documented.get(name), Some(help), "docs/operations.md and /metrics say the same of {name}");
    }
    let shown: BTreeSet<String> = families(text);
    assert_eq!(shown, helps.into_keys().collect(), "every metric says what it is");
    shown
}

fn helps(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    lines.map(|(name, help)| (name.to_owned(), help.to_owned())).collect()
}

fn families(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    lines.map(|(name, _)| name.to_owned()).collect()
}

/// Names that dashboards and rules ask Prometheus for, without those that rules make.
pub fn asked_for() -> BTreeSet<String> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let read = |file: &str| std::fs::read_to_string(deploy.join(file)).unwrap();
    let texts = [read("grafana/dashboards/hansard.json"), read("prometheus/rules.yml")];
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let metrics = words.filter(|word| word.starts_with("hansard_") || word.starts_with("process_"));
    // A part of a pattern that stands for two metrics.
    let whole = metrics.filter(|word| *word != "hansard_");
    let name = |word: &str| word.strip_suffix("_bucket").unwrap_or(word).to_owned();
    whole.map(name).collect()
}

/// `hansard up` under calls of several kinds: what it shows is well-formed, documented, and counts what happened.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_counted() {
    let scene = Scene::open("").await;
    for tool in ["echo", "echo", "tool-error", "stream"] {
        scene.call(tool, json!({})).await;
    }
    scene.rows("SELECT * FROM exchanges WHERE method = 'tools/call'", |rows| rows.len() == 4).await;
    let shown = check(scene.running.operation).await;
    for name in ["hansard_overhead_seconds", "hansard_recording_up", "hansard_masker_withheld_total"] {
        assert!(shown.contains(name), "{shown:?}");
    }
    assert!(shown.contains("process_resident_memory_bytes") && shown.contains("hansard_build_info"));
    let answer = http(Method::GET, scene.running.operation, "/metrics", &[], b"").await;
    for line in [
        "hansard_calls_total{connection=\"c\",outcome=\"ok\"} 3",
        "hansard_calls_total{connection=\"c\",outcome=\"tool_error\"} 1",
        "hansard_forwarded_total{connection=\"c\"} 4",
        "hansard_verdicts_total{verdict=\"allow\"} 4",
        "hansard_overhead_seconds_count 4",
        "hansard_masker_withheld_total{reason=\"unknown_key\"} 0",
    ] {
        assert!(answer.text().lines().any(|shown| shown == line), "{line} is not in\n{}", answer.text());
    }
    // As docs/operations.md has it: no number of any emitter is missing.
    let gaps = "SELECT emitter_id, emitter_epoch, max(emitter_seq) + 1 - count(DISTINCT emitter_seq) AS missing \
                FROM records GROUP BY emitter_id, emitter_epoch HAVING max(emitter_seq) + 1 > count(DISTINCT emitter_seq)";
    let page = include_str!("../../docs/operations.md").replace('\n', " ");
    assert!(page.contains(gaps), "docs/operations.md asks something else");
    scene.rows(gaps, <[_]>::is_empty).await;
}
