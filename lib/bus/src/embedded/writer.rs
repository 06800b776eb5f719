//! The only one in this process that writes to the log: a thread with a connection of its own.
//!
//! Group commit: everything that waits is one transaction and one fsync, and is answered only then. If anything of it
//! fails in the file, all of it fails: nobody is told of a success that is not on disk.
//!
//! Between batches it looks for what other processes have written, beats for the members of this process, expels the
//! processes that beat no more, and deletes what is too old.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::watch;
use tracing::warn;

use super::{
    ClockUs,
    append::Ends,
    catalogue::{Catalogue, PartitionId},
    checkpoint::{self, Checkpoints},
    file, group,
    job::{Answer, Commit, Done, Job, Work},
    processes::{self, Processes},
    queue::Queue,
    recent::Recent,
    retention::{self, Step},
    seen::Seen,
};
use crate::{CommitError, Error, Message, Stored};

/// How often the writer looks for what other processes have written.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a process with members shows that it lives, and how often retention is looked after.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that retention waits for a group.
const WARN_EVERY: Duration = Duration::from_secs(3600);
/// Bytes written after which the write-ahead log is copied into the file.
const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;
/// What a transaction writes beside its messages: the pages of the tree and of the tables of state.
const TRANSACTION_BYTES: u64 = 16 * 1024;

pub(super) struct Writer {
    /// Goes before the connection.
    pub(super) checkpoints: Checkpoints,
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) clock_us: ClockUs,
    pub(super) queue: Arc<Queue>,
    pub(super) seen: Arc<watch::Sender<Seen>>,
    pub(super) recent: Arc<Recent>,
    pub(super) processes: Processes,
    pub(super) upkeep: Upkeep,
}

/// What is done between batches, and when it was done last.
#[derive(Debug)]
pub(super) struct Upkeep {
    looked: Instant,
    beaten: Instant,
    warned: Option<Instant>,
    /// What SQLite says of changes by others; only ever compared.
    version: i64,
    /// Bytes that are only in the write-ahead log, about.
    unchecked_bytes: u64,
    /// Retention has more to delete.
    overdue: bool,
    /// Members that have left, which could not be written. Their process lives, so no lease of theirs would ever end.
    leaving: Vec<i64>,
}

/// What a transaction has changed, to be told when it is durable.
#[derive(Debug, Default)]
struct News {
    seen: Seen,
    written: Vec<(PartitionId, Stored)>,
}

/// Those who wait must not wait for a writer that is gone, whatever ended it.
struct Abandons(Arc<Queue>);

impl Drop for Abandons {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        let now = Instant::now();
        Upkeep {
            looked: now,
            beaten: now,
            warned: None,
            version: 0,
            unchecked_bytes: 0,
            overdue: false,
            leaving: Vec::new(),
        }
    }
}

impl Writer {
    /// Until the queue is closed and done.
    pub(super) fn run(mut self) {
        let _abandons = Abandons(self.queue.clone());
        while let Some(jobs) = self.queue.take(LOOK_EVERY) {
            if !jobs.is_empty() {
                self.write(jobs);
            }
            self.keep_up();
        }
        self.leave();
    }

    fn keep_up(&mut self) {
        if self.upkeep.looked.elapsed() >= LOOK_EVERY {
            self.upkeep.looked = Instant::now();
            self.look_around();
        }
        if self.upkeep.beaten.elapsed() >= BEAT_EVERY {
            self.upkeep.beaten = Instant::now();
            self.beat();
            self.leave_again();
            self.upkeep.overdue = true;
        }
        if self.upkeep.overdue && self.queue.is_empty() {
            self.delete_old();
        }
        if self.checkpoints.bulk_is_copied() {
            self.upkeep.unchecked_bytes = 0;
            self.checkpoint();
        } else if self.upkeep.unchecked_bytes >= CHECKPOINT_BYTES {
            self.checkpoints.begin();
        }
    }
}

