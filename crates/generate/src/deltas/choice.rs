//! Which files of update packs are sent as deltas, and from which base.
//!
//! ```text
//! names      same content, same path, renamed        ─┐
//!                                                      ├─ deltas made, each pair once ─ the smallest delivery for each file
//! sketches   where names did not help                ─┘
//! ```
//!
//! Always true: a delta was applied to its base, and made the file whose hash it is named after. It is used only if
//! it takes less space in the pack than the file would. The result does not depend on the number of workers, and on
//! the memory budget only for pairs that do not fit into it: these are computed by a method that needs less memory.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;

use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, FileKind, Version};
use clearwell_store::{ArtifactMeta, Draft};

use super::content;
use super::eligible::Base;
use super::known;
use super::order::SortKey;
use super::pair::{self, MadeDelta, Outcome};
use super::releases::releases_with;
use super::report::{Delivery, FileReport, PackReport, WholeReason};
use super::similar;
use super::spool::{Spool, Spooled};
use super::subject::{Candidate, Subject, Target};
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::make::{Made, MakeContext};
use crate::pack::{Contents, PackedDelta};
use crate::plan::{PackItem, PackPlan, ReleaseManifests};
use crate::progress::{Meter, Phase};

/// What update packs consist of.
pub(crate) struct Choice {
    packs: BTreeMap<(BundleName, Option<Version>), ChosenPack>,
    spool: Spool,
    /// Warnings for the maintainer, one line each.
    pub(crate) warnings: Vec<String>,
}

/// What one update pack consists of.
#[derive(Clone, Debug)]
struct ChosenPack {
    deltas: Vec<ChosenDelta>,
    /// Objects that are sent whole, in the order of the pack.
    staged: Vec<PackItem>,
    /// The versions whose folders have the fullfiles of these.
    fullfiles: HashMap<FileHash, Version>,
    /// The zero pack next to it.
    zero_pack: Option<ArtifactMeta>,
    /// Complete but for the pack itself.
    report: PackReport,
}

/// A delta that is better than its file.
#[derive(Clone, Copy, Debug)]
struct ChosenDelta {
    name: DeltaName,
    spooled: Spooled,
    /// Its blocks are not compressed.
    solid: bool,
}

impl Choice {
    /// The contents of a pack: as chosen, or everything whole.
    pub(crate) fn contents<'c>(&'c self, plan: &'c PackPlan) -> Contents<'c> {
        match self.packs.get(&(plan.bundle.clone(), plan.from)) {
            Some(pack) => {
                let packed = |&ChosenDelta { name, spooled, solid }: &ChosenDelta| PackedDelta {
                    name,
                    spool: &self.spool,
                    spooled,
                    solid,
                };
                Contents { deltas: pack.deltas.iter().map(packed).collect(), staged: &pack.staged }
            }
            None => Contents { deltas: Vec::new(), staged: &plan.items },
        }
    }

    /// The version whose folder has the fullfile of a file that a pack stages.
    pub(crate) fn fullfile_version(&self, plan: &PackPlan, hash: FileHash) -> Option<Version> {
        self.packs.get(&(plan.bundle.clone(), plan.from))?.fullfiles.get(&hash).copied()
    }

    /// The reports of packs that were made, in the order of bundles and old versions.
    pub(crate) fn reports(&self, made: &[Made]) -> Vec<PackReport> {
        let meta = |artifact: &Artifact| made.iter().find(|made| made.artifact == *artifact).map(|made| made.meta);
        let mut reports = Vec::new();
        for ((bundle, from), pack) in &self.packs {
            let Some(meta) = meta(&Artifact::Pack { bundle: bundle.clone(), from: *from }) else { continue };
            reports.push(PackReport {
                bytes: meta.size,
                is_zero_pack: pack.zero_pack.is_some_and(|zero_pack| zero_pack.sha256 == meta.sha256),
                ..pack.report.clone()
            });
        }
        reports
    }
}

