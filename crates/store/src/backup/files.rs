//! The files of one version: which of them the copy lacks, and copying them.
//!
//! A file of the copy counts as sound without being read if an earlier copy has put it into the index there, its size
//! is right and it was modified when the original was. Any other is read and compared with its SHA-256, and so is the
//! original of one that has another time.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_format::resource::Artifact;
use clearwell_format::{Resource, Version};

use super::{Copying, Stop};
use crate::disk::Operation;
use crate::fan_out::fan_out;
use crate::verify::{DefectKind, against_index};
use crate::{ArtifactMeta, Hasher, StoreError, regular};

/// Artifacts with their sizes and digests.
pub(super) type Artifacts = BTreeMap<Artifact, ArtifactMeta>;

/// What became of the files of a version.
pub(super) struct Copied {
    /// The artifacts of the original as the copy has them; those that it lacks, as it should have them.
    pub(super) artifacts: Artifacts,
    /// Files were written.
    pub(super) is_written: bool,
    /// The copy lacks none.
    pub(super) is_complete: bool,
    /// Nothing is wrong with the original.
    pub(super) is_sound: bool,
}

/// A file of the copy, compared with the original.
enum Compared {
    /// It is sound; and what is wrong with the original, if that was read.
    Sound(ArtifactMeta, Option<DefectKind>),
    /// There is none, or another one.
    Lacking,
}

