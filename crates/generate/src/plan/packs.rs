//! The contents of each pack (packs §3).
//!
//! A zero pack contains every present entry of the bundle's manifest. An update pack contains what a client with the old
//! manifest lacks: every entry whose path had another hash, or none. The reference leaves out what
//! the old manifest has under another path, and most baselines of optimised builds; clients then fetch those
//! individually.
//!
//! A client keeps one build of a path, and which one depends on the builds there are. So of a path with optimised
//! builds an update pack contains all, as soon as one differs.

use std::collections::{HashMap, HashSet};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, EntryPath, FileHash, Manifest, Modifier, Owner, Version};

use super::ReleaseManifests;
use crate::tree::{NodeId, Tree};

/// One pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackPlan {
    /// The bundle.
    pub bundle: BundleName,
    /// The bundle's version, whose folder the pack is in.
    pub to: Version,
    /// The bundle's old version; `None` for the zero pack.
    pub from: Option<Version>,
    /// Its objects, each hash once, in the order of the manifest. Never empty.
    pub items: Vec<PackItem>,
}

/// One object of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackItem {
    /// Its hash.
    pub hash: FileHash,
    /// Where its content is found.
    pub origin: Origin,
}

/// Where the content of an object is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the tree of the release that is being made.
    Tree(NodeId),
    /// In the store: the fullfile of this version's folder.
    Fullfile(Version),
    /// Nowhere: it is the empty file, 0644 and of root, that tracks the index bundle (content layout §7).
    EmptyFile,
}

/// Finds the content of objects by hash.
#[derive(Debug, Default)]
pub struct Origins {
    nodes: HashMap<FileHash, NodeId>,
}

impl Origins {
    /// The contents of a tree. Of equal nodes the first by path counts.
    pub fn of(tree: &Tree) -> Self {
        let mut nodes = HashMap::with_capacity(tree.len());
        for (id, node) in tree.nodes() {
            nodes.entry(node.hash).or_insert(id);
        }
        Self { nodes }
    }

    /// Where the content of a manifest's entry is found.
    pub fn find(&self, entry: &Entry) -> Origin {
        match self.nodes.get(&entry.hash()) {
            Some(&node) => Origin::Tree(node),
            None if entry.hash() == FileHash::of_file(b"", Owner::MANIFEST) => Origin::EmptyFile,
            None => Origin::Fullfile(entry.version),
        }
    }
}

impl PackPlan {
    /// The zero pack of a bundle; `None` if the bundle has nothing to install.
    pub fn zero(bundle: &BundleName, manifest: &Manifest, origins: &Origins) -> Option<Self> {
        Self::new(bundle, manifest, None, manifest.present(), origins)
    }

    /// The pack from one version of a bundle to a later one; `None` if clients lack nothing.
    pub fn update(bundle: &BundleName, old: &Manifest, new: &Manifest, origins: &Origins) -> Option<Self> {
        let lacking = lacking(old, new);
        let needed = new.present().filter(|entry| lacking.contains(&entry.path));
        Self::new(bundle, new, Some(old.header.version), needed, origins)
    }

    /// The name of the pack.
    pub fn artifact(&self) -> Artifact {
        Artifact::Pack { bundle: self.bundle.clone(), from: self.from }
    }

    fn new<'a>(
        bundle: &BundleName,
        manifest: &Manifest,
        from: Option<Version>,
        entries: impl Iterator<Item = &'a Entry>,
        origins: &Origins,
    ) -> Option<Self> {
        let mut seen = HashSet::new();
        let items: Vec<PackItem> = entries
            .filter(|entry| seen.insert(entry.hash()))
            .map(|entry| PackItem { hash: entry.hash(), origin: origins.find(entry) })
            .collect();
        (!items.is_empty()).then(|| Self { bundle: bundle.clone(), to: manifest.header.version, from, items })
    }
}

/// The packs that carry clients from `old` to `new`, one for each bundle that is in both and differs. A bundle that is
/// new needs only its zero pack.
pub fn updates(old: &ReleaseManifests, new: &ReleaseManifests, origins: &Origins) -> Vec<PackPlan> {
    let mut packs = Vec::new();
    for (bundle, manifest) in &new.bundles {
        let Some(before) = old.bundles.get(bundle) else { continue };
        if before.header.version < manifest.header.version {
            packs.extend(PackPlan::update(bundle, before, manifest, origins));
        }
    }
    packs
}

/// The paths of `new` whose builds are not those of `old`.
fn lacking<'a>(old: &Manifest, new: &'a Manifest) -> HashSet<&'a EntryPath> {
    let (old, new) = (builds(old), builds(new));
    let mut lacking = HashSet::new();
    for builds in new.chunk_by(|a, b| a.0 == b.0) {
        let path = builds[0].0;
        let start = old.partition_point(|build| build.0 < path);
        let before = old[start..].iter().take_while(|build| build.0 == path);
        if !before.eq(builds) {
            lacking.insert(path);
        }
    }
    lacking
}

fn builds(manifest: &Manifest) -> Vec<(&EntryPath, Modifier, FileHash)> {
    let mut builds: Vec<_> = manifest.present().map(|entry| (&entry.path, entry.modifier, entry.hash())).collect();
    builds.sort_unstable();
    builds
}
