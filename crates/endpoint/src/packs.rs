//! Packs: many files in one request (packs 5).
//!
//! Never trusted: a member is kept only under a name that parses and if its hash is that name. What a damaged pack held
//! before the damage is used; what is missing comes as fullfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use clearwell_format::archive::{ArchiveError, MemberHeader, read_members};
use clearwell_format::pack::{DeltaName, PackMember};
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, EntryPath, FileHash, FileKind, Resource, Version};
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
    /// What the bundle needs of it: hash and a path.
    pub needed: BTreeMap<FileHash, EntryPath>,
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
    /// `None` where contents are not kept.
    pub file: Option<NamedTempFile>,
}

impl Endpoint {
    /// Fetches packs one after another and stages what they hold. If packs are `required`, the first failure ends
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
        let spool = match run.fetcher.spool(&resource, u64::MAX).await {
            Ok(spool) => spool,
            // A pack without a member is not kept by generators, so its absence says nothing unless it was needed.
            Err(failed) => {
                let absent = matches!(failed.status, Some(403 | 404));
                if !absent || (pack.from.is_none() && !pack.needed.is_empty()) {
                    run.note(fetch_problem(resource, failed));
                }
                return Ok(false);
            }
        };
        let folder = self.staging.folder.clone();
        let about = resource.clone();
        let contents = blocking(move || extract(spool.into_reader(), &folder, &about)).await?;
        contents.oddities.note(&resource, run);
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

/// What was in a pack.
pub(crate) struct Contents {
    pub staged: Vec<(FileHash, Object)>,
    pub deltas: Vec<PackedDelta>,
    pub problems: Vec<Problem>,
    pub oddities: Oddities,
    /// Why the pack was not read to its end.
    pub damage: Option<String>,
}

/// Reads a pack and keeps what is good in it.
pub(crate) fn extract(pack: Box<dyn BufRead + Send>, folder: &StageFolder, resource: &Resource) -> Contents {
    let mut contents = Contents {
        staged: Vec::new(),
        deltas: Vec::new(),
        problems: Vec::new(),
        oddities: Oddities::default(),
        damage: None,
    };
    let ended = read_members::<ArchiveError>(pack, |mut member| {
        contents.oddities.look_at(&member.header);
        match PackMember::parse(&member.header.name) {
            Some(PackMember::Staged(hash)) => match folder.accept(member, hash)? {
                Some(object) => contents.staged.push((hash, object)),
                None => note(&mut contents.problems, Problem::PackMember { resource: resource.clone(), hash }),
            },
            Some(PackMember::Delta(name)) if member.header.kind == FileKind::File => {
                let mut file = folder.delta().map_err(ArchiveError::Write)?;
                if let Some(file) = &mut file {
                    std::io::copy(&mut member.body, file).map_err(ArchiveError::Write)?;
                }
                contents.deltas.push(PackedDelta { name, pack: resource.clone(), file });
            }
            Some(PackMember::Folder)
                if member.header.kind == FileKind::Directory && member.header.owner != FOLDER_OWNER =>
            {
                let member = name_of(&member.header);
                note(&mut contents.problems, Problem::PackFolder { resource: resource.clone(), member });
            }
            _ if leads_outside(&member.header) => {
                let member = name_of(&member.header);
                note(
                    &mut contents.problems,
                    Problem::HostileMember { resource: resource.clone(), member: member.clone() },
                );
                return Err(ArchiveError::Type(member));
            }
            // Extracted into the cache by the client, and never looked at again.
            _ => {}
        }
        Ok(())
    });
    contents.damage = ended.err().map(|error| reason(&error));
    contents
}

/// True for `..` in a name, and for a link or file in place of one of the two folders: through it, the members that
/// follow would be written elsewhere.
fn leads_outside(header: &MemberHeader) -> bool {
    let climbs = header.name.split(|&byte| byte == b'/').any(|part| part == b"..");
    let replaces = PackMember::parse(&header.name) == Some(PackMember::Folder) && header.kind != FileKind::Directory;
    climbs || replaces
}

/// Oddities of an archive that harm some clients without harming this one (content layout 3).
#[derive(Debug, Default)]
pub(crate) struct Oddities {
    names_owners: bool,
    pax_target: bool,
}

impl Oddities {
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

fn name_of(header: &MemberHeader) -> String {
    header.name[..header.name.len().min(200)].escape_ascii().to_string()
}

const FOLDER_OWNER: clearwell_format::Owner = clearwell_format::Owner { permissions: 0o700, uid: 0, gid: 0 };
