//! Writing an index.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::{ArtifactMeta, FORMAT, MAGIC};
use crate::disk::{Disk, Operation};
use crate::{Hasher, StoreError};

/// Writes the index of `release` to `out`, and gives it back flushed.
///
/// # Errors
/// The writer's own, and [`io::ErrorKind::FileTooLarge`] for more than 4 GiB of names.
pub(crate) fn write<W: Write>(release: Version, artifacts: &BTreeMap<Artifact, ArtifactMeta>, out: W) -> io::Result<W> {
    let mut others: Vec<(String, ArtifactMeta)> = artifacts
        .iter()
        .filter(|(artifact, _)| !matches!(artifact, Artifact::Fullfile(_)))
        .map(|(artifact, meta)| (artifact.to_string(), *meta))
        .collect();
    others.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let name_bytes: usize = others.iter().map(|(name, _)| name.len()).sum();
    u32::try_from(name_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;

    let mut out = DigestingWriter { out, hasher: Hasher::new() };
    out.write_all(MAGIC)?;
    out.write_all(&FORMAT.to_le_bytes())?;
    out.write_all(&release.number().to_le_bytes())?;
    for number in [artifacts.len() - others.len(), others.len(), name_bytes] {
        out.write_all(&(number as u64).to_le_bytes())?;
    }
    // The order of artifacts has fullfiles by hash already.
    for (artifact, meta) in artifacts {
        if let Artifact::Fullfile(hash) = artifact {
            out.write_all(hash.as_bytes())?;
            out.meta(meta)?;
        }
    }
    let mut offset = 0_u32;
    for (name, meta) in &others {
        let length = u32::try_from(name.len()).expect("all names together fit");
        out.write_all(&offset.to_le_bytes())?;
        out.write_all(&length.to_le_bytes())?;
        out.meta(meta)?;
        offset += length;
    }
    others.iter().try_for_each(|(name, _)| out.write_all(name.as_bytes()))?;
    let DigestingWriter { mut out, hasher } = out;
    out.write_all(hasher.finish().as_bytes())?;
    out.flush()?;
    Ok(out)
}

/// Writes the index of `release` to a new file, synced.
pub(crate) fn store(
    release: Version,
    artifacts: &BTreeMap<Artifact, ArtifactMeta>,
    path: &Path,
    disk: &Disk,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::io(Operation::Write, path, source);
    let out = write(release, artifacts, BufWriter::new(disk.create_file(path)?)).map_err(failed)?;
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync()
}

struct DigestingWriter<W> {
    out: W,
    hasher: Hasher,
}

impl<W: Write> DigestingWriter<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn meta(&mut self, meta: &ArtifactMeta) -> io::Result<()> {
        self.write_all(&meta.size.to_le_bytes())?;
        self.write_all(meta.sha256.as_bytes())
    }
}
