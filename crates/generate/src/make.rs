//! The artifacts of a plan, made in parallel into a draft.
//!
//! ```text
//! left over    packs of an interrupted run
//! parts        fullfiles, manifests, pieces of packs, contents that several share      the costliest first
//! assemble     fullfiles of shared contents, packs for new installations                copies
//! ```
//!
//! Bytes depend on the plan, the objects, the methods and the release before, never on the number of workers or on what
//! an earlier run left: what it left is the same bytes, or is made again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName};
use clearwell_store::{ArtifactMeta, Draft};

use crate::budget::Budget;
use crate::compression::XZ;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::fullfile::Effort;
use crate::member::Objects;
use crate::plan::{PackItem, PackPlan, Previous};
use crate::progress::{Meter, Phase, Progress};
use crate::zero::{Piece, ZeroPack};
use crate::{fullfile, manifest_tar, pack, reuse};

/// One thing to make.
pub(crate) enum Task<'p> {
    /// A small text beside the manifests, or a signature.
    Plain(Artifact, Vec<u8>),
    /// A manifest, plain and as an archive.
    Manifest { name: ManifestName, bytes: Vec<u8>, signature: Option<Vec<u8>> },
    /// A fullfile.
    Fullfile(PackItem),
    /// A pack for new installations.
    Zero(&'p PackPlan),
}

impl<'p> Task<'p> {
    /// The pack that it makes.
    const fn pack(&self) -> Option<&'p PackPlan> {
        match self {
            Self::Zero(plan) => Some(plan),
            Self::Plain(..) | Self::Manifest { .. } | Self::Fullfile(_) => None,
        }
    }
}

/// An artifact that is in the draft now.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) artifact: Artifact,
    pub(crate) meta: ArtifactMeta,
    /// An interrupted run had made it.
    pub(crate) reused: bool,
    /// How long one worker took for it; nothing for what is put together of parts.
    pub(crate) took: Duration,
}

/// What makers need.
pub(crate) struct Workshop<'a> {
    pub(crate) objects: Objects<'a>,
    pub(crate) effort: Effort<'a>,
    pub(crate) budget: &'a Budget,
    pub(crate) workers: NonZeroUsize,
    /// `mtime` of manifests in their archives.
    pub(crate) manifest_mtime: u64,
    pub(crate) progress: &'a dyn Progress,
    /// The release before, whose packs lend their segments.
    pub(crate) before: Option<&'a Previous>,
}

