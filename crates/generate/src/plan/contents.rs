//! Which nodes of its list a bundle's manifest contains (manifest §5.2), and their sizes (manifest §5.7, §5.8).
//!
//! - A file or link: unless a bundle that is subtracted lists it.
//! - A directory: unless os-core lists it, or a bundle that is subtracted does and none of the bundle's own files
//!   is below it.
//! - Never what has an illegal name or is below such a directory. The reference keeps the children, and clients cannot
//!   install them (manifest §6 quirk 17).
//! - Never debug information, if it is banned. The reference leaves a random half of it (manifest §6 quirk 3).

use clearwell_format::{FileKind, Variant};

use super::mix::Mix;
use super::node_set::NodeSet;
use crate::inputs::{BundleInput, DebuginfoBan, Inputs, Listed, Warning};
use crate::tree::{NodeId, Tree};

/// What goes into one manifest.
pub(super) struct Contents {
    /// What the manifest may list: everything but directories and links below the prefixes of optimised builds.
    pub(super) listed: Vec<Listed>,
    /// How many more the reference counts in `filecount:` (manifest §5.8): the directories and links left out of
    /// `listed`.
    pub(super) uncounted: usize,
    /// `contentsize:`, which counts what the ban removes (manifest §5.7).
    pub(super) size: u64,
}

/// What the contents of all bundles are chosen from.
pub(super) struct Selection<'a> {
    tree: &'a Tree,
    debuginfo: &'a DebuginfoBan,
    /// The list of each bundle of the mix.
    lists: Vec<NodeSet>,
    illegal: NodeSet,
    os_core: usize,
}

impl<'a> Selection<'a> {
    pub(super) fn new(inputs: &'a Inputs, mix: &Mix<'_>, warnings: &mut Vec<Warning>) -> Self {
        let tree = &inputs.tree;
        let lists = mix
            .bundles
            .iter()
            .map(|bundle| {
                let mut list = NodeSet::of(tree);
                for listed in &bundle.input.files {
                    list.insert(listed.node);
                }
                list
            })
            .collect();
        let mut illegal = NodeSet::of(tree);
        // Parents sort before their children, so one pass carries the mark down.
        for (id, node) in tree.nodes() {
            if tree.parent(id).is_some_and(|parent| illegal.contains(parent)) {
                illegal.insert(id);
            } else if node.path.base_name().iter().any(|byte| ILLEGAL.contains(byte)) {
                illegal.insert(id);
                warnings.push(Warning::IllegalName { path: node.path.clone() });
            }
            if node.kind() == FileKind::Link && is_optimised(tree, id) {
                warnings.push(Warning::OptimisedLink { path: node.path.clone() });
            }
        }
        Self { tree, debuginfo: &inputs.debuginfo, lists, illegal, os_core: mix.os_core }
    }

    /// The contents of the bundle at `place` of the mix.
    pub(super) fn bundle(&self, mix: &Mix<'_>, place: usize) -> Contents {
        let bundle = &mix.bundles[place];
        let mut inherited = NodeSet::of(self.tree);
        for &other in &bundle.subtracts {
            inherited.unite(&self.lists[other]);
        }
        let used = self.used_directories(bundle.input, place);
        let of_os_core = |node| place != self.os_core && self.lists[self.os_core].contains(node);
        self.keep(bundle.input.files.iter().copied().filter(|listed| match self.tree.node(listed.node).kind() {
            FileKind::Directory => {
                !of_os_core(listed.node) && (used.contains(listed.node) || !inherited.contains(listed.node))
            }
            FileKind::File | FileKind::Link => !inherited.contains(listed.node),
        }))
    }

    /// The contents of `Manifest.full`: the whole tree.
    pub(super) fn full(&self) -> Contents {
        self.keep(self.tree.nodes().map(|(node, _)| Listed { node, exported: false }))
    }

    /// True if os-core lists the node.
    pub(super) fn is_in_os_core(&self, node: NodeId) -> bool {
        self.lists[self.os_core].contains(node)
    }

    /// Directories that contain a file of the list, also one that is subtracted, reached through directories of the list.
    fn used_directories(&self, bundle: &BundleInput, place: usize) -> NodeSet {
        let mut used = NodeSet::of(self.tree);
        for listed in &bundle.files {
            if self.tree.node(listed.node).kind() == FileKind::Directory {
                continue;
            }
            let mut next = self.tree.parent(listed.node);
            while let Some(directory) = next {
                if !self.lists[place].contains(directory) || !used.insert(directory) {
                    break;
                }
                next = self.tree.parent(directory);
            }
        }
        used
    }

    fn keep(&self, candidates: impl Iterator<Item = Listed>) -> Contents {
        let mut contents = Contents { listed: Vec::new(), uncounted: 0, size: 0 };
        for listed in candidates.filter(|listed| !self.illegal.contains(listed.node)) {
            let node = self.tree.node(listed.node);
            contents.size += node.size();
            if self.debuginfo.bans(&node.path) {
                continue;
            }
            if node.kind() != FileKind::File && is_optimised(self.tree, listed.node) {
                contents.uncounted += 1;
            } else {
                contents.listed.push(listed);
            }
        }
        contents
    }
}

fn is_optimised(tree: &Tree, node: NodeId) -> bool {
    Variant::split(tree.node(node).path.as_bytes()).0 != Variant::Sse
}

/// What a name may not contain (manifest §5.2). A slash is on the reference's list too, and is in no name.
const ILLEGAL: &[u8] = b";&|*`<>\\\"'\x07";