/// Chooses for all update packs in the folder of the draft. `new` is the release that has the bundles' new manifests.
///
/// # Errors
/// If a new file or the store cannot be read. Pairs that fail are skipped with a warning.
pub(crate) fn choose<'p>(
    plans: impl Iterator<Item = &'p PackPlan>,
    new: &ReleaseManifests,
    draft: &Draft<'_>,
    context: &MakeContext<'_>,
) -> Result<Choice, BuildError> {
    let store = draft.store();
    let spool = Spool::of_draft(draft, "deltas")?;
    let plans: Vec<&PackPlan> = plans.filter(|plan| plan.to == draft.version()).collect();
    let wanted = plans.iter().filter_map(|plan| Some((plan.bundle.clone(), plan.from?))).collect();
    let earlier = releases_with(&wanted, store)?;
    let mut subjects = Vec::new();
    for plan in plans {
        subjects.extend(Subject::new(plan, &earlier, new, draft)?);
    }
    drop(earlier);

    let known = known::deltas(&subjects, draft, &spool)?;
    let meter = Meter::begin(context.progress, Phase::Deltas, 0, 0);
    let (attempts, warnings) = (BTreeMap::new(), Mutex::default());
    let mut maker = DeltaMaker { context, meter, known: &known, spool: &spool, attempts, warnings };
    let first = subjects
        .iter()
        .enumerate()
        .flat_map(|(place, subject)| (0..subject.targets.len()).map(move |target| (place, target)));
    let first: Vec<_> = first.collect();
    maker.try_all(&subjects, &first)?;

    let hard: Vec<_> =
        first.into_iter().filter(|&(subject, target)| maker.is_hard(&subjects[subject].targets[target])).collect();
    let found = similar::find(&subjects, &hard, &context.objects, context.workers)?;
    for (&(subject, target), found) in hard.iter().zip(found) {
        subjects[subject].targets[target].candidates.extend(found);
    }
    maker.try_all(&subjects, &hard)?;

    let packs = subjects
        .iter()
        .map(|subject| ((subject.plan.bundle.clone(), subject.plan.from), maker.compose(subject, draft)))
        .collect();
    maker.meter.finish();
    let mut warnings = maker.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
    warnings.sort_unstable();
    Ok(Choice { packs, spool, warnings })
}

/// Makes the deltas of pairs, each once.
struct DeltaMaker<'a> {
    context: &'a MakeContext<'a>,
    meter: Meter<'a>,
    known: &'a BTreeMap<DeltaName, Spooled>,
    spool: &'a Spool,
    attempts: BTreeMap<DeltaName, Attempt>,
    warnings: Mutex<Vec<String>>,
}

/// The result for a pair.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    /// A delta that takes about `cost` bytes of the pack.
    Made {
        spooled: Spooled,
        solid: bool,
        cost: u64,
    },
    Failed(WholeReason),
}

/// A pair that is to be tried.
struct Pair<'s> {
    name: DeltaName,
    base: &'s Base,
    target: &'s Target,
}

