//! What is inside a fullfile, pack or delta: one pass over the file gives its digest and says whether it holds what its
//! name promises.
//!
//! | Artifact | Looked at |
//! |---|---|
//! | fullfile | one member, named by its hash, with content and metadata of that hash |
//! | pack | only members that belong there, each whole one hashed, each delta applied to its base, the result hashed |
//! | loose delta | applied, the result hashed |
//! | delta between manifests | applied to the old manifest, the result compared with the new one |
//! | `format` | the format of the release |
//!
//! A delta whose base is nowhere cannot be applied; that is counted and is no problem of the file. Which members belong in
//! an archive is told by `clearwell_format::archive::Shape`.

mod bases;
mod measured;
mod rules;

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clearwell_delta::PatchError;
use clearwell_format::archive::{ArchiveError, Misfit, Shape, Slot, read_shaped};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, FormatNumber, ManifestName, Owner, Version};

use crate::progress::Meter;
use crate::throttle::Throttle;
use crate::{ArtifactMeta, regular};
pub(crate) use bases::{Bases, StoreBases, TreeBases};
use measured::Measured;
pub(crate) use rules::Rules;

/// What is wrong inside a file.
#[derive(Debug, thiserror::Error)]
pub enum ContentProblem {
    /// The file could not be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// An archive that clients cannot read.
    #[error("it is no archive that clients can read")]
    Archive(#[source] ArchiveError),
    /// An archive with a member that does not belong there, or without the one it is for.
    #[error(transparent)]
    Misfit(Misfit),
    /// The object in a fullfile or pack has another hash.
    #[error("it holds {expected} with content or metadata that hash to {found}")]
    ObjectHash {
        /// From the name.
        expected: FileHash,
        /// Of the member.
        found: FileHash,
    },
    /// Not a delta.
    #[error("it does not begin like a delta")]
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
    #[error("its delta to {expected} makes {found}")]
    DeltaResult {
        /// From the name, or the manifest.
        expected: FileHash,
        /// Of what it makes.
        found: FileHash,
    },
    /// `format` and the MoM disagree.
    #[error("it does not say {expected}, the format of the MoM")]
    OtherFormat {
        /// From the MoM.
        expected: FormatNumber,
    },
}

/// A sound file.
pub(crate) struct Sound {
    pub(crate) meta: ArtifactMeta,
    /// The objects that a pack holds whole.
    pub(crate) staged: BTreeSet<FileHash>,
    /// Deltas whose base is nowhere.
    pub(crate) unapplied: u64,
}

/// How a file turned out.
pub(crate) struct Looked {
    /// Size and digest of all its bytes; `None` if they could not be read to the end.
    pub(crate) meta: Option<ArtifactMeta>,
    pub(crate) inside: Result<Sound, ContentProblem>,
}

/// Looks into the files of one release. Many threads may at once.
pub(crate) struct Inspector<'a> {
    pub(crate) version: Version,
    pub(crate) format: Option<FormatNumber>,
    pub(crate) bases: &'a dyn Bases,
    pub(crate) rules: &'a Rules<'a>,
    pub(crate) throttle: &'a Throttle,
    /// Held by the one that applies a large delta: together they would take the memory of the machine.
    pub(crate) large: &'a Mutex<()>,
    /// Counts files and their bytes.
    pub(crate) meter: &'a Meter<'a>,
}

