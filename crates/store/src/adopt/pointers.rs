//! The pointers of the tree, published once everything they may name is in the store.

use std::io;
use std::path::Path;

use clearwell_format::resource::Pointer;
use clearwell_format::{Resource, Version};
use schemars::JsonSchema;
use serde::Serialize;

use super::AdoptReport;
use crate::listing::list;
use crate::pointers::POINTER_LIMIT;
use crate::state::is_of_another;
use crate::verify::{Anchors, Defect, DefectKind, pointer as judge};
use crate::{PointerSet, ReleaseRecord, ReleaseState, Store, StoreError, Writer, regular};

pub(super) fn adopt(
    www: &Path,
    writer: &Writer,
    anchors: &Anchors,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let mut set = PointerSet::new();
    for pointer in present(www, report)? {
        match read(www, pointer, anchors, writer.store()) {
            Ok((files, adopted)) => {
                set.extend(files);
                report.pointers.push(adopted);
            }
            Err(Refusal::Store(error)) => return Err(error),
            Err(Refusal::Defect(kind)) => {
                report.findings.push(Defect::in_tree(Resource::Pointer(pointer), kind).into());
            }
        }
    }
    let current = writer.store().pointers()?;
    set.retain(|pointer, bytes| current.files.get(pointer).is_none_or(|old| **old != **bytes));
    if !set.is_empty() {
        report.generation = Some(writer.publish(&set)?.number);
    }
    mark_published(writer)
}

/// Releases that the tree's generator made before the newest were published, too.
fn mark_published(writer: &Writer) -> Result<(), StoreError> {
    let store = writer.store();
    let current = store.pointers()?;
    for version in store.releases()? {
        let record = store.record(version)?;
        if record.published.is_none() && is_of_another(&record, &current) {
            writer.amend(&ReleaseRecord { published: Some(record.timestamp), ..record })?;
        }
    }
    Ok(())
}

/// A pointer of the tree that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedPointer {
    /// The pointer.
    pub pointer: Pointer,
    /// The release that it names.
    pub version: Version,
    /// Its signature.
    pub signature: SignatureState,
}

/// The signature of an adopted pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureState {
    /// It verifies with the certificate that was given.
    #[serde(rename = "sound")]
    Valid,
    /// No certificate was given to verify it with.
    Unchecked,
    /// The pointer is not signed.
    None,
}

/// The pointers of the tree, without their signatures: `latest_version`, then those of the formats. Other files below
/// `version/` are reported.
fn present(www: &Path, report: &mut AdoptReport) -> Result<Vec<Pointer>, StoreError> {
    let mut pointers = Vec::new();
    let mut sort = |name: String| {
        let is_file = |name: &str| www.join(name).is_file();
        let kind = match Resource::from_request_path(&name) {
            Some(Resource::Pointer(pointer)) if is_file(&name) => match pointer.signed() {
                None => {
                    pointers.push(pointer);
                    return;
                }
                Some(text) if is_file(&text.to_string()) => return,
                Some(_) => DefectKind::SignsNothing,
            },
            _ => DefectKind::Unknown,
        };
        report.findings.push(Defect::at(name, kind).into());
    };
    let folder = www.join("version");
    for found in if folder.is_dir() { list(&folder)? } else { Vec::new() } {
        let name = format!("version/{}", found.name);
        if found.path.is_dir() {
            list(&found.path)?.into_iter().for_each(|below| sort(format!("{name}/{}", below.name)));
        } else {
            sort(name);
        }
    }
    pointers.sort_unstable_by_key(|pointer| (*pointer != Pointer::LatestVersion, *pointer));
    Ok(pointers)
}

/// A pointer with its signature, if it may be published.
fn read(
    www: &Path,
    pointer: Pointer,
    anchors: &Anchors,
    store: &Store,
) -> Result<(PointerSet, AdoptedPointer), Refusal> {
    let file = |pointer: Pointer| regular::read(&www.join(pointer.to_string()), POINTER_LIMIT);
    let text = file(pointer).map_err(DefectKind::Unreadable)?;
    let signature = match pointer.signature().map(file) {
        Some(Ok(signature)) => Some(signature),
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(DefectKind::Unreadable(error).into()),
        _ => None,
    };
    let inspection = judge::inspect(pointer, &text, signature.as_deref(), anchors, store);
    let Some(version) = inspection.version else {
        return Err(inspection.text.into_iter().next().unwrap_or(DefectKind::PointerUnreadable).into());
    };
    if let Some(current) = store.pointers()?.version(pointer).filter(|current| *current > version) {
        return Err(DefectKind::PointerBehind { version, current }.into());
    }
    if !matches!(pointer, Pointer::First(_)) && store.state(version)? == ReleaseState::Retracted {
        return Err(DefectKind::PointerToRetracted { version }.into());
    }
    if let Some(defect) = inspection.signature {
        return Err(defect.into());
    }
    let state = match (&signature, inspection.verified) {
        (None, _) => SignatureState::None,
        (Some(_), true) => SignatureState::Valid,
        (Some(_), false) => SignatureState::Unchecked,
    };
    let mut files = PointerSet::from([(pointer, text)]);
    files.extend(pointer.signature().zip(signature));
    Ok((files, AdoptedPointer { pointer, version, signature: state }))
}

/// Why a pointer is not adopted.
enum Refusal {
    Defect(DefectKind),
    Store(StoreError),
}

impl From<DefectKind> for Refusal {
    fn from(kind: DefectKind) -> Self {
        Self::Defect(kind)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
