//! Packs and manifest deltas for an existing release, from any earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use clearwell_format::{Resource, Version};
use clearwell_store::{Store, StoreError, Writer};
use schemars::JsonSchema;
use serde::Serialize;

use super::report::{PackReport, add_packs};
use super::updates;
use crate::budget::Budget;
use crate::build::profile_of;
use crate::error::BuildError;
use crate::fullfile::Effort;
use crate::make::MakeContext;
use crate::member::Objects;
use crate::plan::packs;
use crate::plan::{Origins, PackPlan, ReleaseManifests};
use crate::progress::{About, Event, Meter, Phase, Progress};
use crate::stored_manifests::{StoredManifests, lineage};
use crate::tree::Tree;

/// Which releases endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// These.
    Releases(Vec<Version>),
    /// This number of releases before it, as far as they have its format.
    Last(usize),
}

/// Choices that have defaults.
#[derive(Clone, Debug)]
pub struct DeltaOptions {
    /// Threads. The result does not depend on it.
    pub workers: NonZeroUsize,
    /// Memory that workers share, in bytes; `None` for half of what the machine or the control group has.
    pub memory_bytes: Option<u64>,
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self { workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), memory_bytes: None }
    }
}

/// The delta packs and manifest deltas that were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Added {
    /// The release that endpoints update to.
    pub to: u32,
    /// The releases that endpoints update from.
    pub from: Vec<u32>,
    /// The delta packs that were made.
    pub packs: Vec<PackReport>,
    /// Number of delta packs that existed already.
    pub packs_there: u64,
    /// Number of manifest deltas that were made.
    pub delta_manifests: u64,
    /// The releases whose folders got files: a delta pack is in the folder of the release that last changed its bundle.
    pub extended: Vec<u32>,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
}

/// Adds packs and manifest deltas that carry endpoints to release `to`. What is there stays as it is, and pointers do
/// not move. Everything that is needed comes out of the store.
///
/// # Errors
/// [`BuildError::NotEarlier`] or [`BuildError::FormatBoundary`] for sources that no pack can lead from;
/// [`BuildError::Store`] if the store cannot be read or written. What was added before an error is complete.
pub fn add_deltas(
    writer: &mut Writer,
    to: Version,
    sources: &Sources,
    options: &DeltaOptions,
    progress: &dyn Progress,
) -> Result<Added, BuildError> {
    let store = writer.store().clone();
    let release = ReleaseManifests::read(&StoredManifests(&store), to)?;
    let earlier = earlier(&release, sources, &store)?;
    let mut added = Added {
        to: to.number(),
        from: earlier.iter().map(|release| release.version().number()).collect(),
        ..Added::default()
    };
    let tree = Tree::default();
    let budget = options.memory_bytes.map_or_else(Budget::of_machine, Budget::new);
    let context = MakeContext {
        objects: Objects { tree: &tree, store: &store },
        effort: Effort { profile: profile_of(&store.record(to)?), methods: &[] },
        budget: &budget,
        workers: options.workers,
        manifest_mtime: 0,
        progress,
        previous: None,
    };
    let mut lacking = lacking(&release, &earlier, &context.objects, &mut added)?;
    for folder in folders(&release, &earlier, &store) {
        let mut packs = lacking.remove(&folder).unwrap_or_default();
        with_zero_packs(&mut packs, &release, &store)?;
        let mut record = store.record(folder)?;
        let draft = writer.extend(folder)?;
        let about = About::new(progress, folder);
        let context = MakeContext { progress: &about, ..context };
        let updates = updates::make(&packs, &earlier, &release, &draft, &context)?;
        for text in &updates.warnings {
            progress.event(Event::Warning { text: text.clone() });
        }
        added.warnings.extend(updates.warnings);
        if updates.made.is_empty() {
            draft.discard()?;
            continue;
        }
        add_packs(&mut record, &updates.reports);
        let number = updates.made.len() as u64;
        added.delta_manifests += number - updates.reports.len() as u64;
        added.packs.extend(updates.reports);
        added.extended.push(folder.number());
        let preparing = Meter::begin(&about, Phase::Prepare, 0, 0);
        let prepared = draft.prepare(record)?;
        preparing.finish();
        let releasing = Meter::begin(&about, Phase::Release, 0, 0);
        prepared.release()?;
        releasing.finish();
    }
    Ok(added)
}

