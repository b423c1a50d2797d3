//! What the pointers name, and whether endpoints accept their signatures.

use clearwell_format::Resource;
use clearwell_format::resource::Pointer;

use super::Run;
use crate::verify::{Anchors, Defect, DefectKind, pointer as judge};
use crate::{Digest, PointerGeneration};

impl Run<'_> {
    pub(super) fn pointers(&mut self, anchors: &Anchors) {
        let layout = self.store.layout();
        let generation = match crate::pointers::load_unverified(layout) {
            Ok(generation) => generation,
            Err(error) => {
                let kind = DefectKind::Pointers(error.to_string());
                return self.find(Defect::of_file(&layout.pointers_link(), layout, kind));
            }
        };
        // The link is gone and generations are left: the store has published before.
        let left = crate::pointers::load_to_replace(layout).map(|left| left.number).unwrap_or_default();
        if generation.number == 0 && left > 0 {
            let kind = DefectKind::Pointers("the link is missing".to_owned());
            return self.find(Defect::of_file(&layout.pointers_link(), layout, kind));
        }
        self.sums(&generation);
        for (pointer, bytes) in &generation.files {
            if !pointer.is_signature() {
                self.pointer(*pointer, bytes, &generation, anchors);
            }
        }
        self.lost_pointers(&generation);
    }

    fn pointer(&mut self, pointer: Pointer, text: &[u8], generation: &PointerGeneration, anchors: &Anchors) {
        let signature = pointer.signature();
        let bytes = signature.and_then(|signature| generation.files.get(&signature)).map(|bytes| &**bytes);
        let inspection = judge::inspect(pointer, text, bytes, anchors, self.store);
        self.report.signatures += u64::from(inspection.verified);
        for kind in inspection.text {
            self.find(Defect::in_store(Resource::Pointer(pointer), kind));
        }
        if let (Some(signature), Some(kind)) = (signature, inspection.signature) {
            self.find(Defect::in_store(Resource::Pointer(signature), kind));
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
            self.find(Defect::of_file(&layout.pointer_sum(generation.number), layout, DefectKind::PointerSums));
        }
        for (pointer, expected) in sums {
            let found = generation.files.get(&pointer).map(|bytes| Digest::of(bytes));
            match found {
                Some(found) if found == expected => {}
                Some(found) => {
                    self.find(Defect::in_store(Resource::Pointer(pointer), DefectKind::Digest { expected, found }));
                }
                None => self.find(Defect::in_store(Resource::Pointer(pointer), DefectKind::Missing)),
            }
        }
    }

    /// Pointers that the generation before had and this one has not: a publication never removes one.
    fn lost_pointers(&mut self, current: &PointerGeneration) {
        let Some(before) = current.number.checked_sub(1).filter(|number| *number > 0) else { return };
        let Ok(before) = crate::pointers::read_generation(&self.store.layout().generation(before)) else { return };
        for pointer in before.keys() {
            let was_noted = crate::pointers::sums::read(current.number, self.store.layout()).is_some();
            let text_is_lost = !pointer.is_signature() && !current.files.contains_key(pointer);
            if text_is_lost && !was_noted {
                self.find(Defect::in_store(Resource::Pointer(*pointer), DefectKind::Missing));
            }
        }
    }
}
