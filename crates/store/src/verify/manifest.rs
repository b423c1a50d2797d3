//! Manifests: the text in an archive, the plain file next to it, and what a MoM says about them.

use clearwell_format::manifest::{Ignored, ParseError};
use clearwell_format::{FileHash, Manifest, ManifestName, Mom, Owner, Version};

use super::{DefectKind, Inspection};
use crate::manifest_archive::{self, ArchivedManifest};

/// What the archive of a manifest contains.
pub(crate) fn unpack(archive: &[u8], name: &ManifestName) -> Result<ArchivedManifest, DefectKind> {
    manifest_archive::read(archive, name).map_err(|error| DefectKind::Content(error.into()))
}

/// The plain file has to be the text in the archive, which is what clients read.
pub(crate) fn same_text(plain: &[u8], archived: &[u8]) -> Result<(), DefectKind> {
    if plain == archived { Ok(()) } else { Err(DefectKind::NotAsArchived) }
}

/// The hash of a text, with the owner that its archive gives it, has to be the `expected` one of the MoM of `by`.
pub(crate) fn hash(text: &[u8], owner: Owner, by: Version, expected: FileHash) -> Result<(), DefectKind> {
    same_hash(FileHash::of_file(text, owner), by, expected)
}

/// As [`hash`], for a text that was hashed while it was read.
pub(crate) fn same_hash(found: FileHash, by: Version, expected: FileHash) -> Result<(), DefectKind> {
    if found == expected { Ok(()) } else { Err(DefectKind::ManifestHash { by, expected, found }) }
}

/// The text of the MoM in the folder of `version`.
pub(crate) fn mom(text: &[u8], version: Version) -> Inspection<Mom> {
    inspect(Mom::parse(text), version, |mom| (mom.header.version, mom.ignored()))
}

/// The text of a bundle manifest, or of the full manifest, in the folder of `version`.
pub(crate) fn manifest(text: &[u8], version: Version) -> Inspection<Manifest> {
    inspect(Manifest::parse(text), version, |manifest| (manifest.header.version, manifest.ignored()))
}

fn inspect<T>(
    parsed: Result<T, ParseError>,
    version: Version,
    parts: impl Fn(&T) -> (Version, &Ignored),
) -> Inspection<T> {
    let value = match parsed {
        Ok(value) => value,
        Err(source) => return Inspection { value: None, defects: vec![DefectKind::Manifest(source)] },
    };
    let mut defects = Vec::new();
    let (found, ignored) = parts(&value);
    if found != version {
        defects.push(DefectKind::OtherVersion { found });
    }
    let lines = ignored.header.len() + ignored.entries.len();
    if let Some(first) = ignored.header.first().or(ignored.entries.first()).cloned() {
        defects.push(DefectKind::LinesIgnored { lines, first });
    }
    Inspection { value: Some(value), defects }
}
