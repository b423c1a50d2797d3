//! The artifacts of a plan, made in parallel into a draft.
//!
//! ```text
//! left over    zero packs of an interrupted run
//! jobs         manifests, fullfiles, zero packs or their parts       the costliest first
//! assemble     fullfiles of shared contents, zero packs              copies
//! ```
//!
//! A new kind of artifact is a variant of [`Task`], made in `MakeContext::make_one`, and listed in `build::tasks`.
//!
//! Bytes depend on the plan, the objects, the methods and the previous release, never on the number of workers. Parts of
//! an interrupted run are verified before they are used.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName};
use clearwell_store::{ArtifactMeta, Draft};

use crate::budget::Budget;
use crate::compression::XZ;
use crate::deltas::spool::Spool;
use crate::error::BuildError;
use crate::fan_out::{fan_out, fan_out_metered};
use crate::fullfile::Effort;
use crate::member::Objects;
use crate::pack::{Built, Families, PackBuilder, zero};
use crate::plan::{PackItem, PackPlan, ReleaseManifests};
use crate::progress::{Meter, Phase, Progress};
use crate::{fullfile, manifest_tar, pack, reuse};

/// One thing to make that is not a pack.
pub(crate) enum Task {
    /// A small text next to the manifests, or a signature.
    Plain(Artifact, Vec<u8>),
    /// A manifest, plain and as an archive.
    Manifest { name: ManifestName, bytes: Vec<u8>, signature: Option<Vec<u8>> },
    /// A fullfile.
    Fullfile(PackItem),
}

/// An artifact that is in the draft.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) artifact: Artifact,
    pub(crate) meta: ArtifactMeta,
    /// An interrupted run had made it.
    pub(crate) reused: bool,
    /// How long one worker took for it; zero for what is assembled from parts.
    pub(crate) took: Duration,
}

/// Everything that making artifacts depends on.
pub(crate) struct MakeContext<'a> {
    pub(crate) objects: Objects<'a>,
    pub(crate) effort: Effort<'a>,
    pub(crate) budget: &'a Budget,
    pub(crate) workers: NonZeroUsize,
    /// `mtime` of manifests in their archives.
    pub(crate) manifest_mtime: u64,
    pub(crate) progress: &'a dyn Progress,
    /// The previous release, from whose zero packs segments are reused.
    pub(crate) previous: Option<&'a ReleaseManifests>,
}

