//! Reads of the trail are part of the trail: one frame before the answer, and one more when there is none.
//!
//! It refuses to go on when the read cannot be recorded.

use std::{net::IpAddr, sync::Arc};

use recorder::Recorder;
use schemas::{Clock, Context, Ending, ExchangeId, Frame, FrameKind, Principal, Timestamp};

use crate::Error;

/// Longest body of a read, in bytes: what is longer is recorded as a prefix.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Who asks, and how that is known.
#[derive(Clone, Debug)]
pub struct Asker {
    /// None when the asker was not let in.
    pub principal: Option<Principal>,
    /// `jwt`, `local` or `none`.
    pub auth_method: String,
    pub source_ip: Option<IpAddr>,
}

/// What is asked, as it is recorded.
#[derive(Debug)]
pub(crate) struct Question {
    /// `trail/sql`, `trail/replay`, `trail/explore` or `trail/tail`.
    pub(crate) method: &'static str,
    /// An id, where one thing is asked for.
    pub(crate) target: Option<String>,
    pub(crate) body: serde_json::Value,
}

pub(crate) struct Readings {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) clock: Clock,
}

/// A read that is in the log.
#[derive(Debug)]
pub(crate) struct Reading {
    exchange_id: ExchangeId,
    began_at: Timestamp,
    context: Context,
}

impl Readings {
    /// Resolves when the read is durable.
    pub(crate) async fn begin(&self, asker: &Asker, question: &Question) -> Result<Reading, Error> {
        let reading = self.reading(asker, question);
        let mut frame = reading.frame(FrameKind::Read, 0, reading.began_at);
        attach(&mut frame, question);
        self.recorder.record(frame).await.map_err(Error::Unrecorded)?;
        Ok(reading)
    }

    /// Says why a read that was begun was not answered.
    pub(crate) async fn fail(&self, reading: Reading, error: &Error) -> Result<(), Error> {
        let now = (self.clock)();
        let mut frame = reading.frame(FrameKind::Refusal, 1, now);
        frame.ending = Some(ending(error, now.micros_since(reading.began_at)));
        self.recorder.record(frame).await.map_err(Error::Unrecorded)
    }

    /// Records a read that was refused before it began: nobody was let in, or there was nothing to read.
    pub(crate) async fn refuse(&self, asker: &Asker, question: &Question, error: &Error) -> Result<(), Error> {
        let reading = self.reading(asker, question);
        let mut frame = reading.frame(FrameKind::Refusal, 0, reading.began_at);
        attach(&mut frame, question);
        frame.ending = Some(ending(error, 0));
        self.recorder.record(frame).await.map_err(Error::Unrecorded)
    }

    fn reading(&self, asker: &Asker, question: &Question) -> Reading {
        let context = Context {
            principal: asker.principal.clone(),
            auth_method: asker.auth_method.clone(),
            source_ip: asker.source_ip.map(|address| address.to_string()),
            protocol: "hansard".to_owned(),
            method: Some(question.method.to_owned()),
            target: question.target.clone(),
            ..Context::default()
        };
        Reading { exchange_id: self.recorder.new_exchange_id(), began_at: (self.clock)(), context }
    }
}

impl Reading {
    fn frame(&self, kind: FrameKind, ordinal: u32, occurred_at: Timestamp) -> Frame {
        let frame = Frame::internal(kind, self.exchange_id, occurred_at, self.context.clone());
        Frame { ordinal, ..frame }
    }
}

fn attach(frame: &mut Frame, question: &Question) {
    if question.body.is_null() {
        return;
    }
    let mut body = question.body.to_string().into_bytes();
    frame.body_bytes = body.len() as u64;
    frame.truncated = body.len() > BODY_BYTES_MAX;
    body.truncate(BODY_BYTES_MAX);
    frame.body = Some(body);
}

fn ending(error: &Error, duration_us: i64) -> Ending {
    Ending {
        transport_status: Some(error.status().as_u16()),
        duration_us: Some(duration_us),
        error: Some(error.to_string()),
        ..Ending::new(error.outcome())
    }
}
