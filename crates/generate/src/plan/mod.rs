//! The plan of a release: every manifest, and every artifact to make, as a value.
//!
//! [`plan`] is a pure function of the [`Inputs`], the manifests of the release before and the [`PlanOptions`]. It reads
//! no file, so the golden scenarios and a real build run the same code. The rules are those of manifest §5;
//! where this generator differs from the reference (manifest §6), a comment says so.
//!
//! | Module | Noun |
//! |---|---|
//! | [`release_manifests`] | the manifests of a release |
//! | `mix` | who includes whom, directly or not |
//! | `contents` | which nodes of its list a bundle's manifest contains |
//! | `entry_versions` | the version of each entry: changed, added, deleted, kept |
//! | `variants` | optimised builds: prefixes to modifiers |
//! | `draft` | one manifest: header and entries |
//! | `header` | the header of each manifest: add header lines there |
//! | `index` | the index bundle, which is never removed completely |
//! | [`packs`] | what each pack contains |

mod contents;
mod draft;
mod entry_versions;
mod error;
mod header;
mod index;
mod mix;
mod node_set;
pub mod packs;
pub mod release_manifests;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::BTreeMap;
use std::sync::Arc;

use clearwell_format::{BundleName, Entry, FileHash, Manifest, Mom, MomEntry, Version};
use rayon::prelude::*;

use crate::inputs::{BundleStatus, Inputs, Release, Warning};
use crate::tree::Tree;
use contents::Selection;
use draft::Draft;
use entry_versions::OldDeletions;
use header::Heading;
use mix::Mix;

pub use error::PlanError;
pub use packs::{Origin, Origins, PackItem, PackPlan};
pub use release_manifests::ReleaseManifests;

/// Choices that have defaults.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Make fullfiles.
    pub fullfiles: bool,
    /// Make zero packs.
    pub zero_packs: bool,
    /// Earlier releases to make update packs from. The previous release is only among them if it is named here.
    pub packs_from: Vec<Arc<ReleaseManifests>>,
    /// Release also what differs in nothing but its version.
    pub empty: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { fullfiles: true, zero_packs: true, packs_from: Vec::new(), empty: false }
    }
}

/// What a release consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The version.
    pub version: Version,
    /// Manifests of the bundles that are released in this version, by name.
    pub bundles: Vec<PlannedManifest>,
    /// Bundles that did not change, with the manifests they had.
    pub carried: BTreeMap<BundleName, Arc<Manifest>>,
    /// `Manifest.full`.
    pub full: Arc<Manifest>,
    /// `Manifest.MoM`.
    pub mom: Mom,
    /// Fullfiles of this version's folder, sorted by hash.
    pub fullfiles: Vec<PlannedFullfile>,
    /// Packs to make. Most are in this version's folder; see [`PackPlan::to`].
    pub packs: Vec<PackPlan>,
    /// What was noticed, the source's warnings first.
    pub warnings: Vec<Warning>,
}

/// A bundle manifest of this release.
#[derive(Clone, Debug)]
pub struct PlannedManifest {
    /// The bundle.
    pub bundle: BundleName,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Hash of the manifest's bytes, as the MoM has it.
    pub hash: FileHash,
}

/// A fullfile to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFullfile {
    /// Its hash and name.
    pub hash: FileHash,
    /// Where its content is found; never in another fullfile.
    pub origin: Origin,
}

