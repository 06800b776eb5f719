//! `hansard sql` and `hansard replay`: the query stage in this process, whether `up` runs or not.
//!
//! The person at the machine reads as `local`; the read is a record like any other, made before the answer is shown.

use std::{io::Write, sync::Arc};

use anyhow::{Context as _, Result};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use query::{Answer, Asker, Replay, Trail};
use schemas::{Context, Frame, FrameKind, Principal, Record};
use tokio::sync::watch;

use crate::{
    argv::Format,
    configuration::Configuration,
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    table,
    wiring::{self, Ground},
};

pub async fn sql(
    data: &DataDirectory,
    configuration: &Configuration,
    statement: &str,
    format: Format,
) -> Result<(), Failure> {
    let trail = open(data, configuration).await?;
    let answer = trail.sql(&local(), statement).await.map_err(failure)?;
    write(&answer, format)?;
    Ok(())
}

pub async fn replay(data: &DataDirectory, configuration: &Configuration, id: &str, json: bool) -> Result<(), Failure> {
    let trail = open(data, configuration).await?;
    let replay = trail.replay(&local(), id).await.map_err(failure)?;
    let text = if json { replay.to_json().context("cannot show the answer")? } else { told(&replay).into_bytes() };
    print(&text)?;
    Ok(())
}

/// A conversation as people read it: one paragraph per record, in order.
fn told(replay: &Replay) -> String {
    let paragraph = |record: &Record| {
        let who = record.subject.as_deref().unwrap_or("nobody");
        let what = [&record.method, &record.target, &record.verdict, &record.outcome, &record.error];
        let what: Vec<&str> = what.into_iter().flatten().map(String::as_str).collect();
        let body = record.body.as_deref().unwrap_or_default();
        format!("{}  {:<12} {who}  {}\n{body}\n", record.occurred_at, record.kind.as_str(), what.join("  "))
    };
    replay.records.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

/// Who records the reads of this process: a name of its own, since `up` may run beside it.
pub fn emitter(data: &DataDirectory) -> Result<String> {
    Ok(format!("{}/command-{}", data.emitter()?, std::process::id()))
}

/// Records that the person at the machine reads what `method` names; durable before anything is shown.
pub async fn record(ground: &Ground, method: &str) -> Result<()> {
    let Asker { principal, auth_method, .. } = local();
    let context = Context { principal, auth_method, method: Some(method.to_owned()), ..Context::default() };
    let frame = Frame::internal(FrameKind::Read, ground.recorder.new_exchange_id(), (ground.clock)(), context);
    ground.recorder.record(frame).await.context("the read cannot be recorded, so nothing is shown")
}

/// The trail of a data directory.
pub async fn open(data: &DataDirectory, configuration: &Configuration) -> Result<Arc<Trail>> {
    let ground = Ground::open(data, configuration, &Keys::of(data)?, emitter(data)?).await?;
    let deps = query::Deps {
        reader: ground.bus.reader(),
        store: wiring::store(data, configuration)?,
        recorder: ground.recorder,
        clock: ground.clock,
        ready: watch::Sender::new(None),
    };
    Ok(Trail::open(configuration.query.clone(), deps).await)
}

/// The person at the machine, by the name that the operating system has.
#[expect(clippy::disallowed_methods, reason = "the command reads the environment")]
pub fn local() -> Asker {
    let subject = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let principal = Principal { issuer: "local".to_owned(), subject, ..Principal::default() };
    Asker { principal: Some(principal), auth_method: "local".to_owned(), source_ip: None }
}

fn failure(error: query::Error) -> Failure {
    if error.status().is_client_error() { Failure::Usage(error.into()) } else { Failure::Other(error.into()) }
}

fn write(answer: &Answer, format: Format) -> Result<()> {
    let text = match format {
        Format::Json => answer.to_json().context("cannot show the answer")?,
        Format::Csv => answer.to_csv().context("cannot show the answer")?,
        Format::Table => table(answer)?.into_bytes(),
    };
    if answer.truncated {
        tracing::warn!("the answer was cut at the limit of rows: ask for less, or raise [query] rows_max");
    }
    print(&text)
}

fn print(text: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
    out.write_all(text).and_then(|()| out.write_all(end)).context("cannot write the answer")
}

/// The answer as people read it.
pub fn table(answer: &Answer) -> Result<String> {
    let head: Vec<&str> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut rows = Vec::new();
    for batch in &answer.batches {
        let options = FormatOptions::default().with_display_error(true);
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().context("a column that cannot be shown")?;
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    Ok(table::render(&head, rows))
}
