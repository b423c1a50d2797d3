//! Every file against the index, and what is inside it.

use std::io;
use std::path::Path;

use clearwell_format::resource::Artifact;
use clearwell_format::{Resource, Version};

use super::Run;
use crate::fan_out::fan_out;
use crate::progress::{Meter, Phase};
use crate::verify::{ArtifactInspector, Defect, DefectKind, Rules, StoreBases, against_index};
use crate::{ArtifactMeta, Digest, Index, StoreError};

/// Artifacts that one thread checks together.
struct Block {
    number: usize,
    artifacts: Vec<(Artifact, ArtifactMeta)>,
}

/// What was found in a block.
#[derive(Default)]
struct CheckedBlock {
    defects: Vec<Defect>,
    artifacts: u64,
    bytes: u64,
    resumed: u64,
    unapplied: u64,
}

impl Run<'_> {
    pub(super) fn artifacts(&mut self) -> Result<(), StoreError> {
        let versions = self.store.contents()?;
        let bases = StoreBases { store: self.store, versions: versions.clone() };
        let meter = Meter::begin(self.progress, Phase::Read, 0, 0);
        for index in versions.iter().filter_map(|version| self.store.index(*version).ok()) {
            index.iter().flatten().for_each(|(_, meta)| meter.expect(1, meta.size));
        }
        for version in versions.iter().copied() {
            match self.store.index(version) {
                Err(StoreError::UnknownVersion { .. }) => {}
                opened => {
                    let checked = opened.and_then(|index| self.version(version, &index, &bases, &meter));
                    if let Err(StoreError::Cancelled) = checked {
                        return checked;
                    } else if let Err(error) = checked {
                        let path = self.store.layout().index(version);
                        self.find(Defect::of_file(&path, self.store.layout(), error.into()));
                    }
                }
            }
            meter.go_on()?;
            self.report.versions += 1;
        }
        meter.finish();
        Ok(())
    }

    /// # Errors
    /// [`StoreError::Cancelled`], and [`StoreError::IndexDamaged`] if the index cannot be read.
    fn version(
        &mut self,
        version: Version,
        index: &Index,
        bases: &StoreBases<'_>,
        meter: &Meter<'_>,
    ) -> Result<(), StoreError> {
        let blocks = blocks(index)?;
        let format = self.store.record(version).ok().map(|record| record.format);
        let rules = Rules::new(version, bases);
        let (throttle, large) = (&self.throttle, &self.large);
        let inspector = ArtifactInspector { version, format, bases, rules: &rules, throttle, large, meter };
        let results = fan_out(&blocks, self.options.jobs, |block| self.block(&inspector, block, index.digest()))?;
        for checked in results {
            self.report.artifacts += checked.artifacts;
            self.report.bytes += checked.bytes;
            self.report.resumed += checked.resumed;
            self.report.unapplied += checked.unapplied;
            checked.defects.into_iter().for_each(|defect| self.find(defect));
        }
        Ok(())
    }

    fn block(
        &self,
        inspector: &ArtifactInspector<'_>,
        block: &Block,
        index: Digest,
    ) -> Result<CheckedBlock, StoreError> {
        let version = inspector.version;
        let mut checked = CheckedBlock::default();
        if self.journal.has(version, index, block.number) {
            checked.resumed = block.artifacts.len() as u64;
            block.artifacts.iter().for_each(|(_, meta)| inspector.meter.advance(1, meta.size));
            return Ok(checked);
        }
        for (artifact, meta) in &block.artifacts {
            self.progress.go_on()?;
            match self.artifact(inspector, artifact, *meta) {
                Ok(unapplied) => checked.unapplied += unapplied,
                Err(kind) => checked.defects.push(Defect::in_store(Resource::of(version, artifact.clone()), kind)),
            }
            checked.artifacts += 1;
            checked.bytes += meta.size;
        }
        if checked.defects.is_empty() {
            self.journal.note(version, index, block.number);
        }
        Ok(checked)
    }

    /// The number of deltas in it whose base the store does not have, or what is wrong.
    fn artifact(
        &self,
        inspector: &ArtifactInspector<'_>,
        artifact: &Artifact,
        expected: ArtifactMeta,
    ) -> Result<u64, DefectKind> {
        let resource = Resource::of(inspector.version, artifact.clone());
        let path = self.store.path(&resource);
        if let Some(verdict) = self.without_reading(&resource, &path, expected.size) {
            inspector.meter.advance(1, expected.size);
            return verdict;
        }
        if !self.options.contents {
            let found = inspector.measure(&path, expected.size).map_err(DefectKind::Unreadable)?;
            return against_index(expected, found).map(|()| 0);
        }
        let inspection = inspector.inspect(artifact, &path);
        // Bytes that are not those that were stored explain whatever is wrong inside.
        inspection.meta.map_or(Ok(()), |found| against_index(expected, found))?;
        Ok(inspection.contents?.unapplied)
    }

    /// The verdict where the bytes need not be read.
    fn without_reading(&self, resource: &Resource, path: &Path, size: u64) -> Option<Result<u64, DefectKind>> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => Some(Err(DefectKind::Unreadable(io::Error::other("it is not a file")))),
            Ok(found) if found.len() != size => Some(Err(DefectKind::Size { expected: size, found: found.len() })),
            Ok(_) => None,
            Err(error) if is_absent(&error) && self.was_collected(resource) => Some(Ok(0)),
            Err(error) if is_absent(&error) => Some(Err(DefectKind::Missing)),
            Err(error) => Some(Err(DefectKind::Unreadable(error))),
        }
    }

    /// True if the current index does not name it: a collection has run meanwhile.
    fn was_collected(&self, resource: &Resource) -> bool {
        self.store.refresh();
        matches!(self.store.lookup(resource), Ok(None))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The artifacts of a version, in portions of like cost.
fn blocks(index: &Index) -> Result<Vec<Block>, StoreError> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut bytes = 0;
    for entry in index.iter() {
        let (artifact, meta) = entry?;
        let is_full = blocks.last().is_none_or(|block| block.artifacts.len() >= MOST_ARTIFACTS || bytes >= BLOCK_BYTES);
        if is_full {
            blocks.push(Block { number: blocks.len(), artifacts: Vec::new() });
            bytes = 0;
        }
        bytes += meta.size;
        if let Some(block) = blocks.last_mut() {
            block.artifacts.push((artifact, meta));
        }
    }
    Ok(blocks)
}

const MOST_ARTIFACTS: usize = 1024;
const BLOCK_BYTES: u64 = 4 << 20;
