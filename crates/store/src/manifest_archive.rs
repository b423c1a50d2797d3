//! Manifest archives: one member, or two for the MoM with its signature (content layout §5).

use std::io::BufRead;

use clearwell_format::archive::{ArchiveError, LARGEST_MANIFEST, MemberError, Shape, Slot, read_shaped};
use clearwell_format::{FileHash, ManifestName, Owner};

/// What the archive of a manifest contains.
pub(crate) struct ArchivedManifest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) owner: Owner,
    /// Of a MoM.
    pub(crate) signature: Option<Vec<u8>>,
}

/// Reads the archive of a manifest.
pub(crate) fn read(archive: &[u8], name: &ManifestName) -> Result<ArchivedManifest, ArchiveError> {
    let (mut manifest, mut signature) = (None, None);
    read_shaped::<ArchiveError>(archive, Shape::manifest(name), |slot, mut member| {
        // The shape limits the size of each member.
        let bytes = member.content(LARGEST_MANIFEST)?;
        match slot {
            Slot::Signature => signature = Some(bytes),
            _ => manifest = Some((bytes, member.header.owner)),
        }
        Ok(())
    })?;
    let (bytes, owner) = manifest.ok_or_else(|| MemberError::Missing(format!("Manifest.{name}")))?;
    Ok(ArchivedManifest { bytes, owner, signature })
}

/// The hash that clients give the manifest in an archive, without holding it in memory: only what a MoM names is read.
pub(crate) fn hash(archive: impl BufRead + Send, name: &ManifestName) -> Result<FileHash, ArchiveError> {
    let mut hash = None;
    read_shaped::<ArchiveError>(archive, Shape::manifest(name), |slot, mut member| {
        if slot == Slot::Manifest {
            hash = Some(member.hash(&mut std::io::sink())?);
        }
        Ok(())
    })?;
    Ok(hash.ok_or_else(|| MemberError::Missing(format!("Manifest.{name}")))?)
}
