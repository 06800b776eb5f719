//! What one exchange adds to the trail: drafts of its frames, in order, and the moment they are durable.
//!
//! It refuses to open, to mask and to retry: a frame is durable, or its bytes do not pass.

use std::{sync::Arc, time::Duration};

use bus::Unrecorded;
use futures::future::BoxFuture;
use recorder::Recorder;
use schemas::{Clock, Context, Direction, Ending, ExchangeId, Frame, FrameKind, Level, Outcome, Stamp, Timestamp};
use tokio::time::timeout;
use tracing::debug;

use crate::{
    config::Mode,
    measure,
    skipped::{Skipped, Why},
};

/// How long traffic that may go unrecorded waits for its record.
const BEST_EFFORT_PATIENCE: Duration = Duration::from_secs(1);

/// Where frames go, for all exchanges.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) skipped: Arc<Skipped>,
    pub(crate) clock: Clock,
}

/// The trail of one exchange.
pub(crate) struct Trail {
    log: Log,
    pub(crate) exchange_id: ExchangeId,
    pub(crate) context: Context,
    pub(crate) mode: Mode,
    pub(crate) level: Level,
    began_at: Timestamp,
    first_byte_at: Option<Timestamp>,
    ordinal: u32,
    /// Chunks were drafted since the last frame that ends something.
    chunks_open: bool,
}

impl Trail {
    pub(crate) fn new(log: Log, exchange_id: ExchangeId, context: Context, began_at: Timestamp) -> Trail {
        Trail {
            log,
            exchange_id,
            context,
            mode: Mode::Required,
            level: Level::Full,
            began_at,
            first_byte_at: None,
            ordinal: 0,
            chunks_open: false,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.log.clock)()
    }

    /// The first byte of the answer is here.
    pub(crate) fn first_byte(&mut self) {
        let now = self.now();
        self.first_byte_at.get_or_insert(now);
    }

    pub(crate) fn chunks_open(&self) -> bool {
        self.chunks_open
    }

    pub(crate) fn duration_us(&self) -> i64 {
        self.now().micros_since(self.began_at)
    }

    /// The next frame of this exchange, in its common context.
    pub(crate) fn frame(&mut self, kind: FrameKind, direction: Direction, body: &[u8]) -> Frame {
        let context = self.context.clone();
        self.frame_in(context, kind, direction, body)
    }

    /// The next frame, in a context of its own.
    pub(crate) fn frame_in(&mut self, context: Context, kind: FrameKind, direction: Direction, body: &[u8]) -> Frame {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        Frame {
            stamp: Stamp::default(),
            exchange_id: self.exchange_id,
            ordinal,
            kind,
            direction,
            occurred_at: self.now(),
            context: Some(context),
            body: (self.level == Level::Full && !body.is_empty()).then(|| body.to_vec()),
            body_bytes: body.len() as u64,
            truncated: false,
            ending: None,
        }
    }

    /// A piece of an answer. Only the first carries the context.
    pub(crate) fn chunk(&mut self, body: &[u8]) -> Frame {
        let mut frame = self.frame(FrameKind::Chunk, Direction::ToCaller, body);
        if self.chunks_open {
            frame.context = None;
        }
        self.chunks_open = true;
        frame
    }

    /// Ends what `frame` belongs to.
    pub(crate) fn end(&mut self, frame: &mut Frame, outcome: Outcome) -> Ending {
        self.chunks_open = false;
        let ending = Ending {
            duration_us: Some(frame.occurred_at.micros_since(self.began_at)),
            first_byte_us: self.first_byte_at.map(|at| at.micros_since(self.began_at)),
            ..Ending::new(outcome)
        };
        frame.ending = Some(ending.clone());
        ending
    }

    /// Resolves when the frame is durable, or need not be. The future stands alone, so that several may be under way;
    /// they keep the order in which they are first polled. It is boxed because an exchange lasts far longer than one of
    /// its records, and what it does not hold inline costs nothing meanwhile.
    pub(crate) fn write(&self, frame: Frame) -> BoxFuture<'static, Result<(), Unrecorded>> {
        let (log, mode, level) = (self.log.clone(), self.mode, self.level);
        let connection = self.context.connection.clone().unwrap_or_default();
        Box::pin(async move {
            let decided = matches!(frame.kind, FrameKind::Refusal | FrameKind::Decision);
            if mode == Mode::Off {
                return log.skip(&connection, Why::Off);
            }
            if level == Level::None && !decided {
                return log.skip(&connection, Why::Policy);
            }
            if mode == Mode::BestEffort {
                return log.try_record(&connection, frame).await;
            }
            log.record(frame).await
        })
    }
}

impl Log {
    pub(crate) async fn record(&self, frame: Frame) -> Result<(), Unrecorded> {
        let before = (self.clock)();
        let recorded = self.recorder.record(frame).await;
        measure::produced((self.clock)().micros_since(before));
        recorded
    }

    /// Best effort: what fails or takes too long is counted and passes. A task of its own records it, which may wait for the
    /// disk where the call must not.
    async fn try_record(&self, connection: &str, frame: Frame) -> Result<(), Unrecorded> {
        let log = self.clone();
        match timeout(BEST_EFFORT_PATIENCE, tokio::spawn(async move { log.record(frame).await })).await {
            Ok(Ok(Ok(()))) => Ok(()),
            failed => {
                debug!(connection, ?failed, "a frame was not recorded and its bytes pass, as configured");
                self.skip(connection, Why::Failed)
            }
        }
    }

    fn skip(&self, connection: &str, why: Why) -> Result<(), Unrecorded> {
        self.skipped.count(connection, why);
        Ok(())
    }
}
