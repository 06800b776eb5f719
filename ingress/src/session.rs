//! Whose session it is, and which calls belong together.
//!
//! An `Mcp-Session-Id` belongs to the principal that was seen with it first: by the upstream's answer to `initialize`,
//! or, after a restart, at its first use. Another principal's use of it is answered with 404, as the upstream answers
//! an unknown session: a client then initialises anew, and nobody learns which ids exist.
//!
//! Session ids are bearer secrets: only their digests are kept.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use schemas::{ConversationId, Principal, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Sessions by the digest of connection and id, each with its owner.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<Recent<[u8; 32], [u8; 32]>>);

/// What came of a claim to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It was nobody's, and is the claimant's now.
    New,
    Own,
    /// It is another principal's.
    Foreign,
}

impl Sessions {
    pub(crate) fn new(sessions_max: usize) -> Sessions {
        Sessions(Mutex::new(Recent::new(sessions_max)))
    }

    pub(crate) fn claim(&self, connection: &str, session: &str, principal: &Principal, now: Timestamp) -> Claim {
        let (key, owner) = (digest(&[connection, session]), owner(principal));
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.touch(&key, now) {
            Some(known) if *known == owner => Claim::Own,
            Some(_) => Claim::Foreign,
            None => {
                sessions.insert(key, owner, now);
                Claim::New
            }
        }
    }

    /// The upstream does not know the session, or has ended it.
    pub(crate) fn forget(&self, connection: &str, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(&[connection, session]));
    }
}

/// Calls without a session, grouped by who makes them.
#[derive(Debug)]
pub(crate) struct Conversations {
    groups: Mutex<Recent<[u8; 32], Conversation>>,
    idle_max: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Conversation {
    id: ConversationId,
    last_at: Timestamp,
}

impl Conversations {
    pub(crate) fn new(conversations_max: usize, idle_max: Duration) -> Conversations {
        Conversations { groups: Mutex::new(Recent::new(conversations_max)), idle_max }
    }

    /// The conversation of a call by this principal and client, under this trace; a new one after a long silence.
    pub(crate) fn of(
        &self,
        connection: &str,
        principal: &Principal,
        traits: [&str; 2],
        now: Timestamp,
    ) -> ConversationId {
        let key = digest(&[connection, &principal.issuer, &principal.subject, traits[0], traits[1]]);
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let known = groups.touch(&key, now).filter(|known| now < known.last_at.plus(self.idle_max)).copied();
        let id = known.map_or_else(|| ConversationId(time_ordered_id(now)), |known| known.id);
        groups.insert(key, Conversation { id, last_at: now }, now);
        id
    }
}

/// A UUIDv7 of this moment.
pub(crate) fn time_ordered_id(now: Timestamp) -> Uuid {
    let micros = u64::try_from(now.0).unwrap_or_default();
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or_default() * 1000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos))
}

/// A map that remembers the most recently used. When it is full, the older half goes, so that dropping is cheap on
/// average.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: HashMap<K, (V, Timestamp)>,
    entries_max: usize,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    pub(crate) fn new(entries_max: usize) -> Recent<K, V> {
        Recent { entries: HashMap::new(), entries_max: entries_max.max(1) }
    }

    pub(crate) fn touch(&mut self, key: &K, now: Timestamp) -> Option<&V> {
        let (value, used_at) = self.entries.get_mut(key)?;
        *used_at = now;
        Some(value)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V, now: Timestamp) {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.drop_older_half();
        }
        self.entries.insert(key, (value, now));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(value, _)| value)
    }

    fn drop_older_half(&mut self) {
        let mut by_use: Vec<(Timestamp, K)> = self.entries.iter().map(|(key, (_, at))| (*at, key.clone())).collect();
        let half = by_use.len().div_ceil(2);
        if half < by_use.len() {
            by_use.select_nth_unstable_by_key(half, |(at, _)| *at);
        }
        for (_, key) in &by_use[..half] {
            self.entries.remove(key);
        }
    }
}

fn owner(principal: &Principal) -> [u8; 32] {
    digest(&[&principal.issuer, &principal.subject])
}

/// Of the parts and their lengths, so that no two lists of parts are the same bytes.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(subject: &str) -> Principal {
        Principal { issuer: "i".into(), subject: subject.into(), ..Principal::default() }
    }

    #[test]
    fn a_session_is_of_whoever_used_it_first_until_it_ends() {
        let sessions = Sessions::new(10);
        let claim = |who: &str| sessions.claim("files", "s1", &person(who), Timestamp(1));
        assert_eq!(claim("ann"), Claim::New);
        assert_eq!(claim("ann"), Claim::Own);
        assert_eq!(claim("bob"), Claim::Foreign);
        assert_eq!(sessions.claim("other", "s1", &person("bob"), Timestamp(1)), Claim::New);
        sessions.forget("files", "s1");
        assert_eq!(claim("bob"), Claim::New);
    }

    #[test]
    fn the_map_is_bounded_and_drops_the_oldest() {
        let mut recent = Recent::new(4);
        for key in 0..4 {
            recent.insert(key, (), Timestamp(key));
        }
        recent.touch(&0, Timestamp(9));
        recent.insert(4, (), Timestamp(10));
        assert_eq!(recent.entries.len(), 3);
        assert!(recent.get(&0).is_some() && recent.get(&1).is_none() && recent.get(&4).is_some());
    }

    #[test]
    fn calls_group_by_principal_client_and_trace_until_they_fall_silent() {
        let groups = Conversations::new(10, Duration::from_micros(100));
        let of = |who: &str, client: &str, at| groups.of("files", &person(who), [client, ""], Timestamp(at));
        let first = of("ann", "c", 0);
        assert_eq!(of("ann", "c", 99), first);
        assert_eq!(of("ann", "c", 198), first);
        assert_ne!(of("bob", "c", 198), first);
        assert_ne!(of("ann", "d", 198), first);
        assert_ne!(of("ann", "c", 298), first);
    }

    #[test]
    fn ids_grow_with_time() {
        let (earlier, later) = (Timestamp(1_700_000_000_000_000), Timestamp(1_700_000_000_002_000));
        assert!(time_ordered_id(earlier) < time_ordered_id(later));
        assert_eq!(time_ordered_id(earlier).get_version_num(), 7);
    }
}