impl MakeContext<'_> {
    /// Makes everything. What zero packs and fullfiles have in common is compressed once.
    ///
    /// # Errors
    /// The failure of the costliest job. Finished artifacts and parts stay in the draft for the next run.
    pub(crate) fn make(
        &self,
        phase: Phase,
        tasks: &[Task],
        zero_packs: &[&PackPlan],
        draft: &Draft<'_>,
    ) -> Result<Vec<Made>, BuildError> {
        let mut made = self.left_over(zero_packs, draft)?;
        let left_over: HashSet<Artifact> = made.iter().map(|made| made.artifact.clone()).collect();
        let missing = |plan: &&PackPlan| !left_over.contains(&plan.artifact());
        let plans: Vec<&PackPlan> = zero_packs.iter().copied().filter(missing).collect();
        let layout = zero::layout(&plans, self)?;
        let spool = Spool::of_draft(draft, "make")?;
        let families = Families::of_zero_packs(self.effort.profile);
        let packs = PackBuilder { layout: &layout, families, draft, context: self, spool: &spool };

        let shared: HashSet<FileHash> = layout.shared_files().map(|item| item.hash).collect();
        let mut of_shared_content = Vec::new();
        let mut jobs = Vec::new();
        for task in tasks {
            match task {
                Task::Fullfile(item) if shared.contains(&item.hash) => of_shared_content.push(*item),
                _ => jobs.push(Job::Task(task)),
            }
        }
        jobs.extend(packs.jobs().into_iter().map(Job::Pack));
        let cost = |job: &Job<'_>| match job {
            Job::Task(task) => self.cost(task),
            Job::Pack(job) => packs.cost(job),
        };
        let run = |job: &Job<'_>| match job {
            Job::Task(task) => self.make_one(task, draft).map(Outcome::Made),
            Job::Pack(job) => packs.run(job).map(Outcome::Pack),
        };
        let mut built = Built::default();
        for outcome in self.by_cost(&jobs, phase, cost, run)? {
            match outcome {
                Outcome::Made(artifacts) => made.extend(artifacts),
                Outcome::Pack(part) => built.add(part),
            }
        }

        let contents: HashMap<FileHash, _> =
            layout.shared_files().map(|item| item.hash).zip(built.contents()).collect();
        made.extend(fan_out(&of_shared_content, self.workers, |&item| {
            let content = spool.read(contents[&item.hash])?;
            let meta = fullfile::make_shared(item, &content, &self.objects, draft)?;
            let artifact = Artifact::Fullfile(item.hash);
            Ok::<_, BuildError>(Made { artifact, meta, reused: false, took: Duration::ZERO })
        })?);
        made.extend(packs.assemble(built)?);
        Ok(made)
    }

    /// Calls `run` for each job in parallel, the costliest first, with progress in jobs and bytes. The results are in the
    /// order of the jobs.
    ///
    /// # Errors
    /// The failure of the costliest job that failed, or [`StoreError::Cancelled`](clearwell_store::StoreError::Cancelled).
    pub(crate) fn by_cost<T: Sync, R: Send>(
        &self,
        jobs: &[T],
        phase: Phase,
        cost: impl Fn(&T) -> u64,
        run: impl Fn(&T) -> Result<R, BuildError> + Sync,
    ) -> Result<Vec<R>, BuildError> {
        let mut order: Vec<(usize, u64)> = jobs.iter().map(cost).enumerate().collect();
        order.sort_by_key(|&(_, cost)| Reverse(cost));
        let total_bytes = order.iter().map(|(_, cost)| cost).sum();
        let meter = Meter::begin(self.progress, phase, jobs.len() as u64, total_bytes);
        let run = |&(place, _): &(usize, u64)| Ok::<_, BuildError>((place, run(&jobs[place])?));
        let mut results = fan_out_metered(&order, self.workers, &meter, |&(_, cost)| cost, run)?;
        meter.finish();
        results.sort_by_key(|&(place, _)| place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Packs that an interrupted run finished.
    pub(crate) fn left_over(&self, packs: &[&PackPlan], draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let made = fan_out(packs, self.workers, |plan| {
            self.progress.go_on()?;
            let artifact = plan.artifact();
            if draft.existing(&artifact)?.is_none_or(|file| !reuse::is_pack(file, plan)) {
                return Ok(None);
            }
            let meta = draft.keep(&artifact)?;
            Ok::<_, BuildError>(Some(Made { artifact, meta, reused: true, took: Duration::ZERO }))
        })?;
        Ok(made.into_iter().flatten().collect())
    }

    fn make_one(&self, task: &Task, draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let begun = Instant::now();
        let new = |artifact, meta| Made { artifact, meta, reused: false, took: begun.elapsed() };
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
                    let meta = draft.keep(&artifact)?;
                    return Ok(vec![Made { artifact, meta, reused: true, took: Duration::ZERO }]);
                }
                let meta = fullfile::make(*item, self.effort, &self.objects, self.budget, draft)?;
                vec![new(artifact, meta)]
            }
        })
    }

    /// Bytes to compress, which is what takes the time.
    fn cost(&self, task: &Task) -> u64 {
        match task {
            Task::Plain(_, bytes) | Task::Manifest { bytes, .. } => bytes.len() as u64,
            Task::Fullfile(item) => self.objects.tar_bytes(*item),
        }
    }
}

/// One thing that a worker does.
enum Job<'b> {
    Task(&'b Task),
    Pack(pack::Job<'b>),
}

/// What it made.
enum Outcome {
    Made(Vec<Made>),
    Pack(pack::BuiltPart),
}