impl Workshop<'_> {
    /// Makes everything. What packs and fullfiles have in common is made once, before they are put together.
    ///
    /// # Errors
    /// The first failure by cost. What was made stays in the draft for the next run.
    pub(crate) fn make(&self, phase: Phase, tasks: Vec<Task<'_>>, draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let packs: Vec<&PackPlan> = tasks.iter().filter_map(Task::pack).collect();
        let mut made = self.left_over(&packs, draft)?;
        let there: HashSet<Artifact> = made.iter().map(|made| made.artifact.clone()).collect();
        let is_there = |task: &Task<'_>| task.pack().is_some_and(|plan| there.contains(&pack::artifact(plan)));
        let tasks: Vec<Task<'_>> = tasks.into_iter().filter(|task| !is_there(task)).collect();
        let (zeros, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| matches!(task, Task::Zero(_)));
        let Effort { profile, methods } = self.effort;
        let shares = profile.shares(methods);
        let zeros = fan_out(&zeros, self.workers, |task| {
            self.progress.go_on()?;
            let plan = task.pack().expect("a pack for new installations is one");
            let before = self.before.and_then(|before| before.bundles.get(&plan.bundle));
            ZeroPack::new(plan, before.map(|manifest| manifest.header.version), profile, shares, &self.objects)
        })?;
        let spool = Spool::of_draft(draft, "make")?;
        let bench = Bench { workshop: self, zeros: &zeros, draft, spool: &spool };
        let parts = bench.parts(phase, &tasks)?;
        made.extend(bench.assemble(parts)?);
        Ok(made)
    }

    /// Packs that an interrupted run finished.
    pub(crate) fn left_over(&self, packs: &[&PackPlan], draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let made = fan_out(packs, self.workers, |plan| {
            self.progress.go_on()?;
            let artifact = pack::artifact(plan);
            if draft.existing(&artifact)?.is_none_or(|file| !reuse::is_pack(file, plan)) {
                return Ok(None);
            }
            let meta = draft.keep(&artifact)?;
            Ok::<_, BuildError>(Some(Made { artifact, meta, reused: true, took: Duration::ZERO }))
        })?;
        Ok(made.into_iter().flatten().collect())
    }

    fn make_one(&self, task: &Task<'_>, draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let begun = Instant::now();
        let new = |artifact, meta| Made { artifact, meta, reused: false, took: begun.elapsed() };
        let kept = |artifact: &Artifact| -> Result<Vec<Made>, BuildError> {
            Ok(vec![Made {
                artifact: artifact.clone(),
                meta: draft.keep(artifact)?,
                reused: true,
                took: Duration::ZERO,
            }])
        };
        Ok(match task {
            Task::Plain(artifact, bytes) => vec![new(artifact.clone(), draft.put(artifact, bytes)?.meta())],
            Task::Manifest { name, bytes, signature } => {
                let (plain, tar) = (Artifact::Manifest(name.clone()), Artifact::ManifestTar(name.clone()));
                let _memory = self.budget.reserve(2 * bytes.len() as u64 + XZ.encoder_memory(bytes.len() as u64));
                let archive = manifest_tar::archive(name, bytes, signature.as_deref(), self.manifest_mtime)
                    .map_err(|source| BuildError::Compress { object: format!("{}/{tar}", draft.version()), source })?;
                let metas = (draft.put(&plain, bytes)?.meta(), draft.put(&tar, &archive)?.meta());
                vec![new(plain, metas.0), new(tar, metas.1)]
            }
            Task::Fullfile(item) => {
                let artifact = Artifact::Fullfile(item.hash);
                if draft.existing(&artifact)?.is_some_and(|file| reuse::is_fullfile(file, item.hash)) {
                    return kept(&artifact);
                }
                let meta = fullfile::make(*item, self.effort, &self.objects, self.budget, draft)?;
                vec![new(artifact, meta)]
            }
            Task::Zero(_) => unreachable!("made of pieces"),
        })
    }

    /// Bytes to compress, which is what takes the time.
    fn cost(&self, task: &Task<'_>) -> u64 {
        match task {
            Task::Plain(_, bytes) => bytes.len() as u64,
            Task::Manifest { bytes, .. } => bytes.len() as u64,
            Task::Fullfile(item) => self.objects.tar_bytes(*item),
            Task::Zero(plan) => plan.items.iter().map(|&item| self.objects.tar_bytes(item)).sum(),
        }
    }
}

/// Where parts are made and put together.
struct Bench<'b> {
    workshop: &'b Workshop<'b>,
    zeros: &'b [ZeroPack<'b>],
    draft: &'b Draft<'b>,
    spool: &'b Spool,
}

/// One thing that workers do.
enum Job<'t> {
    Task(&'t Task<'t>),
    /// The content of a file that fullfile and packs share.
    Content(PackItem),
    /// A piece of a pack, by the places of both.
    Piece(usize, usize),
}

/// What came of the jobs.
#[derive(Default)]
struct Parts {
    made: Vec<Made>,
    contents: HashMap<FileHash, Spooled>,
    pieces: Vec<HashMap<usize, Spooled>>,
    /// Fullfiles to make of shared contents.
    fullfiles: Vec<PackItem>,
}

enum Part {
    Made(Vec<Made>),
    Content(FileHash, Spooled),
    Piece(usize, usize, Spooled),
}

