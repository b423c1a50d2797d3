//! Repairing a store from itself.
//!
//! | Lost | Made again from | Kept if |
//! |---|---|---|
//! | any artifact | an artifact with the same SHA-256 elsewhere in the store | |
//! | a manifest, its archive, the signature of a MoM | one another | the SHA-256 is the indexed one |
//! | a delta between manifests, a loose delta | the manifests; a pack that carries it | the SHA-256 is the indexed one |
//! | a fullfile | a pack that contains the object | the SHA-256 is the indexed one |
//! | a pack | fullfiles, by the generator ([`Writer::restore`]) | the SHA-256 is the indexed one |
//! | an index, a record | the content, checked as when a tree is adopted | clients would accept the content |
//! | a pointer | its signature, or an earlier generation | the signature verifies |
//!
//! What was released never changes, so only the very bytes that were lost are put back: caches and clients in the
//! middle of a download may have parts of them, under an ETag that is their SHA-256. Compressors of other programs make
//! other bytes of the same object, and a pack made with its release has the times of a tree that is gone. Those are
//! used only if the maintainer asks for it ([`RepairOptions::equivalent`], [`Writer::replace`]): the fullfile or pack
//! then has a new SHA-256, which the record of the release notes. It is meant for stores without a backup: without it
//! endpoints get 503 permanently.
//!
//! Always true: damaged bytes are moved to `meta/damaged` before their place is taken, and nothing there is ever
//! deleted; a name always has a file in between; a repair that was interrupted at any moment continues when it is run
//! again.

mod aside;
mod encode;
mod index;
mod objects;
mod pointers;
mod restore;
mod siblings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clearwell_format::{Resource, Version};
use schemars::JsonSchema;
use serde::Serialize;

use crate::check::{CheckOptions, Finding, Severity};
use crate::verify::Anchors;
use crate::{ArtifactMeta, Digest, Layout, LayoutVersion, Store, StoreError, Writer};

/// Choices for [`repair`].
#[derive(Clone, Debug)]
pub struct RepairOptions {
    /// Accept a fullfile that unpacks to the same object but has other bytes, if the bytes that were lost cannot be
    /// made again.
    pub equivalent: bool,
    /// The options of the check, for its certificates.
    pub check: CheckOptions,
}

/// The outcome of a repair.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// The files that are sound again.
    pub repaired: Vec<Repaired>,
    /// Where damaged bytes were moved to, below the store's folder.
    pub aside: Vec<PathBuf>,
}

/// A file that is sound again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The file, below the store's folder.
    pub path: PathBuf,
    /// How.
    pub how: How,
}

/// How a file was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The released bytes were restored.
    SameBytes,
    /// It was replaced by other bytes that unpack to the same content; its SHA-256 is new (`--equivalent`).
    Equivalent,
    /// It was made again from the content, such as an index.
    FromContent,
    /// It was missing in the release and was added.
    Added,
}

/// Repairs the files that `findings` name, as far as the store itself has what is needed. What is not in
/// [`RepairReport::repaired`] is as damaged as before.
///
/// # Errors
/// Those of the disk ([`Fault::Disk`](crate::Fault::Disk)): [`StoreError::NoSpace`], [`StoreError::NotPermitted`],
/// [`StoreError::Io`]. Files that were repaired before stay repaired.
pub fn repair(writer: &mut Writer, findings: &[Finding], options: &RepairOptions) -> Result<RepairReport, StoreError> {
    let mut repair = Repair { writer, options, report: RepairReport::default(), changed_index: false };
    repair.folders(findings)?;
    repair.indexes(findings)?;
    repair.records(findings)?;
    let mut lost = repair.lost(findings);
    repair.siblings(&mut lost)?;
    repair.objects(&mut lost, findings)?;
    // What was made again may be what another file is made from.
    repair.siblings(&mut lost)?;
    repair.pointers(findings)?;
    if repair.changed_index {
        repair.renew_pointers()?;
    }
    Ok(repair.report)
}

