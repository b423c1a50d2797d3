//! A release from its inputs.
//!
//! ```text
//! plan ─ guard ─ sign MoM ─ extend older releases ─ make ─ packs for updates ─ prepare ─ guard ─ release ─ publish
//!        what is planned    with packs they lack                               synced    all of it
//! ```
//!
//! Nothing of the version is visible before `release`, and nobody is pointed to it before `publish`. Whatever stops a
//! build, the next one with the same inputs and options goes on where it stopped: finished artifacts lie in the draft,
//! and a version that was released while its pointers were not moved is published.

mod extend;
mod fingerprint;
pub(crate) mod inspect;
mod options;
mod outcome;
mod stopwatch;
mod tasks;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_format::{EntryPath, ManifestName, Mom, Resource, Version};
use clearwell_sign::Signer;
use clearwell_store::{BundleRecord, Draft, ReleaseRecord, Store, StoreError, Writer};

use crate::budget::Budget;
use crate::catalogue;
use crate::deltas::report::{self, PackReport};
use crate::deltas::{self, Updates};
use crate::earlier::{StoredManifests, lineage};
use crate::fullfile::Effort;
use crate::guard::{Past, Stored, Verdict};
use crate::inputs::Inputs;
use crate::make::{Made, Workshop};
use crate::member::Objects;
use crate::plan::{self, Plan, PlanOptions, Previous};
use crate::progress::{Event, Phase, Progress};
use crate::publish::{move_pointers, pointed_to};
use crate::sign_release::sign;
use inspect::{Inspection, StoredArtifacts};
use stopwatch::Stopwatch;

pub use crate::compression::Method;
pub use crate::error::{BuildError, BuildFault};
pub use crate::profile::{InvalidProfile, Profile};
pub use options::BuildOptions;
pub use outcome::{BuildOutcome, BundleFetch, MadeCounts, Slow};

/// What releases name as their generator.
pub const GENERATOR: &str = concat!("clearwell ", env!("CARGO_PKG_VERSION"));

/// Makes a release of `inputs` in the store of `writer`, and points endpoints to it unless the options say otherwise.
///
/// # Errors
/// See [`BuildError`]. Endpoints see what they saw before; finished work is kept for the next run.
pub fn build(
    inputs: &Inputs,
    writer: &mut Writer,
    signer: Option<&Signer>,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<BuildOutcome, BuildError> {
    let store = writer.store().clone();
    let mut run = Run::new(inputs, signer, options, progress, &store)?;
    if store.has_release(inputs.release.version) {
        return run.resume(writer);
    }
    let plan = run.plan()?;
    let release = plan.release();
    let previous = run.surroundings.previous.clone();
    run.surroundings.look_back(&release, &store)?;
    run.stopwatch.phase_of("plan", Phase::Guard, || run.surroundings.inspection(&release).pass(None, None))?;
    let mom_signature = run.sign_mom(&plan)?;

    let budget = options.memory_bytes.map_or_else(Budget::of_machine, Budget::new);
    let workshop = Workshop {
        objects: Objects { tree: &inputs.tree, store: &store },
        effort: Effort { profile: options.profile, methods: &options.compression },
        budget: &budget,
        workers: options.workers,
        manifest_mtime: u64::try_from(inputs.release.timestamp).unwrap_or(0),
        progress,
        before: None,
    };
    run.extend_older(&plan, &release, &workshop, writer)?;
    let workshop = Workshop { before: previous.as_deref(), ..workshop };

    let draft = writer.draft(inputs.release.version, &run.fingerprint)?;
    let first = tasks::of_release(&plan, inputs, mom_signature);
    let mut made = run.stopwatch.time(Phase::Make, || workshop.make(Phase::Make, first, &draft))?;
    // Afterwards: a pack for updates is never larger than the one for new installations.
    let earlier = run.earlier.clone();
    let update = || deltas::make(&plan.packs, &earlier, &release, &draft, &workshop);
    let updates = run.stopwatch.time(Phase::Deltas, update)?;
    run.hear_of_packs(&updates);
    made.extend(updates.made);
    run.outcome.made = outcome::count(&made);
    run.outcome.slowest = outcome::slowest(&made, &inputs.tree);

    let verdict = run.release(&release, &made, &updates.reports, draft)?;
    run.hear(&verdict);
    run.conclude(&release, writer)
}

/// A build under way.
struct Run<'a> {
    inputs: &'a Inputs,
    options: &'a BuildOptions,
    signer: Option<&'a Signer>,
    progress: &'a dyn Progress,
    surroundings: Surroundings<'a>,
    /// Releases that endpoints update from with packs made for them.
    earlier: Vec<Arc<Previous>>,
    fingerprint: String,
    stopwatch: Stopwatch<'a>,
    outcome: BuildOutcome,
}

