//! The artifacts of a plan, made in parallel into a draft: the costliest first, so that no worker is left with a large
//! one at the end.
//!
//! Bytes depend on the plan, the objects and the methods alone, never on the number of workers or on what an earlier
//! run left: what it left is the same bytes, or is made again.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_format::ManifestName;
use clearwell_format::resource::Artifact;
use clearwell_store::{ArtifactMeta, Draft};

use crate::budget::Budget;
use crate::compression::{Method, XZ};
use crate::deltas::choice::Choice;
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::member::Objects;
use crate::plan::{PackItem, PackPlan};
use crate::progress::{Event, Phase, Progress};
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
    /// A pack for updates, and the one for new installations in the same folder.
    Update { plan: &'p PackPlan, zero: Option<&'p PackPlan>, choice: &'p Choice },
}

/// An artifact that is in the draft now.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) artifact: Artifact,
    pub(crate) meta: ArtifactMeta,
    /// An interrupted run had made it.
    pub(crate) reused: bool,
}

/// What makers need.
pub(crate) struct Workshop<'a> {
    pub(crate) objects: Objects<'a>,
    pub(crate) methods: &'a [Method],
    pub(crate) budget: &'a Budget,
    pub(crate) workers: NonZeroUsize,
    /// `mtime` of manifests in their archives.
    pub(crate) manifest_mtime: u64,
    pub(crate) progress: &'a dyn Progress,
}

impl Workshop<'_> {
    /// Makes everything, and returns it in the order of the tasks' cost.
    ///
    /// # Errors
    /// The first failure by that order. What was made stays in the draft for the next run.
    pub(crate) fn make(
        &self,
        phase: Phase,
        mut tasks: Vec<Task<'_>>,
        draft: &Draft<'_>,
    ) -> Result<Vec<Made>, BuildError> {
        tasks.sort_by_cached_key(|task| std::cmp::Reverse(self.cost(task)));
        let (done, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let total_bytes = tasks.iter().map(|task| self.cost(task)).sum();
        self.progress.event(Event::Started { phase, total: tasks.len() as u64, total_bytes });
        let made = fan_out(&tasks, self.workers, |task| {
            let made = self.make_one(task, draft)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let cost = self.cost(task);
            let bytes = bytes.fetch_add(cost, Ordering::Relaxed) + cost;
            self.progress.event(Event::Advanced { phase, done, bytes });
            Ok::<_, BuildError>(made)
        })?;
        self.progress.event(Event::Finished { phase, done: tasks.len() as u64, bytes: total_bytes });
        Ok(made.into_iter().flatten().collect())
    }

    fn make_one(&self, task: &Task<'_>, draft: &Draft<'_>) -> Result<Vec<Made>, BuildError> {
        let new = |artifact, meta| Made { artifact, meta, reused: false };
        let kept = |artifact: &Artifact| -> Result<Vec<Made>, BuildError> {
            Ok(vec![Made { artifact: artifact.clone(), meta: draft.keep(artifact)?, reused: true }])
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
                let meta = fullfile::make(*item, self.methods, &self.objects, self.budget, draft)?;
                vec![new(artifact, meta)]
            }
            Task::Zero(plan) | Task::Update { plan, .. } => {
                let artifact = pack::artifact(plan);
                if draft.existing(&artifact)?.is_some_and(|file| reuse::is_pack(file, plan)) {
                    return kept(&artifact);
                }
                let meta = match task {
                    Task::Update { zero, choice, .. } => {
                        let contents = choice.contents(plan);
                        pack::make_update(plan, &contents, *zero, &self.objects, self.budget, draft)?
                    }
                    _ => pack::make_zero(plan, &self.objects, self.budget, draft)?,
                };
                vec![new(artifact, meta)]
            }
        })
    }

    /// Bytes to compress, which is what takes the time.
    fn cost(&self, task: &Task<'_>) -> u64 {
        match task {
            Task::Plain(_, bytes) => bytes.len() as u64,
            Task::Manifest { bytes, .. } => bytes.len() as u64,
            Task::Fullfile(item) => self.objects.tar_bytes(*item),
            Task::Zero(plan) | Task::Update { plan, .. } => {
                plan.items.iter().map(|&item| self.objects.tar_bytes(item)).sum()
            }
        }
    }
}