/// The batch.
impl Writer {
    fn write(&mut self, jobs: Vec<Job>) {
        let bytes = jobs.iter().map(|job| job.byte_count() as u64).sum::<u64>();
        match self.transact(|connection, news| self.apply_all(connection, news, &jobs)) {
            Ok(((answers, own, stepped), is_news)) => {
                // Calls wait for their answers, so these go before those who only read are woken.
                self.answer(jobs, answers);
                self.wake(is_news);
                self.upkeep.unchecked_bytes += TRANSACTION_BYTES + bytes;
                self.processes.own = own;
                self.stepped(stepped);
            }
            Err(source) => self.refuse(jobs, source),
        }
    }

    fn apply_all(&self, connection: &Connection, news: &mut News, jobs: &[Job]) -> rusqlite::Result<Applied> {
        let now_us = (self.clock_us)();
        let mut ends = Ends::new(connection, &self.catalogue, now_us);
        let mut own = self.processes.own;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match &job.work {
                Work::Send(message) => send(&mut ends, message)?,
                Work::Commit(commit) => self::commit(connection, &mut ends, commit)?,
                Work::Join(join) => {
                    let owner = self.processes.arrive(connection, own, &mut news.seen)?;
                    own = Some(owner);
                    let (member, changed) = group::join(connection, owner, join)?;
                    news.seen.changed([changed]);
                    Ok(Done::Member(member))
                }
                Work::Leave { member } => {
                    news.seen.changed(group::leave(connection, *member)?);
                    Ok(Done::All)
                }
                Work::Forget { group } => forget(connection, group)?,
                #[cfg(feature = "fault")]
                Work::Limit { pages } => limit(connection, *pages)?,
            });
        }
        news.written = ends.finish()?;
        news.seen.wrote(news.written.iter().map(|(id, message)| (*id, message.offset + 1)));
        // While there is much to delete, every batch deletes a little, so that it needs no fsync of its own.
        let stepped = if self.upkeep.overdue { Some(retention::step(connection, now_us)?) } else { None };
        Ok((answers, own, stepped))
    }

    /// All that `work` does, or nothing; when it returns, it is on disk and can be seen. Whether it is news to those who
    /// watch the log, who are not woken yet.
    fn transact<T>(
        &self,
        work: impl FnOnce(&Connection, &mut News) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(T, bool)> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut news = News::default();
        let done = work(&transaction, &mut news)?;
        transaction.commit()?;
        self.recent.put(news.written);
        let mut is_news = false;
        self.seen.send_if_modified(|seen| {
            is_news = seen.advance(&news.seen);
            false
        });
        Ok((done, is_news))
    }

    fn wake(&self, is_news: bool) {
        self.seen.send_if_modified(|_| is_news);
    }

    /// The same between batches, where nobody waits for an answer.
    fn transact_alone<T>(
        &self,
        work: impl FnOnce(&Connection, &mut News) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let (done, is_news) = self.transact(work)?;
        self.wake(is_news);
        Ok(done)
    }

    fn answer(&self, jobs: Vec<Job>, answers: Vec<Answer>) {
        for (job, answer) in jobs.into_iter().zip(answers) {
            // A member that nobody waits for would keep its partitions from everyone.
            if let Err(Ok(Done::Member(member))) = job.reply.send(answer) {
                let (leave, _) = Job::new(Work::Leave { member });
                let _ = self.queue.push(leave);
            }
        }
    }

    fn refuse(&mut self, jobs: Vec<Job>, source: rusqlite::Error) {
        warn!(path = %self.path.display(), error = %source, refused = jobs.len(), "the log could not write");
        let source = Arc::new(source);
        for job in jobs {
            if let Work::Leave { member } = job.work {
                self.upkeep.leaving.push(member);
            }
            let tried = file::explanation(&self.path, &source);
            job.refuse(Error::because(tried, source.clone()));
        }
    }
}

/// Answers, our number among the processes, and what retention did.
type Applied = (Vec<Answer>, Option<i64>, Option<Step>);

fn send(ends: &mut Ends<'_>, message: &Message) -> rusqlite::Result<Answer> {
    match ends.accept(message) {
        Ok(at) => ends.append(message, at).map(|offset| Ok(Done::At(offset))),
        Err(error) => Ok(Err(CommitError::Failed(error))),
    }
}