impl Bench<'_> {
    /// Everything that takes time, the costliest first.
    fn parts(&self, phase: Phase, tasks: &[Task<'_>]) -> Result<Parts, BuildError> {
        let shared: BTreeMap<FileHash, PackItem> = self
            .zeros
            .iter()
            .flat_map(|zero| &zero.pieces)
            .filter_map(|piece| if let Piece::Shared(item) = piece { Some((item.hash, *item)) } else { None })
            .collect();
        let mut parts = Parts { pieces: self.zeros.iter().map(|_| HashMap::new()).collect(), ..Parts::default() };
        let mut jobs: Vec<Job<'_>> = shared.values().map(|&item| Job::Content(item)).collect();
        for task in tasks {
            match task {
                Task::Fullfile(item) if shared.contains_key(&item.hash) => parts.fullfiles.push(*item),
                _ => jobs.push(Job::Task(task)),
            }
        }
        for (place, zero) in self.zeros.iter().enumerate() {
            let to_be_made = zero.pieces.iter().enumerate().filter(|(_, piece)| piece.is_to_be_made());
            jobs.extend(to_be_made.map(|(piece, _)| Job::Piece(place, piece)));
        }
        jobs.sort_by_cached_key(|job| std::cmp::Reverse(self.cost(job)));
        let total_bytes = jobs.iter().map(|job| self.cost(job)).sum();
        let meter = Meter::begin(self.workshop.progress, phase, jobs.len() as u64, total_bytes);
        let results = fan_out(&jobs, self.workshop.workers, |job| {
            meter.go_on()?;
            let part = self.part(job)?;
            meter.advance(1, self.cost(job));
            Ok::<_, BuildError>(part)
        })?;
        meter.finish();
        for part in results {
            match part {
                Part::Made(made) => parts.made.extend(made),
                Part::Content(hash, spooled) => drop(parts.contents.insert(hash, spooled)),
                Part::Piece(zero, piece, spooled) => drop(parts.pieces[zero].insert(piece, spooled)),
            }
        }
        Ok(parts)
    }

    fn part(&self, job: &Job<'_>) -> Result<Part, BuildError> {
        let Workshop { objects, budget, effort: Effort { profile, .. }, .. } = self.workshop;
        Ok(match *job {
            Job::Task(task) => Part::Made(self.workshop.make_one(task, self.draft)?),
            Job::Content(item) => {
                let key = format!("{}-content-{}", profile.as_str(), item.hash);
                if let Some(finished) = self.spool.finished(&key) {
                    return Ok(Part::Content(item.hash, finished));
                }
                let bytes = fullfile::shared_content(item, *profile, objects, budget);
                let bytes = bytes.map_err(|error| error.of(&Artifact::Fullfile(item.hash), self.draft.version()))?;
                Part::Content(item.hash, self.spool.keep_as(&key, &bytes)?)
            }
            Job::Piece(place, piece) => {
                let zero = &self.zeros[place];
                Part::Piece(place, piece, zero.pieces[piece].make(zero, objects, budget, self.spool)?)
            }
        })
    }

    /// Fullfiles and packs from their parts: nothing but copying.
    fn assemble(&self, parts: Parts) -> Result<Vec<Made>, BuildError> {
        let Parts { mut made, contents, pieces, fullfiles } = parts;
        let objects = &self.workshop.objects;
        made.extend(fan_out(&fullfiles, self.workshop.workers, |&item| {
            let content = self.spool.read(contents[&item.hash])?;
            let meta = fullfile::make_shared(item, &content, objects, self.draft)?;
            Ok::<_, BuildError>(Made {
                artifact: Artifact::Fullfile(item.hash),
                meta,
                reused: false,
                took: Duration::ZERO,
            })
        })?);
        let packs: Vec<_> = self.zeros.iter().zip(&pieces).collect();
        made.extend(fan_out(&packs, self.workshop.workers, |(zero, pieces)| {
            let meta = zero.assemble(pieces, &contents, self.spool, objects, self.draft)?;
            Ok::<_, BuildError>(Made { artifact: pack::artifact(zero.plan), meta, reused: false, took: Duration::ZERO })
        })?);
        Ok(made)
    }

    /// Bytes to compress, which is what takes the time.
    fn cost(&self, job: &Job<'_>) -> u64 {
        let objects = &self.workshop.objects;
        match *job {
            Job::Task(task) => self.workshop.cost(task),
            Job::Content(item) => objects.tar_bytes(item),
            Job::Piece(place, piece) => self.zeros[place].pieces[piece].cost(self.zeros[place].plan, objects),
        }
    }
}
