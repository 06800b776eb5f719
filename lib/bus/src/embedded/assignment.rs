//! Who of a group gets which partitions. Pure.
//!
//! It moves as little as evenness allows: whoever has a partition keeps it unless another member has two fewer.

use std::collections::BTreeMap;

use super::catalogue::PartitionId;

/// Members, by id, with the partitions that they would take.
pub(super) type Members = BTreeMap<i64, Vec<PartitionId>>;
/// The owner of each partition.
pub(super) type Owners = BTreeMap<PartitionId, i64>;

/// Every partition that anyone takes gets exactly one owner.
pub(super) fn assign(members: &Members, before: &Owners) -> Owners {
    let mut owners = kept(members, before);
    for partition in wanted(members) {
        if !owners.contains_key(&partition)
            && let Some(member) = least_loaded(members, &owners, partition)
        {
            owners.insert(partition, member);
        }
    }
    while let Some((partition, member)) = uneven(members, &owners) {
        owners.insert(partition, member);
    }
    owners
}

fn kept(members: &Members, before: &Owners) -> Owners {
    let takes = |partition, member| members.get(member).is_some_and(|wanted| wanted.contains(partition));
    before.iter().filter(|(partition, member)| takes(partition, member)).map(|(key, value)| (*key, *value)).collect()
}

fn wanted(members: &Members) -> Vec<PartitionId> {
    let mut wanted: Vec<PartitionId> = members.values().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn least_loaded(members: &Members, owners: &Owners, partition: PartitionId) -> Option<i64> {
    let takers = members.iter().filter(|(_, wanted)| wanted.contains(&partition)).map(|(member, _)| *member);
    takers.min_by_key(|member| load(owners, *member))
}

fn load(owners: &Owners, member: i64) -> usize {
    owners.values().filter(|owner| **owner == member).count()
}

/// A partition whose owner has at least two more than another taker, and this taker. Each move makes the loads more
/// even, so they end.
fn uneven(members: &Members, owners: &Owners) -> Option<(PartitionId, i64)> {
    owners.iter().rev().find_map(|(partition, owner)| {
        let taker = least_loaded(members, owners, *partition)?;
        (load(owners, *owner) >= load(owners, taker) + 2).then_some((*partition, taker))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(count: i64) -> Vec<PartitionId> {
        (1..=count).map(PartitionId).collect()
    }

    fn loads(owners: &Owners) -> BTreeMap<i64, usize> {
        owners.values().map(|member| (*member, load(owners, *member))).collect()
    }

    #[test]
    fn one_member_takes_all_and_a_second_takes_half() {
        let alone = assign(&Members::from([(1, all(4))]), &Owners::new());
        assert_eq!(loads(&alone), BTreeMap::from([(1, 4)]));
        let two = assign(&Members::from([(1, all(4)), (2, all(4))]), &alone);
        assert_eq!(loads(&two), BTreeMap::from([(1, 2), (2, 2)]));
        let moved = two.iter().filter(|(partition, member)| alone[*partition] != **member).count();
        assert_eq!(moved, 2, "no more than needed");
    }

    #[test]
    fn a_third_of_two_partitions_gets_none() {
        let members = Members::from([(1, all(2)), (2, all(2)), (3, all(2))]);
        assert_eq!(loads(&assign(&members, &Owners::new())), BTreeMap::from([(1, 1), (2, 1)]));
    }

    proptest! {
        #[test]
        fn all_are_owned_by_someone_who_takes_them_and_a_second_look_changes_nothing(
            takes in prop::collection::btree_map(1_i64..9, prop::collection::vec((1_i64..20).prop_map(PartitionId), 0..12), 0..7),
            before in prop::collection::btree_map((1_i64..20).prop_map(PartitionId), 1_i64..9, 0..20),
        ) {
            let owners = assign(&takes, &before);
            prop_assert_eq!(owners.keys().copied().collect::<Vec<_>>(), wanted(&takes));
            for (partition, member) in &owners {
                prop_assert!(takes[member].contains(partition));
            }
            prop_assert_eq!(assign(&takes, &owners), owners);
        }
    }
}
