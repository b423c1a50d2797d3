//! The manifests of one version: first the MoM, which is signed, then what it names. Files that clients would not
//! accept are left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clearwell_format::archive::{Shape, archive_limit};
use clearwell_format::resource::Artifact;
use clearwell_format::{
    BundleName, FileHash, FileHasher, Manifest, ManifestName, Mom, MomEntry, Owner, Resource, Version,
};

use crate::manifest_archive::{self, ArchivedManifest};
use crate::verify::{Anchors, ContentDefect, Defect, DefectKind, Inspection, manifest as judge};
use crate::{ArtifactMeta, Digest, regular};

/// Collects the sound files of manifests, and the defects of the others.
pub(super) struct ManifestCheck<'a> {
    version: Version,
    files: &'a BTreeMap<Artifact, PathBuf>,
    pub(super) sound: BTreeMap<Artifact, ArtifactMeta>,
    pub(super) defects: Vec<Defect>,
}

impl<'a> ManifestCheck<'a> {
    pub(super) fn new(version: Version, files: &'a BTreeMap<Artifact, PathBuf>) -> Self {
        Self { version, files, sound: BTreeMap::new(), defects: Vec::new() }
    }

    /// The MoM, if clients would accept it: readable, of this version, and signed if there is a certificate to verify
    /// with.
    pub(super) fn mom(&mut self, anchors: &Anchors) -> Option<Mom> {
        let version = self.version;
        let signature = self.read(&Artifact::MomSignature, None);
        let separate = signature.as_ref().map(|(bytes, _)| bytes.as_slice());
        let text = self.pair(&ManifestName::Mom, None, |bytes, _, archived| {
            judge::mom(bytes, version).accept(is_note)?;
            // Clients ask for the separate file when the signature in the archive is missing or wrong.
            anchors.signed(bytes, archived.into_iter().chain(separate))
        });
        let Some(text) = text else {
            let exists = |name| self.files.contains_key(&name);
            let any = exists(Artifact::ManifestTar(ManifestName::Mom)) || exists(Artifact::Manifest(ManifestName::Mom));
            let kind = if any { DefectKind::MomUnusable } else { DefectKind::MomMissing };
            self.defects.push(Defect::at(version.to_string(), kind));
            return None;
        };
        if let Some((bytes, meta)) = signature {
            match anchors.signed(&text, [bytes.as_slice()]) {
                Ok(()) => drop(self.sound.insert(Artifact::MomSignature, meta)),
                Err(kind) => self.defect(Artifact::MomSignature, kind),
            }
        }
        self.keep(&ManifestName::Mom, judge::mom(&text, version))
    }

    /// The manifest of a bundle that changed in this version, if it is the one that the MoM of `by` names.
    pub(super) fn bundle(&mut self, entry: &MomEntry, by: Version) -> Option<Manifest> {
        let name = ManifestName::Bundle(entry.bundle.clone());
        let (archive, plain) = (Artifact::ManifestTar(name.clone()), Artifact::Manifest(name.clone()));
        // Compared again: the file may have been replaced since it was hashed.
        let text =
            self.pair(&name, Some((by, entry.hash)), |bytes, owner, _| judge::hash(bytes, owner, by, entry.hash));
        let Some(text) = text else {
            if !self.files.contains_key(&archive) && !self.files.contains_key(&plain) {
                self.defect(archive, DefectKind::ManifestMissing { by, bundle: entry.bundle.clone() });
            }
            return None;
        };
        // From here on it is what was released; if it is bad it was released bad, and is kept.
        self.keep(&name, judge::manifest(&text, self.version))
    }

    /// The full manifest. No MoM names it, so it only has to be readable and of this version.
    pub(super) fn full(&mut self) -> Option<Manifest> {
        let version = self.version;
        let text = self
            .pair(&ManifestName::Full, None, |bytes, _, _| judge::manifest(bytes, version).accept(is_note).map(drop))?;
        self.keep(&ManifestName::Full, judge::manifest(&text, version))
    }