impl Inspector<'_> {
    /// Checks what can be checked of the file itself.
    pub(crate) fn check(&self, artifact: &Artifact, path: &Path) -> Result<Sound, ContentProblem> {
        self.look(artifact, path).inside
    }

    /// Checks the file, and measures it also where its content is wrong.
    pub(crate) fn look(&self, artifact: &Artifact, path: &Path) -> Looked {
        let file = match regular::open(path) {
            Ok(file) => file,
            Err(error) => {
                self.meter.advance(1, 0);
                return Looked { meta: None, inside: Err(ContentProblem::Unreadable(error)) };
            }
        };
        let size = file.metadata().map_or(0, |found| found.len());
        let measured = Measured::new(file, self.throttle, self.meter.item(size));
        let mut file = BufReader::with_capacity(buffer_for(size), measured);
        let mut found = Inside::default();
        let inside = self.inside(artifact, &mut file, &mut found);
        let rest = io::copy(&mut file, &mut io::sink());
        match rest {
            Err(error) => Looked { meta: None, inside: Err(ContentProblem::Unreadable(error)) },
            Ok(_) => {
                let meta = file.into_inner().meta();
                let sound = |()| Sound { meta, staged: found.staged, unapplied: found.unapplied };
                Looked { meta: Some(meta), inside: inside.map(sound) }
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
        found: &mut Inside,
    ) -> Result<(), ContentProblem> {
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
            // Notes for people, and manifests, which are checked together elsewhere.
            _ => Ok(()),
        }
    }

    fn archive(
        &self,
        file: &mut (impl BufRead + Send),
        shape: Shape<'_>,
        found: &mut Inside,
    ) -> Result<(), ContentProblem> {
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

    fn loose_delta(&self, file: &mut impl Read, name: DeltaName, found: &mut Inside) -> Result<(), ContentProblem> {
        let delta = whole_file(file)?;
        found.unapplied += u64::from(!self.apply(name, &delta, self.rules.fullfile())?);
        Ok(())
    }

    /// False if the base is nowhere. The delta may make a file of `limit` bytes.
    fn apply(&self, name: DeltaName, delta: &[u8], limit: u64) -> Result<bool, ContentProblem> {
        let header = clearwell_delta::header(delta).map_err(|_| ContentProblem::NotADelta)?;
        let _alone = (header.old_size.saturating_add(header.new_size) > LARGE)
            .then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(base) = self.bases.object(name.from) else { return Ok(false) };
        let patched = clearwell_delta::patch_within(&base, delta, limit)
            .map_err(|source| ContentProblem::Patch { to: name.to, source })?;
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
        found: &mut Inside,
    ) -> Result<(), ContentProblem> {
        let delta = whole_file(file)?;
        clearwell_delta::header(&delta).map_err(|_| ContentProblem::NotADelta)?;
        let name = ManifestName::Bundle(bundle.clone());
        let (old, new) = (self.bases.manifest(from, &name), self.bases.manifest(self.version, &name));
        let (Some(old), Some(new)) = (old, new) else {
            found.unapplied += 1;
            return Ok(());
        };
        let expected = FileHash::of_manifest(&new);
        let patched =
            clearwell_delta::patch(&old, &delta).map_err(|source| ContentProblem::Patch { to: expected, source })?;
        made(expected, FileHash::of_manifest(&patched.bytes))
    }
}

/// What an archive was found to hold.
#[derive(Default)]
struct Inside {
    staged: BTreeSet<FileHash>,
    unapplied: u64,
}

fn format_file(file: &mut impl Read, expected: FormatNumber) -> Result<(), ContentProblem> {
    let mut text = Vec::new();
    file.take(64).read_to_end(&mut text).map_err(ContentProblem::Unreadable)?;
    match FormatNumber::parse(text.trim_ascii()) {
        Ok(found) if found == expected => Ok(()),
        _ => Err(ContentProblem::OtherFormat { expected }),
    }
}

fn whole_file(file: &mut impl Read) -> Result<Vec<u8>, ContentProblem> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(ContentProblem::Unreadable)?;
    Ok(bytes)
}

fn same(expected: FileHash, found: FileHash) -> Result<(), ContentProblem> {
    if expected == found { Ok(()) } else { Err(ContentProblem::ObjectHash { expected, found }) }
}

fn made(expected: FileHash, found: FileHash) -> Result<(), ContentProblem> {
    if expected == found { Ok(()) } else { Err(ContentProblem::DeltaResult { expected, found }) }
}

/// Lets a visitor of members end with a problem.
struct Refusal(ContentProblem);

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self(error.into())
    }
}

impl From<ArchiveError> for ContentProblem {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Misfit(misfit) => Self::Misfit(misfit),
            other => Self::Archive(other),
        }
    }
}

impl From<ContentProblem> for Refusal {
    fn from(problem: ContentProblem) -> Self {
        Self(problem)
    }
}

impl From<Refusal> for ContentProblem {
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
