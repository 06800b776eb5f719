//! The embedded log: one SQLite file for one host.
//!
//! All writing goes through one [`writer`] that makes one transaction, and so one fsync, of everything that waits: on a
//! thread of its own, or on that of a sender who finds it idle. Reading goes through connections of its own and waits for
//! nobody. Several processes may share the file.
//!
//! It refuses to acknowledge what is not on disk, and to give an offset twice.

use std::{
    fmt,
    fs::File,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{runtime::Handle, time::Instant};

use self::{
    catalogue::{Catalogue, PartitionId},
    checkpoint::Checkpoints,
    consumer::Member,
    job::{Answer, Done, Job, Work},
    processes::Processes,
    queue::Queue,
    reader::Connections,
    recent::Recent,
    seen::{News, Seen},
    writer::{Upkeep, Writer},
};
use crate::{
    Bus, CommitError, Consumer, Error, Message, Offset, Partition, Producer, Reader, Stored, Topic, Unrecorded,
};

mod append;
mod assignment;
mod catalogue;
mod checkpoint;
mod consumer;
mod file;
mod group;
mod headers;
mod job;
mod processes;
mod queue;
mod reader;
mod recent;
mod retention;
mod seen;
mod writer;

/// Microseconds since the Unix epoch.
pub type ClockUs = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
pub struct Config {
    /// The SQLite file; made if it is not there, but not its folder. SQLite keeps `-wal` and `-shm` beside it, and
    /// whoever has it open holds a lock on `-open`.
    pub path: PathBuf,
    pub topics: Vec<Topic>,
    /// For the timestamps of messages and their retention; within a partition they never go back, even if it does.
    pub clock_us: ClockUs,
}

/// Cheap to clone; the last one to go closes the file.
#[derive(Clone, Debug)]
pub struct Embedded {
    log: Arc<Log>,
}

/// What all that is made of one open log share.
struct Log {
    path: PathBuf,
    catalogue: Arc<Catalogue>,
    queue: Arc<Queue>,
    seen: Arc<Seen>,
    recent: Arc<Recent>,
    connections: Arc<Connections>,
    /// Goes before `_presence`, and with it the file is closed.
    writer: Arc<Mutex<Writer>>,
    thread: Option<JoinHandle<()>>,
    /// Says to other processes that we have the log open.
    _presence: File,
}

impl Embedded {
    /// Opens or makes the log, checks its version and integrity, and creates missing topics.
    pub async fn open(config: Config) -> Result<Embedded, Error> {
        let opened = tokio::task::spawn_blocking(move || Log::open(config)).await;
        let log = opened.map_err(|source| Error::because("the log could not be opened", source))??;
        Ok(Embedded { log: Arc::new(log) })
    }

    /// Forgets how far a group without members has come, so that retention waits for it no longer.
    pub async fn forget_group(&self, group: &str) -> Result<(), Error> {
        self.log.ask(Work::Forget { group: group.to_owned() }).await?;
        Ok(())
    }

    /// From now on the file may have this many pages, as on a disk that is full; `u32::MAX` for no limit.
    #[cfg(feature = "fault")]
    pub async fn limit_pages(&self, pages: u32) -> Result<(), Error> {
        self.log.ask(Work::Limit { pages }).await?;
        Ok(())
    }
}

#[async_trait]
impl Bus for Embedded {
    fn producer(&self) -> Arc<dyn Producer> {
        self.log.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.log.clone()
    }

    /// The join is a task of its own: one that nobody waits for any more is seen through, and its member leaves at once
    /// instead of keeping partitions from everyone.
    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let joined = tokio::spawn(Member::join(self.log.clone(), group.to_owned(), topics)).await;
        let member = joined.map_err(|source| Error::because("a join did not end", source))??;
        Ok(Box::new(member))
    }
}

impl Log {
    fn open(config: Config) -> Result<Log, Error> {
        let file::Opened { mut connection, presence, alone } = file::open(&config.path)?;
        let loaded = catalogue::make_topics(&mut connection, &config.topics).and_then(|()| {
            let catalogue = Catalogue::load(&connection)?;
            Ok((catalogue, News::load(&connection)?, Processes::new(&connection, alone)?))
        });
        let (catalogue, news, processes) = loaded.map_err(|source| file::explained(&config.path, source))?;
        let (path, catalogue, queue) = (config.path, Arc::new(catalogue), Arc::<Queue>::default());
        let (seen, recent) = (Arc::new(Seen::new(news)), Arc::<Recent>::default());
        let writer = Arc::new(Mutex::new(Writer {
            checkpoints: Checkpoints::start(path.clone())?,
            connection,
            path: path.clone(),
            catalogue: catalogue.clone(),
            clock_us: config.clock_us,
            queue: queue.clone(),
            seen: seen.clone(),
            recent: recent.clone(),
            processes,
            upkeep: Upkeep::default(),
        }));
        let runtime = Handle::try_current().ok();
        let thread = {
            let (writer, queue) = (writer.clone(), queue.clone());
            let run = move || Writer::run(&writer, &queue, runtime.as_ref());
            std::thread::Builder::new().name("hansard-log".to_owned()).spawn(run)
        };
        let thread = thread.map_err(|source| Error::because("cannot start the thread that writes the log", source))?;
        let connections = Arc::new(Connections::new(path.clone()));
        Ok(Log { path, catalogue, queue, seen, recent, connections, writer, thread: Some(thread), _presence: presence })
    }