/// What a release is held against.
struct Surroundings<'a> {
    inputs: &'a Inputs,
    options: &'a BuildOptions,
    signer: Option<&'a Signer>,
    previous: Option<Arc<Previous>>,
    /// The MoMs of all other releases of the store.
    kept: BTreeMap<Version, Mom>,
    /// What endpoints may have installed; set once the release is planned.
    past: Arc<Past>,
}

impl Surroundings<'_> {
    fn look_back(&mut self, release: &Previous, store: &Store) -> Result<(), StoreError> {
        self.past = Arc::new(inspect::past(release, self.previous.as_deref(), &self.kept, store)?);
        Ok(())
    }

    fn inspection<'i>(&'i self, release: &'i Previous) -> Inspection<'i> {
        Inspection {
            release,
            previous: self.previous.as_deref(),
            kept: &self.kept,
            past: Arc::clone(&self.past),
            wanted: inspect::wanted(self.inputs),
            tree: Some(&self.inputs.tree),
            signer: self.signer,
            now: self.options.now,
            allowed: &self.options.allowed,
        }
    }
}

impl<'a> Run<'a> {
    fn new(
        inputs: &'a Inputs,
        signer: Option<&'a Signer>,
        options: &'a BuildOptions,
        progress: &'a dyn Progress,
        store: &Store,
    ) -> Result<Self, BuildError> {
        let previous = previous(inputs, store)?;
        let earlier = match &previous {
            Some(previous) => lineage(Arc::clone(previous), options.deltas, inputs.release.format, store)?,
            None => Vec::new(),
        };
        let mut kept = inspect::kept(store)?;
        kept.remove(&inputs.release.version);
        Ok(Self {
            inputs,
            options,
            signer,
            progress,
            surroundings: Surroundings { inputs, options, signer, previous, kept, past: Arc::default() },
            earlier,
            fingerprint: fingerprint::fingerprint(inputs, options),
            stopwatch: Stopwatch::new(options.phases.clone(), progress),
            outcome: BuildOutcome::new(&inputs.release, signer.is_some()),
        })
    }

    /// The version is in the store. If this build made it and was stopped before its end, that end follows.
    fn resume(mut self, writer: &Writer) -> Result<BuildOutcome, BuildError> {
        let version = self.inputs.release.version;
        let record = writer.store().record(version)?;
        let is_ours = record.other.get(FINGERPRINT).and_then(|text| text.as_str()) == Some(&self.fingerprint);
        let release = Previous::read(&StoredManifests(writer.store()), version)?;
        let is_newest = pointed_to(record.format, writer.store())?.is_none_or(|newest| newest < version);
        if !(is_ours && is_newest) {
            return Err(StoreError::VersionExists { version }.into());
        }
        self.outcome.resumed = true;
        self.surroundings.look_back(&release, writer.store())?;
        for kind in ResourceKind::ALL {
            let counts = record.counts(kind);
            let counts = MadeCounts { number: counts.number, bytes: counts.bytes, reused: counts.number };
            self.outcome.made.extend((counts.number > 0).then_some((kind.as_str(), counts)));
        }
        self.conclude(&release, writer)
    }

    fn plan(&mut self) -> Result<Plan, BuildError> {
        let options = PlanOptions {
            fullfiles: self.options.fullfiles,
            zero_packs: self.options.zero_packs,
            packs_from: self.earlier.clone(),
            empty: self.options.empty,
        };
        let previous = self.surroundings.previous.as_deref();
        let plan = self.stopwatch.phase(Phase::Plan, || plan::plan(self.inputs, previous, &options))?;
        self.outcome.warnings.extend(plan.warnings.iter().map(ToString::to_string));
        Ok(plan)
    }

    /// Before anything is made: a key that cannot sign is found out in a second, not after an hour.
    fn sign_mom(&mut self, plan: &Plan) -> Result<Option<Vec<u8>>, BuildError> {
        let Some(signer) = self.signer else {
            return Ok(None);
        };
        let resource = Resource::of(plan.version, Artifact::Manifest(ManifestName::Mom));
        let time = self.inputs.release.timestamp;
        self.stopwatch.phase(Phase::Sign, || sign(&plan.mom.to_bytes(), &resource, signer, time)).map(Some)
    }

