//! Manifests as endpoints fetch them: an xz tar (content layout §5).
//!
//! ```text
//! Manifest.<bundle>.tar     Manifest.<bundle>
//! Manifest.MoM.tar          Manifest.MoM, Manifest.MoM.sig
//! ```
//!
//! The client hashes the extracted manifest with its mode and owner, so members are 0644 of root, as the MoM expects.

use std::io;

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::{ManifestName, Owner};

/// The archive of a manifest. `mtime` is in seconds since the epoch.
///
/// # Errors
/// Only if memory runs out in the compressor.
pub(crate) fn archive(
    name: &ManifestName,
    manifest: &[u8],
    signature: Option<&[u8]>,
    mtime: u64,
) -> io::Result<Vec<u8>> {
    let mut tar = TarWriter::new(Vec::new());
    let mut add = |name: String, mut bytes: &[u8]| {
        tar.file(name.as_bytes(), Owner::MANIFEST, mtime, bytes.len() as u64, &mut bytes)
    };
    add(format!("Manifest.{name}"), manifest)?;
    if let Some(signature) = signature {
        add(format!("Manifest.{name}.sig"), signature)?;
    }
    // As the xz tool does: a repair makes it again from nothing but the manifest.
    Codec::Xz { preset: 6, x86: false }.compress(&tar.finish()?)
}

#[cfg(test)]
mod tests {
    use clearwell_format::archive::{ArchiveError, read_members};

    use super::*;

    #[test]
    fn the_mom_travels_with_its_signature() {
        let archive = archive(&ManifestName::Mom, b"MANIFEST\t30\n", Some(b"DER"), 7).unwrap();
        let mut names = Vec::new();
        read_members::<ArchiveError>(&archive[..], |member| {
            assert_eq!((member.header.owner, member.header.mtime), (Owner::MANIFEST, 7));
            names.push(String::from_utf8(member.header.name).unwrap());
            Ok(())
        })
        .unwrap();
        assert_eq!(names, ["Manifest.MoM", "Manifest.MoM.sig"]);
    }
}