    /// Puts the work into the queue when first polled: whoever is polled first is written first.
    async fn ask(&self, work: Work) -> Answer {
        let (job, answer) = Job::new(work);
        self.ask_for(job).map_err(CommitError::Failed)?;
        answer.await.unwrap_or_else(|_| {
            let path = self.path.display();
            Err(CommitError::Failed(Error::new(format!("the thread that writes the log {path} has ended: restart"))))
        })
    }

    /// Whoever finds the log idle writes by itself, and is spared two changes of thread, for each of which a core may have
    /// to wake up. The thread of the log does it where others are about to write too, and groups them.
    fn ask_for(&self, job: Job) -> Result<(), Error> {
        let writer = if job.is_small_send() && may_block() { self.writer.try_lock().ok() } else { None };
        let Some(mut writer) = writer.filter(|writer| writer.is_free()) else { return self.queue.push(job) };
        let Some(mut jobs) = self.queue.take_little(job.byte_count()) else { return self.queue.push(job) };
        jobs.push(job);
        // A panic is the writer's end, not the caller's: it has the lock poisoned, and those who wait told.
        let _ = catch_unwind(AssertUnwindSafe(move || writer.write(jobs)));
        Ok(())
    }

    /// Without waiting for an answer.
    fn tell(&self, work: Work) {
        let (job, _) = Job::new(work);
        // A queue that takes nothing has no writer any more, and so no members either.
        let _ = self.queue.push(job);
    }

    /// Messages from `from` on, out of memory where they are new.
    async fn messages(&self, id: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        match self.recent.read(id, from, bytes_max) {
            Some(messages) => Ok(messages),
            None => self.connections.run(move |connection| reader::messages(connection, id, from, bytes_max)).await,
        }
    }

    /// Until `at` has something from `from` on; where it ends then. `None` when it took too long.
    async fn wait(&self, id: PartitionId, from: u64, until: Option<Instant>) -> Option<u64> {
        let arrived = self.seen.beyond(id, from);
        match until {
            Some(until) => tokio::time::timeout_at(until, arrived).await.ok(),
            None => Some(arrived.await),
        }
    }
}

/// May a task wait for the disk? Where the runtime has other threads: only one task at a time does, and the thread of the log
/// sees to it that the others are awake.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_workers() > 1)
}

#[async_trait]
impl Producer for Log {
    async fn send(&self, message: Message) -> Result<Offset, Unrecorded> {
        match self.ask(Work::Send(message)).await {
            Ok(Done::At(offset)) => Ok(offset),
            Ok(other) => Err(Unrecorded { source: Error::new(format!("a message was answered by {other:?}")) }),
            Err(refused) => Err(Unrecorded { source: refused.into() }),
        }
    }
}

#[async_trait]
impl Reader for Log {
    async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        self.catalogue.topic(topic).map(|partitions| partitions.len() as u32)
    }

    async fn identity(&self, topic: &str) -> Result<Option<String>, Error> {
        self.catalogue.topic(topic)?;
        let log = self.connections.run(reader::identity).await?;
        Ok(Some(format!("{log}/{topic}")))
    }

    async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        let id = self.catalogue.partition(at)?;
        self.connections.run(move |connection| reader::bounds(connection, id)).await
    }

    async fn read(
        &self,
        at: &Partition,
        from: u64,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<Vec<Stored>, Error> {
        let id = self.catalogue.partition(at)?;
        // A patience beyond what the clock can count is one without end.
        let until = Instant::now().checked_add(patience);
        let mut beyond = from;
        while let Some(end) = self.wait(id, beyond, until).await {
            let messages = self.messages(id, from, bytes_max).await?;
            if !messages.is_empty() {
                return Ok(messages);
            }
            beyond = end; // All of it has gone by its age.
        }
        Ok(Vec::new())
    }
}

/// Writes what waits; the file is closed with the fields, so that it can be opened again at once. Readers close first: of two that close at one moment, neither would be the last, who folds the write-ahead log into the file.
impl Drop for Log {
    fn drop(&mut self) {
        self.connections.close();
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // One that has panicked has told everyone by now.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("path", &self.path).field("topics", &self.topics).finish_non_exhaustive()
    }
}
