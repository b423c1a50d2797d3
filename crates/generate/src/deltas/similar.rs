//! Bases that are similar to a file, independent of their names.
//!
//! Every old file that an endpoint certainly has is sketched, within the memory budget: files whose path is gone
//! first, then the bundle's own, then those of other bundles. Sketching reads the store, so it is done only for files
//! for which names gave no useful base, and only with bases of about their size.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use clearwell_format::resource::Artifact;
use clearwell_format::{EntryPath, FileHash, Resource};

use super::content;
use super::eligible::Base;
use super::report::BaseMatch;
use super::sketch::Sketch;
use super::subject::{Candidate, Subject};
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::member::Objects;
use crate::plan::PackItem;

/// Finds bases for some targets of some packs: each is a pack and a target, as places in `subjects`.
///
/// # Errors
/// [`BuildError::ReadSource`] or [`BuildError::SourceChanged`] if a new file cannot be read. Old files that cannot be
/// read are skipped.
pub(crate) fn find(
    subjects: &[Subject<'_>],
    wanted: &[(usize, usize)],
    objects: &Objects<'_>,
    workers: NonZeroUsize,
) -> Result<Vec<Vec<Candidate>>, BuildError> {
    let targets: BTreeMap<FileHash, PackItem> = wanted
        .iter()
        .map(|&(subject, target)| subjects[subject].targets[target].item)
        .map(|item| (item.hash, item))
        .collect();
    let targets: Vec<PackItem> = targets.into_values().collect();
    let sketches =
        fan_out(&targets, workers, |&item| Ok::<_, BuildError>((item.hash, content::sketch(item, objects)?)))?;
    let targets: HashMap<FileHash, Sketch> = sketches.into_iter().collect();

    let bases = bases_in_reach(subjects, wanted, objects)?;
    let sketches = fan_out(&bases, workers, |base| {
        Ok::<_, BuildError>((base.hash, content::sketch(content::of_base(base), objects).unwrap_or_default()))
    })?;
    let bases: HashMap<FileHash, Sketch> = sketches.into_iter().collect();

    let mut found = vec![Vec::new(); wanted.len()];
    for (place, subject) in subjects.iter().enumerate() {
        if wanted.iter().all(|&(at, _)| at != place) {
            continue;
        }
        let index = SketchIndex::new(subject, &bases);
        for (found, &(_, target)) in found.iter_mut().zip(wanted).filter(|(_, wanted)| wanted.0 == place) {
            let target = &subject.targets[target];
            *found = index.like(&targets[&target.item.hash], &target.candidates);
        }
    }
    Ok(found)
}

/// The bases worth a look, by urgency, as many as the budget allows.
fn bases_in_reach<'s>(
    subjects: &'s [Subject<'_>],
    wanted: &[(usize, usize)],
    objects: &Objects<'_>,
) -> Result<Vec<&'s Base>, BuildError> {
    let mut bases: BTreeMap<(Priority, &EntryPath, FileHash), &Base> = BTreeMap::new();
    for (place, subject) in subjects.iter().enumerate() {
        let sizes: Vec<u64> =
            wanted.iter().filter(|(at, _)| *at == place).map(|&(_, target)| subject.targets[target].whole).collect();
        let (Some(least), Some(most)) = (sizes.iter().min(), sizes.iter().max()) else { continue };
        let reach = least / SIZE_RATIO..=most * SIZE_RATIO;
        for base in subject.bases.values() {
            let fullfile = Resource::of(base.version, Artifact::Fullfile(base.hash));
            let Some(meta) = objects.store.lookup(&fullfile)? else { continue };
            if reach.contains(&meta.size) {
                bases.insert((Priority::of(base, subject), &base.path, base.hash), base);
            }
        }
    }
    let mut left = BUDGET_BYTES;
    let mut chosen: BTreeMap<FileHash, &Base> = BTreeMap::new();
    for base in bases.into_values() {
        if chosen.contains_key(&base.hash) {
            continue;
        }
        let fullfile = Resource::of(base.version, Artifact::Fullfile(base.hash));
        let bytes = objects.store.lookup(&fullfile)?.map_or(0, |meta| meta.size);
        if bytes <= left {
            left -= bytes;
            chosen.insert(base.hash, base);
        }
    }
    Ok(chosen.into_values().collect())
}

