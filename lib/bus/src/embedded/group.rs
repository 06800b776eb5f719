//! Consumer groups in the file: who is a member, who holds which partition, and how far the group has come.
//!
//! Everything here runs in a transaction of the writer. It refuses a commit of a member that does not hold what it
//! commits; nothing of that commit is written.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    assignment::{Members, Owners, assign},
    catalogue::PartitionId,
    job::{Advance, Commit, Join},
};
use crate::Error;

/// The generation of a group after a change.
pub(super) type Changed = (String, u64);

/// Puts the process on the list of those with members.
pub(super) fn new_owner(connection: &Connection) -> rusqlite::Result<i64> {
    connection.execute("INSERT INTO owners DEFAULT VALUES", [])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn is_owner(connection: &Connection, owner: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM owners WHERE id = ?1")?.exists([owner])
}

/// Makes a member, or makes one again that was expelled.
pub(super) fn join(connection: &Connection, owner: i64, join: &Join) -> rusqlite::Result<(i64, Changed)> {
    let group = &join.group;
    connection.execute("INSERT OR IGNORE INTO groups (name, generation) VALUES (?1, 0)", [group])?;
    connection.execute(
        "INSERT INTO members (id, owner, group_name) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
        params![join.member, owner, group],
    )?;
    let member = join.member.unwrap_or_else(|| connection.last_insert_rowid());
    for topic in &join.topics {
        subscribe(connection, group, member, topic)?;
    }
    Ok((member, rebalance(connection, group)?))
}

/// From here on, retention keeps what this group has not committed.
fn subscribe(connection: &Connection, group: &str, member: i64, topic: &str) -> rusqlite::Result<()> {
    connection
        .execute("INSERT OR IGNORE INTO subscriptions (member, topic) VALUES (?1, ?2)", params![member, topic])?;
    connection.execute(
        "INSERT OR IGNORE INTO positions (group_name, partition, next, note)
         SELECT ?1, id, first, '' FROM partitions WHERE topic = ?2",
        params![group, topic],
    )?;
    Ok(())
}

/// `None` for one that is gone already.
pub(super) fn leave(connection: &Connection, member: i64) -> rusqlite::Result<Option<Changed>> {
    let group: Option<String> = connection
        .query_row("DELETE FROM members WHERE id = ?1 RETURNING group_name", [member], |row| row.get(0))
        .optional()?;
    let Some(group) = group else { return Ok(None) };
    connection.execute("DELETE FROM subscriptions WHERE member = ?1", [member])?;
    rebalance(connection, &group).map(Some)
}

/// Removes a process with all its members.
pub(super) fn expel(connection: &Connection, owner: i64) -> rusqlite::Result<Vec<Changed>> {
    connection.execute("DELETE FROM owners WHERE id = ?1", [owner])?;
    let members: Vec<i64> = connection
        .prepare("SELECT id FROM members WHERE owner = ?1")?
        .query_map([owner], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut changed = Vec::new();
    for member in members {
        changed.extend(leave(connection, member)?);
    }
    Ok(changed)
}

/// The other processes with members, and their beats.
pub(super) fn other_owners(connection: &Connection, owner: Option<i64>) -> rusqlite::Result<Vec<(i64, i64)>> {
    connection
        .prepare_cached("SELECT id, beat FROM owners WHERE id IS NOT ?1")?
        .query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Forgets the positions of a group, so that retention waits for it no longer.
pub(super) fn forget(connection: &Connection, group: &str) -> rusqlite::Result<Result<(), Error>> {
    if connection.prepare("SELECT 1 FROM members WHERE group_name = ?1")?.exists([group])? {
        return Ok(Err(Error::new(format!("group {group} has members: stop them first"))));
    }
    connection.execute("DELETE FROM positions WHERE group_name = ?1", [group])?;
    connection.execute("DELETE FROM leases WHERE group_name = ?1", [group])?;
    Ok(Ok(()))
}

/// Whether the member holds what it wants to commit.
pub(super) fn holds(connection: &Connection, commit: &Commit) -> rusqlite::Result<bool> {
    if !connection.prepare_cached("SELECT 1 FROM members WHERE id = ?1")?.exists([commit.member])? {
        return Ok(false);
    }
    let mut lease = connection.prepare_cached(
        "SELECT 1 FROM leases WHERE group_name = ?1 AND partition = ?2 AND member = ?3 AND generation = ?4",
    )?;
    for position in &commit.positions {
        let held = params![commit.group, position.partition.0, commit.member, position.lease as i64];
        if !lease.exists(held)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn advance(connection: &Connection, group: &str, to: &Advance) -> rusqlite::Result<()> {
    connection
        .prepare_cached("REPLACE INTO positions (group_name, partition, next, note) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![group, to.partition.0, to.next as i64, to.note])?;
    Ok(())
}

/// Gives every partition of the group its owner. A lease that stays keeps its generation.
fn rebalance(connection: &Connection, group: &str) -> rusqlite::Result<Changed> {
    let generation: i64 = connection.query_row(
        "UPDATE groups SET generation = generation + 1 WHERE name = ?1 RETURNING generation",
        [group],
        |row| row.get(0),
    )?;
    let before = leases(connection, group)?;
    let after = assign(&members(connection, group)?, &before);
    for partition in before.keys().filter(|partition| !after.contains_key(partition)) {
        connection
            .execute("DELETE FROM leases WHERE group_name = ?1 AND partition = ?2", params![group, partition.0])?;
    }
    for (partition, member) in after.iter().filter(|(partition, member)| before.get(partition) != Some(member)) {
        connection.execute(
            "REPLACE INTO leases (group_name, partition, member, generation) VALUES (?1, ?2, ?3, ?4)",
            params![group, partition.0, member, generation],
        )?;
    }
    Ok((group.to_owned(), generation as u64))
}

fn leases(connection: &Connection, group: &str) -> rusqlite::Result<Owners> {
    connection
        .prepare("SELECT partition, member FROM leases WHERE group_name = ?1")?
        .query_map([group], |row| Ok((PartitionId(row.get(0)?), row.get(1)?)))?
        .collect()
}

fn members(connection: &Connection, group: &str) -> rusqlite::Result<Members> {
    let mut statement = connection.prepare(
        "SELECT members.id, partitions.id FROM members
         LEFT JOIN subscriptions ON member = members.id LEFT JOIN partitions USING (topic)
         WHERE group_name = ?1 ORDER BY 1, 2",
    )?;
    let mut rows = statement.query([group])?;
    let mut members = Members::new();
    while let Some(row) = rows.next()? {
        let wanted = members.entry(row.get(0)?).or_default();
        wanted.extend(row.get::<_, Option<i64>>(1)?.map(PartitionId));
    }
    Ok(members)
}
