//! `hansard forget`: a group of `hansard tail` that nobody reads by any more.
//!
//! The embedded log keeps what a group has not read, however old it is; a group that was given up would fill the disk.
//! It refuses to forget one that somebody reads by at the moment, and a stage's.

use anyhow::anyhow;

use crate::{
    configuration::{BusKind, Configuration},
    data::DataDirectory,
    exit::Failure,
    tail::GROUP_PREFIX,
    wiring,
};

#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
pub async fn command(data: &DataDirectory, configuration: &Configuration, group: &str) -> Result<(), Failure> {
    let name = format!("{GROUP_PREFIX}{group}");
    if configuration.bus.kind == BusKind::Kafka {
        return Err(Failure::Usage(anyhow!(
            "Kafka keeps messages for their time, whoever has read them, so nothing waits for a group; \
             to remove its positions: kafka-consumer-groups.sh --delete --group {name}"
        )));
    }
    let log = wiring::embedded(data, configuration, &wiring::clock()).await?;
    log.forget_group(&name).await.map_err(|error| Failure::Unavailable(error.into()))?;
    println!("the group {group} is forgotten: the log keeps nothing for it any more");
    Ok(())
}