fn earlier(
    release: &ReleaseManifests,
    sources: &Sources,
    store: &Store,
) -> Result<Vec<Arc<ReleaseManifests>>, BuildError> {
    let (to, format) = (release.version(), release.mom.header.format);
    let read =
        |version| -> Result<_, StoreError> { Ok(Arc::new(ReleaseManifests::read(&StoredManifests(store), version)?)) };
    match sources {
        Sources::Releases(versions) => {
            let mut earlier = Vec::new();
            for &version in versions.iter().collect::<BTreeSet<_>>() {
                if !store.has_release(version) {
                    return Err(StoreError::UnknownVersion { version }.into());
                }
                if version >= to {
                    return Err(BuildError::NotEarlier { from: version, to });
                }
                let release = read(version)?;
                let old_format = release.mom.header.format;
                if old_format != format {
                    return Err(BuildError::FormatBoundary { from: version, old_format, to, format });
                }
                earlier.push(release);
            }
            Ok(earlier)
        }
        Sources::Last(limit) => match release.mom.header.previous.filter(|&before| store.has_release(before)) {
            Some(before) => Ok(lineage(read(before)?, *limit, format, store)?),
            None => Ok(Vec::new()),
        },
    }
}

/// By folder, the packs that are not there.
fn lacking(
    release: &ReleaseManifests,
    earlier: &[Arc<ReleaseManifests>],
    objects: &Objects<'_>,
    added: &mut Added,
) -> Result<BTreeMap<Version, Vec<PackPlan>>, BuildError> {
    let (origins, store) = (Origins::default(), objects.store);
    let mut lacking: BTreeMap<Version, Vec<PackPlan>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for pack in earlier.iter().flat_map(|earlier| packs::updates(earlier, release, &origins)) {
        let resource = Resource::of(pack.to, pack.artifact());
        if !seen.insert(resource.clone()) || !store.has_release(pack.to) {
            continue;
        }
        if store.lookup(&resource)?.is_some() {
            added.packs_there += 1;
            continue;
        }
        match objects.missing_fullfile(&pack)? {
            Some(fullfile) => added
                .warnings
                .push(format!("{resource} is skipped: the fullfile {fullfile}, which it is built from, is missing")),
            None => lacking.entry(pack.to).or_default().push(pack),
        }
    }
    Ok(lacking)
}

/// The folders of bundles that changed since one of the earlier releases.
fn folders(release: &ReleaseManifests, earlier: &[Arc<ReleaseManifests>], store: &Store) -> BTreeSet<Version> {
    let changed = release.mom.bundles().filter(|entry| {
        let older = |before: &Arc<ReleaseManifests>| {
            before.mom.bundle(&entry.bundle).is_some_and(|before| before.version < entry.version)
        };
        earlier.iter().any(older)
    });
    changed.map(|entry| entry.version).filter(|&version| store.has_release(version)).collect()
}

/// Adds the zero packs of the same bundles, as limits of size; they are not built.
fn with_zero_packs(packs: &mut Vec<PackPlan>, release: &ReleaseManifests, store: &Store) -> Result<(), BuildError> {
    let bundles: BTreeSet<_> = packs.iter().map(|pack| pack.bundle.clone()).collect();
    for bundle in bundles {
        let Some(zero) = PackPlan::zero(&bundle, &release.bundles[&bundle], &Origins::default()) else { continue };
        if store.lookup(&Resource::of(zero.to, zero.artifact()))?.is_some() {
            packs.push(zero);
        }
    }
    Ok(())
}
