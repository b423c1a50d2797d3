//! A release from its inputs.
//!
//! ```text
//! plan ─ guard ─ sign ─ guard ─ extend older releases ─ make ─ update packs ─ prepare ─ guard ─ release ─ publish
//!    manifests  MoM and  all of it,   with packs they lack                          synced    what was made
//!               pointers pointers too
//! ```
//!
//! Nothing of the version is visible before `release`, and no pointer names it before `publish`. Everything that can
//! be refused is refused before older releases are extended: a refusal leaves the store as it was. If a build stops
//! later, the next one with the same inputs and options continues: finished artifacts are in the draft,
//! and a version that was released while its pointers were not moved is published. A staged release of the version, made
//! of other inputs, is replaced.

mod extend;
mod fingerprint;
pub(crate) mod inspect;
mod options;
mod outcome;
mod planned_artifacts;
mod stopwatch;
mod tasks;
mod unfinished;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_format::{EntryPath, ManifestName, Mom, Resource, Version};
use clearwell_sign::Signer;
use clearwell_store::{Begun, BundleRecord, Draft, ReleaseRecord, ReleaseState, Store, StoreError, Writer};

use crate::budget::Budget;
use crate::deltas::report::{self, PackReport};
use crate::deltas::{self, Updates};
use crate::fullfile::Effort;
use crate::guard::{EarlierEntries, PointerMove, Stored, Verdict};
use crate::inputs::Inputs;
use crate::make::{Made, MakeContext};
use crate::member::Objects;
use crate::pack::catalogue;
use crate::plan::{self, Plan, PlanOptions, ReleaseManifests};
use crate::progress::{Event, Phase, Progress};
use crate::publish::Publication;
use crate::sign_release::sign;
use crate::stored_manifests::{StoredManifests, lineage};
use inspect::{Inspection, StoredArtifacts};
use planned_artifacts::PlannedArtifacts;
use stopwatch::Stopwatch;

pub use crate::compression::Method;
pub use crate::error::BuildError;
pub use crate::profile::{InvalidProfile, Profile};
pub use options::BuildOptions;
pub use outcome::{BuildOutcome, BundleFetch, MadeCounts, Slow};
pub use unfinished::{continues, unfinished};

/// The name of the generator in release records.
pub const GENERATOR: &str = concat!("clearwell ", env!("CARGO_PKG_VERSION"));

/// Makes a release of `inputs` in the store of `writer`, and points endpoints to it unless the options disable that.
///
/// # Errors
/// See [`BuildError`]. Endpoints see what they saw before. After a refusal the store is as it was; after a failure finished
/// work is kept for the next run.
pub fn build(
    inputs: &Inputs,
    writer: &mut Writer,
    signer: Option<&Signer>,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<BuildOutcome, BuildError> {
    let store = writer.store().clone();
    let mut run = Run::new(inputs, signer, options, progress, &store)?;
    if run.is_made(&store)? {
        return run.resume(writer);
    }
    let plan = run.plan()?;
    let release = plan.release();
    let previous = run.guard_inputs.previous.clone();
    run.guard_inputs.read_earlier_entries(&release, &store)?;
    run.stopwatch.phase_of("plan", Phase::Guard, || run.guard_inputs.inspection(&release).pass(None, None))?;
    let (mom_signature, publication) = run.sign(&plan, writer)?;
    run.check_planned(&plan, &release, mom_signature.as_deref(), &publication, &store)?;

    let budget = options.memory_bytes.map_or_else(Budget::of_machine, Budget::new);
    let context = MakeContext {
        objects: Objects { tree: &inputs.tree, store: &store },
        effort: Effort { profile: options.profile, methods: &options.compression },
        budget: &budget,
        workers: options.workers,
        manifest_mtime: u64::try_from(inputs.release.timestamp).unwrap_or(0),
        progress,
        previous: None,
    };
    run.extend_older(&plan, &release, &context, writer)?;
    let context = MakeContext { previous: previous.as_deref(), ..context };

    let begun = Begun { fingerprint: run.fingerprint.clone(), timestamp: Some(inputs.release.timestamp) };
    let draft = writer.draft(inputs.release.version, begun)?;
    let tasks = tasks::of_release(&plan, inputs, mom_signature);
    let zero_packs =
        plan.packs.iter().filter(|pack| pack.from.is_none() && pack.to == plan.version).collect::<Vec<_>>();
    let mut made = run.stopwatch.time(Phase::Make, || context.make(Phase::Make, &tasks, &zero_packs, &draft))?;
    // Afterwards, because an update pack is never larger than the zero pack.
    let earlier = run.earlier.clone();
    let update = || deltas::make(&plan.packs, &earlier, &release, &draft, &context);
    let updates = run.stopwatch.time(Phase::Deltas, update)?;
    run.note_pack_warnings(&updates);
    made.extend(updates.made);
    run.outcome.made = outcome::count(&made);
    run.outcome.slowest = outcome::slowest(&made, &inputs.tree);

    let verdict = run.release(&release, &made, &updates.reports, &publication, draft)?;
    run.note_verdict(&verdict);
    run.conclude(&release, publication, writer)
}

/// A running build.
struct Run<'a> {
    inputs: &'a Inputs,
    options: &'a BuildOptions,
    signer: Option<&'a Signer>,
    progress: &'a dyn Progress,
    guard_inputs: GuardInputs<'a>,
    /// Releases that endpoints update from with packs made for them.
    earlier: Vec<Arc<ReleaseManifests>>,
    fingerprint: String,
    stopwatch: Stopwatch<'a>,
    outcome: BuildOutcome,
}

