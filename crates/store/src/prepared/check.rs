//! The check before a release: everything is on disk with the bytes that were put.

use std::fs::File;
use std::io::{self, Read};

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;

use crate::disk::Operation;
use crate::draft::Draft;
use crate::fan_out::{fan_out, processors};
use crate::listing::list;
use crate::{ArtifactMeta, Hasher, StoreError, regular};

/// Removes what an earlier run left in the draft and this one did not put or keep.
pub(super) fn remove_strays(draft: &Draft<'_>) -> Result<(), StoreError> {
    let artifacts = draft.artifacts();
    let wanted = |path: &str| Artifact::from_path(path).is_some_and(|artifact| artifacts.contains_key(&artifact));
    for found in list(&draft.folder.join("content"))? {
        if !found.is_folder {
            if !wanted(&found.name) {
                draft.store.disk().remove(&found.path)?;
            }
            continue;
        }
        for below in list(&found.path)? {
            if below.is_folder || !wanted(&format!("{}/{}", found.name, below.name)) {
                draft.store.disk().remove(&below.path)?;
            }
        }
    }
    Ok(())
}

/// Syncs files and folders of the draft, then reads every file and compares it with what was put.
pub(super) fn sync_and_compare(draft: &Draft<'_>) -> Result<(), StoreError> {
    let disk = draft.store.disk();
    let content = draft.folder.join("content");
    let artifacts: Vec<_> = draft.artifacts().iter().map(|(artifact, meta)| (artifact.clone(), *meta)).collect();
    let one_by_one = artifacts.len() <= MOST_SINGLE_SYNCS;
    if !one_by_one {
        disk.sync_all(&content)?;
    }
    fan_out(&artifacts, processors(), |(artifact, expected)| {
        let path = draft.staged(artifact);
        let resource = || Box::new(Resource::of(draft.version, artifact.clone()));
        let file = match regular::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::ArtifactSize { resource: resource(), expected: expected.size, found: 0 });
            }
            other => other.map_err(|error| StoreError::io(Operation::Read, &path, error))?,
        };
        if one_by_one {
            disk.sync_file(&path, &file)?;
        }
        let found = measure(file).map_err(|error| StoreError::io(Operation::Read, &path, error))?;
        if found.size != expected.size {
            return Err(StoreError::ArtifactSize { resource: resource(), expected: expected.size, found: found.size });
        }
        if found.sha256 != expected.sha256 {
            let (expected, found) = (expected.sha256, found.sha256);
            return Err(StoreError::ArtifactDamaged { resource: resource(), expected, found });
        }
        Ok(())
    })?;
    for found in list(&content)?.iter().filter(|found| found.is_folder) {
        disk.sync_folder(&found.path)?;
    }
    disk.sync_folder(&content)
}

/// Size and digest of everything in `file`.
pub(crate) fn measure(mut file: File) -> io::Result<ArtifactMeta> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(ArtifactMeta { size, sha256: hasher.finish() }),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Above this many files one sync of the file system is faster than one for each, whatever else it has to write.
const MOST_SINGLE_SYNCS: usize = 256;
