//! Checks of the manifests of one version: first the MoM, which is signed, then what it names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clearwell_format::archive::{Shape, archive_limit};
use clearwell_format::manifest::Ignored;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, FileHasher, Manifest, ManifestName, Mom, MomEntry, Owner, Version};
use clearwell_sign::{Dates, Trust};

use super::problem::{Problem, ProblemKind};
use crate::content::ContentProblem;
use crate::manifest_archive::{self, ArchivedManifest};
use crate::{ArtifactMeta, Digest, regular};

/// Checks manifests and collects what is sound and what is wrong.
pub(super) struct ManifestCheck<'a> {
    version: Version,
    files: &'a BTreeMap<Artifact, PathBuf>,
    pub(super) sound: BTreeMap<Artifact, ArtifactMeta>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> ManifestCheck<'a> {
    pub(super) fn new(version: Version, files: &'a BTreeMap<Artifact, PathBuf>) -> Self {
        Self { version, files, sound: BTreeMap::new(), problems: Vec::new() }
    }

    /// The MoM, if clients would accept it: readable, of this version, and signed where there is a certificate to check with.
    pub(super) fn mom(&mut self, trust: Option<&Trust>) -> Option<Mom> {
        let version = self.version;
        let signature = self.read(&Artifact::MomSignature, None);
        let beside = signature.as_ref().map(|(bytes, _)| bytes.as_slice());
        let text = self.pair(&ManifestName::Mom, None, |bytes, _, archived| {
            let mom = Mom::parse(bytes).map_err(ProblemKind::Manifest)?;
            if mom.header.version != version {
                return Err(ProblemKind::OtherVersion { found: mom.header.version });
            }
            // Clients ask for the file beside when the signature in the archive is missing or wrong.
            trust.map_or(Ok(()), |trust| signed(bytes, [archived, beside], trust))
        });
        let Some(text) = text else {
            let is_there = |name| self.files.contains_key(&name);
            let any =
                is_there(Artifact::ManifestTar(ManifestName::Mom)) || is_there(Artifact::Manifest(ManifestName::Mom));
            let kind = if any { ProblemKind::MomUnusable } else { ProblemKind::MomMissing };
            self.problems.push(Problem { path: PathBuf::from(version.to_string()), kind });
            return None;
        };
        if let Some((bytes, meta)) = signature {
            match trust.map_or(Ok(()), |trust| signed(&text, [Some(bytes.as_slice()), None], trust)) {
                Ok(()) => drop(self.sound.insert(Artifact::MomSignature, meta)),
                Err(kind) => self.problem(&Artifact::MomSignature, kind),
            }
        }
        let mom = Mom::parse(&text).ok()?;
        self.note_ignored(&ManifestName::Mom, mom.ignored());
        Some(mom)
    }

    /// The manifest of a bundle that changed in this version, if it is the one that the MoM names.
    pub(super) fn bundle(&mut self, entry: &MomEntry) -> Option<Manifest> {
        let name = ManifestName::Bundle(entry.bundle.clone());
        let (archive, plain) = (Artifact::ManifestTar(name.clone()), Artifact::Manifest(name.clone()));
        let expected = entry.hash;
        // Once more: the file may have been replaced since it was compared.
        let text = self.pair(&name, Some(expected), |bytes, owner, _| {
            let found = FileHash::of_file(bytes, owner);
            if found == expected { Ok(()) } else { Err(ProblemKind::ManifestHash { expected, found }) }
        });
        let Some(text) = text else {
            if !self.files.contains_key(&archive) && !self.files.contains_key(&plain) {
                self.problem(&archive, ProblemKind::ManifestMissing { bundle: entry.bundle.clone() });
            }
            return None;
        };
        // From here on it is what was released; if it is bad it was released bad, and is kept.
        match Manifest::parse(&text) {
            Ok(manifest) => {
                let found = manifest.header.version;
                if found != self.version {
                    self.problem(&archive, ProblemKind::OtherVersion { found });
                }
                self.note_ignored(&name, manifest.ignored());
                Some(manifest)
            }
            Err(source) => {
                self.problem(&archive, ProblemKind::Manifest(source));
                None
            }
        }
    }

    /// The full manifest. No MoM names it, so it only has to be readable and of this version.
    pub(super) fn full(&mut self) -> Option<Manifest> {
        let version = self.version;
        let text = self.pair(&ManifestName::Full, None, |bytes, _, _| match Manifest::parse(bytes) {
            Ok(manifest) if manifest.header.version == version => Ok(()),
            Ok(manifest) => Err(ProblemKind::OtherVersion { found: manifest.header.version }),
            Err(source) => Err(ProblemKind::Manifest(source)),
        })?;
        let full = Manifest::parse(&text).ok()?;
        self.note_ignored(&ManifestName::Full, full.ignored());
        Some(full)
    }

    fn note_ignored(&mut self, name: &ManifestName, ignored: &Ignored) {
        let lines = ignored.header.len() + ignored.entries.len();
        if let Some(first) = ignored.header.first().or(ignored.entries.first()).cloned() {
            self.problem(&Artifact::ManifestTar(name.clone()), ProblemKind::LinesIgnored { lines, first });
        }
    }

    /// Leaves out the manifests that the MoM does not name in this version.
    pub(super) fn leave_out_others(&mut self, mom: &Mom) {
        let is_named = |bundle: &BundleName| mom.bundle(bundle).is_some_and(|entry| entry.version == self.version);
        let others = self.files.keys().filter(|artifact| match artifact {
            Artifact::Manifest(ManifestName::Bundle(bundle)) | Artifact::ManifestTar(ManifestName::Bundle(bundle)) => {
                !is_named(bundle)
            }
            _ => false,
        });
        for artifact in others.cloned().collect::<Vec<_>>() {
            self.problem(&artifact, ProblemKind::NotInMom);
        }
    }

    /// Checks an archive and the plain file beside it, and returns the text that passes `accept`, which is asked with
    /// the text, the owner that clients give it, and the second member of the archive. The archive's comes first: it is
    /// what clients read. The plain file then has to be the same. What has to have a hash is not held without it.
    fn pair(
        &mut self,
        name: &ManifestName,
        expected: Option<FileHash>,
        accept: impl Fn(&[u8], Owner, Option<&[u8]>) -> Result<(), ProblemKind>,
    ) -> Option<Vec<u8>> {
        let (archive, plain) = (Artifact::ManifestTar(name.clone()), Artifact::Manifest(name.clone()));
        let mut accepted = None;
        if let Some((bytes, meta)) = self.read(&archive, expected) {
            match archived(&bytes, name, &accept) {
                Ok(text) => {
                    self.sound.insert(archive.clone(), meta);
                    accepted = Some(text);
                }
                Err(kind) => self.problem(&archive, kind),
            }
        }
        let differs = |text: &Vec<u8>| self.length(&plain).is_some_and(|length| length != text.len() as u64);
        if accepted.as_ref().is_some_and(differs) {
            self.problem(&plain, ProblemKind::NotAsArchived);
        } else if let Some((bytes, meta)) = self.read(&plain, expected.filter(|_| accepted.is_none())) {
            let verdict = match &accepted {
                Some(text) if *text == bytes => Ok(()),
                Some(_) => Err(ProblemKind::NotAsArchived),
                None => accept(&bytes, Owner::MANIFEST, None),
            };
            match verdict {
                Ok(()) => {
                    self.sound.insert(plain, meta);
                    accepted.get_or_insert(bytes);
                }
                Err(kind) => self.problem(&plain, kind),
            }
        }
        if accepted.is_some() && !self.files.contains_key(&archive) {
            self.problem(&archive, ProblemKind::ArchiveMissing);
        }
        accepted
    }

    /// The bytes of a file. What is known by its hash is hashed before memory is taken for it.
    fn read(&mut self, artifact: &Artifact, expected: Option<FileHash>) -> Option<(Vec<u8>, ArtifactMeta)> {
        let path = self.files.get(artifact)?;
        let bytes = expected.map_or(Ok(()), |expected| compare(path, artifact, expected)).and_then(|()| {
            regular::read(path, limit(artifact)).map_err(|error| ContentProblem::Unreadable(error).into())
        });
        match bytes {
            Ok(bytes) => {
                let meta = ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(&bytes) };
                Some((bytes, meta))
            }
            Err(kind) => {
                self.problem(artifact, kind);
                None
            }
        }
    }

    fn length(&self, artifact: &Artifact) -> Option<u64> {
        self.files.get(artifact).and_then(|path| fs::symlink_metadata(path).ok()).map(|found| found.len())
    }

    fn problem(&mut self, artifact: &Artifact, kind: ProblemKind) {
        let path = Path::new(&self.version.to_string()).join(artifact.to_string());
        self.problems.push(Problem { path, kind });
    }
}

