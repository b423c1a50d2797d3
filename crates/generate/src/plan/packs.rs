//! What each pack holds (packs 3).

use clearwell_format::{BundleName, FileHash, Version};

use crate::tree::NodeId;

/// One pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackPlan {
    /// The bundle.
    pub bundle: BundleName,
    /// The bundle's version, whose folder the pack lies in.
    pub to: Version,
    /// The bundle's old version; `None` for the pack of new installations.
    pub from: Option<Version>,
    /// What it holds, each hash once, in the order of the manifest. Never empty.
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
    /// Nowhere: it is the empty file, 0644 and of root, that tracks the index bundle (content layout 7).
    EmptyFile,
}
