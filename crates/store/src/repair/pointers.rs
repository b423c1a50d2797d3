//! Pointers from their signatures, signatures from earlier generations.
//!
//! A signature proves which version it was made for: of all releases there is one whose number it fits. So a damaged
//! text comes back from its signature alone. A damaged signature comes back only from an earlier generation that named
//! the same version; else `publish` makes a new one, which takes the key.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearwell_format::resource::Pointer;
use clearwell_format::{Resource, Version, pointer};

use super::{How, Repair, Repaired};
use crate::check::Finding;
use crate::layout::generation_number;
use crate::listing::list;
use crate::pointers::{self, PointerGeneration};
use crate::verify::{Anchors, DefectKind as Kind, pointer as judge};
use crate::{Digest, Store, StoreError};

type Files = BTreeMap<Pointer, Arc<[u8]>>;

impl Repair<'_> {
    pub(super) fn pointers(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        let is_pointer = |finding: &Finding| matches!(finding.defect.resource, Some(Resource::Pointer(_)));
        let all = findings.iter().any(|finding| matches!(finding.defect.kind, Kind::Pointers(_)));
        if !all && !findings.iter().any(is_pointer) {
            return Ok(());
        }
        let store = self.writer.store().clone();
        let anchors = self.anchors();
        let earlier = generations(&store)?;
        let left = self.writer.pointers()?;
        // As it is, damage included: a text that was lost is told by its signature.
        let current = pointers::load_unverified(store.layout()).ok().filter(|current| current.number > 0);
        let current =
            PointerGeneration { number: left.number, files: current.map_or(left.files, |current| current.files) };
        let mut files = current.files.clone();
        let sums = pointers::current(store.layout())
            .ok()
            .and_then(|number| pointers::sums::read(number, store.layout()))
            .unwrap_or_default();
        // The very bytes, where another generation or another pointer has them.
        for (pointer, sum) in &sums {
            if files.get(pointer).is_none_or(|bytes| Digest::of(bytes) != *sum) {
                let all = earlier.iter().chain([&current.files]).flat_map(BTreeMap::values);
                let same = all.into_iter().find(|bytes| Digest::of(bytes) == *sum).cloned();
                files.extend(same.map(|bytes| (*pointer, bytes)));
            }
        }
        // A damaged generation may lack what the one before has.
        for (pointer, bytes) in earlier.iter().flatten() {
            let is_text = pointer.signature().is_some() || matches!(pointer, Pointer::First(_));
            if is_text && !files.contains_key(pointer) {
                files.insert(*pointer, bytes.clone());
            }
        }
        for pointer in files.keys().copied().filter(|pointer| pointer.signature().is_some()).collect::<Vec<_>>() {
            let Some(good) = good(pointer, &files, &earlier, &anchors, &store) else { continue };
            files.extend(good);
        }
        let is_first = |pointer: &Pointer| matches!(pointer, Pointer::First(_));
        for first in files.keys().copied().filter(is_first).collect::<Vec<_>>() {
            if names(&files, first).is_none_or(|version| !store.has_release(version)) {
                let from =
                    earlier.iter().find_map(|files| names(files, first).filter(|found| store.has_release(*found)));
                files.extend(from.map(|version| (first, Arc::from(pointer::to_bytes(version)))));
            }
        }
        // Nothing is left to make them of: a publication makes new ones.
        if files.is_empty() {
            return Ok(());
        }
        self.keep_damaged(&store)?;
        let next = current.followed_by(files);
        pointers::switch_to(&next, store.layout(), store.disk())?;
        let is_sound = |resource: &Resource| match resource {
            Resource::Pointer(pointer) => is_sound(*pointer, &next.files, &anchors, &store),
            Resource::Artifact { .. } => false,
        };
        // A new generation has new sums: what endpoints would take is then what was meant.
        let repaired = findings.iter().filter(|finding| match &finding.defect.resource {
            Some(resource) => is_sound(resource),
            None => matches!(finding.defect.kind, Kind::Pointers(_)),
        });
        self.report
            .repaired
            .extend(repaired.map(|finding| Repaired { path: finding.defect.path.clone(), how: How::SameBytes }));
        self.changed_index = false;
        Ok(())
    }

    /// A copy, not a move: a reader may be in the middle of the generation.
    fn keep_damaged(&mut self, store: &Store) -> Result<(), StoreError> {
        let layout = store.layout();
        let Ok(number) = pointers::current(layout) else { return Ok(()) };
        let (from, to) = (layout.generation(number), layout.damaged().join(format!("pointers-{number}")));
        if number == 0 || !from.is_dir() || to.exists() {
            return Ok(());
        }
        for (pointer, _) in pointers::read_generation(&from)? {
            let name = pointer.to_string();
            let path = to.join(&name);
            store.disk().create_folder(path.parent().unwrap_or(&to))?;
            store.disk().copy(&from.join(name.strip_prefix("version/").unwrap_or(&name)), &path)?;
        }
        self.report.aside.extend(to.strip_prefix(store.root()).map(ToOwned::to_owned));
        Ok(())
    }
}

