//! The files of the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use crate::listing::list;
use crate::verify::{Defect, DefectKind};
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

/// Files that are neither of a version nor pointers. mixer makes a folder `0`, which is empty (content layout §1); a
/// store has `.pointers`, which `version` leads to.
pub(super) fn strays(www: &Path) -> Result<Vec<Defect>, StoreError> {
    let mut strays = Vec::new();
    for found in list(www)? {
        let is_known = match found.name.as_str() {
            _ if !found.path.is_dir() => false,
            ".pointers" | "version" => true,
            "0" => list(&found.path)?.is_empty(),
            name => name.parse::<Version>().is_ok(),
        };
        if !is_known {
            strays.push(Defect::at(found.name, DefectKind::Unknown));
        }
    }
    Ok(strays)
}

/// The files of one version: those of the protocol, and as defects the others.
pub(super) fn artifacts(
    www: &Path,
    version: Version,
) -> Result<(BTreeMap<Artifact, PathBuf>, Vec<Defect>), StoreError> {
    let folder = PathBuf::from(version.to_string());
    let (mut artifacts, mut defects) = (BTreeMap::new(), Vec::new());
    let mut sort = |name: &str, path: &Path| match Artifact::from_path(name) {
        Some(artifact) if is_regular(path) => drop(artifacts.insert(artifact, path.to_owned())),
        _ => defects.push(Defect::at(folder.join(name), DefectKind::Unknown)),
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
    Ok((artifacts, defects))
}

/// Number and bytes of files. One that is gone meanwhile counts with 0 bytes.
pub(super) fn measure(files: &BTreeMap<Artifact, PathBuf>) -> Counts {
    let bytes = files.values().map(|path| fs::symlink_metadata(path).map_or(0, |found| found.len())).sum();
    Counts { number: files.len() as u64, bytes }
}

/// Not a link: a hard link of one would dangle elsewhere.
fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}
