//! Indexes and records, made again from the content they describe.

use std::collections::BTreeMap;
use std::io::BufWriter;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Version};

use super::{How, Repair, Repaired};
use crate::adopt::rebuild;
use crate::check::Finding;
use crate::disk::Operation;
use crate::state::derived;
use crate::verify::DefectKind;
use crate::{ArtifactMeta, Fault, Index, ReleaseRecord, Store, StoreError, index};

impl Repair<'_> {
    /// Makes the indexes that cannot be used. What clients would not accept is not indexed; it is kept aside.
    pub(super) fn indexes(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        let mut versions = self.versions(findings, |kind| matches!(kind, DefectKind::Index(_)));
        // What is left of collected versions is told by the releases that need it.
        versions.sort_by_key(|version| !self.writer.store().has_release(*version));
        for version in versions {
            let found = match rebuild(self.writer.store(), version, &self.anchors()) {
                Err(error) if error.fault() == Fault::Disk => return Err(error),
                // Something else has to be repaired first.
                Err(_) | Ok(None) => continue,
                Ok(Some(found)) => found,
            };
            let bytes = encode(version, &found.sound)?;
            let path = self.writer.store().layout().index(version);
            self.place_at(&path, &bytes, How::FromContent)?;
            for path in found.unsound {
                let store = self.writer.store();
                let kept = super::aside::keep(store, &path)?;
                store.disk().remove(&path)?;
                self.report.aside.extend(kept.and_then(|kept| Some(kept.strip_prefix(store.root()).ok()?.to_owned())));
            }
            self.changed_index = true;
            self.writer.store().refresh();
        }
        Ok(())
    }

    /// Makes the records that are gone or cannot be read.
    pub(super) fn records(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        let is_lost = |kind: &DefectKind| matches!(kind, DefectKind::Record(_) | DefectKind::RecordMissing { .. });
        for version in self.versions(findings, is_lost) {
            let layout = self.writer.store().layout().clone();
            let Ok(index) = Index::open(&layout.index(version), version) else { continue };
            if is_remnant(&index)? {
                self.remnant_record(version, &index)?;
                continue;
            }
            let Some(found) = rebuild(self.writer.store(), version, &self.anchors())? else { continue };
            let mut record = found.record;
            record.count(&index.to_map()?);
            record.notes.push("made again from the content by check --repair".to_owned());
            record.published = derived(self.writer.store())?.contains(&version).then_some(record.timestamp);
            let path = layout.record(version);
            self.place_at(&path, &record.to_json(), How::FromContent)?;
            self.changed_index = true;
        }
        self.mend_records(findings)?;
        self.recount_records(findings)
    }

    /// Counts again what the index has.
    fn recount_records(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        for version in self.versions(findings, |kind| matches!(kind, DefectKind::RecordCounts { .. })) {
            let store = self.writer.store().clone();
            let (Ok(mut record), Ok(index)) = (store.record(version), store.index(version)) else { continue };
            record.count(&index.to_map()?);
            self.place_at(&store.layout().record(version), &record.to_json(), How::FromContent)?;
        }
        Ok(())
    }

    /// Takes from the MoM what the record says otherwise; the rest of the record stays.
    fn mend_records(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        for version in self.versions(findings, |kind| matches!(kind, DefectKind::RecordDiffers { .. })) {
            let store = self.writer.store().clone();
            let (Ok(record), Ok(mom)) = (store.record(version), store.mom(version)) else { continue };
            self.place_at(&store.layout().record(version), &record.with_mom(&mom).to_json(), How::FromContent)?;
            self.changed_index = true;
        }
        Ok(())
    }

    /// The record of a version that was collected: only that it is there counts.
    fn remnant_record(&mut self, version: Version, index: &Index) -> Result<(), StoreError> {
        let store = self.writer.store();
        let releases = store.releases()?;
        let Some(format) = releases.iter().find_map(|release| Some(store.record(*release).ok()?.format)) else {
            return Ok(());
        };
        let mut record = ReleaseRecord::new(version, format, 0);
        record.count(&index.to_map()?);
        record.notes.push("made again from the content by check --repair".to_owned());
        let (lost, path) = (store.layout().record(version), store.layout().remnant(version));
        self.place_at(&path, &record.to_json(), How::FromContent)?;
        // What was missed was looked for among the releases.
        let lost = lost.strip_prefix(self.writer.store().root()).unwrap_or(&lost).to_owned();
        self.report.repaired.push(Repaired { path: lost, how: How::FromContent });
        self.changed_index = true;
        Ok(())
    }

    /// The versions whose index or record has such a finding.
    fn versions(&self, findings: &[Finding], is_such: impl Fn(&DefectKind) -> bool) -> Vec<Version> {
        let of = |finding: &Finding| finding.defect.path.file_stem()?.to_str()?.parse().ok();
        findings.iter().filter(|finding| is_such(&finding.defect.kind)).filter_map(of).collect()
    }
}

/// A collection takes these first, and every release has one of them.
fn is_remnant(index: &Index) -> Result<bool, StoreError> {
    let has = |name| Ok::<_, StoreError>(index.get(&Artifact::Manifest(name))?.is_some());
    Ok(!has(ManifestName::Mom)? && !has(ManifestName::Full)?)
}

/// Gives an artifact another size and digest, and says so in the record.
pub(super) fn reindex(
    store: &Store,
    version: Version,
    artifact: &Artifact,
    meta: ArtifactMeta,
) -> Result<(), StoreError> {
    let (layout, disk) = (store.layout(), store.disk());
    let mut artifacts = store.index(version)?.to_map()?;
    artifacts.insert(artifact.clone(), meta);
    let scratch = layout.staging().join("repair");
    index::store(version, &artifacts, &scratch, disk)?;
    disk.rename(&scratch, &layout.index(version))?;
    disk.sync_folder(&layout.indexes())?;
    store.refresh();
    if let Ok(mut record) = store.record(version) {
        record.count(&artifacts);
        record.notes.push(format!("{artifact} was replaced by an equivalent with SHA-256 {}", meta.sha256));
        disk.replace(&layout.record(version), &scratch, &record.to_json())?;
    }
    Ok(())
}

fn encode(version: Version, artifacts: &BTreeMap<Artifact, ArtifactMeta>) -> Result<Vec<u8>, StoreError> {
    let failed = |error| StoreError::io(Operation::Write, std::path::Path::new("the index"), error);
    let out = index::write(version, artifacts, BufWriter::new(Vec::new())).map_err(failed)?;
    out.into_inner().map_err(|error| failed(error.into_error()))
}
