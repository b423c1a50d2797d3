//! Checks of fullfiles, packs and deltas: one pass over the file gives its digest and the hashes of what is in it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use clearwell_format::archive::{ArchiveError, read_members};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, FormatNumber};
use sha2::{Digest as _, Sha256};

use super::problem::ProblemKind;
use crate::ArtifactMeta;

/// A sound file.
pub(super) struct Sound {
    pub(super) meta: ArtifactMeta,
    /// The objects that a pack holds whole.
    pub(super) staged: BTreeSet<FileHash>,
}

/// Checks what can be checked of the file itself.
pub(super) fn check(artifact: &Artifact, path: &Path, format: FormatNumber) -> Result<Sound, ProblemKind> {
    let mut file =
        BufReader::with_capacity(128 << 10, Measured::new(File::open(path).map_err(ProblemKind::Unreadable)?));
    let staged = match artifact {
        Artifact::Fullfile(hash) => fullfile(&mut file, *hash).map(|()| BTreeSet::new())?,
        Artifact::Pack { .. } => pack(&mut file)?,
        Artifact::Delta(_) | Artifact::DeltaManifest { .. } => delta(&mut file).map(|()| BTreeSet::new())?,
        Artifact::Format => format_file(&mut file, format).map(|()| BTreeSet::new())?,
        // Notes for people, and manifests, which are checked together elsewhere.
        _ => BTreeSet::new(),
    };
    io::copy(&mut file, &mut io::sink()).map_err(ProblemKind::Unreadable)?;
    Ok(Sound { meta: file.into_inner().meta(), staged })
}

fn fullfile(file: &mut BufReader<Measured>, hash: FileHash) -> Result<(), ProblemKind> {
    let mut count = 0;
    read_members::<Refusal>(file, |mut member| {
        count += 1;
        let name = member.header.name.strip_suffix(b"/").unwrap_or(&member.header.name);
        if count == 1 && name != hash.to_string().as_bytes() {
            return Err(Refusal(ProblemKind::Member { expected: hash.to_string() }));
        }
        same(hash, member.hash(&mut io::sink())?)
    })?;
    if count == 1 { Ok(()) } else { Err(ProblemKind::Archive(ArchiveError::MemberCount(count))) }
}

fn pack(file: &mut BufReader<Measured>) -> Result<BTreeSet<FileHash>, ProblemKind> {
    let mut staged = BTreeSet::new();
    read_members::<Refusal>(file, |mut member| {
        if let Some(PackMember::Staged(hash)) = PackMember::parse(&member.header.name) {
            same(hash, member.hash(&mut io::sink())?)?;
            staged.insert(hash);
        }
        Ok(())
    })?;
    Ok(staged)
}

fn delta(file: &mut BufReader<Measured>) -> Result<(), ProblemKind> {
    let mut mark = Vec::new();
    file.take(8).read_to_end(&mut mark).map_err(ProblemKind::Unreadable)?;
    let known = [b"BSDIFF4U", b"BSDIFF4V"].iter().any(|known| mark == *known);
    if known { Ok(()) } else { Err(ProblemKind::NotADelta) }
}

fn format_file(file: &mut BufReader<Measured>, expected: FormatNumber) -> Result<(), ProblemKind> {
    let mut text = Vec::new();
    file.take(64).read_to_end(&mut text).map_err(ProblemKind::Unreadable)?;
    match FormatNumber::parse(text.trim_ascii()) {
        Ok(found) if found == expected => Ok(()),
        _ => Err(ProblemKind::OtherFormat { expected }),
    }
}

fn same(expected: FileHash, found: FileHash) -> Result<(), Refusal> {
    if expected == found { Ok(()) } else { Err(Refusal(ProblemKind::ObjectHash { expected, found })) }
}

/// Lets a visitor of members end with a problem.
struct Refusal(ProblemKind);

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self(ProblemKind::Archive(error))
    }
}

impl From<Refusal> for ProblemKind {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

/// Digests what is read from a file.
struct Measured {
    file: File,
    hasher: Sha256,
    size: u64,
}

impl Measured {
    fn new(file: File) -> Self {
        Self { file, hasher: Sha256::new(), size: 0 }
    }

    fn meta(self) -> ArtifactMeta {
        ArtifactMeta { size: self.size, sha256: self.hasher.into() }
    }
}

impl Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
