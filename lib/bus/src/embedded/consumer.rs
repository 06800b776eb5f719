//! A member of a consumer group.
//!
//! It learns of a rebalance by the generation of its group, which the writer shows to all who watch, and reads its
//! partitions in turn. It refuses to read on in a partition that it has lost, and the file refuses its commits there.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::time::{Instant, sleep_until};

use super::{
    Log,
    catalogue::PartitionId,
    job::{Advance, Commit, Done, Join, Work},
};
use crate::{CommitError, Consumer, Delivery, Error, Message, NOTE_BYTES_MAX, Partition, Position};

/// Bytes of values in one delivery, at most; but at least one message.
const DELIVERY_BYTES_MAX: usize = 1024 * 1024;
/// Between two rounds of reads while little waits, so that many messages share what their reader commits for them.
const ROUND_EVERY: Duration = Duration::from_millis(10);
/// How long a round lasts: what is ready in it, of any partition, is read without a pause.
const ROUND_LASTS: Duration = Duration::from_millis(1);
/// So many messages are read without a pause.
const MANY_MESSAGES: u64 = 256;

#[derive(Debug)]
pub(super) struct Member {
    log: Arc<Log>,
    group: String,
    topics: Vec<String>,
    id: i64,
    /// The generation of the group that this member has looked at; `None` before its first look.
    generation: Option<u64>,
    held: BTreeMap<PartitionId, Held>,
    /// The partition that was read last: the next one is next.
    last: PartitionId,
    round_at: Option<Instant>,
    told: VecDeque<Delivery>,
    has_left: bool,
}

#[derive(Clone, Debug)]
struct Held {
    at: Partition,
    /// The generation of the lease.
    lease: u64,
    /// The next offset to be read.
    next: u64,
    note: String,
}

/// What the file says of a member.
#[derive(Debug)]
struct Look {
    generation: u64,
    /// `None` for one that was expelled.
    leases: Option<Vec<(PartitionId, Held)>>,
}

impl Member {
    pub(super) async fn join(log: Arc<Log>, group: String, topics: Vec<String>) -> Result<Member, Error> {
        for topic in &topics {
            log.catalogue.topic(topic)?;
        }
        let id = join(&log, &group, &topics, None).await?;
        Ok(Member {
            log,
            group,
            topics,
            id,
            generation: None,
            held: BTreeMap::new(),
            last: PartitionId(0),
            round_at: None,
            told: VecDeque::new(),
            has_left: false,
        })
    }

    fn is_stale(&self) -> bool {
        self.generation.is_none_or(|generation| generation < self.log.seen.generation(&self.group))
    }

    /// Looks who holds what now, and puts down what has changed to be told.
    async fn look(&mut self) -> Result<(), Error> {
        let look = self.read_leases().await?;
        match look.leases {
            Some(leases) => {
                self.take(leases);
                self.generation = Some(look.generation);
            }
            // Expelled while it hung: it comes back as the same member, with nothing of what it held.
            None => {
                join(&self.log, &self.group, &self.topics, Some(self.id)).await?;
            }
        }
        Ok(())
    }

    async fn read_leases(&self) -> Result<Look, Error> {
        let (group, id, log) = (self.group.clone(), self.id, self.log.clone());
        self.log.connections.run(move |connection| look(connection, &log, &group, id)).await
    }

    /// Leases that have stayed are read on where they were; of the others it is told what went and what came.
    fn take(&mut self, leases: Vec<(PartitionId, Held)>) {
        let mut before = std::mem::take(&mut self.held);
        let mut assigned = Vec::new();
        for (id, held) in leases {
            match before.remove(&id) {
                Some(kept) if kept.lease == held.lease => {
                    self.held.insert(id, kept);
                    continue;
                }
                Some(lost) => before.insert(id, lost),
                None => None,
            };
            assigned.push(held.position());
            self.held.insert(id, held);
        }
        let revoked: Vec<Partition> = before.into_values().map(|held| held.at).collect();
        if !revoked.is_empty() {
            self.told.push_back(Delivery::Revoked(revoked));
        }
        if !assigned.is_empty() || self.generation.is_none() {
            self.told.push_back(Delivery::Assigned(assigned));
        }
    }

    /// The next partition in turn that has messages to read, from where, and where they end for now.
    fn ready(&self) -> Option<(PartitionId, u64, u64)> {
        let seen = &self.log.seen;
        let after = self.held.range(PartitionId(self.last.0 + 1)..);
        let in_turn = after.chain(self.held.range(..=self.last));
        in_turn.map(|(id, held)| (*id, held.next, seen.next(*id))).find(|(_, from, end)| from < end)
    }

    /// Messages that wait to be read.
    fn waiting(&self) -> u64 {
        let seen = &self.log.seen;
        self.held.iter().map(|(id, held)| seen.next(*id).saturating_sub(held.next)).sum()
    }

    fn is_in_round(&self) -> bool {
        self.round_at.is_some_and(|began| began.elapsed() < ROUND_LASTS)
    }

    /// Until when a little may become more; `None` within a round, after a rest, and when much waits.
    fn gathers_until(&self) -> Option<Instant> {
        let until = self.round_at? + ROUND_EVERY;
        let gathers = !self.is_in_round() && until > Instant::now() && self.waiting() < MANY_MESSAGES;
        gathers.then_some(until)
    }

