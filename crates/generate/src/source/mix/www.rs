//! The public tree of a mixer workspace: the manifests of releases that were made before.

use std::io;
use std::path::PathBuf;

use clearwell_format::{FileHash, Manifest, ManifestName, Mom, MomEntry, Version};
use clearwell_store::regular;

use crate::plan::release_manifests::ManifestSource;
use crate::source::{SourceError, TEXT_BYTES};

/// Reads the plain manifests below a `www` folder, and compares those of bundles with the hashes that their MoM has.
#[derive(Clone, Debug)]
pub struct Www {
    dir: PathBuf,
}

impl Www {
    /// Manifests below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn read(&self, version: Version, name: &ManifestName) -> Result<(PathBuf, Vec<u8>), SourceError> {
        let path = self.dir.join(version.to_string()).join(format!("Manifest.{name}"));
        match regular::read_named(&path, TEXT_BYTES) {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(SourceError::Read { path, source }),
        }
    }
}

impl ManifestSource for Www {
    type Error = SourceError;

    fn mom(&self, version: Version) -> Result<Mom, SourceError> {
        let (path, bytes) = self.read(version, &ManifestName::Mom)?;
        Mom::parse(&bytes).map_err(|source| SourceError::Manifest { path, source })
    }

    fn bundle(&self, entry: &MomEntry) -> Result<Manifest, SourceError> {
        let (path, bytes) = self.read(entry.version, &ManifestName::Bundle(entry.bundle.clone()))?;
        if FileHash::of_manifest(&bytes) != entry.hash {
            return Err(SourceError::OtherManifest { path });
        }
        Manifest::parse(&bytes).map_err(|source| SourceError::Manifest { path, source })
    }

    fn full(&self, version: Version) -> Result<Option<Manifest>, SourceError> {
        match self.read(version, &ManifestName::Full) {
            Ok((path, bytes)) => {
                Manifest::parse(&bytes).map(Some).map_err(|source| SourceError::Manifest { path, source })
            }
            Err(SourceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
