//! The only one in this process that writes to the log, with a connection of its own: on the thread of the log, or on that
//! of a sender who finds it idle.
//!
//! Group commit: everything that waits is one transaction and one fsync, and is answered only then. If anything of it
//! fails in the file, all of it fails: nobody is told of a success that is not on disk.
//!
//! Between batches it looks for what other processes have written, beats for the members of this process, expels the
//! processes that beat no more, and deletes what is too old.

use std::{
    path::PathBuf,
    sync::{Arc, LockResult, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::runtime::Handle;
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
    seen::{News, Seen},
};
use crate::{CommitError, Error, Message, Stored};

/// How often the writer looks for what other processes have written.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a process with members shows that it lives, and how often retention is looked after.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Sends that follow one another sooner than this are of a burst.
const BURST_LASTS: Duration = Duration::from_micros(100);
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
    pub(super) seen: Arc<Seen>,
    pub(super) recent: Arc<Recent>,
    pub(super) processes: Processes,
    pub(super) upkeep: Upkeep,
}

/// What is done between batches, and when it was done last.
#[derive(Debug)]
pub(super) struct Upkeep {
    looked: Instant,
    beaten: Instant,
    wrote: Instant,
    warned: Option<Instant>,
    /// What SQLite says of changes by others; only ever compared.
    version: i64,
    /// Bytes that are only in the write-ahead log, about.
    unchecked_bytes: u64,
    /// Retention has more to delete.
    overdue: bool,
    /// The last batch was of several who could not wait.
    crowded: bool,
    /// Members that have left, which could not be written. Their process lives, so no lease of theirs would ever end.
    leaving: Vec<i64>,
}

/// What a transaction has changed, to be told when it is durable.
#[derive(Debug, Default)]
struct Changes {
    news: News,
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
            wrote: now,
            warned: None,
            version: 0,
            unchecked_bytes: 0,
            overdue: false,
            crowded: false,
            leaving: Vec::new(),
        }
    }
}

impl Writer {
    /// The thread of the log: until the queue is closed and done, or a writer has panicked.
    pub(super) fn run(writer: &Mutex<Writer>, queue: &Arc<Queue>, runtime: Option<&Handle>) {
        let _abandons = Abandons(queue.clone());
        while queue.wait(LOOK_EVERY) {
            let Ok(mut writer) = lock(writer, runtime) else { return };
            let jobs = queue.take();
            if !jobs.is_empty() {
                writer.write(jobs);
            }
            writer.keep_up();
        }
        if let Ok(writer) = writer.lock() {
            writer.leave();
        }
    }

    /// May a sender write by itself? Not where several write at a time, who would wait for it, nor where one sends a burst,
    /// which is to be one transaction; and what else is due is for the thread.
    pub(super) fn is_free(&self) -> bool {
        let Upkeep { crowded, overdue, wrote, looked, .. } = &self.upkeep;
        !crowded && !overdue && wrote.elapsed() >= BURST_LASTS && looked.elapsed() < LOOK_EVERY
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

/// A sender who writes has a thread of the runtime. It is not the only one; but if it was the one that waits for sockets and
/// timers, and the disk hangs, then another must wait for them, and is awake for that.
fn lock<'w>(writer: &'w Mutex<Writer>, runtime: Option<&Handle>) -> LockResult<MutexGuard<'w, Writer>> {
    match writer.try_lock() {
        Ok(writer) => Ok(writer),
        Err(_) => {
            if let Some(runtime) = runtime {
                runtime.spawn(async {});
            }
            writer.lock()
        }
    }
}

/// The batch.
impl Writer {
    pub(super) fn write(&mut self, jobs: Vec<Job>) {
        self.upkeep.crowded = jobs.iter().filter(|job| job.is_urgent()).count() > 1;
        let bytes = jobs.iter().map(|job| job.byte_count() as u64).sum::<u64>();
        match self.transact(|connection, changes| self.apply_all(connection, changes, &jobs)) {
            Ok(((answers, own, stepped), news)) => {
                // Calls wait for their answers, so these go before those who only read are woken.
                self.answer(jobs, answers);
                self.seen.wake(&news);
                self.upkeep.unchecked_bytes += TRANSACTION_BYTES + bytes;
                self.processes.own = own;
                self.stepped(stepped);
            }
            Err(source) => self.refuse(jobs, source),
        }
        self.upkeep.wrote = Instant::now();
    }

    fn apply_all(&self, connection: &Connection, changes: &mut Changes, jobs: &[Job]) -> rusqlite::Result<Applied> {
        let now_us = (self.clock_us)();
        let mut ends = Ends::new(connection, &self.catalogue, now_us);
        let mut own = self.processes.own;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match &job.work {
                Work::Send(message) => send(&mut ends, message)?,
                Work::Commit(commit) => self::commit(connection, &mut ends, commit)?,
                Work::Join(join) => {
                    let owner = self.processes.arrive(connection, own, &mut changes.news)?;
                    own = Some(owner);
                    let (member, changed) = group::join(connection, owner, join)?;
                    changes.news.changed([changed]);
                    Ok(Done::Member(member))
                }
                Work::Leave { member } => {
                    changes.news.changed(group::leave(connection, *member)?);
                    Ok(Done::All)
                }
                Work::Forget { group } => forget(connection, group)?,
                #[cfg(feature = "fault")]
                Work::Limit { pages } => limit(connection, *pages)?,
            });
        }
        changes.written = ends.finish()?;
        changes.news.wrote(changes.written.iter().map(|(id, message)| (*id, message.offset + 1)));
        // While there is much to delete, every batch deletes a little, so that it needs no fsync of its own.
        let stepped = if self.upkeep.overdue { Some(retention::step(connection, now_us)?) } else { None };
        Ok((answers, own, stepped))
    }

    /// All that `work` does, or nothing; when it returns, it is on disk and can be seen. Those who wait for the news are
    /// not woken yet.
    fn transact<T>(
        &self,
        work: impl FnOnce(&Connection, &mut Changes) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(T, News)> {
        let transaction = Begun::new(&self.connection)?;
        let mut changes = Changes::default();
        let done = work(&self.connection, &mut changes)?;
        transaction.commit()?;
        self.recent.put(changes.written);
        Ok((done, self.seen.advance(changes.news)))
    }

    /// The same between batches, where nobody waits for an answer.
    fn transact_alone<T>(
        &self,
        work: impl FnOnce(&Connection, &mut News) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let (done, news) = self.transact(|connection, changes| work(connection, &mut changes.news))?;
        self.seen.wake(&news);
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

/// A transaction that is undone unless it is committed. Its statements are prepared once, unlike rusqlite's own.
struct Begun<'c>(&'c Connection);

impl Begun<'_> {
    fn new(connection: &Connection) -> rusqlite::Result<Begun<'_>> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Begun(connection))
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            warn!(%error, "a transaction of the log could not be undone");
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
                self.seen.wake(&self.seen.advance(News::load(&self.connection)?));
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
                self.transact_alone(|connection, news| processes::beat(connection, own, &silent, news))
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
            news.changed(group::expel(connection, own)?);
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
