//! A set of nodes of one tree, one bit each: sets of half a million nodes are united in microseconds.

use crate::tree::{NodeId, Tree};

/// A set of nodes of one tree.
#[derive(Clone, Debug)]
pub(super) struct NodeSet(Vec<u64>);

impl NodeSet {
    /// The empty set of nodes of `tree`.
    pub(super) fn of(tree: &Tree) -> Self {
        Self(vec![0; tree.len().div_ceil(64)])
    }

    pub(super) fn contains(&self, node: NodeId) -> bool {
        let (word, bit) = place(node);
        self.0[word] & bit != 0
    }

    /// True if the node was not in the set.
    pub(super) fn insert(&mut self, node: NodeId) -> bool {
        let (word, bit) = place(node);
        let before = self.0[word];
        self.0[word] |= bit;
        before & bit == 0
    }

    pub(super) fn unite(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

const fn place(node: NodeId) -> (usize, u64) {
    (node.index() / 64, 1 << (node.index() % 64))
}