    /// Takes what was found, and reports the defects with it.
    fn keep<T>(&mut self, name: &ManifestName, inspection: Inspection<T>) -> Option<T> {
        inspection.defects.into_iter().for_each(|kind| self.defect(Artifact::ManifestTar(name.clone()), kind));
        inspection.value
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
            self.defect(artifact, DefectKind::NotInMom);
        }
    }

    /// Checks an archive and its plain file, and returns the text that passes `accept`, which is asked with the text,
    /// the owner that clients give it, and the second member of the archive. The archive's comes first: it is what
    /// clients read. The plain file then has to be the same. A file that is known by its hash is hashed before it is
    /// read.
    fn pair(
        &mut self,
        name: &ManifestName,
        expected: Option<(Version, FileHash)>,
        accept: impl Fn(&[u8], Owner, Option<&[u8]>) -> Result<(), DefectKind>,
    ) -> Option<Vec<u8>> {
        let (archive, plain) = (Artifact::ManifestTar(name.clone()), Artifact::Manifest(name.clone()));
        let mut accepted = None;
        if let Some((bytes, meta)) = self.read(&archive, expected) {
            match archived(&bytes, name, &accept) {
                Ok(text) => {
                    self.sound.insert(archive.clone(), meta);
                    accepted = Some(text);
                }
                Err(kind) => self.defect(archive.clone(), kind),
            }
        }
        let differs = |text: &Vec<u8>| self.length(&plain).is_some_and(|length| length != text.len() as u64);
        if accepted.as_ref().is_some_and(differs) {
            self.defect(plain, DefectKind::NotAsArchived);
        } else if let Some((bytes, meta)) = self.read(&plain, expected.filter(|_| accepted.is_none())) {
            let verdict = match &accepted {
                Some(text) => judge::same_text(&bytes, text),
                None => accept(&bytes, Owner::MANIFEST, None),
            };
            match verdict {
                Ok(()) => {
                    self.sound.insert(plain, meta);
                    accepted.get_or_insert(bytes);
                }
                Err(kind) => self.defect(plain, kind),
            }
        }
        if accepted.is_some() && !self.files.contains_key(&archive) {
            self.defect(archive, DefectKind::ArchiveMissing);
        }
        accepted
    }

    /// The bytes of a file. One that is known by its hash is hashed before memory is taken for it.
    fn read(&mut self, artifact: &Artifact, expected: Option<(Version, FileHash)>) -> Option<(Vec<u8>, ArtifactMeta)> {
        let path = self.files.get(artifact)?;
        let bytes = expected
            .map_or(Ok(()), |(by, expected)| compare(path, artifact, by, expected))
            .and_then(|()| regular::read(path, limit(artifact)).map_err(DefectKind::Unreadable));
        match bytes {
            Ok(bytes) => {
                let meta = ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(&bytes) };
                Some((bytes, meta))
            }
            Err(kind) => {
                self.defect(artifact.clone(), kind);
                None
            }
        }
    }

    fn length(&self, artifact: &Artifact) -> Option<u64> {
        self.files.get(artifact).and_then(|path| fs::symlink_metadata(path).ok()).map(|found| found.len())
    }

    fn defect(&mut self, artifact: Artifact, kind: DefectKind) {
        self.defects.push(Defect::in_tree(Resource::of(self.version, artifact), kind));
    }
}

/// Defects with which a manifest can be used.
const fn is_note(kind: &DefectKind) -> bool {
    matches!(kind, DefectKind::LinesIgnored { .. })
}

/// The text in an archive, if it is accepted.
fn archived(
    archive: &[u8],
    name: &ManifestName,
    accept: impl Fn(&[u8], Owner, Option<&[u8]>) -> Result<(), DefectKind>,
) -> Result<Vec<u8>, DefectKind> {
    let ArchivedManifest { bytes, owner, signature } = judge::unpack(archive, name)?;
    accept(&bytes, owner, signature.as_deref())?;
    Ok(bytes)
}

/// Whether a manifest, in its archive or plain, has the hash of the MoM.
fn compare(path: &Path, artifact: &Artifact, by: Version, expected: FileHash) -> Result<(), DefectKind> {
    let open = || regular::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = open().map_err(DefectKind::Unreadable)?;
    let file = BufReader::with_capacity(64 << 10, file);
    let found = match artifact {
        Artifact::ManifestTar(name) => manifest_archive::hash(file, name).map_err(ContentDefect::from)?,
        _ => plain_hash(file, length).map_err(DefectKind::Unreadable)?,
    };
    judge::same_hash(found, by, expected)
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

/// The most bytes of a manifest in memory, as a plain file or as an archive.
fn limit(artifact: &Artifact) -> u64 {
    match artifact {
        Artifact::Manifest(name) => Shape::manifest(name).content_bytes(),
        Artifact::ManifestTar(name) => archive_limit(Shape::manifest(name).content_bytes(), 2),
        _ => SIGNATURE_LIMIT,
    }
}

/// A signature with the certificates of its chain.
const SIGNATURE_LIMIT: u64 = 1 << 20;
