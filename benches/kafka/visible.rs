//! How old a row is when SQL finds it: from the moment that the caller has its answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest, header};
use serde_json::json;

use crate::{
    load::{self, Load, Target},
    message,
};

use super::{latency::MESSAGE_BYTES, site::Site};

const PROBES: usize = 100;
/// Before them, while brokers and roles do all of this for the first time.
const WARM_UP_PROBES: usize = 30;
/// Calls that go on beside the probes, each on a connection of its own.
const BESIDE: usize = 2;
/// Between two questions: each of them is a record too, and to ask without a pause would be the load.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) idle: Vec<Duration>,
    pub(crate) loaded: Vec<Duration>,
    /// Calls a second beside the probes.
    pub(crate) beside: f64,
}

/// Who calls, and who asks.
struct Prober {
    calls: SendRequest<Full<Bytes>>,
    questions: SendRequest<Full<Bytes>>,
    target: Target,
    name: String,
}

pub(crate) fn measure(site: &mut Site) -> Result<Measured> {
    site.everyone()?;
    let target = site.through_ingress()?;
    let console = site.query()?.door.context("query listens")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let probe = |name: &str, probes: usize| -> Result<Vec<Duration>> {
        runtime.block_on(async {
            let (calls, questions) = (load::connect(target.address).await?, load::connect(console).await?);
            Prober { calls, questions, target: target.clone(), name: name.to_owned() }.probe(probes).await
        })
    };
    probe("first", WARM_UP_PROBES)?;
    let idle = probe("idle", PROBES)?;
    // As long as the probes took when nothing else went on; then they go on in what is left of it.
    let window = idle.iter().sum::<Duration>() + Duration::from_secs(5);
    let load = Load { message: message::call(MESSAGE_BYTES), connections: BESIDE, warm_up: Duration::ZERO, window };
    let beside = target.clone();
    let callers = std::thread::spawn(move || load::run(&beside, &load, &[]));
    let loaded = probe("loaded", PROBES)?;
    let seen = callers.join().map_err(|_| anyhow::anyhow!("the callers beside panicked"))??;
    Ok(Measured { idle, loaded, beside: seen.calls as f64 / window.as_secs_f64() })
}

impl Prober {
    async fn probe(mut self, probes: usize) -> Result<Vec<Duration>> {
        let mut ages = Vec::with_capacity(probes);
        for number in 0..probes {
            let tool = format!("probe_{}_{number}", self.name);
            let answered = self.call(&tool).await?;
            while !self.is_visible(&tool).await? {
                ensure!(answered.elapsed() < PATIENCE, "{tool} is not visible within {PATIENCE:?}");
                tokio::time::sleep(LOOK).await;
            }
            ages.push(answered.elapsed());
        }
        Ok(ages)
    }

    /// When the answer was here.
    async fn call(&mut self, tool: &str) -> Result<Instant> {
        let params = json!({ "name": tool, "arguments": { "order": 1 } });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let answer = self.calls.send_request(load::request(&self.target, message.into())?).await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        answer.into_body().collect().await?;
        Ok(Instant::now())
    }

    async fn is_visible(&mut self, tool: &str) -> Result<bool> {
        let statement = format!("SELECT exchange_id FROM records WHERE kind = 'response' AND target = '{tool}'");
        let body = json!({ "sql": statement }).to_string();
        let token = self.target.token.as_deref().unwrap_or_default();
        let request = Request::post("/v1/sql")
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = self.questions.send_request(request).await?;
        let status = answer.status();
        let rows = answer.into_body().collect().await?.to_bytes();
        ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&rows));
        Ok(rows.as_ref().trim_ascii() != b"[]")
    }
}
