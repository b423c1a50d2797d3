//! The pointers of a snapshot, after everything that they name.

use std::fs;

use super::{Copying, Snapshot};
use crate::disk::Operation;
use crate::pointers::{self, PointerGeneration};
use crate::verify::{Defect, DefectKind};
use crate::{ReleaseRecord, StoreError};

impl Copying<'_> {
    pub(super) fn pointers(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let (layout, disk) = (self.to.layout(), self.to.disk());
        let before = pointers::load(layout);
        let is_damaged = matches!(before, Err(StoreError::PointersDamaged { .. }));
        let before = if is_damaged { pointers::load_to_replace(layout)? } else { before? };
        self.report.generation = before.number;
        let current = match &snapshot.pointers {
            Ok(current) => current,
            Err(error) => {
                let link = self.from.layout().pointers_link();
                self.found(Defect::of_file(&link, self.from.layout(), DefectKind::Pointers(error.to_string())));
                self.report.pointers_held = true;
                return Ok(());
            }
        };
        if !self.has_all(current, before.number == 0) {
            self.report.pointers_held = true;
            return Ok(());
        }
        if current.number == 0 || (!is_damaged && before.files == current.files && before.number >= current.number) {
            return Ok(());
        }
        self.mark_published(&before, snapshot)?;
        // Records of old layouts do not say which releases were published, earlier generations do; and a repair of
        // damaged pointers continues them.
        for earlier in pointers::earlier(current.number, self.from.layout())? {
            if earlier.number > before.number {
                pointers::write(&earlier, layout, disk)?;
                self.keep_time(earlier.number, earlier.number)?;
            }
        }
        // The backup may be ahead: a collection in it counts generations too.
        let next = PointerGeneration { number: current.number.max(before.number + 1), files: current.files.clone() };
        pointers::switch_to(&next, layout, disk)?;
        self.keep_time(current.number, next.number)?;
        pointers::prune(next.number, layout, disk)?;
        if is_damaged {
            self.report.mended.push("content/version".into());
        }
        self.report.generation = next.number;
        Ok(())
    }

    /// Says in records that only the copy has that endpoints may have the release, before the pointers leave it: a writer
    /// that was interrupted had not said so yet when it was copied.
    fn mark_published(&self, before: &PointerGeneration, snapshot: &Snapshot) -> Result<(), StoreError> {
        for version in before.files.keys().filter_map(|pointer| before.version(*pointer)) {
            if !snapshot.members.contains_key(&version)
                && let Ok(record) = self.to.record(version)
                && record.published.is_none()
            {
                let published = Some(record.timestamp);
                self.to.write_record(&ReleaseRecord { published, ..record })?;
            }
        }
        Ok(())
    }

    /// True if the copy has the releases that the pointers name. Without earlier pointers, a release that lacks a file
    /// is better than none.
    fn has_all(&self, generation: &PointerGeneration, are_first: bool) -> bool {
        let mut named = generation.files.keys().filter_map(|pointer| generation.version(*pointer));
        named.all(|version| self.to.has_release(version) && (are_first || !self.incomplete.contains(&version)))
    }

    /// The age of a generation decides what a collection keeps.
    fn keep_time(&self, from: u64, to: u64) -> Result<(), StoreError> {
        let original = self.from.layout().generation(from);
        match fs::metadata(&original).and_then(|found| found.modified()) {
            Ok(time) => self.to.disk().set_modified(&self.to.layout().generation(to), time),
            // Removed meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StoreError::io(Operation::Read, &original, error)),
        }
    }
}
