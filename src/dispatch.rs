//! From a command to what does it: finds the data directory and the configuration, and starts the runtime.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};

#[cfg(feature = "masker")]
use crate::token::{self, Subject};
use crate::{
    argv::{self, Arguments, Command, Place},
    configuration::{BusKind, Configuration},
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    topics::{self, Party},
    wiring,
};

/// Stack of a worker thread. SQL is planned on threads of its own; see the query stage.
const STACK_BYTES: usize = 4 * 1024 * 1024;

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(dispatch(arguments));
    // A blocking task that hangs must not keep a finished command alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn dispatch(Arguments { place, command }: Arguments) -> Result<(), Failure> {
    match command {
        #[cfg(feature = "masker")]
        Command::Token { subject, groups, name, lifetime } => {
            let lifetime = Duration::from_secs(lifetime);
            mint(&place, Subject { subject, groups, name, lifetime })
        }
        #[cfg(feature = "masker")]
        Command::Redact { rules, json, files, what } => {
            let configured = || Ok(Configuration::find(&place, &data_path(&place)?).map_err(Failure::Usage)?.redaction);
            let keys = || Keys::of(&DataDirectory::existing(data_path(&place)?)?)?.masking();
            match what {
                None => crate::redaction::show(crate::redaction::chosen(rules, configured, keys)?, &files, json),
                Some(argv::Redact::Test { rules, cases }) => {
                    crate::redaction::test(crate::redaction::chosen(rules, configured, keys)?, &cases)
                }
            }
        }
        #[cfg(feature = "all")]
        Command::Detokenize(asked) => {
            let (data, configuration) = existing(&place)?;
            crate::detokenize::command(&data, &configuration, asked).await
        }
        #[cfg(feature = "all")]
        Command::Quarantine { what } => {
            let (data, configuration) = existing(&place)?;
            crate::quarantine::command(&data, &configuration, what).await
        }
        Command::Config { what: argv::Config::Check { file } } => check(&place, file),
        Command::Keys { what } => keys(&place, &what),
        Command::Health { ready } => {
            let configuration = Configuration::find(&place, &data_path(&place)?).map_err(Failure::Usage)?;
            crate::health::command(&configuration, ready).await
        }
        #[cfg(feature = "all")]
        Command::Up => {
            let (data, configuration) = fresh(&place)?;
            wiring::check(&configuration).map_err(Failure::Usage)?;
            crate::up::command(&data, &configuration).await
        }
        #[cfg(feature = "ingress")]
        Command::Ingress => single(&place, Party::Ingress).await,
        #[cfg(feature = "masker")]
        Command::Masker => single(&place, Party::Masker).await,
        #[cfg(feature = "approver")]
        Command::Approver => single(&place, Party::Approver).await,
        #[cfg(feature = "archiver")]
        Command::Archiver => single(&place, Party::Archiver).await,
        #[cfg(feature = "query")]
        Command::Query => single(&place, Party::Query).await,
        Command::Topics { what } => topics(&place, what).await,
        #[cfg(feature = "demo")]
        Command::Demo { exit } => crate::demo::command(place.data, exit).await,
        #[cfg(feature = "query")]
        Command::Sql { statement, format } => {
            let (data, configuration) = existing(&place)?;
            crate::reading::sql(&data, &configuration, &statement, format).await
        }
        #[cfg(feature = "query")]
        Command::Replay { id, json } => {
            let (data, configuration) = existing(&place)?;
            crate::reading::replay(&data, &configuration, &id, json).await
        }
        #[cfg(feature = "query")]
        Command::Tail { group, format, exit } => {
            let (data, configuration) = existing(&place)?;
            crate::tail::command(&data, &configuration, group, format, exit).await
        }
        #[cfg(feature = "query")]
        Command::Forget { group } => {
            let (data, configuration) = existing(&place)?;
            crate::forget::command(&data, &configuration, &group).await
        }
        #[cfg(feature = "all")]
        Command::Approvals { what } => {
            let (data, configuration) = existing(&place)?;
            crate::approvals::command(&data, &configuration, what).await
        }
    }
}

async fn single(place: &Place, role: Party) -> Result<(), Failure> {
    let (data, configuration) = fresh(place)?;
    wiring::check(&configuration).map_err(Failure::Usage)?;
    crate::single::command(&data, &configuration, role).await
}

