//! The one way into the trail: stamp a frame, seal it, and have it made durable.
//!
//! Ingress, approver and query emit by it. It counts what it emits (emitter, epoch, gap-free seq), and when a frame
//! could not be recorded, it says so in a record of its own as soon as the log takes records again.
//!
//! **What the numbers mean.** Every number is handed out once. It belongs to a frame in the log, or it is listed by a
//! lifecycle record `recording/resumed`, or the emitter ended before it could say so (its next epoch shows that). A
//! listed number may still have its frame: a log that failed, or a caller that went away while the frame was on its
//! way, leaves open whether it arrived. A report whose own arrival is unclear is made again; reading both is harmless.
//!
//! **Recovery** needs no probe. Whoever refuses calls while the log fails still tries to record each of them, and the
//! first that goes through ends the failure and carries the report.
//!
//! It refuses to decide what happens to a call that could not be recorded: its caller does.

mod loss;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bus::{Message, Producer, Unrecorded};
use bytes::Bytes;
use envelope::Sealer;
use metrics::{counter, gauge};
use schemas::{
    Clock, Context, ExchangeId, Frame, FrameKind, Stamp,
    frame::{KIND_HEADER, associated_data},
    topic,
};
use tokio::sync::watch;
use tracing::{error, info};
use uuid::{ContextV7, Uuid};

pub use loss::{LOST_RANGES_MAX, Lost};

/// Longest body of a frame. What the frame says beside it, and the seal, must fit into the rest of a message.
pub const BODY_BYTES_MAX: usize = bus::VALUE_BYTES_MAX - (1 << 20);
/// Lifecycle record that lists what was not recorded.
pub const RESUMED: &str = "recording/resumed";
/// What lifecycle records have in the column `protocol`.
pub const PROTOCOL: &str = "hansard";

pub struct Recorder {
    emitter_id: String,
    epoch: u64,
    next_seq: AtomicU64,
    sealer: Sealer,
    producer: Arc<dyn Producer>,
    clock: Clock,
    exchange_ids: Mutex<ContextV7>,
    /// What is to be reported.
    lost: Mutex<Lost>,
    failing: watch::Sender<Option<String>>,
}

impl Recorder {
    /// `epoch` must grow with each start of the same emitter; the start time in microseconds will do.
    pub fn new(emitter_id: String, epoch: u64, sealer: Sealer, producer: Arc<dyn Producer>, clock: Clock) -> Recorder {
        let recorder = Recorder {
            emitter_id,
            epoch,
            next_seq: AtomicU64::new(0),
            sealer,
            producer,
            clock,
            exchange_ids: Mutex::new(ContextV7::new()),
            lost: Mutex::default(),
            failing: watch::Sender::new(None),
        };
        recorder.show_up(true);
        counter!("hansard_unrecorded_total", "emitter" => recorder.emitter_id.clone()).increment(0);
        recorder
    }

    /// Resolves when the frame is durable. Sets `frame.stamp`. Frames of one exchange keep the order of their calls.
    ///
    /// A future that is dropped before it resolves leaves open whether the frame is in the log; its number is reported.
    pub async fn record(&self, frame: Frame) -> Result<(), Unrecorded> {
        self.check_length(&frame)?;
        self.publish(frame).await?;
        self.report_lost().await;
        Ok(())
    }

    /// Records that something happened to the emitter itself, as `lifecycle/started`. `body` is JSON, or empty.
    pub async fn lifecycle(&self, method: &str, body: String) -> Result<(), Unrecorded> {
        self.record(self.lifecycle_frame(method, body)).await
    }

    /// Why the log takes no records at the moment; `None` when it does.
    pub fn failing(&self) -> watch::Receiver<Option<String>> {
        self.failing.subscribe()
    }

    /// A new id (UUIDv7), later in order than every one that this recorder gave before.
    pub fn new_exchange_id(&self) -> ExchangeId {
        let now_us = u64::try_from((self.clock)().0).unwrap_or(0);
        let nanos = u32::try_from(now_us % 1_000_000 * 1000).expect("less than a second in nanoseconds");
        ExchangeId(Uuid::new_v7(uuid::Timestamp::from_unix(&self.exchange_ids, now_us / 1_000_000, nanos)))
    }

    /// A frame that no message can hold fails here: it is its emitter's to cut, and no fault of the log.
    fn check_length(&self, frame: &Frame) -> Result<(), Unrecorded> {
        let bytes = frame.body.as_ref().map_or(0, Vec::len);
        if bytes <= BODY_BYTES_MAX {
            return Ok(());
        }
        counter!("hansard_unrecorded_total", "emitter" => self.emitter_id.clone()).increment(1);
        let tried = format!("record a frame with a body of {bytes} bytes; at most {BODY_BYTES_MAX} fit: cut it");
        Err(Unrecorded { source: bus::Error::new(tried) })
    }

