//! The masked records as they come, for SIEMs and scripts without Kafka: a page at a time, or a stream.
//!
//! Whoever reads keeps the place up to which it has read, and goes on from there; the log keeps nothing about it. So a
//! line may come twice, when its reader lost the place, and none is left out.
//!
//! It refuses to skip what it cannot give: messages that the log no longer keeps, and what is no record. Both are errors
//! that say where to go on. It gives nothing of a log that is not the archive's (see `origin`).

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use arrow::json::LineDelimitedWriter;
use bus::{Partition, Reader, Stored};
use schemas::{Record, avro::FINGERPRINT_HEADER, topic};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

mod place;
mod stream;

pub(crate) use self::{
    place::{Place, Start},
    stream::{Stream, Told},
};
use crate::{Config, Error, origin::Origins, reading::Question};

/// Bytes of messages that a page, or one look of a stream, holds at most.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// How records are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All columns, as SQL has them.
    Json,
    /// Without payloads, as a SIEM reads them.
    Event(siem::Format),
}

/// What somebody wants to read.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) form: Form,
    pub(crate) start: Start,
}

#[derive(Debug)]
pub(crate) struct Feed {
    reader: Arc<dyn Reader>,
    origins: Arc<Origins>,
    streams: Arc<Semaphore>,
    stream_age_max: Duration,
}

/// Lines, and where the next page begins.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) lines: Vec<String>,
    pub(crate) place: Place,
    /// The log held more than this page does.
    pub(crate) more: bool,
}

impl Form {
    pub(crate) const ALL: [Form; 4] =
        [Form::Json, Form::Event(siem::Format::Ocsf), Form::Event(siem::Format::Ecs), Form::Event(siem::Format::Cef)];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Event(format) => format.as_str(),
        }
    }

    /// A line for each record, without its end.
    pub fn lines(self, records: &[Record]) -> Result<Vec<String>, Error> {
        match self {
            Form::Json => rows(records).map_err(|error| Error::Internal(error.to_string())),
            Form::Event(format) => Ok(records.iter().map(|record| siem::line(record, format)).collect()),
        }
    }
}

fn rows(records: &[Record]) -> Result<Vec<String>, arrow::error::ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&schemas::arrow::to_batch(records)?)?;
    writer.finish()?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).lines().map(str::to_owned).collect())
}

impl Wish {
    /// How it is recorded.
    pub(crate) fn question(&self) -> Question {
        let body = json!({ "format": self.form.name(), "from": self.start.to_string() });
        Question { method: "trail/tail", target: None, body }
    }
}

impl Feed {
    pub(crate) fn new(reader: Arc<dyn Reader>, origins: Arc<Origins>, config: &Config) -> Feed {
        Feed {
            reader,
            origins,
            streams: Arc::new(Semaphore::new(config.streams_max)),
            stream_age_max: Duration::from_secs(config.stream_seconds_max),
        }
    }

    /// What the log holds from a place on, as far as it fits into a page.
    pub(crate) async fn page(&self, wish: &Wish) -> Result<Page, Error> {
        let (mut place, ends) = self.begin(&wish.start).await?;
        let (mut lines, mut bytes, mut more) = (Vec::new(), 0, false);
        // Who is behind most comes first, so that no partition waits for another for ever.
        let mut behind: Vec<_> = ends.into_iter().filter(|(number, end)| place.next(*number) < *end).collect();
        behind.sort_by_key(|(number, end)| Reverse(end - place.next(*number)));
        for (number, end) in behind {
            let from = place.next(number);
            let room = READ_BYTES_MAX.saturating_sub(bytes);
            if room == 0 {
                more = true;
                break;
            }
            let messages = self.read(number, from, room, Duration::ZERO).await?;
            // What is left where nothing is given are marks of the log's own, or is not committed yet.
            let Some(next) = messages.last().map(|last| last.offset + 1) else { continue };
            bytes += messages.iter().map(|message| message.value.len()).sum::<usize>();
            lines.extend(wish.form.lines(&records(&messages, &place)?)?);
            more |= next < end;
            place.set(number, next);
        }
        self.origins.check().await?;
        Ok(Page { lines, place, more })
    }

    /// What comes from a place on.
    pub(crate) async fn stream(self: &Arc<Self>, wish: &Wish) -> Result<Stream, Error> {
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let (place, _) = self.begin(&wish.start).await?;
        self.origins.check().await?;
        Ok(stream::begin(self.clone(), place, wish.form, permit))
    }

    /// The place that is meant by a start, and where each partition ends now.
    async fn begin(&self, start: &Start) -> Result<(Place, BTreeMap<u32, u64>), Error> {
        let (mut place, mut ends) = (Place::default(), BTreeMap::new());
        for number in 0..self.reader.partitions(topic::RECORDS).await.map_err(Error::Tail)? {
            let kept = self.reader.bounds(&partition(number)).await.map_err(Error::Tail)?;
            place.set(number, start.within(number, &kept)?);
            ends.insert(number, kept.end);
        }
        match start {
            Start::At(wanted) => wanted.check(&place).map(|()| (place, ends)),
            _ => Ok((place, ends)),
        }
    }

    /// The bounds are looked at after the messages: what is there then was there before.
    async fn read(&self, number: u32, from: u64, bytes_max: usize, patience: Duration) -> Result<Vec<Stored>, Error> {
        let at = partition(number);
        let messages = self.reader.read(&at, from, bytes_max, patience).await.map_err(Error::Tail)?;
        let start = self.reader.bounds(&at).await.map_err(Error::Tail)?.start;
        if start > from { Err(Error::gone(number, from, start)) } else { Ok(messages) }
    }
}

fn partition(number: u32) -> Partition {
    Partition { topic: topic::RECORDS.to_owned(), number }
}

/// `place`: where these messages were read, of all partitions.
fn records(messages: &[Stored], place: &Place) -> Result<Vec<Record>, Error> {
    let record = |message: &Stored| {
        let fingerprint = message.header(FINGERPRINT_HEADER).map(AsRef::as_ref);
        Record::from_message(&message.value, fingerprint).map_err(|error| Error::Unreadable {
            place: place.to_string(),
            offset: message.offset,
            why: error.to_string(),
        })
    };
    messages.iter().map(record).collect()
}

/// An error as a stream tells it.
pub(crate) fn told(error: &Error) -> Value {
    json!({ "error": error.to_string() })
}
