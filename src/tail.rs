//! `hansard tail`: the masked records as they come, one line each, for SIEMs and scripts without Kafka.
//!
//! With a group it goes on where the group left off, whoever stopped it and how: a position is committed after its
//! lines are written, so a line may come twice and none is left out. Without a group it begins with what comes now
//! and leaves no trace in the log. That somebody reads is recorded before the first line, like any other read.
//!
//! It refuses to skip what is no record: such a message ends it with an error that names its place.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::{Context, Result};
use arrow::json::LineDelimitedWriter;
use bus::{Delivery, Partition, Position, Stored};
use schemas::{Record, topic};
use siem::Format;
use tokio::time::timeout;

use crate::{
    argv::TailFormat, configuration::Configuration, data::DataDirectory, exit::Failure, keys::Keys, reading,
    wiring::Ground,
};

/// What reads of this kind are called in the column `method`.
const METHOD: &str = "trail/tail";
/// What groups of tails begin with, so that none is taken for a stage.
pub const GROUP_PREFIX: &str = "hansard-tail-";
/// Bytes of messages that are read at once.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// How long one look at a partition waits where there is nothing.
const PATIENCE: Duration = Duration::from_millis(200);
/// A group that is given nothing for so long has nothing more to tell: the last offsets may be marks of the log's own.
const QUIET: Duration = Duration::from_secs(2);

/// The first offset of each partition that is not told yet.
type Places = BTreeMap<Partition, u64>;

pub async fn command(
    data: &DataDirectory,
    configuration: &Configuration,
    group: Option<String>,
    format: TailFormat,
    exit: bool,
) -> Result<(), Failure> {
    let ground = Ground::open(data, configuration, &Keys::of(data)?, reading::emitter(data)?).await?;
    let (starts, ends) = bounds(&ground).await?;
    reading::record(&ground, METHOD).await?;
    match group {
        Some(group) => follow_group(&ground, &group, format, exit.then_some(ends)).await?,
        None if exit => tell_all(&ground, starts, &ends, format).await?,
        None => follow(&ground, ends, format).await?,
    }
    Ok(())
}

async fn bounds(ground: &Ground) -> Result<(Places, Places)> {
    let reader = ground.bus.reader();
    let (mut starts, mut ends) = (Places::new(), Places::new());
    for number in 0..reader.partitions(topic::RECORDS).await? {
        let at = Partition { topic: topic::RECORDS.to_owned(), number };
        let bounds = reader.bounds(&at).await?;
        starts.insert(at.clone(), bounds.start);
        ends.insert(at, bounds.end);
    }
    Ok((starts, ends))
}

/// From `places` on, until interrupted.
async fn follow(ground: &Ground, mut places: Places, format: TailFormat) -> Result<()> {
    loop {
        for (at, next) in &mut places {
            *next = tell_next(ground, at, *next, format).await?.unwrap_or(*next);
        }
    }
}

/// From `starts` to `ends`, partition by partition.
async fn tell_all(ground: &Ground, starts: Places, ends: &Places, format: TailFormat) -> Result<()> {
    for (at, mut next) in starts {
        while ends.get(&at).is_some_and(|end| next < *end) {
            // The last offsets may be marks of the log's own.
            let Some(after) = tell_next(ground, &at, next, format).await? else { break };
            next = after;
        }
    }
    Ok(())
}

/// The next messages of a partition; what they give is the offset after them.
async fn tell_next(ground: &Ground, at: &Partition, from: u64, format: TailFormat) -> Result<Option<u64>> {
    let messages = ground.bus.reader().read(at, from, READ_BYTES_MAX, PATIENCE).await?;
    tell(at, &messages, format)?;
    Ok(messages.last().map(|last| last.offset + 1))
}

/// As a member of the group, until interrupted, or until all before `ends` is told.
async fn follow_group(ground: &Ground, group: &str, format: TailFormat, ends: Option<Places>) -> Result<()> {
    let mut consumer = ground.bus.consumer(&format!("{GROUP_PREFIX}{group}"), &[topic::RECORDS]).await?;
    let mut places = Places::new();
    loop {
        let patience = if ends.is_some() { QUIET } else { Duration::MAX };
        let Ok(delivery) = timeout(patience, consumer.next()).await else { break };
        match delivery? {
            Delivery::Assigned(positions) => {
                places.extend(positions.into_iter().map(|position| (position.at, position.next)));
            }
            Delivery::Revoked(partitions) => places.retain(|at, _| !partitions.contains(at)),
            Delivery::Messages(at, messages) => {
                tell(&at, &messages, format)?;
                let Some(next) = messages.last().map(|last| last.offset + 1) else { continue };
                let position = Position { at: at.clone(), next, note: String::new() };
                consumer.commit(&[position], Vec::new()).await.context("the group's position cannot be kept")?;
                places.insert(at, next);
            }
        }
        if ends.as_ref().is_some_and(|ends| is_told(&places, ends)) {
            break;
        }
    }
    Ok(consumer.close().await?)
}

/// Partitions of other members are theirs to tell.
fn is_told(places: &Places, ends: &Places) -> bool {
    places.iter().all(|(at, next)| ends.get(at).is_none_or(|end| next >= end))
}

/// Writes the lines of these messages, all the way out.
fn tell(at: &Partition, messages: &[Stored], format: TailFormat) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let record = |message: &Stored| {
        Record::from_avro(&message.value).with_context(|| {
            let place = format!("{}/{}/{}", at.topic, at.number, message.offset);
            format!(
                "message {place} is no record that this version can read: use the version of the masker that wrote it"
            )
        })
    };
    let records: Vec<Record> = messages.iter().map(record).collect::<Result<_>>()?;
    let lines = lines(&records, format)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&lines).and_then(|()| out.flush()).context("cannot write the records")
}

fn lines(records: &[Record], format: TailFormat) -> Result<Vec<u8>> {
    let format = match format {
        TailFormat::Json => {
            let mut writer = LineDelimitedWriter::new(Vec::new());
            writer.write(&schemas::arrow::to_batch(records)?)?;
            writer.finish()?;
            return Ok(writer.into_inner());
        }
        TailFormat::Ocsf => Format::Ocsf,
        TailFormat::Ecs => Format::Ecs,
        TailFormat::Cef => Format::Cef,
    };
    Ok(records.iter().flat_map(|record| (siem::line(record, format) + "\n").into_bytes()).collect())
}