impl DeltaMaker<'_> {
    /// Tries every candidate of some targets that was not tried before.
    fn try_all(&mut self, subjects: &[Subject<'_>], targets: &[(usize, usize)]) -> Result<(), BuildError> {
        let mut pairs = BTreeMap::new();
        for &(subject, target) in targets {
            let (subject, target) = (&subjects[subject], &subjects[subject].targets[target]);
            for &candidate in &target.candidates {
                let name = name(target, candidate);
                if !self.attempts.contains_key(&name) {
                    pairs.entry(name).or_insert_with(|| Pair { name, base: subject.base(candidate), target });
                }
            }
        }
        let mut pairs: Vec<Pair<'_>> = pairs.into_values().collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.target.whole));
        let large = pairs.partition_point(|pair| pair.target.whole >= LARGE_PAIR_BYTES);
        let workers = self.context.workers;
        self.meter.expect(pairs.len() as u64, pairs.iter().map(|pair| pair.target.whole).sum());
        let try_one = |pair: &Pair<'_>, threads| {
            self.context.progress.go_on()?;
            let tried = self.try_one(pair, threads)?;
            self.meter.advance(1, pair.target.whole);
            Ok::<_, BuildError>((pair.name, tried))
        };
        // Large pairs one after the other, each with all threads: side by side they would only wait for memory.
        let mut tried = fan_out(&pairs[..large], NonZeroUsize::MIN, |pair| try_one(pair, workers))?;
        tried.extend(fan_out(&pairs[large..], workers, |pair| try_one(pair, NonZeroUsize::MIN))?);
        self.attempts.extend(tried);
        Ok(())
    }

    fn try_one(&self, pair: &Pair<'_>, threads: NonZeroUsize) -> Result<Attempt, BuildError> {
        let objects = &self.context.objects;
        let (old, new) = (content::of_base(pair.base), pair.target.item);
        let new_bytes = content::size(new, objects)?.unwrap_or(0);
        if new_bytes < clearwell_delta::MIN_NEW_SIZE {
            return Ok(Attempt::Failed(WholeReason::Small));
        }
        if new_bytes > clearwell_delta::MAX_NEW_SIZE {
            return Ok(Attempt::Failed(WholeReason::Large));
        }
        let old_bytes = match content::size(old, objects) {
            Ok(size) => size.unwrap_or(0),
            Err(error) => return Ok(self.without_base(pair, &error)),
        };
        let budget = self.context.budget;
        // Both files, the new one a second time when the delta is applied, and the memory of the engine.
        let needed = 3 * new_bytes + 7 * old_bytes + (16 * (old_bytes + new_bytes)).clamp(LEAST_BYTES, ENGINE_BYTES);
        let limit = (needed > budget.total()).then(|| budget.total().max(FRUGAL_BYTES));
        let _memory = budget.reserve(needed);
        let old = match content::read(old, objects) {
            Ok(old) => old,
            Err(error) => return Ok(self.without_base(pair, &error)),
        };
        let finished = || self.spool.finished(&pair.name.to_string());
        if let Some(known) = self.known.get(&pair.name).copied().or_else(finished) {
            let bytes = self.spool.read(known)?;
            match pair::take(bytes, &old, pair.name.to) {
                Ok(Some(MadeDelta { solid, cost, .. })) => return Ok(Attempt::Made { spooled: known, solid, cost }),
                // It belongs to another pair: computed again.
                Ok(None) => {}
                Err(error) => return Ok(self.without_delta(pair, &error)),
            }
        }
        let new = content::read(new, objects)?;
        match pair::make(&old, &new, pair.name.to, pair.target.whole, limit, threads) {
            Ok(Outcome::Made(made)) => {
                let spooled = self.spool.keep_as(&pair.name.to_string(), &made.bytes)?;
                Ok(Attempt::Made { spooled, solid: made.solid, cost: made.cost })
            }
            Ok(Outcome::Small) => Ok(Attempt::Failed(WholeReason::Small)),
            Ok(Outcome::Large) => Ok(Attempt::Failed(WholeReason::Large)),
            Ok(Outcome::NotSmaller) => Ok(Attempt::Failed(WholeReason::NotSmaller)),
            Err(error) => Ok(self.without_delta(pair, &error)),
        }
    }

    /// An old file that cannot be read is not a base. A check of the store reports it.
    fn without_base(&self, pair: &Pair<'_>, error: &BuildError) -> Attempt {
        self.warn(format!("{} is sent whole: {error}", shown(&pair.target.path)));
        Attempt::Failed(WholeReason::NoBase)
    }

    fn without_delta(&self, pair: &Pair<'_>, error: &pair::PairError) -> Attempt {
        self.warn(format!("{} is sent whole: {}", shown(&pair.target.path), clearwell_format::printable::chain(error)));
        Attempt::Failed(WholeReason::NoBase)
    }

    fn warn(&self, text: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// True for a file without a good delta that is large enough to search further.
    fn is_hard(&self, target: &Target) -> bool {
        let is_settled = || match self.best(target) {
            Some((_, Attempt::Made { cost, .. })) => cost * 1000 <= target.whole * GOOD,
            Some((_, Attempt::Failed(WholeReason::Small | WholeReason::Large))) => true,
            Some((_, Attempt::Failed(_))) | None => false,
        };
        target.kind == FileKind::File && target.whole >= SEARCH_BYTES && !is_settled()
    }

    /// The best candidate of a target; a failed one only if all failed.
    fn best(&self, target: &Target) -> Option<(Candidate, Attempt)> {
        let tried = target
            .candidates
            .iter()
            .filter_map(|&candidate| Some((candidate, *self.attempts.get(&name(target, candidate))?)));
        tried.min_by_key(|(_, tried)| match tried {
            Attempt::Made { cost, .. } => *cost,
            Attempt::Failed(_) => u64::MAX,
        })
    }

    /// The smallest delivery of each target of a pack.
    fn compose(&self, subject: &Subject<'_>, draft: &Draft<'_>) -> ChosenPack {
        let mut deltas = Vec::new();
        let mut staged = Vec::new();
        let mut fullfiles = HashMap::new();
        let mut files = Vec::new();
        for target in &subject.targets {
            let place = SortKey::of(target.kind, &target.path);
            let (bytes, delivery) = match self.best(target) {
                Some((candidate, Attempt::Made { spooled, solid, cost })) if cost * 100 < target.whole * WORTH => {
                    let base = subject.base(candidate);
                    let delta = ChosenDelta { name: name(target, candidate), spooled, solid };
                    deltas.push((place, delta));
                    let delivery = Delivery::Delta {
                        base: shown(&base.path),
                        base_bundle: base.bundle.to_string(),
                        base_hash: base.hash.to_string(),
                        found: candidate.found,
                        whole_bytes: target.whole,
                    };
                    (cost, delivery)
                }
                best => {
                    staged.push((place, target.item));
                    fullfiles.insert(target.item.hash, target.version);
                    let why = match best {
                        Some((_, Attempt::Failed(why))) => why,
                        Some((_, Attempt::Made { .. })) => WholeReason::NotSmaller,
                        None => WholeReason::NoBase,
                    };
                    (target.whole, Delivery::Whole { why })
                }
            };
            if target.kind == FileKind::File {
                let (path, hash) = (shown(&target.path), target.item.hash.to_string());
                files.push(FileReport { path, hash, bytes, delivery });
            }
        }
        deltas.sort_by(|a, b| a.0.cmp(&b.0));
        staged.sort_by(|a, b| a.0.cmp(&b.0));
        let zero_pack = draft.contains(&Artifact::Pack { bundle: subject.plan.bundle.clone(), from: None });
        let report = PackReport {
            bundle: subject.plan.bundle.to_string(),
            from: subject.plan.from.map_or(0, Version::number),
            to: subject.plan.to.number(),
            bytes: 0,
            zero_pack_bytes: zero_pack.map(|zero_pack| zero_pack.size),
            is_zero_pack: false,
            deltas: deltas.len() as u64,
            whole: staged.len() as u64,
            not_needed: subject.objects() - subject.targets.len() as u64,
            files,
        };
        ChosenPack {
            deltas: deltas.into_iter().map(|(_, delta)| delta).collect(),
            staged: staged.into_iter().map(|(_, item)| item).collect(),
            fullfiles,
            zero_pack,
            report,
        }
    }
}

fn name(target: &Target, candidate: Candidate) -> DeltaName {
    DeltaName { from: candidate.base, to: target.item.hash }
}

fn shown(path: &clearwell_format::EntryPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// From this size on a pair gets all threads.
const LARGE_PAIR_BYTES: u64 = 4 << 20;
/// Memory of the delta engine without the files, and of the compressor that estimates the delta's size.
const ENGINE_BYTES: u64 = 400 << 20;
const LEAST_BYTES: u64 = 4 << 20;
/// The engine is never limited to less memory, so that the deltas of all but very large files are the same on every
/// machine. Where the budget is smaller, such a pair runs alone.
const FRUGAL_BYTES: u64 = 256 << 20;
/// A delta takes at most this number of hundredths of the whole file's bytes: applying it costs time on endpoints, and
/// whole files are often compressed already.
const WORTH: u64 = 98;
/// Up to this number of thousandths of the file, a delta is good enough to search no further.
const GOOD: u64 = 300;
/// For smaller files the search costs more time than it saves bytes.
const SEARCH_BYTES: u64 = 512;