    /// Stamp, seal, send: one number, one try.
    async fn publish(&self, mut frame: Frame) -> Result<(), Unrecorded> {
        let handed = Handed { recorder: self, seq: self.next_seq.fetch_add(1, Ordering::Relaxed), settled: false };
        frame.stamp = Stamp { emitter_id: self.emitter_id.clone(), epoch: self.epoch, seq: handed.seq };
        let sent = match self.message(&frame) {
            Ok(message) => self.producer.send(message).await,
            Err(unrecorded) => Err(unrecorded),
        };
        match sent {
            Ok(_) => {
                handed.settle();
                counter!("hansard_recorded_total", "kind" => frame.kind.as_str()).increment(1);
                self.show_recovered();
                Ok(())
            }
            Err(unrecorded) => {
                drop(handed);
                self.show_failing(&unrecorded);
                Err(unrecorded)
            }
        }
    }

    fn message(&self, frame: &Frame) -> Result<Message, Unrecorded> {
        let bound = associated_data(topic::FRAMES, frame.exchange_id, frame.kind);
        let sealed = self.sealer.seal(&frame.to_avro(), &bound, (self.clock)().0);
        let sealed = sealed.map_err(|cause| Unrecorded { source: bus::Error::because("seal a frame", cause) })?;
        Ok(Message {
            topic: topic::FRAMES.to_owned(),
            key: Bytes::copy_from_slice(frame.exchange_id.0.as_bytes()),
            headers: vec![(KIND_HEADER.to_owned(), Bytes::from_static(frame.kind.as_str().as_bytes()))],
            value: sealed.into(),
        })
    }

    /// Says what was lost, if anything was. It publishes and does not record, so it never comes back here by itself.
    async fn report_lost(&self) {
        let report = Report { recorder: self, lost: std::mem::take(&mut *self.lost()) };
        if report.lost.is_empty() {
            return;
        }
        let frame = self.lifecycle_frame(RESUMED, report.lost.to_json());
        // When it fails, the report goes back to what is to be reported, and the next success brings it.
        if self.publish(frame).await.is_ok() {
            info!(emitter = %self.emitter_id, unrecorded = report.lost.count(), "recording resumed");
            report.made();
        }
    }

    fn lifecycle_frame(&self, method: &str, body: String) -> Frame {
        let context = Context {
            auth_method: "none".to_owned(),
            protocol: PROTOCOL.to_owned(),
            method: Some(method.to_owned()),
            ..Context::default()
        };
        let frame = Frame::internal(FrameKind::Lifecycle, self.new_exchange_id(), (self.clock)(), context);
        if body.is_empty() { frame } else { frame.with_body(body.into_bytes()) }
    }

    fn lost(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_recovered(&self) {
        self.failing.send_if_modified(|reason| {
            let was_failing = reason.take().is_some();
            if was_failing {
                self.show_up(true);
            }
            was_failing
        });
    }

    fn show_failing(&self, unrecorded: &Unrecorded) {
        let reason = chain(unrecorded);
        self.failing.send_if_modified(|shown| {
            if shown.is_none() {
                error!(emitter = %self.emitter_id, %reason, "the log takes no records");
                self.show_up(false);
            }
            let changed = shown.as_ref() != Some(&reason);
            *shown = Some(reason);
            changed
        });
    }

    fn show_up(&self, up: bool) {
        gauge!("hansard_recording_up", "emitter" => self.emitter_id.clone()).set(f64::from(u8::from(up)));
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("emitter_id", &self.emitter_id)
            .field("epoch", &self.epoch)
            .field("sealer", &self.sealer)
            .finish_non_exhaustive()
    }
}

/// A number that was handed out. Unless its frame is known to be durable it is lost, also when the future that held it
/// is dropped halfway.
struct Handed<'a> {
    recorder: &'a Recorder,
    seq: u64,
    settled: bool,
}

impl Handed<'_> {
    fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.recorder.lost().add(self.seq);
            counter!("hansard_unrecorded_total", "emitter" => self.recorder.emitter_id.clone()).increment(1);
        }
    }
}

/// A report under way. Unless it was made, what it lists stays to be reported.
struct Report<'a> {
    recorder: &'a Recorder,
    lost: Lost,
}

impl Report<'_> {
    fn made(mut self) {
        self.lost = Lost::default();
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.recorder.lost().merge(std::mem::take(&mut self.lost));
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
