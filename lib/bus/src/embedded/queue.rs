//! What waits for the writer: jobs in the order in which they were asked for.
//!
//! Not a channel, because a channel whose senders wait for room lets them in by the order in which their tasks are
//! woken, and because one that is full would make an overload a silent delay: this one takes a job at once or refuses
//! it, by count and by bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::job::Job;
use crate::Error;

/// Jobs that wait at most.
const WAITING_JOBS_MAX: usize = 64 * 1024;
/// Bytes of messages that wait at most; a single job may be larger.
const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Jobs in one transaction at most.
const BATCH_JOBS_MAX: usize = 4096;
/// Bytes of messages in one transaction at most; a single job may be larger.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(Error::new("the log is closed"));
        }
        if job.has_messages() && !waiting.has_room(&job) {
            return Err(Error::new("too many messages wait for the disk: send less, or use a faster disk"));
        }
        waiting.bytes += job.byte_count();
        waiting.jobs.push_back(job);
        self.arrived.notify_one();
        Ok(())
    }

    /// Everything that waits, up to the limits of a batch. Empty when nothing came for `patience`; `None` when the
    /// queue is closed and done.
    pub(super) fn take(&self, patience: Duration) -> Option<Vec<Job>> {
        let waiting = self.waiting();
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let (mut waiting, _) =
            self.arrived.wait_timeout_while(waiting, patience, idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.jobs.is_empty() && waiting.closed {
            return None;
        }
        Some(waiting.batch())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().jobs.is_empty()
    }

    /// Takes nothing any more; what waits will still be written.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.arrived.notify_one();
    }

    /// Nobody will write any more: those who wait are told so by the loss of their job.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.waiting().jobs);
        drop(jobs);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn has_room(&self, job: &Job) -> bool {
        let bytes = self.bytes + job.byte_count();
        self.jobs.len() < WAITING_JOBS_MAX && (self.jobs.is_empty() || bytes <= WAITING_BYTES_MAX)
    }

    fn batch(&mut self) -> Vec<Job> {
        let (mut count, mut bytes) = (0, 0);
        for job in self.jobs.iter().take(BATCH_JOBS_MAX) {
            bytes += job.byte_count();
            if count > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let batch: Vec<Job> = self.jobs.drain(..count).collect();
        self.bytes -= batch.iter().map(Job::byte_count).sum::<usize>();
        batch
    }
}
