//! A stream: what each partition gives, as it gives it, with the place behind each line.
//!
//! Nothing is read ahead of its reader: the next look at a partition begins when the lines of the last one are taken. A
//! stream ends after a while, so that whoever reads for long shows again who they are.

use std::{sync::Arc, time::Duration};

use bus::Stored;
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, FuturesUnordered},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout, timeout_at},
};

use super::{Feed, Form, Place, READ_BYTES_MAX, records};
use crate::Error;

/// How long one look at a partition waits for something to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a silence of so long, a stream says that it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub(crate) type Stream = BoxStream<'static, Result<Told, Error>>;

/// What a stream says next.
#[derive(Debug)]
pub(crate) enum Told {
    /// Each with the place behind it.
    Lines(Vec<(String, Place)>),
    /// Nothing came for a while.
    Nothing,
}

type Look = BoxFuture<'static, (u32, Result<Vec<Stored>, Error>)>;

struct Following {
    feed: Arc<Feed>,
    form: Form,
    place: Place,
    looks: FuturesUnordered<Look>,
    until: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

/// The stream from a place on, until its time is over or something is wrong, which is the last that it says.
pub(super) fn begin(feed: Arc<Feed>, place: Place, form: Form, permit: OwnedSemaphorePermit) -> Stream {
    let until = Instant::now() + feed.stream_age_max;
    let looks = place.numbers().map(|number| look(&feed, number, place.next(number))).collect();
    let following = Following { feed, form, place, looks, until, ended: false, _permit: permit };
    stream::unfold(following, |mut following| async move {
        let told = following.next().await?;
        following.ended = told.is_err();
        Some((told, following))
    })
    .boxed()
}

fn look(feed: &Arc<Feed>, number: u32, from: u64) -> Look {
    let feed = feed.clone();
    Box::pin(async move { (number, read(&feed, number, from).await) })
}

async fn read(feed: &Feed, number: u32, from: u64) -> Result<Vec<Stored>, Error> {
    let messages = feed.read(number, from, READ_BYTES_MAX, PATIENCE).await?;
    feed.origins.check().await?;
    Ok(messages)
}

impl Following {
    async fn next(&mut self) -> Option<Result<Told, Error>> {
        if self.ended {
            return None;
        }
        match timeout_at(self.until, timeout(KEEPALIVE, self.something())).await {
            Ok(Ok(told)) => Some(told),
            Ok(Err(_)) => Some(Ok(Told::Nothing)),
            Err(_) => None,
        }
    }

    /// Cancel safe: what a look gave is taken at once.
    async fn something(&mut self) -> Result<Told, Error> {
        loop {
            let Some((number, messages)) = self.looks.next().await else { return std::future::pending().await };
            let lines = self.take(number, &messages?)?;
            self.looks.push(look(&self.feed, number, self.place.next(number)));
            if !lines.is_empty() {
                return Ok(Told::Lines(lines));
            }
        }
    }

    fn take(&mut self, number: u32, messages: &[Stored]) -> Result<Vec<(String, Place)>, Error> {
        let lines = self.form.lines(&records(messages, &self.place)?)?;
        let behind = |message: &Stored| {
            self.place.set(number, message.offset + 1);
            self.place.clone()
        };
        Ok(lines.into_iter().zip(messages.iter().map(behind)).collect())
    }
}
