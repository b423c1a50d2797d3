//! Manifest archives: one member, or two for the MoM with its signature (spec, content layout 5).

use std::io::Read;

use clearwell_format::Owner;
use clearwell_format::archive::{ArchiveError, read_members};

/// A member of a manifest archive.
pub(crate) struct ManifestMember {
    pub(crate) name: Vec<u8>,
    pub(crate) owner: Owner,
    pub(crate) bytes: Vec<u8>,
}

/// All members, in order.
pub(crate) fn read(archive: &[u8]) -> Result<Vec<ManifestMember>, ArchiveError> {
    let mut members = Vec::new();
    read_members::<ArchiveError>(archive, |member| {
        if members.len() == MOST_MEMBERS {
            return Err(ArchiveError::MemberCount(MOST_MEMBERS + 1));
        }
        if member.header.size > LARGEST {
            return Err(ArchiveError::TooLarge(member.header.size));
        }
        let mut bytes = Vec::new();
        member.body.take(LARGEST).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
        if bytes.len() as u64 != member.header.size {
            return Err(ArchiveError::Truncated);
        }
        members.push(ManifestMember { name: member.header.name, owner: member.header.owner, bytes });
        Ok(())
    })?;
    Ok(members)
}

const MOST_MEMBERS: usize = 2;
/// Four million entries, the most a client takes, with paths of 160 bytes.
const LARGEST: u64 = 1 << 30;