/// The text in an archive, if it is accepted.
fn archived(
    archive: &[u8],
    name: &ManifestName,
    accept: impl Fn(&[u8], Owner, Option<&[u8]>) -> Result<(), ProblemKind>,
) -> Result<Vec<u8>, ProblemKind> {
    let ArchivedManifest { bytes, owner, signature } =
        manifest_archive::read(archive, name).map_err(ContentProblem::from)?;
    accept(&bytes, owner, signature.as_deref())?;
    Ok(bytes)
}

/// Whether a manifest, in its archive or plain, has the hash that the MoM says.
fn compare(path: &Path, artifact: &Artifact, expected: FileHash) -> Result<(), ProblemKind> {
    let open = || regular::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = open().map_err(ContentProblem::Unreadable)?;
    let file = BufReader::with_capacity(64 << 10, file);
    let found = match artifact {
        Artifact::ManifestTar(name) => manifest_archive::hash(file, name).map_err(ContentProblem::from)?,
        _ => plain_hash(file, length).map_err(ContentProblem::Unreadable)?,
    };
    if found == expected { Ok(()) } else { Err(ProblemKind::ManifestHash { expected, found }) }
}

/// The hash of a plain manifest, with the owner that its archive gives it.
fn plain_hash(file: BufReader<fs::File>, length: u64) -> io::Result<FileHash> {
    let mut hasher = FileHasher::new(Owner::MANIFEST, length);
    let mut file = file.take(length);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Most bytes that a manifest has in memory, as a file of its own or as an archive.
fn limit(artifact: &Artifact) -> u64 {
    match artifact {
        Artifact::Manifest(name) => Shape::manifest(name).content_bytes(),
        Artifact::ManifestTar(name) => archive_limit(Shape::manifest(name).content_bytes(), 2),
        _ => SIGNATURE_LIMIT,
    }
}

/// A signature with the certificates of its chain.
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// True if one of the signatures is valid. Dates are not looked at: old releases were signed long ago.
fn signed<const N: usize>(bytes: &[u8], signatures: [Option<&[u8]>; N], trust: &Trust) -> Result<(), ProblemKind> {
    let mut verdict = Err(ProblemKind::SignatureMissing);
    for signature in signatures.into_iter().flatten() {
        match trust.verify(bytes, signature, Dates::Ignored, 0) {
            Ok(_) => return Ok(()),
            Err(error) => verdict = Err(ProblemKind::SignatureInvalid(error)),
        }
    }
    verdict
}
