//! One manifest of the release, before it is decided whether it is released: header and entries.

use std::sync::Arc;

use clearwell_format::{BundleName, FileHash, Header, Manifest, Version};

use super::contents::Contents;
use super::entry_versions::{EntryVersions, OldDeletions};
use super::header::{self, Heading};
use super::variants::{self, Placed};
use super::{PlanError, PlannedManifest};
use crate::inputs::Release;
use crate::tree::{NodeId, Tree};

/// A manifest that may or may not be released.
pub(super) struct Draft {
    pub(super) header: Header,
    pub(super) entries: Vec<Placed>,
    /// True if files, includes or also-adds differ from the manifest before, or there is none.
    pub(super) changed: bool,
}

impl Draft {
    pub(super) fn new(
        tree: &Tree,
        heading: Heading<'_>,
        contents: &Contents,
        before: Option<&Manifest>,
        release: &Release,
        deletions: OldDeletions,
    ) -> Result<Self, PlanError> {
        let versioned = EntryVersions::compare(tree, contents, before, release, deletions);
        // A format that cannot state an also-add must not compare it either: the reference releases such a bundle
        // again and again (manifest §6.1 quirk 22).
        let also_add = if release.format.has_also_add() { heading.also_add } else { Vec::new() };
        let same_heading = before
            .is_some_and(|before| before.header.includes == heading.includes && before.header.also_add == also_add);
        let changed = versioned.changed || !same_heading;
        let (name, files) = (heading.name, (versioned.lines.len() + contents.uncounted) as u64);
        let header = header::of_files(Heading { also_add, ..heading }, files, contents.size, before, release)?;
        let entries = variants::entries(versioned.lines, release.version).map_err(|missing| PlanError::NoBaseline {
            bundle: name.to_owned(),
            path: String::from_utf8_lossy(&missing.0).into_owned(),
        })?;
        Ok(Self { header, entries, changed })
    }

    /// Versions of the nodes that the manifest lists.
    pub(super) fn versions(&self) -> impl Iterator<Item = (NodeId, Version)> {
        self.entries.iter().filter_map(|placed| Some((placed.node?, placed.entry.version)))
    }

    /// Raises the versions of nodes to at least `floor`.
    pub(super) fn raise(&mut self, floor: impl Fn(NodeId) -> Option<Version>) {
        for placed in &mut self.entries {
            if let Some(floor) = placed.node.and_then(&floor) {
                placed.entry.version = placed.entry.version.max(floor);
            }
        }
        variants::sort(&mut self.entries);
    }

    /// The manifest as it is, with nothing left out.
    pub(super) fn into_manifest(self) -> Manifest {
        Manifest::new(self.header, self.entries.into_iter().map(|placed| placed.entry).collect())
    }

    /// The manifest of a bundle, hashed.
    pub(super) fn into_bundle(mut self, bundle: BundleName) -> Result<PlannedManifest, PlanError> {
        if self.header.file_count == 0 {
            return Err(PlanError::EmptyBundle(bundle));
        }
        if let Some(largest) = self.header.format.largest_content_size() {
            self.header.content_size = self.header.content_size.min(largest);
        }
        let manifest = self.into_manifest();
        let hash = FileHash::of_manifest(&manifest.to_bytes());
        Ok(PlannedManifest { bundle, manifest: Arc::new(manifest), hash })
    }
}
