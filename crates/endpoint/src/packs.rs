//! Packs: many files in one request (packs §5).
//!
//! Never trusted: a member is kept only if it belongs in the pack (`clearwell_format::archive::Shape`) and if its hash
//! is its name; no more is read than a pack of the bundle can have. Members before damaged data are used; missing
//! files are fetched as fullfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;

use clearwell_format::archive::{ArchiveError, MemberError, MemberHeader, PackRule, Shape, Slot, read_members};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, EntryPath, FileHash, Resource, Version};
use tempfile::NamedTempFile;

use crate::endpoint::{Endpoint, Run, Stop, blocking};
use crate::pointers::fetch_problem;
use crate::problem::{Problem, reason};
use crate::staging::{Object, StageFolder};

/// A pack that an operation wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub bundle: BundleName,
    /// `None` for the zero pack.
    pub from: Option<Version>,
    pub to: Version,
    /// The files that the bundle needs from it: hash and a path.
    pub needed: BTreeMap<FileHash, EntryPath>,
    /// What the manifest of the bundle allows in it.
    pub rule: Arc<PackRule>,
}

impl Wanted {
    fn resource(&self) -> Resource {
        Resource::of(self.to, Artifact::Pack { bundle: self.bundle.clone(), from: self.from })
    }
}

/// A delta out of a pack.
pub(crate) struct PackedDelta {
    pub name: DeltaName,
    pub pack: Resource,
    /// `None` if contents are not kept.
    pub file: Option<NamedTempFile>,
    /// Most bytes of its result.
    pub limit: u64,
}

impl Endpoint {
    /// Fetches packs one after another and stages their members. If packs are `required`, the first failure ends
    /// them, as in `os-install`.
    pub(crate) async fn packs(
        &mut self,
        run: &mut Run,
        wanted: &[Wanted],
        required: bool,
    ) -> Result<Vec<PackedDelta>, Stop> {
        let key = |pack: &Wanted| (pack.bundle.clone(), pack.from, pack.to);
        let wanted: Vec<_> = wanted.iter().filter(|pack| !self.markers.contains(&key(pack))).cloned().collect();
        for pack in &wanted {
            if run.fetcher.head(pack.resource().into()).await != Some(200) {
                break;
            }
        }
        let mut deltas = Vec::new();
        for pack in &wanted {
            let whole = self.pack(run, pack, &mut deltas).await?;
            if whole {
                run.report.packs_used += 1;
                self.markers.insert(key(pack));
            } else {
                run.report.packs_failed += 1;
                if required {
                    break;
                }
            }
        }
        Ok(deltas)
    }

    /// Fetches one pack; true if it was read to its end.
    async fn pack(&mut self, run: &mut Run, pack: &Wanted, deltas: &mut Vec<PackedDelta>) -> Result<bool, Stop> {
        let resource = pack.resource();
        let spool = match run.fetcher.spool(&resource, pack.rule.archive_bytes()).await {
            Ok(spool) => spool,
            // Generators do not keep a pack without members, so its absence is a fault only if it was needed.
            Err(failed) => {
                let absent = matches!(failed.status, Some(403 | 404));
                if !absent || (pack.from.is_none() && !pack.needed.is_empty()) {
                    run.note(fetch_problem(resource, failed));
                }
                return Ok(false);
            }
        };
        let folder = self.staging.folder.clone();
        let wanted = pack.clone();
        let contents = blocking(move || extract(spool.into_reader(), &folder, &wanted)).await?;
        contents.warnings.note(&resource, run);
        for problem in contents.problems {
            run.note(problem);
        }
        let held: BTreeSet<_> = contents.deltas.iter().map(|delta| delta.name.to).collect();
        for (hash, object) in contents.staged {
            self.staging.add(hash, object);
        }
        deltas.extend(contents.deltas);
        if let Some(reason) = contents.damage {
            run.note(Problem::Pack { resource, reason });
            return Ok(false);
        }
        if pack.from.is_none() {
            let mut missing =
                pack.needed.iter().filter(|(hash, _)| !self.staging.contains(hash) && !held.contains(hash));
            if let Some((_, example)) = missing.next() {
                run.note(Problem::IncompletePack { resource, count: 1 + missing.count(), example: example.clone() });
            }
        }
        Ok(true)
    }
}

/// The content of a pack.
pub(crate) struct Contents {
    pub staged: Vec<(FileHash, Object)>,
    pub deltas: Vec<PackedDelta>,
    pub problems: Vec<Problem>,
    pub warnings: ArchiveWarnings,
    /// Why the pack was not read to its end.
    pub damage: Option<String>,
}

/// Reads a pack and keeps its valid members.
pub(crate) fn extract(pack: Box<dyn BufRead + Send>, folder: &StageFolder, wanted: &Wanted) -> Contents {
    let mut contents = Contents {
        staged: Vec::new(),
        deltas: Vec::new(),
        problems: Vec::new(),
        warnings: ArchiveWarnings::default(),
        damage: None,
    };
    let (resource, rule) = (wanted.resource(), &*wanted.rule);
    let mut shape = if wanted.from.is_none() { Shape::zero_pack(Some(rule)) } else { Shape::delta_pack(Some(rule)) };
    let ended = read_members::<ArchiveError>(pack, |mut member| {
        contents.warnings.look_at(&member.header);
        match shape.admit(&member.header) {
            Ok(Slot::Object(hash)) => match folder.accept(member, hash)? {
                Some(object) => contents.staged.push((hash, object)),
                None => note(&mut contents.problems, Problem::PackMember { resource: resource.clone(), hash }),
            },
            Ok(Slot::Delta(name)) => {
                let mut file = folder.delta().map_err(ArchiveError::Write)?;
                if let Some(file) = &mut file {
                    std::io::copy(&mut member.body, file).map_err(ArchiveError::Write)?;
                }
                contents.deltas.push(PackedDelta { name, pack: resource.clone(), file, limit: rule.content_bytes() });
            }
            Ok(Slot::Folder | Slot::Manifest | Slot::Signature) => {}
            // The client goes on, with other folders than it had.
            Err(MemberError::Folder(member)) => {
                note(&mut contents.problems, Problem::PackFolder { resource: resource.clone(), member });
            }
            Err(misfit) => return Err(misfit.into()),
        }
        Ok(())
    });
    contents.damage = ended.err().map(|error| reason(&error));
    contents
}

/// Properties of an archive that harm some clients but not this endpoint (content layout §3).
#[derive(Debug, Default)]
pub(crate) struct ArchiveWarnings {
    names_owners: bool,
    pax_target: bool,
}

impl ArchiveWarnings {
    pub(crate) fn look_at(&mut self, header: &MemberHeader) {
        self.names_owners |= header.names_owner;
        self.pax_target |= header.pax_target && !header.target.is_ascii();
    }

    pub(crate) fn note(&self, resource: &Resource, run: &mut Run) {
        run.report.archives_naming_owners += u64::from(self.names_owners);
        if self.pax_target {
            run.note(Problem::PaxTarget { resource: resource.clone() });
        }
    }
}

fn note(problems: &mut Vec<Problem>, problem: Problem) {
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}