/// What the guard compares a release with.
struct GuardInputs<'a> {
    inputs: &'a Inputs,
    options: &'a BuildOptions,
    signer: Option<&'a Signer>,
    previous: Option<Arc<ReleaseManifests>>,
    /// The MoMs of all other releases of the store.
    kept: BTreeMap<Version, Mom>,
    /// What endpoints may have installed; set once the release is planned.
    earlier_entries: Arc<EarlierEntries>,
}

impl GuardInputs<'_> {
    fn read_earlier_entries(&mut self, release: &ReleaseManifests, store: &Store) -> Result<(), StoreError> {
        self.earlier_entries =
            Arc::new(inspect::earlier_entries(release, self.previous.as_deref(), &self.kept, store)?);
        Ok(())
    }

    fn inspection<'i>(&'i self, release: &'i ReleaseManifests) -> Inspection<'i> {
        Inspection {
            release,
            previous: self.previous.as_deref(),
            kept: &self.kept,
            earlier_entries: Arc::clone(&self.earlier_entries),
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
            guard_inputs: GuardInputs { inputs, options, signer, previous, kept, earlier_entries: Arc::default() },
            earlier,
            fingerprint: fingerprint::fingerprint(inputs, options),
            stopwatch: Stopwatch::new(options.phases.clone(), progress),
            outcome: BuildOutcome::new(&inputs.release, signer.is_some()),
        })
    }

    /// True if the store has this release, staged. Another release of the version must be one that may be replaced.
    fn is_made(&self, store: &Store) -> Result<bool, BuildError> {
        let version = self.inputs.release.version;
        if !store.has_content(version) {
            return Ok(false);
        }
        if !store.has_release(version) || store.state(version)? != ReleaseState::Staged {
            return Err(StoreError::VersionExists { version }.into());
        }
        let record = store.record(version)?;
        if unfinished::is_made_of(&record, self.inputs, &self.fingerprint, self.signer, store)? {
            return Ok(true);
        }
        match store.discard_refusal(version)? {
            Some(reason) => Err(StoreError::NotDiscardable { version, reason }.into()),
            None => Ok(false),
        }
    }

    /// The release is in the store: only the pointers are left to move, if they are to.
    fn resume(mut self, writer: &Writer) -> Result<BuildOutcome, BuildError> {
        let store = writer.store();
        let record = store.record(self.inputs.release.version)?;
        let release = ReleaseManifests::read(&StoredManifests(store), record.version)?;
        let publication = Publication::new(&release.mom, writer, self.signer, record.timestamp)?;
        self.guard_inputs.read_earlier_entries(&release, store)?;
        // The guard runs again: a staged release may have waited for long, and its files with it.
        let stored = Stored { artifacts: &StoredArtifacts(store), made: &[] };
        let moved = self.pointers_to_judge(&publication);
        let inspection = self.guard_inputs.inspection(&release);
        let verdict = self.stopwatch.phase_of("release", Phase::Guard, || inspection.pass(Some(stored), moved))?;
        self.note_verdict(&verdict);
        self.outcome.resumed = true;
        for kind in ResourceKind::ALL {
            let counts = record.counts(kind);
            let counts = MadeCounts { number: counts.number, bytes: counts.bytes, reused: counts.number };
            self.outcome.made.extend((counts.number > 0).then_some((kind.name(), counts)));
        }
        self.conclude(&release, publication, writer)
    }

    fn plan(&mut self) -> Result<Plan, BuildError> {
        let options = PlanOptions {
            fullfiles: self.options.fullfiles,
            zero_packs: self.options.zero_packs,
            packs_from: self.earlier.clone(),
            empty: self.options.empty,
        };
        let previous = self.guard_inputs.previous.as_deref();
        let plan = self.stopwatch.phase(Phase::Plan, || plan::plan(self.inputs, previous, &options))?;
        self.outcome.warnings.extend(plan.warnings.iter().map(ToString::to_string));
        Ok(plan)
    }

    /// Signs the MoM and the pointers, before anything is made: a key that cannot sign fails at once, not after
    /// an hour. Pointers of a release that stays staged are signed when they move.
    fn sign(&mut self, plan: &Plan, writer: &Writer) -> Result<(Option<Vec<u8>>, Publication), BuildError> {
        let time = self.inputs.release.timestamp;
        let pointers = self.signer.filter(|_| !self.options.stage);
        let Some(signer) = self.signer else {
            return Ok((None, Publication::new(&plan.mom, writer, None, time)?));
        };
        let resource = Resource::of(plan.version, Artifact::Manifest(ManifestName::Mom));
        self.stopwatch.phase(Phase::Sign, || {
            let mom = sign(&plan.mom.to_bytes(), &resource, signer, time)?;
            Ok((Some(mom), Publication::new(&plan.mom, writer, pointers, time)?))
        })
    }

    /// The guard on everything but the archives, before the store changes.
    fn check_planned(
        &mut self,
        plan: &Plan,
        release: &ReleaseManifests,
        mom_signature: Option<&[u8]>,
        publication: &Publication,
        store: &Store,
    ) -> Result<(), BuildError> {
        let planned_artifacts = PlannedArtifacts::new(plan, Objects { tree: &self.inputs.tree, store }, mom_signature);
        let stored = Stored { artifacts: &planned_artifacts, made: &[] };
        let moved = self.pointers_to_judge(publication);
        let inspection = self.guard_inputs.inspection(release);
        self.stopwatch.phase_of("content", Phase::Guard, || inspection.pass(Some(stored), moved)).map(drop)
    }

    /// The pointer move that the guard checks. Pointers to a staged release move later; but an unsigned release could then
    /// never follow signed ones.
    fn pointers_to_judge(&self, publication: &Publication) -> Option<PointerMove> {
        match (self.options.stage, self.signer) {
            (false, _) => Some(publication.moved()),
            (true, None) => Some(publication.signatures_moved()),
            (true, Some(_)) => None,
        }
    }

    /// Everything is built: it is synced to disk, read back, checked by the guard, and released.
    fn release(
        &mut self,
        release: &ReleaseManifests,
        made: &[Made],
        packs: &[PackReport],
        publication: &Publication,
        draft: Draft<'_>,
    ) -> Result<Verdict, BuildError> {
        let mut record = self.record(release);
        report::add_packs(&mut record, packs);
        let version = release.version();
        let prepared = self.stopwatch.phase(Phase::Prepare, || draft.prepare(record))?;
        let view = prepared.preview();
        let made: Vec<Resource> = made.iter().map(|made| Resource::of(version, made.artifact.clone())).collect();
        let stored = Stored { artifacts: &StoredArtifacts(&view), made: &made };
        let moved = self.pointers_to_judge(publication);
        let inspection = self.guard_inputs.inspection(release);
        let verdict = self.stopwatch.phase_of("release", Phase::Guard, || inspection.pass(Some(stored), moved))?;
        self.stopwatch.phase(Phase::Release, || prepared.release())?;
        Ok(verdict)
    }

    fn record(&self, release: &ReleaseManifests) -> ReleaseRecord {
        let numbers = &self.inputs.release;
        let mut record = ReleaseRecord::new(numbers.version, numbers.format, numbers.timestamp);
        record.previous = numbers.previous;
        record.min_version = release.mom.header.min_version;
        record.bundles = release.mom.bundles().map(|entry| BundleRecord::of(entry, numbers.version)).collect();
        let paths: HashSet<&EntryPath> =
            release.full.iter().flat_map(|full| full.present()).map(|entry| &entry.path).collect();
        record.files = paths.len() as u64;
        record.sources.clone_from(&self.options.sources);
        record.options.clone_from(&self.options.typed);
        record.allowed_rules = self.options.allowed.iter().map(ToString::to_string).collect();
        record.generator = GENERATOR.to_owned();
        record.phases = self.stopwatch.phases().to_vec();
        record.notes.clone_from(&self.outcome.warnings);
        record.fingerprint = Some(self.fingerprint.clone());
        record.profile = Some(self.options.profile.as_str().to_owned());
        record
    }

    fn note_pack_warnings(&mut self, updates: &Updates) {
        for text in &updates.warnings {
            self.progress.event(Event::Warning { text: text.clone() });
        }
        self.outcome.warnings.extend_from_slice(&updates.warnings);
    }

    fn note_verdict(&mut self, verdict: &Verdict) {
        self.outcome.warnings.extend(verdict.warnings.iter().map(ToString::to_string));
        self.outcome.overruled.extend(verdict.overruled.iter().map(ToString::to_string));
    }

    /// After the release: pointers, unless it is staged, and the summary.
    fn conclude(
        mut self,
        release: &ReleaseManifests,
        publication: Publication,
        writer: &Writer,
    ) -> Result<BuildOutcome, BuildError> {
        if !self.options.stage {
            let publish = || publication.publish(release.version(), writer, self.progress);
            let (generation, left_behind) = self.stopwatch.time(Phase::Publish, publish)?;
            self.outcome.generation = Some(generation);
            self.outcome.warnings.extend(left_behind);
        }
        let BuildOutcome { warnings, overruled, .. } = &mut self.outcome;
        for lines in [warnings, overruled] {
            let mut seen = HashSet::new();
            lines.retain(|line| seen.insert(line.clone()));
        }
        catalogue::prune(&writer.store().releases()?.into_iter().collect(), writer.store());
        self.outcome.bundles = outcome::fetches(release, &self.earlier, writer.store())?;
        self.outcome.phases = self.stopwatch.phases().to_vec();
        Ok(self.outcome)
    }
}

/// The release that the inputs name as the previous one. The plan refuses one that is not in the store.
fn previous(inputs: &Inputs, store: &Store) -> Result<Option<Arc<ReleaseManifests>>, BuildError> {
    match inputs.release.previous.filter(|&previous| store.has_release(previous)) {
        Some(previous) => Ok(Some(Arc::new(ReleaseManifests::read(&StoredManifests(store), previous)?))),
        None => Ok(None),
    }
}

/// The profile that a release was made with. Older records have none: the default.
pub(crate) fn profile_of(record: &ReleaseRecord) -> Profile {
    record.profile.as_ref().and_then(|name| name.parse().ok()).unwrap_or_default()
}
