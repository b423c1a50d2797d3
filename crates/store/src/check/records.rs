//! The record of each release, and versions that lost theirs.

use clearwell_format::{Mom, Version};

use super::Run;
use crate::listing::list;
use crate::verify::{Defect, DefectKind};
use crate::{Index, StoreError};

impl Run<'_> {
    pub(super) fn records(&mut self) -> Result<(), StoreError> {
        let layout = self.store.layout();
        for version in self.store.releases()? {
            let path = layout.record(version);
            match (self.store.record(version), self.store.index(version)) {
                (Ok(record), Ok(index)) => {
                    let (recorded, indexed) = (record.total().number, index.len());
                    // An extension writes its index before its record.
                    if recorded != indexed && !layout.draft(version).exists() {
                        self.find(Defect::of_file(&path, layout, DefectKind::RecordCounts { recorded, indexed }));
                    }
                }
                (Err(StoreError::UnknownVersion { .. }), _) | (Ok(_), Err(_)) => {}
                (Err(error), _) => self.find(Defect::of_file(&path, layout, error.into())),
            }
        }
        self.lost_records()
    }

    /// The record of a release against its MoM.
    pub(super) fn compare_record(&mut self, version: Version, mom: &Mom) {
        let Ok(record) = self.store.record(version) else { return };
        let of_mom = record.clone().with_mom(mom);
        let fields = [
            ("format", record.format != of_mom.format),
            ("previous", record.previous != of_mom.previous),
            ("timestamp", record.timestamp != of_mom.timestamp),
            ("min-version", record.min_version != of_mom.min_version),
            ("bundles", record.bundles != of_mom.bundles),
        ];
        let layout = self.store.layout();
        for (field, _) in fields.into_iter().filter(|(_, differs)| *differs) {
            self.find(Defect::of_file(&layout.record(version), layout, DefectKind::RecordDiffers { field }));
        }
    }

    /// Versions with content and a sound index, and neither a record nor a draft: the record was removed.
    fn lost_records(&mut self) -> Result<(), StoreError> {
        let layout = self.store.layout();
        for found in list(&layout.indexes())? {
            let Ok(version) = found.name.parse::<Version>() else { continue };
            let is_known = || self.store.has_content(version) || layout.draft(version).exists();
            if is_known() || !layout.release_folder(version).is_dir() {
                continue;
            }
            // A release that has become visible meanwhile is not a finding.
            if Index::open(&found.path, version).is_ok() && !is_known() {
                let kind = DefectKind::RecordMissing { version };
                self.find(Defect::of_file(&layout.record(version), layout, kind));
            }
        }
        Ok(())
    }
}
