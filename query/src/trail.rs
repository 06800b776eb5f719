//! The trail as its readers see it. Every read is recorded before it is answered.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::Reader;
use object_store::ObjectStore;
use recorder::Recorder;
use schemas::{Clock, Timestamp};
use serde_json::json;
use tokio::sync::watch;
use tracing::warn;

use crate::{
    Answer, Asker, Config, EVERYBODY, Error, Replay,
    engine::{Engine, Statement},
    feed::{Feed, Page, Stream, Wish},
    origin::Origins,
    reading::{Question, Readings},
    replay,
    snapshot::{Snapshot, Snapshots},
    tail::Look,
};

/// So long after the last question, the tail is only watched.
const QUIET_AFTER: Duration = Duration::from_secs(60);

/// What the trail needs of others.
pub struct Deps {
    pub reader: Arc<dyn Reader>,
    pub store: Arc<dyn ObjectStore>,
    pub recorder: Arc<Recorder>,
    pub clock: Clock,
    /// Why questions cannot be answered at the moment; `None` when they can.
    pub ready: watch::Sender<Option<String>>,
}

pub struct Trail {
    config: Config,
    engine: Arc<Engine>,
    snapshots: Arc<Snapshots>,
    origins: Arc<Origins>,
    feed: Arc<Feed>,
    readings: Readings,
    ready: watch::Sender<Option<String>>,
    /// Something was asked since this was last looked at.
    asked: AtomicBool,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Trail {
    /// Reads the commit log and the tail, and goes on following them for as long as the trail is held. When they cannot
    /// be read, the trail opens all the same, says so in `ready`, and recovers by itself.
    pub async fn open(config: Config, deps: Deps) -> Arc<Trail> {
        let origins = Arc::new(Origins::new(Arc::clone(&deps.store), Arc::clone(&deps.reader)));
        let feed = Arc::new(Feed::new(Arc::clone(&deps.reader), Arc::clone(&origins), &config));
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&deps.store), deps.reader, config.tail_bytes_max));
        let engine = Engine::new(config.clone(), deps.store, Arc::clone(&snapshots), Arc::clone(&origins));
        let readings = Readings { recorder: deps.recorder, clock: deps.clock };
        let (engine, ready, asked) = (Arc::new(engine), deps.ready, AtomicBool::new(false));
        let trail = Arc::new(Trail { config, engine, snapshots, origins, feed, readings, ready, asked });
        trail.tell(trail.look(Look::Watch).await);
        tokio::spawn(follow(Arc::downgrade(&trail), Duration::from_secs(trail.config.follow_seconds.max(1))));
        trail
    }

    /// Reads commit log and tail, which keeps both warm. Why questions cannot be answered, or not in full, at the
    /// moment; `None` when they can. `Deps::ready` is told the same.
    pub async fn ready(&self) -> Option<String> {
        self.tell(self.look(Look::Read).await)
    }

    async fn look(&self, look: Look) -> Result<Snapshot, Error> {
        let snapshot = self.snapshots.take(look).await?;
        self.origins.check().await?;
        Ok(snapshot)
    }

    fn tell(&self, looked: Result<Snapshot, Error>) -> Option<String> {
        let state = match looked {
            Ok(snapshot) => {
                metrics::gauge!("hansard_query_tail_rows").set(snapshot.tails.rows() as f64);
                metrics::gauge!("hansard_query_looked_timestamp_seconds").set(self.now().0 as f64 / 1e6);
                snapshot.tails.complaint
            }
            Err(error) => Some(chain(&error)),
        };
        self.ready.send_if_modified(|known| {
            let changed = *known != state;
            known.clone_from(&state);
            changed
        });
        state
    }

    /// Answers one SQL question.
    pub async fn sql(&self, who: &Asker, statement: &str) -> Result<Answer, Error> {
        let question =
            Question { method: "trail/sql", target: None, body: json!({ "sql": self.recordable(statement) }) };
        let statement = Statement { sql: statement.to_owned(), values: Vec::new() };
        self.recorded(who, question, self.engine.answer(statement)).await
    }

    /// Tells an exchange again, or a whole conversation.
    pub async fn replay(&self, who: &Asker, conversation_or_exchange_id: &str) -> Result<Replay, Error> {
        let id = conversation_or_exchange_id;
        let target = Some(self.recordable(id).to_owned());
        let question = Question { method: "trail/replay", target, body: serde_json::Value::Null };
        self.recorded(who, question, self.told_again(id)).await
    }

    /// The records from a place of the log on, as many as a page holds.
    pub(crate) async fn page(&self, who: &Asker, wish: &Wish) -> Result<Page, Error> {
        self.recorded(who, wish.question(), self.feed.page(wish)).await
    }

    /// The records from a place of the log on, as they come.
    pub(crate) async fn stream(&self, who: &Asker, wish: &Wish) -> Result<Stream, Error> {
        self.recorded(who, wish.question(), self.feed.stream(wish)).await
    }

    /// Answers several statements of ours that make up one page.
    pub(crate) async fn explore(
        &self,
        who: &Asker,
        filters: serde_json::Value,
        statements: Vec<Statement>,
    ) -> Result<Vec<Answer>, Error> {
        let question = Question { method: "trail/explore", target: None, body: filters };
        self.recorded(who, question, async {
            let mut answers = Vec::with_capacity(statements.len());
            for statement in statements {
                answers.push(self.engine.answer(statement).await?);
            }
            Ok(answers)
        })
        .await
    }

    /// Records that a read was refused before anything was read.
    pub(crate) async fn refuse(&self, who: &Asker, question: &Question, error: &Error) {
        if let Err(unrecorded) = self.readings.refuse(who, question, error).await {
            warn!(error = %unrecorded, "a refused read of the trail could not be recorded");
        }
    }

    /// The life of a read: recorded, allowed, answered; and where it is not, that is recorded too.
    async fn recorded<T>(
        &self,
        who: &Asker,
        question: Question,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let reading = self.readings.begin(who, &question).await?;
        self.asked.store(true, Ordering::Relaxed);
        let answered = match self.allow(who) {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        };
        metrics::counter!("hansard_query_reads_total", "method" => question.method, "answered" => answered.is_ok().to_string())
            .increment(1);
        if let Err(error) = &answered {
            self.readings.fail(reading, error).await?;
        }
        answered
    }

    fn allow(&self, who: &Asker) -> Result<(), Error> {
        let allowed = who.principal.as_ref().is_some_and(|principal| self.may_read(&principal.groups));
        // Who is at the machine itself needs no group: the files are theirs.
        if allowed || who.auth_method == "local" { Ok(()) } else { Err(Error::Forbidden) }
    }

    fn may_read(&self, groups: &[String]) -> bool {
        let readers = &self.config.readers;
        readers.iter().any(|reader| reader == EVERYBODY || groups.contains(reader))
    }

    async fn told_again(&self, id: &str) -> Result<Replay, Error> {
        let uuid = replay::id(id)?;
        for statement in [replay::exchange(uuid), replay::conversation(uuid)] {
            let answer = self.engine.answer(statement).await?;
            if answer.rows() > 0 {
                return Replay::of(answer);
            }
        }
        Err(Error::NotFound(uuid.to_string()))
    }

    /// As much of a text as a statement may have: what is longer is refused anyway.
    fn recordable<'a>(&self, text: &'a str) -> &'a str {
        &text[..text.floor_char_boundary(self.config.statement_bytes_max)]
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.readings.clock)()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

/// While there are questions, the tail is kept decoded for the next one.
async fn follow(trail: Weak<Trail>, every: Duration) {
    let mut quiet = QUIET_AFTER;
    loop {
        tokio::time::sleep(every).await;
        let Some(trail) = trail.upgrade() else { return };
        quiet = if trail.asked.swap(false, Ordering::Relaxed) { Duration::ZERO } else { quiet.saturating_add(every) };
        let look = if quiet < QUIET_AFTER { Look::Read } else { Look::Watch };
        trail.tell(trail.look(look).await);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
