//! Manifest archives: the manifest, and the signature of a MoM.

use std::io;

use clearwell_format::archive::{ArchiveError, LARGEST_MANIFEST, Member, Shape, Slot, read_shaped};
use clearwell_format::{FileHash, ManifestName};

use crate::problem::reason;
use crate::spool::Spool;

/// The members of a manifest archive.
pub(super) struct Archived {
    pub(super) text: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
}

/// Reads a manifest from its archive, or returns the reason. A known hash is compared first, so that only released
/// content takes memory.
pub(super) fn unpack(mut archive: Spool, name: &ManifestName, expected: Option<FileHash>) -> Result<Archived, String> {
    if let Some(expected) = expected {
        let mut found = None;
        let read = each_member(&mut archive, name, |slot, mut member| {
            if slot == Slot::Manifest {
                found = Some(member.hash(&mut io::sink())?);
            }
            Ok(())
        });
        read.map_err(|error| reason(&error))?;
        if let Some(found) = found.filter(|found| *found != expected) {
            return Err(format!("its hash is {found}, but the MoM has {expected}"));
        }
    }
    let mut archived = Archived { text: Vec::new(), signature: None };
    let read = each_member(&mut archive, name, |slot, mut member| {
        // The shape limits the size of each member.
        let content = member.content(LARGEST_MANIFEST)?;
        match slot {
            Slot::Signature => archived.signature = Some(content),
            _ => archived.text = content,
        }
        Ok(())
    });
    read.map(|()| archived).map_err(|error| reason(&error))
}

fn each_member(
    archive: &mut Spool,
    name: &ManifestName,
    visit: impl FnMut(Slot, Member<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    read_shaped(archive.reader().map_err(ArchiveError::Read)?, Shape::manifest(name), visit)
}
