//! The tree against the vectors of the certificate-transparency project, and its proofs over all small sizes.

use hansard_tlog::{
    Disproved, Hash, Head, Leaf, Tree, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const SIZES_MAX: usize = 128;

/// The eight leaves of the certificate-transparency test tree, and the root after each.
const KNOWN: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut tree = Tree::default();
    assert_eq!(hex(&tree.root()), EMPTY);
    for (data, expected) in KNOWN {
        tree.push(leaf_hash(&unhex(data)));
        assert_eq!(hex(&tree.root()), expected, "after {} leaves", tree.size());
    }
}

#[test]
fn inclusion_proofs_are_those_of_certificate_transparency() {
    let check = |size: usize, index: usize, expected: &[&str]| {
        let proof = inclusion_proof(&known(size), index).expect("within the tree");
        assert_eq!(proof.iter().map(hex).collect::<Vec<_>>(), expected, "leaf {index} of {size}");
    };
    check(1, 0, &[]);
    check(
        8,
        0,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        8,
        5,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(3, 2, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
}

#[test]
fn consistency_proofs_are_those_of_certificate_transparency() {
    let check = |old: usize, new: usize, expected: &[&str]| {
        let proof = consistency_proof(&known(new), old).expect("within the tree");
        assert_eq!(proof.iter().map(hex).collect::<Vec<_>>(), expected, "from {old} to {new}");
    };
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn the_growing_tree_is_the_tree_of_the_definition() {
    for size in 0..=SIZES_MAX {
        let leaves = leaves(size);
        assert_eq!(root(&leaves), by_definition(&leaves), "{size} leaves");
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_only_at_its_place() {
    for size in 1..=SIZES_MAX {
        let leaves = leaves(size);
        let head = head(&leaves);
        for (index, hash) in leaves.iter().enumerate() {
            let proof = inclusion_proof(&leaves, index).expect("within the tree");
            let leaf = Leaf { index: index as u64, hash: *hash };
            assert_eq!(verify_inclusion(&head, &leaf, &proof), Ok(()), "leaf {index} of {size}");
            let beside = Leaf { index: leaf.index ^ 1, ..leaf };
            assert!(verify_inclusion(&head, &beside, &proof).is_err() || size == 1, "leaf {index} of {size}");
        }
    }
}

#[test]
fn every_small_tree_is_consistent_with_each_before_it() {
    let leaves = leaves(SIZES_MAX);
    let heads: Vec<Head> = (0..=SIZES_MAX).map(|size| head(&leaves[..size])).collect();
    for size in 0..=SIZES_MAX {
        for old_size in 0..=size {
            let proof = consistency_proof(&leaves[..size], old_size).expect("within the tree");
            let verified = verify_consistency(&heads[old_size], &heads[size], &proof);
            assert_eq!(verified, Ok(()), "from {old_size} to {size}");
        }
    }
}

#[test]
fn what_is_not_in_the_tree_cannot_be_asked_for() {
    let leaves = leaves(3);
    assert_eq!(inclusion_proof(&leaves, 3).expect_err("no leaf 3").to_string(), "the tree has 3 leaves; there is no 3");
    assert!(inclusion_proof(&[], 0).is_err());
    assert!(consistency_proof(&leaves, 4).is_err());
    let (small, big) = (head(&leaves[..2]), head(&leaves));
    assert_eq!(verify_consistency(&big, &small, &[]), Err(Disproved::Range));
    let leaf = Leaf { index: 3, hash: leaves[2] };
    assert_eq!(verify_inclusion(&big, &leaf, &[]), Err(Disproved::Range));
}

#[test]
fn an_empty_tree_is_consistent_with_all_but_only_as_the_empty_tree() {
    let new = head(&leaves(5));
    assert_eq!(verify_consistency(&head(&[]), &new, &[]), Ok(()));
    let forged = Head { size: 0, root: new.root };
    assert_eq!(verify_consistency(&forged, &new, &[]), Err(Disproved::Root));
    assert_eq!(verify_consistency(&head(&[]), &new, &[new.root]), Err(Disproved::Length));
    assert_eq!(verify_consistency(&new, &new, &[new.root]), Err(Disproved::Length));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_inclusion_proof_proves_nothing(size in 2_usize..600, at in any::<prop::sample::Index>(), change in change()) {
        let leaves = leaves(size);
        let index = at.index(size);
        let leaf = Leaf { index: index as u64, hash: leaves[index] };
        let proof = inclusion_proof(&leaves, index).expect("within the tree");
        prop_assert_eq!(verify_inclusion(&head(&leaves), &leaf, &proof), Ok(()));
        prop_assert!(verify_inclusion(&head(&leaves), &leaf, &change.of(&proof)).is_err());
        let other = Head { size: size as u64, root: change.of(&[root(&leaves)])[0] };
        prop_assert!(other.root == root(&leaves) || verify_inclusion(&other, &leaf, &proof).is_err());
        let changed = Leaf { hash: leaf_hash(b"another"), ..leaf };
        prop_assert_eq!(verify_inclusion(&head(&leaves), &changed, &proof), Err(Disproved::Root));
    }

    #[test]
    fn a_changed_consistency_proof_proves_nothing(size in 2_usize..600, at in any::<prop::sample::Index>(), change in change()) {
        let leaves = leaves(size);
        let old_size = 1 + at.index(size - 1);
        let (old, new) = (head(&leaves[..old_size]), head(&leaves));
        let proof = consistency_proof(&leaves, old_size).expect("within the tree");
        prop_assert_eq!(verify_consistency(&old, &new, &proof), Ok(()));
        prop_assert!(verify_consistency(&old, &new, &change.of(&proof)).is_err());
    }

    #[test]
    fn a_rewritten_past_is_found(size in 2_usize..600, at in any::<prop::sample::Index>()) {
        let before = leaves(size);
        let old_size = 1 + at.index(size - 1);
        let mut after = before.clone();
        after[at.index(old_size)] = leaf_hash(b"rewritten");
        let (old, new) = (head(&before[..old_size]), head(&after));
        let proof = consistency_proof(&after, old_size).expect("within the tree");
        prop_assert!(verify_consistency(&old, &new, &proof).is_err());
    }

    #[test]
    fn proofs_of_anything_are_refused_without_a_panic(
        sizes in any::<(u64, u64, u64)>(),
        proof in prop::collection::vec(any::<Hash>(), 0..70),
    ) {
        let (old, new) = (Head { size: sizes.0, root: [1; 32] }, Head { size: sizes.1, root: [2; 32] });
        let leaf = Leaf { index: sizes.2, hash: [3; 32] };
        prop_assert!(verify_inclusion(&new, &leaf, &proof).is_err());
        prop_assert!(verify_consistency(&old, &new, &proof).is_err());
    }
}

/// What somebody may do to a proof that has at least one hash.
#[derive(Clone, Copy, Debug)]
enum Change {
    CutLast,
    CutFirst,
    Extend,
    Flip(usize),
}

impl Change {
    fn of(self, proof: &[Hash]) -> Vec<Hash> {
        let mut changed = proof.to_vec();
        match self {
            Change::CutLast if proof.len() > 1 => drop(changed.pop()),
            Change::CutFirst if proof.len() > 1 => drop(changed.remove(0)),
            Change::CutLast | Change::CutFirst | Change::Extend => changed.push([7; 32]),
            Change::Flip(at) => changed[at % proof.len()][at % 32] ^= 1 << (at % 8),
        }
        changed
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::CutLast),
        Just(Change::CutFirst),
        Just(Change::Extend),
        any::<usize>().prop_map(Change::Flip)
    ]
}

fn leaves(size: usize) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn known(size: usize) -> Vec<Hash> {
    KNOWN[..size].iter().map(|(data, _)| leaf_hash(&unhex(data))).collect()
}

fn head(leaves: &[Hash]) -> Head {
    Head { size: leaves.len() as u64, root: root(leaves) }
}

/// RFC 6962 2.1, word for word.
fn by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let half =
                (0..).map(|power| 1 << power).take_while(|half| *half < leaves.len()).last().expect("two leaves");
            let (left, right) = leaves.split_at(half);
            let children = [&[1_u8][..], &by_definition(left), &by_definition(right)].concat();
            Sha256::digest(children).into()
        }
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}
