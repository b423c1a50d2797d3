//! Fullfiles and loose deltas out of packs.

use std::collections::HashMap;
use std::io::BufReader;

use clearwell_format::archive::{ArchiveError, Member, MemberHeader, read_members};
use clearwell_format::pack::{DeltaName, PackMember};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource, Version};

use super::{How, Lost, Repair, encode};
use crate::check::Finding;
use crate::verify::DefectKind;
use crate::{ArtifactMeta, Digest, Store, StoreError, regular};

/// What is looked for in packs.
#[derive(Default)]
struct Wanted {
    /// By the hash of the object: fullfiles whose bytes are lost, and those that a release lacks.
    objects: HashMap<FileHash, Vec<WantedFullfile>>,
    deltas: HashMap<DeltaName, Vec<Lost>>,
}

/// A fullfile that is to be made.
enum WantedFullfile {
    Lost(Lost),
    /// No index names it.
    Missing(Version),
}

impl Repair<'_> {
    /// Restores what packs contain. The rest stays in `lost`.
    pub(super) fn objects(&mut self, lost: &mut Vec<Lost>, findings: &[Finding]) -> Result<(), StoreError> {
        let mut wanted = Wanted::default();
        let mut others = Vec::new();
        for lost in lost.drain(..) {
            match &lost.resource {
                Resource::Artifact { artifact: Artifact::Fullfile(hash), .. } => {
                    wanted.objects.entry(*hash).or_default().push(WantedFullfile::Lost(lost));
                }
                Resource::Artifact { artifact: Artifact::Delta(name), .. } => {
                    wanted.deltas.entry(*name).or_default().push(lost);
                }
                _ => others.push(lost),
            }
        }
        for finding in findings {
            if let (DefectKind::FullfileMissing { .. }, Some(resource)) = (&finding.defect.kind, &finding.defect.resource)
                && let Resource::Artifact { version, artifact: Artifact::Fullfile(hash) } = resource
                && self.writer.store().has_release(*version)
                // A record or index that came back may have brought it along.
                && self.writer.store().lookup(resource)?.is_none()
            {
                wanted.objects.entry(*hash).or_default().push(WantedFullfile::Missing(*version));
            }
        }
        for pack in packs(self.writer.store()) {
            if wanted.objects.is_empty() && wanted.deltas.is_empty() {
                break;
            }
            self.search(&pack, &mut wanted)?;
        }
        let left = wanted.objects.into_values().flatten().filter_map(|sought| match sought {
            WantedFullfile::Lost(lost) => Some(lost),
            WantedFullfile::Missing(_) => None,
        });
        others.extend(left.chain(wanted.deltas.into_values().flatten()));
        *lost = others;
        Ok(())
    }

    /// Takes what is wanted out of one pack, as far as it can be read: what a damaged one contains before the damage is
    /// as good as ever, as each object is hashed.
    fn search(&mut self, pack: &Resource, wanted: &mut Wanted) -> Result<(), StoreError> {
        let Ok(file) = regular::open(&self.writer.store().path(pack)) else { return Ok(()) };
        let mut failed = None;
        let _ = read_members::<ArchiveError>(BufReader::with_capacity(64 << 10, file), |member| {
            let taken = self.take(member, wanted)?;
            if let Err(error) = taken {
                failed = Some(error);
                return Err(ArchiveError::MemberCount(0));
            }
            Ok(())
        });
        failed.map_or(Ok(()), Err)
    }

    fn take(&mut self, mut member: Member<'_>, wanted: &mut Wanted) -> Result<Result<(), StoreError>, ArchiveError> {
        let mut content = Vec::new();
        match PackMember::parse(&member.header.name) {
            Some(PackMember::Staged(hash)) if wanted.objects.contains_key(&hash) => {
                if member.hash(&mut content)? != hash {
                    return Ok(Ok(()));
                }
                let sought = wanted.objects.remove(&hash).unwrap_or_default();
                Ok(self.fullfiles(hash, &member.header, &content, sought).map(|left| {
                    if !left.is_empty() {
                        wanted.objects.insert(hash, left);
                    }
                }))
            }
            Some(PackMember::Delta(name)) if wanted.deltas.contains_key(&name) => {
                member.body.read_to_end(&mut content).map_err(ArchiveError::Read)?;
                let mut left = Vec::new();
                for lost in wanted.deltas.remove(&name).unwrap_or_default() {
                    match self.put_back(&lost, &content) {
                        Ok(true) => {}
                        Ok(false) => left.push(lost),
                        Err(error) => return Ok(Err(error)),
                    }
                }
                if !left.is_empty() {
                    wanted.deltas.insert(name, left);
                }
                Ok(Ok(()))
            }
            _ => Ok(Ok(())),
        }
    }

    /// Makes fullfiles of an object; returns those that could not be.
    fn fullfiles(
        &mut self,
        hash: FileHash,
        header: &MemberHeader,
        content: &[u8],
        sought: Vec<WantedFullfile>,
    ) -> Result<Vec<WantedFullfile>, StoreError> {
        let Ok(made) = encode::fullfiles(hash, header, content) else { return Ok(sought) };
        let mut left = Vec::new();
        for sought in sought {
            match sought {
                WantedFullfile::Missing(version) => self.add(version, hash, smallest(&made))?,
                WantedFullfile::Lost(lost) => {
                    let mut is_back = false;
                    for bytes in &made {
                        is_back = is_back || self.put_back(&lost, bytes)?;
                    }
                    if !is_back && self.options.equivalent {
                        self.take_equivalent(&lost, smallest(&made))?;
                    } else if !is_back {
                        left.push(WantedFullfile::Lost(lost));
                    }
                }
            }
        }
        Ok(left)
    }

    /// Adds a fullfile to a release that lacks it, as an extension: what was released does not change.
    fn add(&mut self, version: Version, hash: FileHash, bytes: &[u8]) -> Result<(), StoreError> {
        let artifact = Artifact::Fullfile(hash);
        let record = self.writer.store().record(version)?;
        let draft = self.writer.extend(version)?;
        draft.put(&artifact, bytes)?;
        draft.prepare(record)?.release()?;
        let path = std::path::Path::new("content").join(Resource::of(version, artifact).to_string());
        self.report.repaired.push(super::Repaired { path, how: How::Added });
        Ok(())
    }

    /// Stores other bytes of the same object, under their own SHA-256.
    fn take_equivalent(&mut self, lost: &Lost, bytes: &[u8]) -> Result<(), StoreError> {
        let Resource::Artifact { artifact, .. } = &lost.resource else { return Ok(()) };
        let meta = ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(bytes) };
        self.place(&lost.resource, bytes, How::Equivalent)?;
        super::index::reindex(self.writer.store(), lost.version, artifact, meta)?;
        self.changed_index = true;
        Ok(())
    }
}

fn smallest(made: &[Vec<u8>]) -> &[u8] {
    made.iter().min_by_key(|bytes| bytes.len()).map_or(&[], Vec::as_slice)
}

/// Every pack of the store, those of newer versions first.
fn packs(store: &Store) -> Vec<Resource> {
    let mut packs = Vec::new();
    for version in store.contents().unwrap_or_default().into_iter().rev() {
        let Ok(index) = store.index(version) else { continue };
        let names = index.iter().flatten().map(|(artifact, _)| artifact);
        let of_version = names.filter(|artifact| matches!(artifact, Artifact::Pack { .. }));
        packs.extend(of_version.map(|artifact| Resource::of(version, artifact)));
    }
    packs
}
