//! An update pack to plan: the objects it delivers, and the bases it may use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::resource::Artifact;
use clearwell_format::{Entry, EntryPath, FileHash, FileKind, Manifest, Resource, Version};
use clearwell_store::Draft;

use super::eligible::{Base, Bases, eligible};
use super::rename::renames;
use super::report::BaseMatch;
use super::worth;
use crate::error::BuildError;
use crate::plan::{PackItem, PackPlan, ReleaseManifests};

/// An update pack to plan.
pub(crate) struct Subject<'p> {
    pub(crate) plan: &'p PackPlan,
    /// The bundle's new manifest.
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) bases: Bases,
    /// The objects that the pack delivers, in the order of the plan.
    pub(crate) targets: Vec<Target>,
}

/// An object that a pack delivers.
pub(crate) struct Target {
    pub(crate) item: PackItem,
    pub(crate) kind: FileKind,
    /// The first path that has it.
    pub(crate) path: EntryPath,
    /// The version whose folder has its fullfile.
    pub(crate) version: Version,
    /// About what it takes in the pack as a whole.
    pub(crate) whole: u64,
    /// Bases to try, the likeliest first.
    pub(crate) candidates: Vec<Candidate>,
}

/// A base to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) base: FileHash,
    pub(crate) found: BaseMatch,
}

impl<'p> Subject<'p> {
    /// Looks a pack up in the releases before and the new one. `None` for a pack that they do not explain.
    pub(crate) fn new(
        plan: &'p PackPlan,
        earlier: &[Arc<ReleaseManifests>],
        new: &ReleaseManifests,
        draft: &Draft<'_>,
    ) -> Result<Option<Self>, BuildError> {
        let Some(from) = plan.from else { return Ok(None) };
        let old = earlier
            .iter()
            .find_map(|release| release.bundles.get(&plan.bundle).filter(|manifest| manifest.header.version == from));
        let Some((old, manifest)) = old.zip(new.bundles.get(&plan.bundle)) else { return Ok(None) };
        let bases = eligible(&plan.bundle, from, earlier);
        let entries = first_entries(manifest);
        let candidates = ByName::new(old, manifest, &bases);
        let mut targets = Vec::with_capacity(plan.items.len());
        for &item in &plan.items {
            let entry = entries[&item.hash];
            let kind = entry.kind().expect("a present entry is a file, a directory or a link");
            targets.push(Target {
                item,
                kind,
                path: entry.path.clone(),
                version: entry.version,
                whole: worth::whole(fullfile_bytes(entry, draft)?.unwrap_or(UNKNOWN_BYTES)),
                candidates: if kind == FileKind::File { candidates.of(entry) } else { Vec::new() },
            });
        }
        Ok(Some(Self { plan, manifest: Arc::clone(manifest), bases, targets }))
    }

    /// A base that one of the targets names.
    pub(crate) fn base(&self, candidate: Candidate) -> &Base {
        &self.bases[&candidate.base]
    }

    /// Files, directories and links of the bundle, each content once.
    pub(crate) fn objects(&self) -> u64 {
        first_entries(&self.manifest).len() as u64
    }
}

/// The first present entry of each hash.
fn first_entries(manifest: &Manifest) -> BTreeMap<FileHash, &Entry> {
    let mut entries = BTreeMap::new();
    for entry in manifest.present() {
        entries.entry(entry.hash()).or_insert(entry);
    }
    entries
}

/// Size of an entry's fullfile, if it was made.
fn fullfile_bytes(entry: &Entry, draft: &Draft<'_>) -> Result<Option<u64>, BuildError> {
    let artifact = Artifact::Fullfile(entry.hash());
    let meta = match draft.contains(&artifact) {
        Some(meta) => Some(meta),
        None => draft.store().lookup(&Resource::of(entry.version, artifact))?,
    };
    Ok(meta.map(|meta| meta.size))
}

/// Bases that names suggest (packs §4).
struct ByName<'m> {
    old: BTreeMap<&'m EntryPath, FileHash>,
    /// Paths of all bases: a file may come from another bundle.
    anywhere: BTreeMap<&'m EntryPath, FileHash>,
    renamed: BTreeMap<EntryPath, EntryPath>,
    bases: &'m Bases,
}

impl<'m> ByName<'m> {
    fn new(old: &'m Manifest, new: &Manifest, bases: &'m Bases) -> Self {
        let files = |manifest: &'m Manifest| manifest.entries.iter().filter(|entry| entry.is_file());
        let old: BTreeMap<&EntryPath, FileHash> = files(old)
            .filter(|entry| bases.contains_key(&entry.hash()))
            .map(|entry| (&entry.path, entry.hash()))
            .collect();
        let now: BTreeSet<&EntryPath> =
            new.entries.iter().filter(|entry| entry.is_file()).map(|entry| &entry.path).collect();
        let added = now.iter().filter(|path| !old.contains_key(**path)).map(|&path| path.clone());
        let removed = old.keys().filter(|path| !now.contains(**path)).map(|&path| path.clone());
        let renamed = renames(added, removed);
        let anywhere = bases.values().map(|base| (&base.path, base.hash)).collect();
        Self { old, anywhere, renamed, bases }
    }

    fn of(&self, entry: &Entry) -> Vec<Candidate> {
        if self.bases.contains_key(&entry.hash()) {
            return vec![Candidate { base: entry.hash(), found: BaseMatch::SameContent }];
        }
        let same_path = self.old.get(&entry.path).or_else(|| self.anywhere.get(&entry.path));
        let same_path = same_path.map(|&base| Candidate { base, found: BaseMatch::SamePath });
        let renamed = || {
            let base = *self.old.get(self.renamed.get(&entry.path)?)?;
            Some(Candidate { base, found: BaseMatch::Renamed })
        };
        same_path.or_else(renamed).into_iter().collect()
    }
}

/// Taken for the size of a fullfile that was not made.
const UNKNOWN_BYTES: u64 = 16 << 10;
