//! What an interrupted build left, verified before it is used.
//!
//! Files of a draft had their names only once they were whole, but after a loss of power they need not be: so every
//! archive is decompressed to its end and every member hashed.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};

use clearwell_format::FileHash;
use clearwell_format::archive::{ArchiveError, read_members};
use clearwell_format::pack::PackMember;

use crate::plan::PackPlan;

/// True if `file` is the fullfile of `hash`.
pub(crate) fn is_fullfile(file: File, hash: FileHash) -> bool {
    let mut members = 0;
    let read = read_to_end(file, |name, found| {
        members += 1;
        name == hash.to_hex() && found == hash
    });
    read && members == 1
}

/// True if `file` is a pack that stages at least the items of `plan`; old segments may stage more.
pub(crate) fn is_pack(file: File, plan: &PackPlan) -> bool {
    let mut missing: HashSet<FileHash> = plan.items.iter().map(|item| item.hash).collect();
    let read = read_to_end(file, |name, found| match PackMember::parse(name) {
        Some(PackMember::Folder) => true,
        Some(PackMember::Staged(hash)) => {
            missing.remove(&hash);
            hash == found
        }
        Some(PackMember::Delta(_)) | None => false,
    });
    read && missing.is_empty()
}

/// Reads an archive to the last byte of its compression. True if it is whole and `accept` takes each member.
fn read_to_end(file: File, mut accept: impl FnMut(&[u8], FileHash) -> bool) -> bool {
    let read = || -> Result<bool, ArchiveError> {
        let mut accepted = true;
        read_members::<ArchiveError>(BufReader::with_capacity(64 << 10, file), |mut member| {
            let found = member.hash(&mut io::sink())?;
            accepted &= accept(&member.header.name, found);
            Ok(())
        })?;
        Ok(accepted)
    };
    read().unwrap_or(false)
}
