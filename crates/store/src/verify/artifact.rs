//! The bytes of one file: one pass gives its digest and says whether it contains what its name promises.
//!
//! | Artifact | Verified |
//! |---|---|
//! | fullfile | one member, named by its hash, with content and metadata of that hash |
//! | pack | only members that belong there, each whole one hashed, each delta applied to its base, the result hashed |
//! | loose delta | applied, the result hashed |
//! | delta between manifests | applied to the old manifest, the result compared with the new one |
//! | `format` | the format of the release |
//!
//! A delta whose base is nowhere cannot be applied; that is counted and is not a defect of the file. Which members
//! belong in an archive is told by `clearwell_format::archive::Shape`.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clearwell_delta::PatchError;
use clearwell_format::archive::{ArchiveError, MemberError, Shape, Slot, read_shaped};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, FormatNumber, ManifestName, Owner, Version};

use super::DefectKind;
use super::bases::Bases;
use super::measured::Measured;
use super::rules::Rules;
use crate::progress::Meter;
use crate::throttle::Throttle;
use crate::{ArtifactMeta, regular};

/// What is wrong inside a file.
#[derive(Debug, thiserror::Error)]
pub enum ContentDefect {
    /// The file could not be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// An archive that clients cannot read.
    #[error("it is not an archive that clients can read")]
    Archive(#[source] ArchiveError),
    /// An archive with a member that does not belong there, or without the one it is for.
    #[error(transparent)]
    Member(MemberError),
    /// The object in a fullfile or pack has another hash.
    #[error("its member {expected} has the hash {found}: its content or metadata is wrong")]
    ObjectHash {
        /// From the name.
        expected: FileHash,
        /// Of the member.
        found: FileHash,
    },
    /// Not a delta.
    #[error("it is not a delta")]
    NotADelta,
    /// A delta that cannot be applied to its base.
    #[error("its delta to {to} cannot be applied")]
    Patch {
        /// What it would make.
        to: FileHash,
        /// Why not.
        source: PatchError,
    },
    /// A delta that makes something else.
    #[error("its delta to {expected} produces {found}")]
    DeltaResult {
        /// From the name, or the manifest.
        expected: FileHash,
        /// Of what it makes.
        found: FileHash,
    },
    /// `format` and the MoM disagree.
    #[error("it does not name format {expected}, which the MoM has")]
    OtherFormat {
        /// From the MoM.
        expected: FormatNumber,
    },
}

/// How the bytes of an artifact are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Together, from the MoM on: see `manifest`.
    Manifests,
    /// By themselves: what the name promises is a hash.
    Contents,
    /// Text that no hash names. Clients do not depend on it.
    Note,
}

impl Verification {
    pub(crate) const fn of(artifact: &Artifact) -> Self {
        match artifact {
            Artifact::Manifest(_) | Artifact::ManifestTar(_) | Artifact::MomSignature => Self::Manifests,
            Artifact::Fullfile(_) | Artifact::Pack { .. } | Artifact::Delta(_) | Artifact::DeltaManifest { .. } => {
                Self::Contents
            }
            Artifact::Format | Artifact::GeneratorVersion | Artifact::UpstreamUrl | Artifact::UpstreamVersion => {
                Self::Note
            }
        }
    }
}

/// Size and digest of a file have to be those of the index.
pub(crate) fn against_index(expected: ArtifactMeta, found: ArtifactMeta) -> Result<(), DefectKind> {
    if found.size != expected.size {
        return Err(DefectKind::Size { expected: expected.size, found: found.size });
    }
    if found.sha256 != expected.sha256 {
        return Err(DefectKind::Digest { expected: expected.sha256, found: found.sha256 });
    }
    Ok(())
}

/// What a sound file contains.
pub(crate) struct Contents {
    pub(crate) meta: ArtifactMeta,
    /// The objects that a pack contains whole.
    pub(crate) staged: BTreeSet<FileHash>,
    /// Deltas whose base is nowhere.
    pub(crate) unapplied: u64,
}

/// What an inspection of a file found.
pub(crate) struct ArtifactInspection {
    /// Size and digest of all its bytes; `None` if they could not be read to the end.
    pub(crate) meta: Option<ArtifactMeta>,
    pub(crate) contents: Result<Contents, ContentDefect>,
}

