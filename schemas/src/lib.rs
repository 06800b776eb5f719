//! What the stages say to each other, and nothing else: the frame that ingress seals, the record that is kept, the
//! approval events, and the words they are made of. If a type is serialised, it lives here.
//!
//! Each topic has one `.avsc`, one Rust type and one binary form (Avro single-object encoding, so every message names
//! the version that wrote it); records also have an Arrow form. We read every version and write the newest.
//!
//! This room refuses to do IO, to know a clock, and to know any stage.

pub mod approval;
#[cfg(feature = "arrow")]
pub mod arrow;
pub mod avro;
pub mod call;
pub mod commit;
pub mod frame;
pub mod id;
pub mod leaf;
pub mod principal;
pub mod record;
pub mod time;
pub mod topic;

pub use approval::{Approval, ApprovalEvent};
pub use call::{Call, Level, Outcome, Verdict};
pub use frame::{Context, Direction, Ending, Frame, FrameKind, Stamp};
pub use id::{ApprovalId, ConversationId, ExchangeId, RecordId};
pub use principal::Principal;
pub use record::{Record, RecordKind, RedactionStatus};
pub use time::{Clock, Timestamp};
