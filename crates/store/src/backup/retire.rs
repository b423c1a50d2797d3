//! What the original does not have any more: staged releases that were discarded, and what was collected.

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::snapshot::Snapshot;
use super::version::{Original, common, is_staged};
use super::{Copying, Stop};
use crate::listing::list;
use crate::{StoreError, pointers};

impl Copying<'_> {
    /// Removes staged releases that the original does not have, and with `prune` everything else. Nothing goes while
    /// anything is wrong with the original: it may be what was lost.
    pub(super) fn retire(&mut self, snapshot: &Snapshot, prune: bool) -> Result<(), StoreError> {
        self.to.refresh();
        let damage = self.damage.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let may_remove = damage.is_empty() && !self.report.pointers_held;
        for version in self.to.contents()?.into_iter().filter(|version| !snapshot.members.contains_key(version)) {
            let goes = may_remove && (is_staged(self.to, version) || (prune && !self.has_traces(version)));
            if goes { &mut self.report.removed } else { &mut self.report.kept }.push(version);
        }
        if !may_remove {
            return Ok(());
        }
        // All records first: releases that go need files of each other.
        self.report.removed.iter().try_for_each(|version| self.forget(*version))?;
        let originals = if prune { self.originals(snapshot)? } else { Vec::new() };
        originals.iter().try_for_each(|(version, original)| self.demote(*version, original))?;
        self.to.refresh();
        for found in list(&self.to.layout().indexes())? {
            // Those above, and what an interrupted backup has left of others.
            if let Some(version) = found.name.parse().ok().filter(|version| !self.to.has_content(*version)) {
                self.drop_version(version)?;
            }
        }
        self.shrink(&originals)
    }

    /// The versions of the original, but for those that were replaced meanwhile: the next backup follows.
    fn originals(&self, snapshot: &Snapshot) -> Result<Vec<(Version, Original)>, StoreError> {
        let mut originals = Vec::new();
        for (version, member) in &snapshot.members {
            match self.original(*version, member) {
                Ok(original) => originals.extend(original.map(|original| (*version, original))),
                Err(Stop::Changed) => {}
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(originals)
    }

    /// True for a version whose record was lost: a collection leaves neither index nor folder behind.
    fn has_traces(&self, version: Version) -> bool {
        let layout = self.from.layout();
        layout.index(version).exists() || layout.release_folder(version).exists()
    }

    /// Leaves of each version what the original has.
    fn shrink(&mut self, originals: &[(Version, Original)]) -> Result<(), StoreError> {
        let mut is_changed = false;
        for (version, original) in originals {
            let present = self.present(*version)?;
            let left = common(&present.artifacts, original);
            is_changed |= self.install(*version, original, &present, &left, original.kind())?;
        }
        if is_changed {
            // Servers of the copy read the indexes again.
            pointers::renew(self.to.layout(), self.to.disk())?;
            self.report.generation = self.to.generation()?;
        }
        originals.iter().try_for_each(|(version, _)| self.remove_strays(*version))
    }

    /// Removes artifacts that the index does not name.
    fn remove_strays(&self, version: Version) -> Result<(), StoreError> {
        let (Ok(index), folder) = (self.to.index(version), self.to.layout().release_folder(version)) else {
            return Ok(());
        };
        let mut found = Vec::new();
        for folder in [folder.clone(), folder.join("files"), folder.join("delta")] {
            if folder.is_dir() {
                found.extend(list(&folder)?);
            }
        }
        for found in found.into_iter().filter(|found| !found.is_folder) {
            let name = found.path.strip_prefix(&folder).ok().and_then(std::path::Path::to_str);
            if let Some(artifact) = name.and_then(Artifact::from_path)
                && index.get(&artifact)?.is_none()
            {
                self.to.disk().remove(&found.path)?;
            }
        }
        Ok(())
    }
}