/// Plans a release.
///
/// # Errors
/// [`PlanError`] if the inputs cannot be released; nothing has changed then.
pub fn plan(inputs: &Inputs, previous: Option<&ReleaseManifests>, options: &PlanOptions) -> Result<Plan, PlanError> {
    let release = &inputs.release;
    check_numbers(inputs, previous)?;
    let mut warnings = inputs.warnings.clone();
    let mix = Mix::new(&inputs.bundles, &mut warnings)?;
    let selection = Selection::new(inputs, &mix, &mut warnings);

    let mut newest = Newest::new(&inputs.tree);
    let mut bundles = Vec::new();
    for (draft, place) in changed_drafts(inputs, previous, &mix, &selection)? {
        newest.note(&draft);
        bundles.push(draft.into_bundle(mix.bundles[place].input.name.clone())?);
    }
    if let Some(before) = left_index(&mix, previous) {
        let os_core_is_released = bundles.iter().any(|planned| planned.bundle == BundleName::os_core());
        bundles.extend(index::manifest(inputs, &selection, before, os_core_is_released)?);
    }
    bundles.sort_by(|a, b| a.bundle.cmp(&b.bundle));

    let carried = carried(&mix, previous, &bundles);
    let (full, full_changed) = full(inputs, previous, &selection, &newest)?;
    if let Some(previous) = previous.filter(|_| !options.empty) {
        let same_format = previous.mom.header.format == release.format;
        let same_bundles = previous.bundles.len() == carried.len() + bundles.len();
        let only_stamps = || bundles.iter().all(|planned| has_only_new_stamps(planned, previous, inputs));
        let nothing_new = if bundles.is_empty() { !full_changed } else { only_stamps() };
        if same_format && same_bundles && nothing_new {
            return Err(PlanError::NothingChanged(previous.version()));
        }
    }
    let mom = mom(release, previous, &mix, &bundles, &carried);

    let origins = Origins::of(&inputs.tree);
    let mut plan = Plan {
        version: release.version,
        bundles,
        carried,
        full: Arc::new(full),
        mom,
        fullfiles: Vec::new(),
        packs: Vec::new(),
        warnings,
    };
    if options.fullfiles {
        plan.fullfiles = fullfiles(&plan, &origins);
    }
    if options.zero_packs {
        let zero = |planned: &PlannedManifest| PackPlan::zero(&planned.bundle, &planned.manifest, &origins);
        plan.packs.extend(plan.bundles.iter().filter_map(zero));
    }
    let new = plan.release();
    for earlier in &options.packs_from {
        plan.packs.extend(packs::updates(earlier, &new, &origins));
    }
    plan.packs.sort_by(|a, b| (&a.bundle, a.to, a.from).cmp(&(&b.bundle, b.to, b.from)));
    // Earlier releases may have the same manifest of a bundle.
    plan.packs.dedup_by(|a, b| (&a.bundle, a.to, a.from) == (&b.bundle, b.to, b.from));
    Ok(plan)
}

impl Plan {
    /// The manifests of the planned release.
    pub fn release(&self) -> ReleaseManifests {
        let mut bundles = self.carried.clone();
        bundles.extend(self.bundles.iter().map(|planned| (planned.bundle.clone(), Arc::clone(&planned.manifest))));
        ReleaseManifests { mom: self.mom.clone(), bundles, full: Some(Arc::clone(&self.full)) }
    }
}

fn check_numbers(inputs: &Inputs, previous: Option<&ReleaseManifests>) -> Result<(), PlanError> {
    let release = &inputs.release;
    match (release.previous, previous.map(ReleaseManifests::version)) {
        (Some(named), _) if release.version <= named => {
            return Err(PlanError::VersionNotAbovePrevious { version: release.version, previous: named });
        }
        (Some(named), None) => return Err(PlanError::PreviousMissing(named)),
        (Some(named), Some(given)) if named != given => return Err(PlanError::OtherPrevious { named, given }),
        (None, Some(given)) => return Err(PlanError::PreviousNotNamed(given)),
        _ => {}
    }
    match release.min_version {
        Some(min_version) if min_version > release.version => {
            Err(PlanError::MinVersionAboveVersion { min_version, version: release.version })
        }
        _ => Ok(()),
    }
}

/// True for a bundle that differs from its manifest before in nothing but the files that name the version.
fn has_only_new_stamps(planned: &PlannedManifest, previous: &ReleaseManifests, inputs: &Inputs) -> bool {
    let (new, before) = (&planned.manifest, previous.bundles.get(&planned.bundle));
    let same_header = |before: &Arc<Manifest>| {
        (&before.header.includes, &before.header.also_add) == (&new.header.includes, &new.header.also_add)
    };
    let is_new = |entry: &&Entry| entry.version == inputs.release.version;
    inputs.release.min_version.is_none()
        && before.is_some_and(same_header)
        && new.entries.iter().filter(is_new).all(|entry| inputs.stamps.contains(&entry.path))
}