/// Writes the layout stamp of a store that lost it. False, and nothing changed, for a folder that does not have the
/// other folders of a store.
///
/// # Errors
/// [`StoreError::NoSpace`], [`StoreError::NotPermitted`] or [`StoreError::Io`] if the stamp cannot be written.
pub fn restamp(root: &Path) -> Result<bool, StoreError> {
    let layout = Layout::new(root);
    if ![layout.content(), layout.records(), layout.indexes(), layout.staging()].iter().all(|folder| folder.is_dir()) {
        return Ok(false);
    }
    let store = Store::unstamped(layout);
    let (layout, disk) = (store.layout(), store.disk());
    let scratch = layout.staging().join("layout");
    disk.write_synced(&scratch, LayoutVersion::CURRENT.stamp().as_bytes())?;
    aside::replace(&store, &layout.stamp(), &scratch)?;
    Ok(true)
}

/// An artifact whose bytes are lost.
struct Lost {
    resource: Resource,
    version: Version,
    meta: ArtifactMeta,
}

/// One repair under way.
struct Repair<'a> {
    writer: &'a mut Writer,
    options: &'a RepairOptions,
    report: RepairReport,
    changed_index: bool,
}

impl Repair<'_> {
    fn anchors(&self) -> Anchors {
        let CheckOptions { anchors, fallback_anchors, .. } = &self.options.check;
        Anchors::of(self.writer.store(), anchors, fallback_anchors)
    }

    /// Makes the folders that are missing.
    fn folders(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        let (layout, disk) = (self.writer.store().layout(), self.writer.store().disk());
        for folder in layout.folders() {
            let is_it = |finding: &&Finding| layout.root().join(&finding.defect.path) == folder;
            if let Some(finding) = findings.iter().find(is_it).filter(|_| !folder.is_dir()) {
                disk.create_folder(&folder)?;
                disk.sync_folder(folder.parent().unwrap_or(layout.root()))?;
                self.report.repaired.push(Repaired { path: finding.defect.path.clone(), how: How::FromContent });
            }
        }
        Ok(())
    }

    /// The findings that are about the bytes of artifacts.
    fn lost(&self, findings: &[Finding]) -> Vec<Lost> {
        let store = self.writer.store();
        let lost = |finding: &Finding| {
            let resource = finding.defect.resource.clone().filter(|_| finding.defect.kind.is_lost_bytes())?;
            let Resource::Artifact { version, .. } = resource else { return None };
            let meta = store.lookup(&resource).ok().flatten()?;
            Some(Lost { resource, version, meta })
        };
        findings.iter().filter_map(lost).collect()
    }

    /// Stores the bytes if they are the ones that were lost.
    fn put_back(&mut self, lost: &Lost, bytes: &[u8]) -> Result<bool, StoreError> {
        let found = ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(bytes) };
        if found != lost.meta {
            return Ok(false);
        }
        self.place(&lost.resource, bytes, How::SameBytes)?;
        Ok(true)
    }

    /// Gives `bytes` the name of the resource.
    fn place(&mut self, resource: &Resource, bytes: &[u8], how: How) -> Result<(), StoreError> {
        let path = self.writer.store().path(resource);
        self.place_at(&path, bytes, how)
    }

    fn place_at(&mut self, path: &Path, bytes: &[u8], how: How) -> Result<(), StoreError> {
        let store = self.writer.store();
        let scratch = store.layout().staging().join("repair");
        store.disk().write_synced(&scratch, bytes)?;
        let aside = aside::replace(store, path, &scratch)?;
        let root = store.root().to_owned();
        let below = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_owned();
        self.report.aside.extend(aside.as_deref().map(below));
        self.report.repaired.push(Repaired { path: below(path), how });
        Ok(())
    }

    /// Begins a new generation of the same pointers, so that readers look at indexes again.
    fn renew_pointers(&self) -> Result<(), StoreError> {
        self.writer.store().refresh();
        crate::pointers::renew(self.writer.store().layout(), self.writer.store().disk())
    }
}

impl RepairReport {
    /// The findings that affect endpoints and were not repaired.
    pub fn left<'f>(&self, findings: &'f [Finding]) -> Vec<&'f Finding> {
        let repaired: BTreeSet<&Path> = self.repaired.iter().map(|repaired| repaired.path.as_path()).collect();
        let is_left = |finding: &&Finding| {
            finding.severity() == Severity::Damage && !repaired.contains(finding.defect.path.as_path())
        };
        findings.iter().filter(is_left).collect()
    }
}