async fn topics(place: &Place, what: argv::Topics) -> Result<(), Failure> {
    let configuration = Configuration::find(place, &data_path(place)?).map_err(Failure::Usage)?;
    let section = &configuration.bus;
    match what {
        argv::Topics::Plan => topics::show_plan(section),
        argv::Topics::Create => topics::create(section).await?,
        argv::Topics::Check => topics::check(section).await?,
        argv::Topics::Acls { apply, principals } => topics::acls(section, &principals, apply).await?,
    }
    Ok(())
}

/// The data directory, made if need be, and the configuration that goes with it.
fn fresh(place: &Place) -> Result<(DataDirectory, Configuration), Failure> {
    let path = data_path(place)?;
    let configuration = Configuration::find(place, &path).map_err(Failure::Usage)?;
    Ok((DataDirectory::create(path).map_err(Failure::Unavailable)?, configuration))
}

/// The data directory of an earlier start, and the configuration that goes with it.
fn existing(place: &Place) -> Result<(DataDirectory, Configuration), Failure> {
    let path = data_path(place)?;
    let configuration = Configuration::find(place, &path).map_err(Failure::Usage)?;
    let data = match configuration.bus.kind {
        BusKind::Embedded => DataDirectory::existing(path),
        BusKind::Kafka => DataDirectory::create(path),
    };
    Ok((data.map_err(Failure::Unavailable)?, configuration))
}

fn data_path(place: &Place) -> Result<PathBuf> {
    place.data.clone().map_or_else(wiring::default_data, Ok)
}

#[cfg(feature = "masker")]
#[expect(clippy::print_stdout, reason = "the token is what is asked for")]
fn mint(place: &Place, subject: Subject) -> Result<(), Failure> {
    let (data, configuration) = fresh(place)?;
    println!("{}", token::mint(&data, &configuration, subject)?);
    Ok(())
}

/// Reads all that a start would read: the file, the secrets it refers to, the rules.
#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
fn check(place: &Place, file: Option<PathBuf>) -> Result<(), Failure> {
    let data = data_path(place)?;
    let place = Place { config: file.or_else(|| place.config.clone()), ..place.clone() };
    let configuration = Configuration::find(&place, &data).map_err(Failure::Usage)?;
    wiring::check(&configuration).map_err(Failure::Usage)?;
    let (connections, rules) = (configuration.connection.len(), configuration.policy.rules.len());
    println!("the configuration is good: {connections} connections, {rules} rules");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
fn keys(place: &Place, what: &argv::Keys) -> Result<(), Failure> {
    let path = data_path(place)?;
    match what {
        argv::Keys::Public => println!("{}", Keys::of(&DataDirectory::create(path)?)?.public()?.to_text().trim_end()),
        #[cfg(feature = "masker")]
        argv::Keys::Generate => {
            let data = DataDirectory::create(path)?;
            println!("sealing key {} in {}", Keys::generate(&data)?.public()?.id(), data.keys().display());
        }
        #[cfg(feature = "masker")]
        argv::Keys::Rotate { masking: true } => {
            let id = Keys::of(&DataDirectory::create(path)?)?.rotate_masking()?;
            println!("masking key {id} makes tokens from now on; the earlier ones stay readable");
        }
        #[cfg(feature = "masker")]
        argv::Keys::Rotate { masking: false } => {
            let id = Keys::of(&DataDirectory::create(path)?)?.rotate()?;
            println!("sealing key {id} is used from the next start on; the earlier ones go on opening");
        }
        #[cfg(feature = "masker")]
        argv::Keys::List { json } => list_keys(&Keys::of(&DataDirectory::create(path)?)?, *json)?,
    }
    Ok(())
}

#[cfg(feature = "masker")]
#[expect(clippy::print_stdout, reason = "the list is what is asked for")]
fn list_keys(keys: &Keys, json: bool) -> Result<()> {
    let listed = keys.list()?;
    if json {
        let rows = listed.iter().map(|key| serde_json::json!({ "key_id": key.id.to_string(), "current": key.current }));
        println!("{}", serde_json::Value::Array(rows.collect()));
        return Ok(());
    }
    for key in listed {
        println!("{}  {}", key.id, if key.current { "seals and opens" } else { "opens" });
    }
    for (place, id) in keys.masking()?.ids().enumerate() {
        println!("{id}  {}", if place == 0 { "makes and reads tokens of masking" } else { "reads tokens of masking" });
    }
    Ok(())
}