/// How likely a base is to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Priority {
    /// The bundle had it at a path that is gone.
    Gone,
    Own,
    Foreign,
}

impl Priority {
    fn of(base: &Base, subject: &Subject<'_>) -> Self {
        if base.bundle != subject.plan.bundle {
            return Self::Foreign;
        }
        let entries = &subject.manifest.entries;
        let at = entries.partition_point(|entry| entry.path < base.path);
        match entries.get(at).filter(|entry| entry.path == base.path && entry.is_present()) {
            Some(_) => Self::Own,
            None => Self::Gone,
        }
    }
}

/// The sketches of one pack's bases, by their hashes.
struct SketchIndex<'s> {
    bases: Vec<(FileHash, &'s Sketch)>,
    with: HashMap<u64, Vec<u32>>,
}

impl<'s> SketchIndex<'s> {
    fn new(subject: &Subject<'_>, sketches: &'s HashMap<FileHash, Sketch>) -> Self {
        let sketched = |hash: &FileHash| Some((*hash, sketches.get(hash)?));
        let bases: Vec<_> = subject.bases.keys().filter_map(sketched).collect();
        let mut with: HashMap<u64, Vec<u32>> = HashMap::new();
        for (place, (_, sketch)) in bases.iter().enumerate() {
            for &hash in sketch.minima() {
                with.entry(hash).or_default().push(u32::try_from(place).expect("fewer files than 2^32"));
            }
        }
        Self { bases, with }
    }

    /// The bases that resemble `sketch` most, and more than those that are `known` to it.
    fn like(&self, sketch: &Sketch, known: &[Candidate]) -> Vec<Candidate> {
        let mut shared: HashMap<u32, u32> = HashMap::new();
        for hash in sketch.minima() {
            // A piece that is everywhere, such as a licence, is not evidence of similarity.
            for &place in self.with.get(hash).filter(|places| places.len() <= COMMON).into_iter().flatten() {
                *shared.entry(place).or_default() += 1;
            }
        }
        let is_known = |hash| known.iter().any(|candidate| candidate.base == hash);
        let resemblance = |place: u32| sketch.resemblance(self.bases[place as usize].1);
        let expected = self
            .bases
            .iter()
            .filter(|(hash, _)| is_known(*hash))
            .map(|(_, base)| sketch.resemblance(base))
            .max()
            .map_or(LEAST, |known| known + BETTER);
        let mut alike: Vec<(u32, FileHash)> = shared
            .into_iter()
            .filter(|&(_, shared)| shared >= LEAST_SHARED)
            .map(|(place, _)| (resemblance(place), self.bases[place as usize].0))
            .filter(|&(resemblance, hash)| resemblance >= expected.max(LEAST) && !is_known(hash))
            .collect();
        alike.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        alike.truncate(MOST);
        alike.into_iter().map(|(_, base)| Candidate { base, found: BaseMatch::Similar }).collect()
    }
}

/// Compressed bytes of old files that one run reads: about ten seconds of a processor.
const BUDGET_BYTES: u64 = 512 << 20;
/// Bases considered have from an eighth of the size of the smallest target to eight times that of the largest.
const SIZE_RATIO: u64 = 8;
/// Resemblance, in thousandths, below which a base does not help.
const LEAST: u32 = 50;
/// How much more than a base that is known already, in thousandths.
const BETTER: u32 = 50;
/// Hashes that two sketches must share to be compared: one may be chance.
const LEAST_SHARED: u32 = 3;
/// A hash that more files have is passed over.
const COMMON: usize = 256;
/// Bases tried for one file.
const MOST: usize = 2;