    /// Everything is made: it is brought to disk, read back, held against the guard, and released.
    fn release(
        &mut self,
        release: &Previous,
        made: &[Made],
        packs: &[PackReport],
        draft: Draft<'_>,
    ) -> Result<Verdict, BuildError> {
        let mut record = self.record(release);
        report::add_packs(&mut record, packs);
        let version = release.version();
        let prepared = self.stopwatch.phase(Phase::Prepare, || draft.prepare(record))?;
        let view = prepared.preview();
        let made: Vec<Resource> = made.iter().map(|made| Resource::of(version, made.artifact.clone())).collect();
        let stored = Stored { artifacts: &StoredArtifacts(&view), made: &made };
        let inspection = self.surroundings.inspection(release);
        let verdict = self.stopwatch.phase_of("release", Phase::Guard, || inspection.pass(Some(stored), None))?;
        self.stopwatch.phase(Phase::Release, || prepared.release())?;
        Ok(verdict)
    }

    fn record(&self, release: &Previous) -> ReleaseRecord {
        let numbers = &self.inputs.release;
        let mut record = ReleaseRecord::new(numbers.version, numbers.format, numbers.timestamp);
        record.previous = numbers.previous;
        record.min_version = release.mom.header.min_version;
        record.bundles = release
            .mom
            .bundles()
            .map(|entry| BundleRecord {
                name: entry.bundle.clone(),
                version: entry.version,
                changed: entry.version == numbers.version,
                experimental: entry.flags.status == clearwell_format::Status::Experimental,
            })
            .collect();
        let paths: HashSet<&EntryPath> =
            release.full.iter().flat_map(|full| full.present()).map(|entry| &entry.path).collect();
        record.files = paths.len() as u64;
        record.sources.clone_from(&self.options.sources);
        record.options.clone_from(&self.options.typed);
        record.allowed_rules = self.options.allowed.iter().map(ToString::to_string).collect();
        record.generator = GENERATOR.to_owned();
        record.phases = self.stopwatch.phases().to_vec();
        record.notes.clone_from(&self.outcome.warnings);
        record.other.insert(FINGERPRINT.to_owned(), self.fingerprint.clone().into());
        record.other.insert(PROFILE.to_owned(), self.options.profile.as_str().into());
        record
    }

    fn hear_of_packs(&mut self, updates: &Updates) {
        for text in &updates.warnings {
            self.progress.event(Event::Warning { text: text.clone() });
        }
        self.outcome.warnings.extend_from_slice(&updates.warnings);
    }

    fn hear(&mut self, verdict: &Verdict) {
        self.outcome.warnings.extend(verdict.warnings.iter().map(ToString::to_string));
        self.outcome.overruled.extend(verdict.overruled.iter().map(ToString::to_string));
    }

    /// The version is released: pointers, unless it is staged, and the summary.
    fn conclude(mut self, release: &Previous, writer: &Writer) -> Result<BuildOutcome, BuildError> {
        if !self.options.stage {
            let inspection = self.surroundings.inspection(release);
            let time = self.inputs.release.timestamp;
            let published =
                self.stopwatch.time(Phase::Publish, || move_pointers(&inspection, time, writer, self.progress))?;
            self.outcome.generation = Some(published.generation);
            self.outcome.warnings.extend(published.warnings);
            self.outcome.overruled.extend(published.overruled);
        }
        let BuildOutcome { warnings, overruled, .. } = &mut self.outcome;
        for lines in [warnings, overruled] {
            let mut seen = HashSet::new();
            lines.retain(|line| seen.insert(line.clone()));
        }
        catalogue::prune(&writer.store().releases()?.into_iter().collect(), writer.store().layout());
        self.outcome.bundles = outcome::fetches(release, &self.earlier, writer.store())?;
        self.outcome.phases = self.stopwatch.phases().to_vec();
        Ok(self.outcome)
    }
}

/// The release that the inputs name as the one before. One that the store does not have is left to the plan to refuse.
fn previous(inputs: &Inputs, store: &Store) -> Result<Option<Arc<Previous>>, BuildError> {
    match inputs.release.previous.filter(|&previous| store.has_release(previous)) {
        Some(previous) => Ok(Some(Arc::new(Previous::read(&StoredManifests(store), previous)?))),
        None => Ok(None),
    }
}

/// Key of the release record: what the release was made from.
const FINGERPRINT: &str = "fingerprint";
/// Key of the release record: how its archives were compressed.
const PROFILE: &str = "profile";

/// The profile that a release was made with. Records of a time without profiles mean the default.
pub(crate) fn profile_of(record: &ReleaseRecord) -> Profile {
    record.other.get(PROFILE).and_then(|text| text.as_str()?.parse().ok()).unwrap_or_default()
}
