//! The pointers of the tree, published once everything they may name is in the store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, pointer};
use clearwell_sign::{TrustAnchor, verify};

use super::AdoptReport;
use super::problem::{Problem, ProblemKind};
use crate::content::ContentProblem;
use crate::listing::list;
use crate::pointers::signature_of;
use crate::{PointerSet, Store, StoreError, Writer};

pub(super) fn adopt(
    www: &Path,
    writer: &Writer,
    anchor: Option<&TrustAnchor>,
    report: &mut AdoptReport,
) -> Result<(), StoreError> {
    let mut set = PointerSet::new();
    for pointer in present(www)? {
        match read(www, pointer, anchor, writer.store()) {
            Ok(files) => set.extend(files),
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
    Ok(())
}

/// The pointers of the tree, without their signatures.
fn present(www: &Path) -> Result<Vec<Pointer>, StoreError> {
    let mut pointers = vec![Pointer::LatestVersion];
    let folder = www.join("version");
    if folder.is_dir() {
        for found in list(&folder)? {
            let format = found.name.strip_prefix("format").and_then(|number| number.parse::<FormatNumber>().ok());
            pointers.extend(format.into_iter().flat_map(|format| [Pointer::Latest(format), Pointer::First(format)]));
        }
    }
    pointers.retain(|pointer| www.join(pointer.to_string()).is_file());
    Ok(pointers)
}

/// A pointer with its signature, if it may be published.
fn read(www: &Path, pointer: Pointer, anchor: Option<&TrustAnchor>, store: &Store) -> Result<PointerSet, Refusal> {
    let bytes = fs::read(www.join(pointer.to_string())).map_err(unreadable)?;
    let version = pointer::parse(&bytes).ok_or(ProblemKind::PointerUnreadable)?;
    if !store.has_release(version) {
        return Err(ProblemKind::PointerToNothing { version }.into());
    }
    if let Some(current) = store.pointers()?.version(pointer).filter(|current| *current > version) {
        return Err(ProblemKind::PointerBehind { version, current }.into());
    }
    let mut files = PointerSet::new();
    if let Some(name) = signature_of(pointer) {
        let signature = match fs::read(www.join(name.to_string())) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error).into()),
        };
        if let Some(anchor) = anchor {
            let signature = signature.as_ref().ok_or(ProblemKind::SignatureMissing)?;
            verify(&bytes, signature, anchor, None).map_err(ProblemKind::SignatureInvalid)?;
        }
        files.extend(signature.map(|signature| (name, signature)));
    }
    files.insert(pointer, bytes);
    Ok(files)
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