impl Copying<'_> {
    /// Copies those of the artifacts `wanted` that the copy does not have. `present` is what its index names.
    pub(super) fn files(&mut self, version: Version, wanted: Artifacts, present: &Artifacts) -> Result<Copied, Stop> {
        let wanted: Vec<_> = wanted.into_iter().collect();
        let compared = fan_out(&wanted, self.options.jobs, |(artifact, expected)| {
            self.progress.go_on()?;
            let compared = self.compare(version, artifact, *expected, present.get(artifact).copied())?;
            if matches!(compared, Compared::Sound(..)) {
                self.meter.advance(1, expected.size);
            }
            Ok::<_, Stop>(compared)
        })?;
        let mut copied = Copied { artifacts: Artifacts::new(), is_written: false, is_complete: true, is_sound: true };
        let mut lacking = Vec::new();
        for ((artifact, expected), compared) in wanted.into_iter().zip(compared) {
            match compared {
                Compared::Sound(meta, defect) => {
                    self.report.unchanged.number += 1;
                    self.report.unchanged.bytes += meta.size;
                    copied.is_sound &= defect.is_none();
                    defect.map_or(Ok(()), |kind| self.found_in(Resource::of(version, artifact.clone()), kind))?;
                    copied.artifacts.insert(artifact, meta);
                }
                Compared::Lacking => lacking.push((artifact, expected)),
            }
        }
        if lacking.is_empty() {
            return Ok(copied);
        }
        copied.is_written = true;
        self.make_folders(version, lacking.iter().map(|(artifact, _)| artifact))?;
        let count = AtomicU64::new(0);
        let defects = fan_out(&lacking, self.options.jobs, |(artifact, expected)| {
            self.progress.go_on()?;
            let scratch = self.to.layout().draft(version).join(count.fetch_add(1, Ordering::Relaxed).to_string());
            let defect = self.copy(version, artifact, *expected, &scratch, present.contains_key(artifact))?;
            self.meter.advance(1, expected.size);
            Ok::<_, Stop>(defect)
        })?;
        for ((artifact, expected), defect) in lacking.into_iter().zip(defects) {
            match defect {
                Some(kind) => {
                    copied.is_sound = false;
                    copied.is_complete = false;
                    self.found_in(Resource::of(version, artifact.clone()), kind)?;
                }
                None => {
                    self.report.copied.number += 1;
                    self.report.copied.bytes += expected.size;
                    if present.contains_key(&artifact) {
                        self.report.mended.push(Path::new("content").join(format!("{version}/{artifact}")));
                    }
                }
            }
            copied.artifacts.insert(artifact, expected);
        }
        Ok(copied)
    }

    fn compare(
        &self,
        version: Version,
        artifact: &Artifact,
        expected: ArtifactMeta,
        present: Option<ArtifactMeta>,
    ) -> Result<Compared, StoreError> {
        let name = artifact.to_string();
        let path = self.to.layout().release_folder(version).join(&name);
        // A repair may have put other bytes of the same content into the original: those of the copy were released.
        let wanted = present.unwrap_or(expected);
        let Some(found) = regular_file(&path).filter(|found| found.len() == wanted.size) else {
            return Ok(Compared::Lacking);
        };
        let original_path = self.from.layout().release_folder(version).join(&name);
        let original = regular_file(&original_path);
        let is_of_original =
            original.as_ref().is_some_and(|original| original.len() == expected.size && is_time_of(&found, original));
        if present.is_some() && is_of_original && !self.options.paranoid {
            return Ok(Compared::Sound(wanted, None));
        }
        let measured = regular::open(&path).and_then(|file| self.measure(file, wanted.size));
        if !measured.is_ok_and(|measured| measured == wanted) {
            return Ok(Compared::Lacking);
        }
        let defect = if present.is_some() && !is_of_original {
            let measured = regular::open(&original_path).and_then(|file| self.measure(file, expected.size));
            match measured {
                Ok(measured) => against_index(expected, measured).err(),
                Err(error) => Some(unreadable(error)),
            }
        } else {
            None
        };
        if let Some(modified) = original.filter(|_| defect.is_none() && !is_of_original).and_then(|o| o.modified().ok())
        {
            self.to.disk().set_modified(&path, modified)?;
        }
        Ok(Compared::Sound(wanted, defect))
    }

    /// Copies one file to `scratch` and then to its name, if it is what the index of the original says. Otherwise what
    /// is wrong with it.
    fn copy(
        &self,
        version: Version,
        artifact: &Artifact,
        expected: ArtifactMeta,
        scratch: &Path,
        is_mended: bool,
    ) -> Result<Option<DefectKind>, StoreError> {
        let name = artifact.to_string();
        let from = self.from.layout().release_folder(version).join(&name);
        let opened = regular::open(&from).and_then(|file| Ok((file.metadata()?, file)));
        let (found, file) = match opened {
            // The whole original is likely to be unreadable, and not damaged.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(StoreError::io(Operation::Read, &from, error));
            }
            Err(error) => return Ok(Some(unreadable(error))),
            Ok(opened) => opened,
        };
        if found.len() != expected.size {
            return Ok(Some(DefectKind::Size { expected: expected.size, found: found.len() }));
        }
        let disk = self.to.disk();
        let mut out = disk.create_file(scratch)?;
        let mut written = Ok(());
        let measured = self.read(file, expected.size, |bytes| {
            written = out.write_all(bytes);
            written.is_ok()
        });
        written.map_err(|error| StoreError::io(Operation::Write, scratch, error))?;
        let defect = match measured {
            Ok(measured) => against_index(expected, measured).err(),
            Err(error) => Some(DefectKind::Unreadable(error)),
        };
        if defect.is_some() {
            disk.remove(scratch)?;
            return Ok(defect);
        }
        out.set_modified(found.modified().map_err(|error| StoreError::io(Operation::Read, &from, error))?)?;
        if is_mended {
            // The index names it already: after a loss of power it would count as sound.
            out.sync()?;
        }
        self.put_in_place(scratch, &self.to.layout().release_folder(version).join(&name))?;
        Ok(None)
    }

    /// Gives a finished file its name, whatever has it.
    pub(super) fn put_in_place(&self, scratch: &Path, path: &Path) -> Result<(), StoreError> {
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            self.to.disk().remove(path)?;
        }
        self.to.disk().rename(scratch, path)
    }

    fn make_folders<'n>(
        &self,
        version: Version,
        artifacts: impl Iterator<Item = &'n Artifact>,
    ) -> Result<(), StoreError> {
        let (layout, disk) = (self.to.layout(), self.to.disk());
        disk.create_folder(&layout.draft(version))?;
        let folder = layout.release_folder(version);
        let mut made = std::collections::BTreeSet::new();
        for artifact in artifacts {
            let path = folder.join(artifact.to_string());
            let parent = path.parent().unwrap_or(&folder);
            if made.insert(parent.to_owned()) {
                disk.create_folder(parent)?;
            }
        }
        Ok(())
    }

    fn measure(&self, file: File, size: u64) -> io::Result<ArtifactMeta> {
        self.read(file, size, |_| true)
    }

    /// Size and digest of a file, whose bytes `take` gets; it may end the reading. Of one that grows, one byte more than
    /// `size` is read.
    fn read(&self, file: File, size: u64, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<ArtifactMeta> {
        let mut hasher = Hasher::new();
        let (mut file, mut read) = (file.take(size.saturating_add(1)), 0);
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK)];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.throttle.take(count as u64);
                    hasher.update(&buffer[..count]);
                    read += count as u64;
                    if !take(&buffer[..count]) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ArtifactMeta { size: read, sha256: hasher.finish() })
    }
}

fn regular_file(path: &Path) -> Option<Metadata> {
    path.symlink_metadata().ok().filter(Metadata::is_file)
}

/// True if a copy has the time of its original, as far as its file system can tell.
fn is_time_of(copy: &Metadata, original: &Metadata) -> bool {
    let micros = |found: &Metadata| found.mtime_nsec() / 1000;
    copy.mtime() == original.mtime() && (micros(copy) == micros(original) || copy.mtime_nsec() == 0)
}

fn unreadable(error: io::Error) -> DefectKind {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => DefectKind::Missing,
        _ => DefectKind::Unreadable(error),
    }
}

const CHUNK: usize = 1 << 20;
