//! Packs whose bytes were lost, built again from the rest of the store.
//!
//! The same inputs make the same bytes, so a pack of ours is recreated byte for byte, as long as the fullfiles it was
//! made of are there, have the times that the tree had then, and the program makes packs as it did. A different
//! result is discarded, because released files never change, unless the maintainer asks for it. An update pack also
//! depends on which releases were there when it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, Manifest, ManifestName, Resource, Version};
use clearwell_store::check::Finding;
use clearwell_store::repair::How;
use clearwell_store::{Fault, Store, Writer};

use crate::budget::Budget;
use crate::build::{Profile, profile_of};
use crate::compression::Method;
use crate::deltas::{self, DeltaOptions};
use crate::error::BuildError;
use crate::fullfile::Effort;
use crate::make::MakeContext;
use crate::member::Objects;
use crate::plan::packs::updates;
use crate::plan::{Origin, Origins, PackPlan, ReleaseManifests};
use crate::progress::{Phase, Progress};
use crate::stored_manifests::StoredManifests;
use crate::tree::Tree;

/// Restores the packs among `findings`, as far as they can be built again; with `equivalent` also those that come out with
/// other bytes and the same contents. Returns those that are back, and how.
///
/// # Errors
/// [`BuildError::Store`] if the store cannot be read or written. A pack that cannot be built is skipped without an error.
pub fn remake_packs(
    writer: &mut Writer,
    findings: &[&Finding],
    equivalent: bool,
    options: &DeltaOptions,
    progress: &dyn Progress,
) -> Result<Vec<(Resource, How)>, BuildError> {
    let mut lost: BTreeMap<Version, BTreeSet<Artifact>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.defect.kind.is_lost_bytes()) {
        if let Some(Resource::Artifact { version, artifact: artifact @ Artifact::Pack { .. } }) =
            &finding.defect.resource
        {
            lost.entry(*version).or_default().insert(artifact.clone());
        }
    }
    let mut back = Vec::new();
    for (version, packs) in lost {
        back.extend(remake(writer, version, &packs, equivalent, options, progress)?);
    }
    Ok(back)
}

fn remake(
    writer: &mut Writer,
    version: Version,
    lost: &BTreeSet<Artifact>,
    equivalent: bool,
    options: &DeltaOptions,
    progress: &dyn Progress,
) -> Result<Vec<(Resource, How)>, BuildError> {
    let store = writer.store().clone();
    let tree = Tree::default();
    let record = store.record(version).ok();
    let profile = record.as_ref().map_or_else(Profile::default, profile_of);
    let before = record.and_then(|record| read(&store, record.previous?));
    let budget = options.memory_bytes.map_or_else(Budget::of_machine, Budget::new);
    let context = MakeContext {
        objects: Objects { tree: &tree, store: &store },
        effort: Effort { profile, methods: Method::DEFAULT },
        budget: &budget,
        workers: options.workers,
        manifest_mtime: 0,
        progress,
        previous: before.as_ref(),
    };
    let draft = writer.remake(version, lost)?;
    for artifact in lost {
        let Artifact::Pack { bundle, from } = artifact else { continue };
        let made = match from {
            None => zero(&store, version, bundle)
                .map_or(Ok(()), |plan| context.make(Phase::Make, &[], &[&plan], &draft).map(drop)),
            Some(from) => match update(&store, version, bundle, *from) {
                Some(lost) => deltas::make(&lost.packs, &lost.old, &lost.new, &draft, &context).map(drop),
                None => Ok(()),
            },
        };
        match made {
            // What it was made of is damaged too.
            Err(error) if error.fault() != Fault::Disk => {}
            other => other?,
        }
    }
    let made: Vec<_> = lost
        .iter()
        .filter(|pack| draft.contains(pack).is_some())
        .map(|pack| (pack.clone(), draft.path(pack)))
        .collect();
    drop(draft);
    let mut back = Vec::new();
    for (artifact, path) in made {
        let resource = Resource::of(version, artifact);
        if writer.restore(&resource, &path)? {
            back.push((resource, How::SameBytes));
        } else if equivalent && writer.replace(&resource, &path)? {
            back.push((resource, How::Equivalent));
        }
    }
    writer.discard_drafts()?;
    Ok(back)
}

fn read(store: &Store, version: Version) -> Option<ReleaseManifests> {
    ReleaseManifests::read(&StoredManifests(store), version).ok()
}

fn zero(store: &Store, version: Version, bundle: &BundleName) -> Option<PackPlan> {
    let manifest = store.manifest(version, &ManifestName::Bundle(bundle.clone())).ok()?;
    let mut plan = PackPlan::zero(bundle, &manifest, &Origins::default())?;
    out_of_fullfiles(&mut plan, &manifest, store);
    Some(plan)
}

/// A pack that was made with its release has the empty file with the time of its tree, which the fullfile has kept.
fn out_of_fullfiles(plan: &mut PackPlan, manifest: &Manifest, store: &Store) {
    for item in plan.items.iter_mut().filter(|item| item.origin == Origin::EmptyFile) {
        let entry = manifest.present().find(|entry| entry.hash() == item.hash);
        let is_there = |entry: &&Entry| {
            let fullfile = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
            store.lookup(&fullfile).is_ok_and(|found| found.is_some())
        };
        if let Some(entry) = entry.filter(is_there) {
            item.origin = Origin::Fullfile(entry.version);
        }
    }
}

/// An update pack, and the releases that it leads from and to.
struct Update {
    /// It, those from other versions of the bundle, with which it has segments in common, and the zero pack, which limits
    /// its size. Only the lost one is built.
    packs: Vec<PackPlan>,
    old: Vec<Arc<ReleaseManifests>>,
    new: ReleaseManifests,
}

/// `None` if no two releases are left that it leads from and to.
fn update(store: &Store, version: Version, bundle: &BundleName, from: Version) -> Option<Update> {
    let new = read(store, version)?;
    let is_there = |from| {
        store
            .lookup(&Resource::of(version, Artifact::Pack { bundle: bundle.clone(), from }))
            .is_ok_and(|found| found.is_some())
    };
    let (mut packs, mut old) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for release in store.releases().ok()?.into_iter().rev().filter(|release| *release < version) {
        let Some(stood_at) = store.mom(release).ok().and_then(|mom| Some(mom.bundle(bundle)?.version)) else {
            continue;
        };
        if (stood_at == from || is_there(Some(stood_at))) && seen.insert(stood_at) {
            let release = Arc::new(read(store, release)?);
            let leads = |pack: &PackPlan| pack.bundle == *bundle && pack.from == Some(stood_at);
            packs.extend(updates(&release, &new, &Origins::default()).into_iter().filter(leads));
            old.push(release);
        }
    }
    packs.iter_mut().for_each(|pack| out_of_fullfiles(pack, &new.bundles[bundle], store));
    if !seen.contains(&from) {
        return None;
    }
    packs.extend(zero(store, version, bundle).filter(|_| is_there(None)));
    Some(Update { packs, old, new })
}
