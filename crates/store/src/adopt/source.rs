//! What lies in the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::problem::{Problem, ProblemKind};
use crate::listing::list;
use crate::{Counts, StoreError};

/// The versions that have a folder, ascending. Links to folders are followed: old releases may lie on another disk.
pub(super) fn versions(www: &Path) -> Result<Vec<Version>, StoreError> {
    if !www.is_dir() {
        return Err(StoreError::NoTree { path: www.to_owned() });
    }
    let folders = list(www)?.into_iter().filter(|found| found.path.is_dir());
    let mut versions: Vec<Version> = folders.filter_map(|found| found.name.parse().ok()).collect();
    versions.sort_unstable();
    if versions.is_empty() {
        return Err(StoreError::NotContent { path: www.to_owned() });
    }
    Ok(versions)
}

/// What lies beside the versions and the pointers. mixer makes a folder `0`, which is empty (content layout §1); a store has
/// `.pointers`, which `version` leads to.
pub(super) fn strays(www: &Path) -> Result<Vec<Problem>, StoreError> {
    let mut strays = Vec::new();
    for found in list(www)? {
        let is_known = match found.name.as_str() {
            _ if !found.path.is_dir() => false,
            ".pointers" | "version" => true,
            "0" => list(&found.path)?.is_empty(),
            name => name.parse::<Version>().is_ok(),
        };
        if !is_known {
            strays.push(Problem { path: PathBuf::from(found.name), kind: ProblemKind::Unknown });
        }
    }
    Ok(strays)
}

/// The files of one version: those of the protocol, and as problems the others.
pub(super) fn artifacts(
    www: &Path,
    version: Version,
) -> Result<(BTreeMap<Artifact, PathBuf>, Vec<Problem>), StoreError> {
    let folder = PathBuf::from(version.to_string());
    let (mut artifacts, mut problems) = (BTreeMap::new(), Vec::new());
    let mut sort = |name: &str, path: &Path| match Artifact::from_path(name) {
        Some(artifact) if is_regular(path) => drop(artifacts.insert(artifact, path.to_owned())),
        _ => problems.push(Problem { path: folder.join(name), kind: ProblemKind::Unknown }),
    };
    for found in list(&www.join(&folder))? {
        // A delta folder is there in every version, mostly empty.
        if found.is_folder && ["files", "delta"].contains(&found.name.as_str()) {
            for below in list(&found.path)? {
                sort(&format!("{}/{}", found.name, below.name), &below.path);
            }
        } else {
            sort(&found.name, &found.path);
        }
    }
    Ok((artifacts, problems))
}

/// Number and bytes of files; of those that are gone by now none.
pub(super) fn measure(files: &BTreeMap<Artifact, PathBuf>) -> Counts {
    let bytes = files.values().map(|path| fs::symlink_metadata(path).map_or(0, |found| found.len())).sum();
    Counts { number: files.len() as u64, bytes }
}

/// Not a link: a hard link of one would dangle elsewhere.
fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}
