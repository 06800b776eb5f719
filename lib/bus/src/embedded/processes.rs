//! The processes that have members, and how the others notice that one has ended or hangs.
//!
//! Whoever opens the log while nobody else has it open knows that all earlier processes have ended: their members go
//! as soon as a new one joins, so that a restart after a crash waits for nothing. While several are there, each one
//! beats, and one whose beat has not changed for a lease is expelled. Time is measured by each observer for itself,
//! so that no clock has to be right.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tracing::warn;

use super::{group, seen::News};

/// A process whose beat has not changed for this long loses its members.
const LEASE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Processes {
    /// Those up to this number had ended when the log was opened.
    ended: Option<i64>,
    /// Our own number, as soon as we have members.
    pub(super) own: Option<i64>,
    /// Of each other one the last beat, and when it was first seen.
    beats: BTreeMap<i64, (i64, Instant)>,
}

/// A process and the beat that it showed last.
pub(super) type Silent = (i64, i64);

impl Processes {
    /// `alone`: nobody else has the log open.
    pub(super) fn new(connection: &Connection, alone: bool) -> rusqlite::Result<Processes> {
        let last: Option<i64> = connection.query_row("SELECT max(id) FROM owners", [], |row| row.get(0))?;
        Ok(Processes { ended: last.filter(|_| alone), ..Processes::default() })
    }

    /// The number of this process, which has a member from now on. Removes those that have ended.
    pub(super) fn arrive(&self, connection: &Connection, own: Option<i64>, news: &mut News) -> rusqlite::Result<i64> {
        if let Some(own) = own
            && group::is_owner(connection, own)?
        {
            return Ok(own);
        }
        for (owner, _) in group::other_owners(connection, own)? {
            if Some(owner) <= self.ended {
                news.changed(group::expel(connection, owner)?);
            }
        }
        group::new_owner(connection)
    }

    /// The others that have been silent for a lease; `None` if there are no others, for whom a beat would be.
    pub(super) fn silent(&mut self, connection: &Connection) -> rusqlite::Result<Option<Vec<Silent>>> {
        let others = group::other_owners(connection, self.own)?;
        let now = Instant::now();
        let known = std::mem::take(&mut self.beats);
        for (owner, beat) in &others {
            let since = known.get(owner).filter(|(last, _)| last == beat).map_or(now, |(_, since)| *since);
            self.beats.insert(*owner, (*beat, since));
        }
        let silent = self.beats.iter().filter(|(_, (_, since))| now - *since >= LEASE);
        let silent = silent.map(|(owner, (beat, _))| (*owner, *beat)).collect();
        Ok((!others.is_empty()).then_some(silent))
    }
}

/// Beats, and expels those that are still silent. `None`: we have been expelled ourselves.
pub(super) fn beat(
    connection: &Connection,
    own: i64,
    silent: &[Silent],
    news: &mut News,
) -> rusqlite::Result<Option<i64>> {
    let beaten = connection.execute("UPDATE owners SET beat = beat + 1 WHERE id = ?1", [own])?;
    for (owner, beat) in silent {
        let is_silent =
            connection.prepare_cached("SELECT 1 FROM owners WHERE id = ?1 AND beat = ?2")?.exists([owner, beat])?;
        if is_silent {
            warn!(process = owner, "a process of this log is silent: its partitions go to others");
            news.changed(group::expel(connection, *owner)?);
        }
    }
    Ok((beaten > 0).then_some(own))
}