/// Everything that can be wrong with a commit is found before any of it is written, so that it fails alone.
fn commit(connection: &Connection, ends: &mut Ends<'_>, commit: &Commit) -> rusqlite::Result<Answer> {
    if !group::holds(connection, commit)? {
        return Ok(Err(CommitError::Fenced));
    }
    let accepted: Result<Vec<_>, Error> = commit.outputs.iter().map(|output| ends.accept(output)).collect();
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Ok(Err(CommitError::Failed(error))),
    };
    for (output, at) in commit.outputs.iter().zip(accepted) {
        ends.append(output, at)?;
    }
    for position in &commit.positions {
        group::advance(connection, &commit.group, position)?;
    }
    Ok(Ok(Done::All))
}

fn forget(connection: &Connection, group: &str) -> rusqlite::Result<Answer> {
    Ok(group::forget(connection, group)?.map(|()| Done::All).map_err(CommitError::Failed))
}

#[cfg(feature = "fault")]
fn limit(connection: &Connection, pages: u32) -> rusqlite::Result<Answer> {
    let pages = pages.min(u32::MAX - 1); // SQLite's own limit; it takes no larger number.
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok(Ok(Done::All))
}

/// Between batches.
impl Writer {
    /// Tells those who wait what other processes have written.
    fn look_around(&mut self) {
        let looked = self.version().and_then(|version| {
            if version != self.upkeep.version {
                let news = Seen::load(&self.connection)?;
                self.seen.send_if_modified(|seen| seen.advance(&news));
            }
            Ok(version)
        });
        match looked {
            Ok(version) => self.upkeep.version = version,
            Err(error) => self.failed("look for new messages", &error),
        }
    }

    fn version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }

    fn beat(&mut self) {
        let beaten = self.processes.silent(&self.connection).and_then(|silent| match (self.processes.own, silent) {
            (Some(own), Some(silent)) => {
                self.transact_alone(|connection, news| processes::beat(connection, own, &silent, &mut news.seen))
            }
            (own, _) => Ok(own),
        });
        match beaten {
            Ok(own) => self.processes.own = own,
            Err(error) => self.failed("show that its members live", &error),
        }
    }

    fn leave_again(&mut self) {
        for member in std::mem::take(&mut self.upkeep.leaving) {
            let (leave, _) = Job::new(Work::Leave { member });
            // A queue that is closed is that of a process that ends, and takes all its members with it.
            let _ = self.queue.push(leave);
        }
    }

    fn delete_old(&mut self) {
        let now_us = (self.clock_us)();
        match self.transact_alone(|connection, _| retention::step(connection, now_us)) {
            Ok(step) => self.stepped(Some(step)),
            Err(error) => {
                self.upkeep.overdue = false;
                self.failed("delete old messages", &error);
            }
        }
    }

    /// A topic that is held back is told of from time to time, so that a disk does not fill for a group that nobody
    /// remembers.
    fn stepped(&mut self, step: Option<Step>) {
        let Some(step) = step else { return };
        self.upkeep.overdue = step.deleted.is_some();
        if let Some((id, first)) = step.deleted {
            self.recent.forget_before(id, first);
        }
        let is_told = self.upkeep.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY);
        if let Some(held) = step.held.filter(|_| !is_told) {
            self.upkeep.warned = Some(Instant::now());
            warn!(topic = held.topic, group = held.group, "old messages are kept: the group has not read them");
        }
    }

    /// Copies what is left of the write-ahead log, so that the next batch begins it anew.
    fn checkpoint(&self) {
        if let Err(error) = checkpoint::checkpoint(&self.connection) {
            self.failed("make a checkpoint", &error);
        }
    }

    /// Our members are gone at once, not when their lease has ended.
    fn leave(&self) {
        let Some(own) = self.processes.own else { return };
        let left = self.transact_alone(|connection, news| {
            news.seen.changed(group::expel(connection, own)?);
            Ok(())
        });
        if let Err(error) = left {
            self.failed("leave", &error);
        }
    }

    /// What is tried again soon, and by itself.
    fn failed(&self, tried: &str, error: &rusqlite::Error) {
        warn!(path = %self.path.display(), %error, "the log could not {tried}");
    }
}
