//! Every file against the index, and what is inside it.

use std::io;
use std::path::Path;

use clearwell_format::resource::Artifact;
use clearwell_format::{Resource, Version};

use super::{Finding, FindingKind, Run};
use crate::content::{Inspector, Rules, StoreBases};
use crate::fan_out::fan_out;
use crate::progress::{Meter, Phase};
use crate::{ArtifactMeta, Digest, Index, StoreError};

/// Artifacts that one thread looks at together.
struct Block {
    number: usize,
    artifacts: Vec<(Artifact, ArtifactMeta)>,
}

/// What was found in a block.
#[derive(Default)]
struct CheckedBlock {
    findings: Vec<Finding>,
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
                        self.find(Finding::at(&path, self.store.layout(), error.into()));
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
    /// What is wrong with the index.
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
        let inspector = Inspector { version, format, bases, rules: &rules, throttle, large, meter };
        let results = fan_out(&blocks, self.options.jobs, |block| self.block(&inspector, block, index.digest()))?;
        for checked in results {
            self.report.artifacts += checked.artifacts;
            self.report.bytes += checked.bytes;
            self.report.resumed += checked.resumed;
            self.report.unapplied += checked.unapplied;
            self.report.findings.extend(checked.findings);
        }
        Ok(())
    }

    fn block(&self, inspector: &Inspector<'_>, block: &Block, index: Digest) -> Result<CheckedBlock, StoreError> {
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
                Err(kind) => checked.findings.push(Finding::of(Resource::of(version, artifact.clone()), kind)),
            }
            checked.artifacts += 1;
            checked.bytes += meta.size;
        }
        if checked.findings.is_empty() {
            self.journal.note(version, index, block.number);
        }
        Ok(checked)
    }

    /// The number of deltas in it that have no base, or what is wrong.
    fn artifact(
        &self,
        inspector: &Inspector<'_>,
        artifact: &Artifact,
        expected: ArtifactMeta,
    ) -> Result<u64, FindingKind> {
        let resource = Resource::of(inspector.version, artifact.clone());
        let path = self.store.path(&resource);
        if let Some(verdict) = self.without_reading(&resource, &path, expected.size) {
            inspector.meter.advance(1, expected.size);
            return verdict;
        }
        let (meta, inside) = if self.options.contents {
            let looked = inspector.look(artifact, &path);
            (looked.meta, looked.inside.map(|sound| sound.unapplied))
        } else {
            (Some(inspector.measure(&path, expected.size).map_err(FindingKind::Unreadable)?), Ok(0))
        };
        match (meta, inside) {
            (Some(meta), _) if meta.sha256 != expected.sha256 => {
                Err(FindingKind::Digest { expected: expected.sha256, found: meta.sha256 })
            }
            (_, Err(crate::content::ContentProblem::Unreadable(error))) => Err(FindingKind::Unreadable(error)),
            (_, Err(problem)) => Err(FindingKind::Content(problem)),
            (_, Ok(unapplied)) => Ok(unapplied),
        }
    }

    /// The verdict where the bytes need not be read.
    fn without_reading(&self, resource: &Resource, path: &Path, size: u64) -> Option<Result<u64, FindingKind>> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => Some(Err(unreadable("it is not a file"))),
            Ok(found) if found.len() != size => Some(Err(FindingKind::Size { expected: size, found: found.len() })),
            Ok(_) => None,
            Err(error) if is_absent(&error) && self.was_collected(resource) => Some(Ok(0)),
            Err(error) if is_absent(&error) => Some(Err(FindingKind::Missing)),
            Err(error) => Some(Err(FindingKind::Unreadable(error))),
        }
    }

    /// True if the index of now no longer names it: a collection went by.
    fn was_collected(&self, resource: &Resource) -> bool {
        self.store.refresh();
        matches!(self.store.lookup(resource), Ok(None))
    }
}

fn unreadable(reason: &'static str) -> FindingKind {
    FindingKind::Unreadable(io::Error::other(reason))
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
