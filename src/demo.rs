//! `hansard demo`: the whole story on one machine, with nothing simulated in between.
//!
//! The official MCP SDK as client and server, ingress between them; calls that are answered, streamed, blocked, held
//! and refused; then the trail is asked who, when and what, and every byte on disk is searched for the secrets that
//! went through.

mod archive;
mod caller;
mod secrets;
mod server;
mod show;
mod story;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};

use crate::{configuration::Configuration, data::DataDirectory, exit::Failure, reading, running, up::Running, wiring};
use secrets::Secrets;
use server::BackOffice;
use story::Story;

/// How long the archiver may take for the last call.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(30);

/// What the demo's `up` runs on: free ports, an upstream of its own, and rules to block and to hold.
const CONFIGURATION: &str = r#"
[ingress]
listen = "127.0.0.1:0"
[console]
listen = "127.0.0.1:0"
[operation]
listen = "127.0.0.1:0"
[archiver]
batch_age_seconds_max = 1

[[policy.rule]]
name = "destructive-sql"
when = 'call.method == "tools/call" && call.text.matches("(?i)\\bdrop\\s+(table|database)\\b")'
then = "block"
message = "DROP is not allowed through this gateway"

[[policy.rule]]
name = "production-writes"
when = 'call.target.startsWith("deploy_") && !("sre" in principal.groups)'
then = { hold = { reviewers = ["sre"], approve = 1, deny = 1, expires = "5m" } }
"#;

/// Tells the story. With `exit`, ends when it is told, and fails unless all that it promises held.
#[expect(clippy::print_stdout, reason = "the tables are what the demo is asked for")]
pub async fn command(data: Option<PathBuf>, exit: bool) -> Result<(), Failure> {
    let mut ended = running::signals()?;
    let temporary = tempfile::Builder::new().prefix("hansard-demo-").tempdir().context("cannot make a folder")?;
    let data = DataDirectory::create(data.unwrap_or_else(|| temporary.path().join("data")))?;
    let secrets = Arc::new(Secrets::generate());
    let office = BackOffice::start(secrets.clone()).await?;
    let configuration = configuration(&office)?;
    let running = Running::start(&data, &configuration).await?;

    println!(
        "Calls go through ingress at http://{}/c/shop to an MCP server of the official SDK.\n",
        running.addresses.ingress
    );
    let mut story = Story::new(&data, &configuration, &running, secrets.clone())?;
    story.tell().await?;
    let store = wiring::store(&data, &configuration)?;
    let archived = archive::wait(&store, &running.ground.bus.reader(), ARCHIVED_WITHIN).await?;
    story.expect("everything is archived as Parquet", archived.complete, archived.to_string());
    let (mut expectations, began_at) = (story.expectations, story.began_at);
    let trail = reading::open(&data, &configuration).await?;
    expectations.extend(show::trail(&trail, &reading::local(), began_at).await?);
    expectations.extend(show::search(&secrets, &data)?);
    let failed = show::expectations(&expectations);

    if !exit {
        show::how_to_go_on(&running, &data);
        ended.recv().await;
    }
    running.stop().await?;
    if failed > 0 {
        return Err(Failure::Other(anyhow!("{failed} promises did not hold")));
    }
    Ok(())
}

fn configuration(office: &BackOffice) -> Result<Configuration> {
    let connection = format!("\n[[connection]]\nname = \"shop\"\nupstream = \"http://{}/mcp\"\n", office.address);
    Configuration::parse(&(CONFIGURATION.to_owned() + &connection))
}