/// The manifests of the mix that differ from the ones before, with the places of their bundles.
fn changed_drafts(
    inputs: &Inputs,
    previous: Option<&ReleaseManifests>,
    mix: &Mix<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<(Draft, usize)>, PlanError> {
    let draft = |place: usize| {
        let bundle = &mix.bundles[place];
        let name = &bundle.input.name;
        let before = previous.and_then(|previous| previous.bundles.get(name));
        let heading =
            Heading { name: name.as_str(), includes: bundle.includes.clone(), also_add: bundle.also_add.clone() };
        let contents = selection.bundle(mix, place);
        let draft =
            Draft::new(&inputs.tree, heading, &contents, before.map(Arc::as_ref), &inputs.release, OldDeletions::Keep)?;
        Ok(draft.changed.then_some((draft, place)))
    };
    (0..mix.bundles.len()).into_par_iter().map(draft).filter_map(Result::transpose).collect()
}

/// The manifest that the index bundle had, if it is no longer in the mix.
fn left_index<'p>(mix: &Mix<'_>, previous: Option<&'p ReleaseManifests>) -> Option<&'p Manifest> {
    let index = BundleName::index();
    let in_mix = mix.bundles.iter().any(|bundle| bundle.input.name == index);
    previous.filter(|_| !in_mix)?.bundles.get(&index).map(Arc::as_ref)
}

/// The bundles of the release before that are still in the mix, or never leave it, and are not released now.
fn carried(
    mix: &Mix<'_>,
    previous: Option<&ReleaseManifests>,
    released: &[PlannedManifest],
) -> BTreeMap<BundleName, Arc<Manifest>> {
    let Some(previous) = previous else {
        return BTreeMap::new();
    };
    let index = BundleName::index();
    let kept = mix.bundles.iter().map(|bundle| &bundle.input.name).chain([&index]);
    kept.filter(|name| released.iter().all(|planned| planned.bundle != **name))
        .filter_map(|name| Some((name.clone(), Arc::clone(previous.bundles.get(name)?))))
        .collect()
}

/// `Manifest.full`, and whether any file of the tree changed.
///
/// A path that a bundle releases again is as new here: its fullfile must be in this version's folder (manifest §5.10).
fn full(
    inputs: &Inputs,
    previous: Option<&ReleaseManifests>,
    selection: &Selection<'_>,
    newest: &Newest,
) -> Result<(Manifest, bool), PlanError> {
    let before = previous.and_then(|previous| previous.full.as_deref());
    let heading = Heading { name: "full", includes: Vec::new(), also_add: Vec::new() };
    let contents = selection.full();
    let mut draft = Draft::new(&inputs.tree, heading, &contents, before, &inputs.release, OldDeletions::Keep)?;
    newest.raise(&mut draft);
    let changed = draft.changed;
    Ok((draft.into_manifest(), changed))
}

/// The MoM, sorted by version, then name. A bundle that is not released keeps its entry, also its old status.
fn mom(
    release: &Release,
    previous: Option<&ReleaseManifests>,
    mix: &Mix<'_>,
    released: &[PlannedManifest],
    carried: &BTreeMap<BundleName, Arc<Manifest>>,
) -> Mom {
    let experimental = |name: &BundleName| {
        release.format.has_experimental()
            && mix
                .bundles
                .iter()
                .any(|bundle| bundle.input.name == *name && bundle.input.status == BundleStatus::Experimental)
    };
    let new = released.iter().map(|planned| {
        MomEntry::new(planned.bundle.clone(), release.version, planned.hash, experimental(&planned.bundle))
    });
    let old = previous
        .into_iter()
        .flat_map(|previous| previous.mom.bundles())
        .filter(|entry| carried.contains_key(&entry.bundle))
        .map(|entry| MomEntry { flags: entry.flags.carried(), ..entry.clone() });
    let mut entries: Vec<MomEntry> = new.chain(old).collect();
    entries.sort_by(|a, b| (a.version, &a.bundle).cmp(&(b.version, &b.bundle)));
    let inherited = previous.and_then(|previous| previous.mom.header.min_version);
    let header = header::of_mom(entries.len(), inherited, release);
    Mom::new(header, entries)
}

/// One fullfile for each hash that is new in this version.
fn fullfiles(plan: &Plan, origins: &Origins) -> Vec<PlannedFullfile> {
    let mut fullfiles: BTreeMap<FileHash, Origin> = BTreeMap::new();
    for entry in plan.full.present().filter(|entry| entry.version == plan.version) {
        fullfiles.entry(entry.hash()).or_insert_with(|| origins.find(entry));
    }
    // The one file that no tree need have. Its directories are os-core's, at older versions, which clients prefer.
    let index = plan.bundles.iter().filter(|planned| planned.bundle == BundleName::index());
    for entry in index.flat_map(|planned| planned.manifest.present()) {
        if entry.is_file() && entry.version == plan.version {
            fullfiles.entry(entry.hash()).or_insert_with(|| origins.find(entry));
        }
    }
    fullfiles.into_iter().map(|(hash, origin)| PlannedFullfile { hash, origin }).collect()
}

/// For each node the highest version that a bundle released now gives it.
struct Newest(Vec<Option<Version>>);

impl Newest {
    fn new(tree: &Tree) -> Self {
        Self(vec![None; tree.len()])
    }

    fn note(&mut self, draft: &Draft) {
        for (node, version) in draft.versions() {
            let newest = &mut self.0[node.index()];
            *newest = (*newest).max(Some(version));
        }
    }

    fn raise(&self, draft: &mut Draft) {
        draft.raise(|node| self.0[node.index()]);
    }
}
