//! What waits for the writer: jobs in the order in which they were asked for.
//!
//! Not a channel, because a channel whose senders wait for room lets them in by the order in which their tasks are
//! woken, and because one that is full would make an overload a silent delay: this one takes a job at once or refuses
//! it, by count and by bytes.
//!
//! Small commits of consumers let a send go first: they wait a moment for one, to share its transaction and so its
//! fsync. Otherwise each of two records of a call would wait for the fsync of a commit that the record before it caused.

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
/// How long a batch of nothing but small commits waits for company.
const COMPANY_PATIENCE: Duration = Duration::from_millis(10);
/// Jobs in one transaction at most.
const BATCH_JOBS_MAX: usize = 4096;
/// Bytes of messages in one transaction at most; a single job may be larger.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// So little may wait that a sender writes it with its own: in jobs, and in bytes of messages with its own.
const LITTLE_JOBS_MAX: usize = 64;
const LITTLE_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Of these, the ones that do not wait for company.
    urgent: usize,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// For the thread of the log to write, which is woken.
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(Error::new("the log is closed"));
        }
        if job.has_messages() && !waiting.has_room(&job) {
            return Err(Error::new("too many messages wait for the disk: send less, or use a faster disk"));
        }
        waiting.bytes += job.byte_count();
        waiting.urgent += usize::from(job.is_urgent());
        waiting.jobs.push_back(job);
        // Whoever is woken wants the lock at once.
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// All that waits, for a sender to write with `bytes` of its own; none where that is much, or the queue is closed.
    pub(super) fn take_little(&self, bytes: usize) -> Option<Vec<Job>> {
        let mut waiting = self.waiting();
        let is_little = waiting.jobs.len() < LITTLE_JOBS_MAX && waiting.bytes + bytes <= LITTLE_BYTES_MAX;
        (is_little && !waiting.closed).then(|| waiting.batch())
    }

    /// Until there is a batch to take, or nothing came for `patience`. False when the queue is closed and done.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let mut waiting = self.wait_while(self.waiting(), patience, |waiting| waiting.jobs.is_empty());
        if !waiting.jobs.is_empty() {
            let alone = |waiting: &Waiting| !waiting.jobs.is_empty() && waiting.urgent == 0;
            waiting = self.wait_while(waiting, COMPANY_PATIENCE, alone);
        }
        !(waiting.jobs.is_empty() && waiting.closed)
    }

    /// Everything that waits, up to the limits of a batch.
    pub(super) fn take(&self) -> Vec<Job> {
        self.waiting().batch()
    }

    fn wait_while<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        patience: Duration,
        goes_on: impl Fn(&Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        let goes_on = |waiting: &mut Waiting| goes_on(waiting) && !waiting.closed;
        self.arrived.wait_timeout_while(waiting, patience, goes_on).unwrap_or_else(PoisonError::into_inner).0
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
        self.urgent -= batch.iter().filter(|job| job.is_urgent()).count();
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::{
        Message,
        embedded::job::{Commit, PATIENT_BYTES_MAX, Work},
    };

    fn message(bytes: usize) -> Message {
        Message { topic: "t".to_owned(), key: Bytes::new(), headers: Vec::new(), value: vec![7; bytes].into() }
    }

    fn commit(bytes: usize) -> Work {
        Work::Commit(Commit { group: "g".to_owned(), member: 1, positions: Vec::new(), outputs: vec![message(bytes)] })
    }

    /// Pushes, takes, and says whether those jobs waited for company.
    fn check(jobs: Vec<Work>, waits: bool) {
        let (queue, count) = (Queue::default(), jobs.len());
        jobs.into_iter().for_each(|work| queue.push(Job::new(work).0).expect("there is room"));
        assert_eq!(queue.waiting().urgent == 0, waits);
        let began = Instant::now();
        assert!(queue.wait(Duration::ZERO), "it is open");
        assert_eq!(queue.take().len(), count, "all go together");
        assert!(!waits || began.elapsed() >= COMPANY_PATIENCE);
        let left = queue.waiting();
        assert_eq!((left.jobs.len(), left.urgent, left.bytes), (0, 0, 0));
    }

    #[test]
    fn small_commits_wait_for_a_send_and_nothing_else_does() {
        check(vec![commit(0)], true);
        check(vec![commit(0), commit(PATIENT_BYTES_MAX)], true);
        check(vec![commit(0), Work::Send(message(1))], false);
        check(vec![commit(PATIENT_BYTES_MAX + 1)], false);
        check(vec![commit(0), Work::Leave { member: 1 }], false);
    }

    #[test]
    fn a_sender_takes_the_little_that_waits_and_leaves_much_to_the_thread() {
        let queue = Queue::default();
        let taken = |bytes| queue.take_little(bytes).map(|jobs| jobs.len());
        assert_eq!(taken(1), Some(0));
        queue.push(Job::new(commit(1)).0).expect("there is room");
        assert_eq!(taken(1), Some(1), "the commit shares its fsync");
        queue.push(Job::new(Work::Send(message(LITTLE_BYTES_MAX))).0).expect("there is room");
        assert_eq!(taken(1), None);
        assert_eq!(queue.take().len(), 1);
        queue.close();
        assert_eq!(taken(1), None);
    }

    #[test]
    fn a_queue_that_closes_lets_commits_go() {
        let queue = Queue::default();
        queue.push(Job::new(commit(0)).0).expect("there is room");
        queue.close();
        assert!(queue.wait(Duration::from_secs(3600)));
        assert_eq!(queue.take().len(), 1);
        assert!(!queue.wait(Duration::from_secs(3600)));
    }
}
