//! The pointers of the tree, published once everything they may name is in the store.

use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::resource::Pointer;
use clearwell_format::{Resource, Version, pointer};
use clearwell_sign::{Dates, Trust};

use super::AdoptReport;
use super::problem::{Problem, ProblemKind};
use crate::content::ContentProblem;
use crate::listing::list;
use crate::pointers::POINTER_LIMIT;
use crate::state::is_of_another;
use crate::{PointerSet, ReleaseRecord, ReleaseState, Store, StoreError, Writer, regular};

pub(super) fn adopt(
    www: &Path,
    writer: &Writer,
    trust: Option<&Trust>,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let mut set = PointerSet::new();
    for pointer in present(www, report)? {
        match read(www, pointer, trust, writer.store()) {
            Ok((files, adopted)) => {
                set.extend(files);
                report.pointers.push(adopted);
            }
            Err(Refusal::Store(error)) => return Err(error),
            Err(Refusal::Problem(kind)) => {
                report.problems.push(Problem { path: PathBuf::from(pointer.to_string()), kind });
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

/// What the tree's generator released before the newest was published, too.
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

/// A pointer of the tree that was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedPointer {
    /// Which.
    pub pointer: Pointer,
    /// What it names.
    pub version: Version,
    /// Of the signature beside it.
    pub signature: SignatureState,
}

/// What is known of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureState {
    /// It verifies with the certificate that the caller brought.
    Sound,
    /// It is there, and the caller brought no certificate.
    Unchecked,
    /// There is none.
    None,
}

/// The pointers of the tree, without their signatures: `latest_version`, then those of the formats. What else lies below
/// `version/` is reported.
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
                Some(_) => ProblemKind::SignsNothing,
            },
            _ => ProblemKind::Unknown,
        };
        report.problems.push(Problem { path: PathBuf::from(name), kind });
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
    trust: Option<&Trust>,
    store: &Store,
) -> Result<(PointerSet, AdoptedPointer), Refusal> {
    let bytes = regular::read(&www.join(pointer.to_string()), POINTER_LIMIT).map_err(unreadable)?;
    let version = pointer::parse(&bytes).ok_or(ProblemKind::PointerUnreadable)?;
    if !store.has_release(version) {
        return Err(ProblemKind::PointerToNothing { version }.into());
    }
    if let Some(current) = store.pointers()?.version(pointer).filter(|current| *current > version) {
        return Err(ProblemKind::PointerBehind { version, current }.into());
    }
    if !matches!(pointer, Pointer::First(_)) && store.state(version)? == ReleaseState::Retracted {
        return Err(ProblemKind::PointerToRetracted { version }.into());
    }
    let mut adopted = AdoptedPointer { pointer, version, signature: SignatureState::None };
    let mut files = PointerSet::new();
    if let Some(name) = pointer.signature() {
        let signature = match regular::read(&www.join(name.to_string()), POINTER_LIMIT) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error).into()),
        };
        if let Some(trust) = trust {
            let signature = signature.as_ref().ok_or(ProblemKind::SignatureMissing)?;
            trust.verify(&bytes, signature, Dates::Ignored, 0).map_err(ProblemKind::SignatureInvalid)?;
            adopted.signature = SignatureState::Sound;
        } else if signature.is_some() {
            adopted.signature = SignatureState::Unchecked;
        }
        files.extend(signature.map(|signature| (name, signature)));
    }
    files.insert(pointer, bytes);
    Ok((files, adopted))
}

fn unreadable(error: io::Error) -> ProblemKind {
    ContentProblem::Unreadable(error).into()
}

enum Refusal {
    Problem(ProblemKind),
    Store(StoreError),
}

impl From<ProblemKind> for Refusal {
    fn from(kind: ProblemKind) -> Self {
        Self::Problem(kind)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