/// A text and its signature that endpoints would take; `None` to leave what is there.
fn good(pointer: Pointer, files: &Files, earlier: &[Files], anchors: &Anchors, store: &Store) -> Option<Files> {
    if is_sound(pointer, files, anchors, store) && is_sound(pointer.signature()?, files, anchors, store) {
        return None;
    }
    let of = |files: &Files| -> Option<Files> {
        let keys = [pointer, pointer.signature()?];
        Some(keys.iter().filter_map(|key| Some((*key, files.get(key)?.clone()))).collect())
    };
    let candidates = earlier.iter().filter_map(of);
    // The same version with a good signature: only the signature was damaged.
    let named = names(files, pointer).filter(|version| store.has_release(*version));
    let same = candidates
        .clone()
        .find(|files| names(files, pointer) == named && named.is_some() && whole(files, pointer, anchors, store));
    same.or_else(|| from_signature(pointer, files, anchors, store)).or_else(|| {
        if named.is_some() && anchors.is_empty() {
            None
        } else {
            candidates.clone().find(|files| whole(files, pointer, anchors, store))
        }
    })
}

/// The release whose number the signature was made for.
fn from_signature(pointer: Pointer, files: &Files, anchors: &Anchors, store: &Store) -> Option<Files> {
    let name = pointer.signature()?;
    let signature = files.get(&name)?;
    let is_signed =
        |version: &Version| matches!(anchors.verdict(&pointer::to_bytes(*version), signature), Some(Ok(())));
    let version = store.releases().ok()?.into_iter().rev().find(is_signed)?;
    Some(Files::from([(pointer, Arc::from(pointer::to_bytes(version))), (name, signature.clone())]))
}

fn whole(files: &Files, pointer: Pointer, anchors: &Anchors, store: &Store) -> bool {
    is_sound(pointer, files, anchors, store)
        && pointer.signature().is_none_or(|signature| is_sound(signature, files, anchors, store))
}

/// True if endpoints would accept the pointer, or the signature, as it is.
fn is_sound(pointer: Pointer, files: &Files, anchors: &Anchors, store: &Store) -> bool {
    let text = pointer.signed().unwrap_or(pointer);
    let bytes = |pointer| files.get(&pointer).map(|bytes| &**bytes);
    let signature = text.signature().and_then(bytes);
    let Some(inspection) = bytes(text).map(|bytes| judge::inspect(text, bytes, signature, anchors, store)) else {
        return false;
    };
    if pointer == text {
        inspection.text.is_empty()
    } else {
        inspection.version.is_some() && inspection.signature.is_none()
    }
}

fn names(files: &Files, pointer: Pointer) -> Option<Version> {
    pointer::parse(files.get(&pointer)?)
}

/// What is left of every generation, the newest first.
fn generations(store: &Store) -> Result<Vec<Files>, StoreError> {
    let mut found: Vec<(u64, Files)> = Vec::new();
    for entry in list(&store.layout().generations())? {
        if let Some(number) = generation_number(&entry.name) {
            found.push((number, pointers::read_generation(&entry.path)?));
        }
    }
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(found.into_iter().map(|(_, files)| files).collect())
}
