//! RFC 6962: the Merkle tree hash, inclusion and consistency proofs, small enough for an auditor to read.
//!
//! A tree of n > 1 leaves splits at the largest power of two below n. [`Tree`] takes leaves one by one and knows the root
//! at any time in memory that grows with the logarithm of their number; proofs are made from all leaf hashes and checked
//! from two heads alone, by the algorithms of RFC 9162 (2.1.3.2 and 2.1.4.2), which say the same in loops.
//!
//! This room refuses to know what the leaves mean, and to do IO.

use sha2::{Digest, Sha256};

/// A SHA-256 hash of a leaf or node.
pub type Hash = [u8; 32];

/// What a tree was at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
}

/// A leaf and its place, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub index: u64,
    pub hash: Hash,
}

/// No proof of that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has {size} leaves; there is no {asked}")]
pub struct OutOfRange {
    size: usize,
    asked: usize,
}

/// A proof that proves nothing: it, or what it is held against, is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disproved {
    #[error("the tree is too small for what is claimed of it")]
    Range,
    #[error("the proof has too many or too few hashes")]
    Length,
    #[error("the proof leads to another root")]
    Root,
}

/// Hash of a leaf's data; the prefix keeps it apart from every node.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The Merkle tree hash over leaf hashes; of no leaves, the hash of the empty string.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// The siblings on the way from leaf `index` up to the root.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Result<Vec<Hash>, OutOfRange> {
    if index >= leaves.len() {
        return Err(OutOfRange { size: leaves.len(), asked: index });
    }
    Ok(path(leaves, index))
}

/// What shows that the tree of the first `old_size` leaves was never changed, only added to.
pub fn consistency_proof(leaves: &[Hash], old_size: usize) -> Result<Vec<Hash>, OutOfRange> {
    if old_size > leaves.len() {
        return Err(OutOfRange { size: leaves.len(), asked: old_size });
    }
    if old_size == 0 || old_size == leaves.len() {
        return Ok(Vec::new());
    }
    Ok(subproof(leaves, old_size, true))
}

/// Is `leaf` in the tree that has this head?
pub fn verify_inclusion(head: &Head, leaf: &Leaf, proof: &[Hash]) -> Result<(), Disproved> {
    if leaf.index >= head.size {
        return Err(Disproved::Range);
    }
    let (mut index, mut last) = (leaf.index, head.size - 1);
    let mut hash = leaf.hash;
    for sibling in proof {
        if last == 0 {
            return Err(Disproved::Length);
        }
        if is_right(index) || index == last {
            hash = node_hash(sibling, &hash);
            skip_lone_levels(&mut index, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    settle(last, hash == head.root)
}

/// Is the tree of `new` the tree of `old` with nothing but leaves added?
pub fn verify_consistency(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), Disproved> {
    if old.size > new.size {
        return Err(Disproved::Range);
    }
    if old.size == 0 || old.size == new.size {
        let old_root = if old.size == 0 { root(&[]) } else { new.root };
        return if proof.is_empty() { settle(0, old.root == old_root) } else { Err(Disproved::Length) };
    }
    // An old tree that is complete is itself the first node of the proof, and is left out of it.
    let (start, rest) = match old.size.is_power_of_two() {
        true => (old.root, proof),
        false => proof.split_first().map(|(first, rest)| (*first, rest)).ok_or(Disproved::Length)?,
    };
    climb(old, new, start, rest)
}

fn climb(old: &Head, new: &Head, start: Hash, proof: &[Hash]) -> Result<(), Disproved> {
    let (mut index, mut last) = (old.size - 1, new.size - 1);
    while is_right(index) {
        (index, last) = (index >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in proof {
        if last == 0 {
            return Err(Disproved::Length);
        }
        if is_right(index) || index == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_lone_levels(&mut index, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    settle(last, old_hash == old.root && new_hash == new.root)
}

/// The last node of a level with an odd number of nodes has no sibling; it is its own parent.
fn skip_lone_levels(index: &mut u64, last: &mut u64) {
    while !is_right(*index) && *index != 0 {
        (*index, *last) = (*index >> 1, *last >> 1);
    }
}

fn settle(last: u64, roots_agree: bool) -> Result<(), Disproved> {
    match (last, roots_agree) {
        (0, true) => Ok(()),
        (0, false) => Err(Disproved::Root),
        _ => Err(Disproved::Length),
    }
}

fn is_right(index: u64) -> bool {
    index & 1 == 1
}

/// RFC 6962 2.1.1: PATH.
fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = match index.checked_sub(left.len()) {
        None => (path(left, index), right),
        Some(index) => (path(right, index), left),
    };
    proof.push(root(sibling));
    proof
}

/// RFC 6962 2.1.2: SUBPROOF. `known` while the old tree is the left edge of what is left, so its root needs no hash.
fn subproof(leaves: &[Hash], old_size: usize, known: bool) -> Vec<Hash> {
    if old_size == leaves.len() {
        return if known { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = match old_size.checked_sub(left.len()) {
        None | Some(0) => (subproof(left, old_size, known), right),
        Some(old_size) => (subproof(right, old_size, false), left),
    };
    proof.push(root(sibling));
    proof
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows: of its leaves it keeps the roots of the complete subtrees from left to right, one for each bit that
/// is set in its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // As in counting: each bit that carries joins two subtrees of one size.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a peak for each bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root() }
    }
}