/// Inspects the files of one release, from many threads.
pub(crate) struct ArtifactInspector<'a> {
    pub(crate) version: Version,
    pub(crate) format: Option<FormatNumber>,
    pub(crate) bases: &'a dyn Bases,
    pub(crate) rules: &'a Rules<'a>,
    pub(crate) throttle: &'a Throttle,
    /// Locked while a large delta is applied: several together would take the memory of the machine.
    pub(crate) large: &'a Mutex<()>,
    /// Counts files and their bytes.
    pub(crate) meter: &'a Meter<'a>,
}

impl ArtifactInspector<'_> {
    /// What the file contains, or what is wrong with it.
    pub(crate) fn check(&self, artifact: &Artifact, path: &Path) -> Result<Contents, ContentDefect> {
        self.inspect(artifact, path).contents
    }

    /// As [`Self::check`], and measures the file also where its content is wrong.
    pub(crate) fn inspect(&self, artifact: &Artifact, path: &Path) -> ArtifactInspection {
        let file = match regular::open(path) {
            Ok(file) => file,
            Err(error) => {
                self.meter.advance(1, 0);
                return ArtifactInspection { meta: None, contents: Err(ContentDefect::Unreadable(error)) };
            }
        };
        let size = file.metadata().map_or(0, |found| found.len());
        let measured = Measured::new(file, self.throttle, self.meter.item(size));
        let mut file = BufReader::with_capacity(buffer_for(size), measured);
        let mut found = Members::default();
        let contents = self.inside(artifact, &mut file, &mut found);
        let rest = io::copy(&mut file, &mut io::sink());
        match rest {
            Err(error) => ArtifactInspection { meta: None, contents: Err(ContentDefect::Unreadable(error)) },
            Ok(_) => {
                let meta = file.into_inner().meta();
                let sound = |()| Contents { meta, staged: found.staged, unapplied: found.unapplied };
                ArtifactInspection { meta: Some(meta), contents: contents.map(sound) }
            }
        }
    }

    /// Only reads the bytes, of which there are `size` or so.
    pub(crate) fn measure(&self, path: &Path, size: u64) -> io::Result<ArtifactMeta> {
        let item = self.meter.item(size);
        let mut file = Measured::new(regular::open(path)?, self.throttle, item);
        let mut buffer = vec![0; buffer_for(size)];
        while file.read(&mut buffer)? > 0 {}
        Ok(file.meta())
    }

    fn inside(
        &self,
        artifact: &Artifact,
        file: &mut (impl BufRead + Send),
        found: &mut Members,
    ) -> Result<(), ContentDefect> {
        match artifact {
            Artifact::Fullfile(hash) => {
                let shape = Shape::fullfile(*hash, self.rules.fullfile());
                self.archive(file, shape, found).map(|()| found.staged.clear())
            }
            Artifact::Pack { bundle, from } => {
                let rule = self.rules.pack(bundle);
                let shape = if from.is_none() { Shape::zero_pack } else { Shape::delta_pack };
                self.archive(file, shape(rule.as_deref()), found)
            }
            Artifact::Delta(name) => self.loose_delta(file, *name, found),
            Artifact::DeltaManifest { bundle, from } => self.manifest_delta(file, bundle, *from, found),
            Artifact::Format => self.format.map_or(Ok(()), |format| format_file(file, format)),
            // Manifests are checked together, from the MoM on; the others are notes for people.
            Artifact::Manifest(_) | Artifact::ManifestTar(_) | Artifact::MomSignature => Ok(()),
            Artifact::GeneratorVersion | Artifact::UpstreamUrl | Artifact::UpstreamVersion => Ok(()),
        }
    }

    fn archive(
        &self,
        file: &mut (impl BufRead + Send),
        shape: Shape<'_>,
        found: &mut Members,
    ) -> Result<(), ContentDefect> {
        let limit = shape.content_bytes();
        read_shaped::<Refusal>(file, shape, |slot, mut member| {
            match slot {
                Slot::Object(hash) => {
                    same(hash, member.hash(&mut io::sink())?)?;
                    found.staged.insert(hash);
                }
                Slot::Delta(name) => {
                    let delta = member.content(LARGEST)?;
                    found.unapplied += u64::from(!self.apply(name, &delta, limit)?);
                }
                Slot::Folder | Slot::Manifest | Slot::Signature => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn loose_delta(&self, file: &mut impl Read, name: DeltaName, found: &mut Members) -> Result<(), ContentDefect> {
        let delta = whole_file(file)?;
        found.unapplied += u64::from(!self.apply(name, &delta, self.rules.fullfile())?);
        Ok(())
    }

    /// False if the base is nowhere. The delta may make a file of `limit` bytes.
    fn apply(&self, name: DeltaName, delta: &[u8], limit: u64) -> Result<bool, ContentDefect> {
        let header = clearwell_delta::header(delta).map_err(|_| ContentDefect::NotADelta)?;
        let _alone = (header.old_size.saturating_add(header.new_size) > LARGE)
            .then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(base) = self.bases.object(name.from) else { return Ok(false) };
        let patched = clearwell_delta::patch_within(&base, delta, limit)
            .map_err(|source| ContentDefect::Patch { to: name.to, source })?;
        let meta = patched.meta;
        let owner = Owner { permissions: meta.mode & 0o7777, uid: meta.uid, gid: meta.gid };
        made(name.to, FileHash::of_file(&patched.bytes, owner))?;
        Ok(true)
    }

    fn manifest_delta(
        &self,
        file: &mut impl Read,
        bundle: &BundleName,
        from: Version,
        found: &mut Members,
    ) -> Result<(), ContentDefect> {
        let delta = whole_file(file)?;
        clearwell_delta::header(&delta).map_err(|_| ContentDefect::NotADelta)?;
        let name = ManifestName::Bundle(bundle.clone());
        let (old, new) = (self.bases.manifest(from, &name), self.bases.manifest(self.version, &name));
        let (Some(old), Some(new)) = (old, new) else {
            found.unapplied += 1;
            return Ok(());
        };
        let expected = FileHash::of_manifest(&new);
        let patched =
            clearwell_delta::patch(&old, &delta).map_err(|source| ContentDefect::Patch { to: expected, source })?;
        made(expected, FileHash::of_manifest(&patched.bytes))
    }
}

/// What an archive was found to contain.
#[derive(Default)]
struct Members {
    staged: BTreeSet<FileHash>,
    unapplied: u64,
}

fn format_file(file: &mut impl Read, expected: FormatNumber) -> Result<(), ContentDefect> {
    let mut text = Vec::new();
    file.take(64).read_to_end(&mut text).map_err(ContentDefect::Unreadable)?;
    match FormatNumber::parse(text.trim_ascii()) {
        Ok(found) if found == expected => Ok(()),
        _ => Err(ContentDefect::OtherFormat { expected }),
    }
}

fn whole_file(file: &mut impl Read) -> Result<Vec<u8>, ContentDefect> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(ContentDefect::Unreadable)?;
    Ok(bytes)
}

fn same(expected: FileHash, found: FileHash) -> Result<(), ContentDefect> {
    if expected == found { Ok(()) } else { Err(ContentDefect::ObjectHash { expected, found }) }
}

fn made(expected: FileHash, found: FileHash) -> Result<(), ContentDefect> {
    if expected == found { Ok(()) } else { Err(ContentDefect::DeltaResult { expected, found }) }
}

/// Lets a visitor of members end with a problem.
struct Refusal(ContentDefect);

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self(error.into())
    }
}

impl From<ArchiveError> for ContentDefect {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Member(error) => Self::Member(error),
            other => Self::Archive(other),
        }
    }
}

impl From<ContentDefect> for Refusal {
    fn from(problem: ContentDefect) -> Self {
        Self(problem)
    }
}

impl From<Refusal> for ContentDefect {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

/// Most files are small, and memory that is only zeroed takes longer than they do.
fn buffer_for(size: u64) -> usize {
    usize::try_from(size.saturating_add(1)).map_or(BUFFER, |size| size.clamp(SMALLEST_BUFFER, BUFFER))
}

const BUFFER: usize = 256 << 10;
const SMALLEST_BUFFER: usize = 4 << 10;
/// Old and new file together, in bytes, from which deltas are applied one at a time.
const LARGE: u64 = 64 << 20;
/// More than any delta of a file that clients take.
const LARGEST: u64 = 1 << 30;
