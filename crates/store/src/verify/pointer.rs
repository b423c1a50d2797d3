//! Pointers: what a text names, and whether endpoints accept its signature.

use clearwell_format::resource::Pointer;
use clearwell_format::{Version, pointer};

use super::{Anchors, DefectKind};
use crate::Store;

/// What is known of a pointer and its signature.
pub(crate) struct PointerInspection {
    /// The release that the text names, if the store has it.
    pub(crate) version: Option<Version>,
    /// What is wrong with the text.
    pub(crate) text: Vec<DefectKind>,
    /// What is wrong with the signature. Not judged where the text names no release.
    pub(crate) signature: Option<DefectKind>,
    /// The signature was compared with a certificate.
    pub(crate) verified: bool,
}

/// Judges the `text` of a pointer with the `signature` next to it. Without certificates any signature is taken, and
/// none.
pub(crate) fn inspect(
    pointer: Pointer,
    text: &[u8],
    signature: Option<&[u8]>,
    anchors: &Anchors,
    store: &Store,
) -> PointerInspection {
    let unusable = |defect| PointerInspection { version: None, text: vec![defect], signature: None, verified: false };
    let Some(version) = pointer::parse(text) else { return unusable(DefectKind::PointerUnreadable) };
    if !store.has_release(version) {
        return unusable(DefectKind::PointerToNothing { version });
    }
    let mut inspection =
        PointerInspection { version: Some(version), text: Vec::new(), signature: None, verified: false };
    if let (Pointer::Latest(format) | Pointer::First(format), Ok(record)) = (pointer, store.record(version))
        && record.format != format
    {
        inspection.text.push(DefectKind::PointerFormat { version, format: record.format });
    }
    if pointer.signature().is_some() {
        match signature {
            Some(signature) => {
                let verdict = anchors.verdict(text, signature);
                inspection.verified = verdict.is_some();
                inspection.signature = verdict.and_then(Result::err).map(DefectKind::Signature);
            }
            None => inspection.signature = (!anchors.is_empty()).then_some(DefectKind::SignatureMissing),
        }
    }
    inspection
}
