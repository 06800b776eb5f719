//! What the writer is asked to do, and its answer.

use tokio::sync::oneshot;

use super::{catalogue::PartitionId, headers};
use crate::{CommitError, Error, Message, Offset};

/// Up to this many bytes of messages, a commit waits a moment for a send to share its fsync; a larger one is worth its
/// own.
pub(super) const PATIENT_BYTES_MAX: usize = 64 * 1024;

/// Up to this many bytes, whoever sends a message to a log that is idle may write it by itself.
const SMALL_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Answer>,
    bytes: usize,
}

pub(super) type Answer = Result<Done, CommitError>;

#[derive(Debug)]
pub(super) enum Work {
    Send(Message),
    Commit(Commit),
    Join(Join),
    Leave {
        member: i64,
    },
    Forget {
        group: String,
    },
    /// The file may have this many pages at most.
    #[cfg(feature = "fault")]
    Limit {
        pages: u32,
    },
}

/// Positions and outputs of one member.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) group: String,
    pub(super) member: i64,
    pub(super) positions: Vec<Advance>,
    pub(super) outputs: Vec<Message>,
}

#[derive(Debug)]
pub(super) struct Advance {
    pub(super) partition: PartitionId,
    /// The generation of the lease under which the member read.
    pub(super) lease: u64,
    pub(super) next: u64,
    pub(super) note: String,
}

#[derive(Debug)]
pub(super) struct Join {
    pub(super) group: String,
    pub(super) topics: Vec<String>,
    /// Known when a member comes back that was expelled.
    pub(super) member: Option<i64>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    At(Offset),
    Member(i64),
    All,
}

impl Job {
    pub(super) fn new(work: Work) -> (Job, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let bytes = work.byte_count();
        (Job { work, reply, bytes }, answer)
    }

    pub(super) fn byte_count(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self.work, Work::Commit(_)) || self.bytes > PATIENT_BYTES_MAX
    }

    pub(super) fn is_small_send(&self) -> bool {
        matches!(self.work, Work::Send(_)) && self.bytes <= SMALL_BYTES_MAX
    }

    pub(super) fn has_messages(&self) -> bool {
        matches!(self.work, Work::Send(_) | Work::Commit(_))
    }

    pub(super) fn refuse(self, error: Error) {
        // Who does not wait any more need not know.
        let _ = self.reply.send(Err(CommitError::Failed(error)));
    }
}

impl Work {
    fn byte_count(&self) -> usize {
        match self {
            Work::Send(message) => message_bytes(message),
            Work::Commit(commit) => commit.outputs.iter().map(message_bytes).sum(),
            _ => 0,
        }
    }
}

/// What a message takes in the log, without the overhead of rows and pages.
pub(super) fn message_bytes(message: &Message) -> usize {
    message.key.len() + headers::byte_count(&message.headers) + message.value.len()
}
