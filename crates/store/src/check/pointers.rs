//! What the pointers name, and whether endpoints believe them.

use clearwell_format::Resource;
use clearwell_format::pointer;
use clearwell_format::resource::Pointer;

use super::trust::Trust;
use super::{Finding, FindingKind, Run};
use crate::{Digest, PointerGeneration};

impl Run<'_> {
    pub(super) fn pointers(&mut self, trust: &Trust) {
        let layout = self.store.layout();
        let generation = match crate::pointers::load_unverified(layout) {
            Ok(generation) => generation,
            Err(error) => {
                let kind = FindingKind::Pointers(error.to_string());
                return self.find(Finding::at(&layout.pointers_link(), layout, kind));
            }
        };
        // The link is gone, and generations are left: this is no store before its first publication.
        let left = crate::pointers::load_to_replace(layout).map(|left| left.number).unwrap_or_default();
        if generation.number == 0 && left > 0 {
            let kind = FindingKind::Pointers("the link is missing".to_owned());
            return self.find(Finding::at(&layout.pointers_link(), layout, kind));
        }
        self.sums(&generation);
        for (pointer, bytes) in &generation.files {
            if !pointer.is_signature() {
                self.pointer(*pointer, bytes, &generation, trust);
            }
        }
        self.lost_pointers(&generation);
    }

    fn pointer(&mut self, pointer: Pointer, bytes: &[u8], generation: &PointerGeneration, trust: &Trust) {
        let resource = Resource::Pointer(pointer);
        let Some(version) = pointer::parse(bytes) else {
            return self.find(Finding::of(resource, FindingKind::PointerUnreadable));
        };
        if !self.store.has_release(version) {
            return self.find(Finding::of(resource, FindingKind::PointerToNothing { version }));
        }
        let record = self.store.record(version).ok();
        if let (Pointer::Latest(format) | Pointer::First(format), Some(record)) = (pointer, &record)
            && record.format != format
        {
            let kind = FindingKind::PointerFormat { version, format: record.format };
            self.find(Finding::of(resource, kind));
        }
        let Some(name) = pointer.signature() else { return };
        match generation.files.get(&name) {
            Some(signature) => {
                let Some(verdict) = trust.verdict(bytes, signature) else { return };
                self.report.signatures += 1;
                if let Err(error) = verdict {
                    self.find(Finding::of(Resource::Pointer(name), FindingKind::Signature(error)));
                }
            }
            None if !trust.anchors.is_empty() => {
                self.find(Finding::of(Resource::Pointer(name), FindingKind::SignatureMissing));
            }
            None => {}
        }
    }

    /// Each file against its SHA-256 of when it was written.
    fn sums(&mut self, generation: &PointerGeneration) {
        let layout = self.store.layout();
        // A store whose pointers were written by an older program has none.
        if generation.number == 0 || !layout.pointer_sums().is_dir() {
            return;
        }
        let sums = crate::pointers::sums::read(generation.number, layout).unwrap_or_default();
        if generation.files.keys().any(|pointer| !sums.contains_key(pointer)) {
            self.find(Finding::at(&layout.pointer_sum(generation.number), layout, FindingKind::PointerSums));
        }
        for (pointer, expected) in sums {
            let found = generation.files.get(&pointer).map(|bytes| Digest::of(bytes));
            match found {
                Some(found) if found == expected => {}
                Some(found) => {
                    self.find(Finding::of(Resource::Pointer(pointer), FindingKind::Digest { expected, found }));
                }
                None => self.find(Finding::of(Resource::Pointer(pointer), FindingKind::Missing)),
            }
        }
    }

    /// Pointers that the generation before had and this one has not: a publication never takes one away.
    fn lost_pointers(&mut self, current: &PointerGeneration) {
        let Some(before) = current.number.checked_sub(1).filter(|number| *number > 0) else { return };
        let Ok(before) = crate::pointers::read_generation(&self.store.layout().generation(before)) else { return };
        for pointer in before.keys() {
            let was_noted = crate::pointers::sums::read(current.number, self.store.layout()).is_some();
            let text_is_lost = !pointer.is_signature() && !current.files.contains_key(pointer);
            if text_is_lost && !was_noted {
                self.find(Finding::of(Resource::Pointer(*pointer), FindingKind::Missing));
            }
        }
    }
}