    async fn read(&mut self, (id, from, end): (PartitionId, u64, u64)) -> Result<Option<Delivery>, Error> {
        let messages = self.log.messages(id, from, DELIVERY_BYTES_MAX).await?;
        if !self.is_in_round() {
            self.round_at = Some(Instant::now());
        }
        self.last = id;
        let held = self.held.get_mut(&id).expect("it was held a moment ago, and nobody else changes that");
        held.next = messages.last().map_or(end, |last| last.offset + 1);
        Ok((!messages.is_empty()).then(|| Delivery::Messages(held.at.clone(), messages)))
    }

    async fn wait(&self) {
        let offsets = self.held.iter().map(|(id, held)| (*id, held.next));
        self.log.seen.news(offsets, (&self.group, self.generation.unwrap_or_default())).await;
    }

    /// `None`: it is not held.
    fn advance(&self, position: &Position) -> Option<Advance> {
        let id = self.log.catalogue.partition(&position.at).ok()?;
        let held = self.held.get(&id)?;
        Some(Advance { partition: id, lease: held.lease, next: position.next, note: position.note.clone() })
    }
}

impl Held {
    fn position(&self) -> Position {
        Position { at: self.at.clone(), next: self.next, note: self.note.clone() }
    }
}

async fn join(log: &Log, group: &str, topics: &[String], member: Option<i64>) -> Result<i64, Error> {
    let join = Join { group: group.to_owned(), topics: topics.to_vec(), member };
    match log.ask(Work::Join(join)).await {
        Ok(Done::Member(id)) => Ok(id),
        Ok(other) => Err(Error::new(format!("a join was answered by {other:?}"))),
        Err(refused) => Err(refused.into()),
    }
}

fn look(connection: &Connection, log: &Log, group: &str, member: i64) -> rusqlite::Result<Look> {
    let snapshot = connection.unchecked_transaction()?;
    let generation = snapshot
        .prepare_cached("SELECT generation FROM groups WHERE name = ?1")?
        .query_row([group], |row| row.get::<_, i64>(0))
        .optional()?;
    let is_member = snapshot.prepare_cached("SELECT 1 FROM members WHERE id = ?1")?.exists([member])?;
    let leases = is_member.then(|| leases(&snapshot, log, group, member)).transpose()?;
    Ok(Look { generation: generation.unwrap_or_default() as u64, leases })
}

fn leases(connection: &Connection, log: &Log, group: &str, member: i64) -> rusqlite::Result<Vec<(PartitionId, Held)>> {
    let mut statement = connection.prepare_cached(
        "SELECT partition, generation, coalesce(positions.next, first), coalesce(note, '')
         FROM leases JOIN partitions ON id = partition LEFT JOIN positions USING (group_name, partition)
         WHERE group_name = ?1 AND member = ?2 ORDER BY partition",
    )?;
    let mut rows = statement.query(params![group, member])?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        let id = PartitionId(row.get(0)?);
        let Some(at) = log.catalogue.name(id) else { continue };
        leases.push((id, held(row, at)?));
    }
    Ok(leases)
}

fn held(row: &Row<'_>, at: Partition) -> rusqlite::Result<Held> {
    let (lease, next): (i64, i64) = (row.get(1)?, row.get(2)?);
    Ok(Held { at, lease: lease as u64, next: next as u64, note: row.get(3)? })
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Ok(told);
            }
            if self.is_stale() {
                self.look().await?;
            } else if let Some(ready) = self.ready() {
                if let Some(until) = self.gathers_until() {
                    sleep_until(until).await;
                } else if let Some(delivery) = self.read(ready).await? {
                    return Ok(delivery);
                }
            } else {
                self.wait().await;
            }
        }
    }

    async fn seek(&mut self, at: &Partition, offset: u64) -> Result<(), Error> {
        let id = self.log.catalogue.partition(at)?;
        let held = self.held.get_mut(&id).ok_or_else(|| {
            Error::new(format!(
                "partition {} of {} is not this member's: it may have been revoked",
                at.number, at.topic
            ))
        })?;
        held.next = offset;
        Ok(())
    }

    async fn commit(&mut self, positions: &[Position], outputs: Vec<Message>) -> Result<(), CommitError> {
        if let Some(long) = positions.iter().find(|position| position.note.len() > NOTE_BYTES_MAX) {
            let bytes = long.note.len();
            let tried = format!("the note of a position has {bytes} bytes, at most {NOTE_BYTES_MAX} are kept");
            return Err(CommitError::Failed(Error::new(tried)));
        }
        let advances: Option<Vec<Advance>> = positions.iter().map(|position| self.advance(position)).collect();
        let Some(positions) = advances else { return Err(CommitError::Fenced) };
        let commit = Commit { group: self.group.clone(), member: self.id, positions, outputs };
        self.log.ask(Work::Commit(commit)).await.map(|_| ())
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.has_left = true;
        self.log.ask(Work::Leave { member: self.id }).await?;
        Ok(())
    }
}

/// Whoever is dropped leaves as well, only nobody waits for it.
impl Drop for Member {
    fn drop(&mut self) {
        if !self.has_left {
            self.log.tell(Work::Leave { member: self.id });
        }
    }
}
