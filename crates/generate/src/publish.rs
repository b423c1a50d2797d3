//! Moving the pointers to a release: `latest` of its format, `latest_version`, and `first` where there is none.
//!
//! All pointers and their signatures change in one step. Signatures are made here, when the pointers move: web servers
//! hold no keys.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Mom, Version, pointer};
use clearwell_sign::Signer;
use clearwell_store::{PointerGeneration, PointerSet, Store, Writer};
use serde::Serialize;

use crate::build::inspect::{self, Inspection, StoredArtifacts};
use crate::earlier::StoredManifests;
use crate::error::BuildError;
use crate::guard::{PointerMove, Rule, Stored};
use crate::plan::Previous;
use crate::progress::{Meter, Phase, Progress};
use crate::sign_release::sign_pointers;

/// Choices of a publication.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Move the pointer of the staging channel, and no other.
    pub staging: bool,
    /// Rules of the guard that the maintainer overrules.
    pub allowed: BTreeSet<Rule>,
    /// The time of the signatures, and at which certificates must be valid, in seconds since the epoch.
    pub now: i64,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The release.
    pub version: u32,
    /// The new generation of pointers.
    pub generation: u64,
    /// The pointers were signed.
    pub signed: bool,
    /// What a maintainer should look at, one line each.
    pub warnings: Vec<String>,
    /// Findings of the guard that were overruled.
    pub overruled: Vec<String>,
}

/// Moves the pointers to a release of the store. With pointers that name it already, it renews their signatures.
///
/// # Errors
/// [`BuildError::Refused`] with the guard's findings, [`BuildError::Sign`], or the store's. The pointers are then where
/// they were.
pub fn publish(
    version: Version,
    writer: &Writer,
    signer: Option<&Signer>,
    options: &PublishOptions,
    progress: &dyn Progress,
) -> Result<Published, BuildError> {
    let store = writer.store();
    let release = Previous::read(&StoredManifests(store), version)?;
    let previous = match release.mom.header.previous.filter(|&previous| store.has_release(previous)) {
        Some(previous) => Some(Previous::read(&StoredManifests(store), previous)?),
        None => None,
    };
    let mut kept = inspect::kept(store)?;
    kept.remove(&version);
    let inspection = Inspection {
        release: &release,
        previous: previous.as_ref(),
        kept: &kept,
        past: inspect::past(&release, previous.as_ref(), &kept, store)?.into(),
        wanted: BTreeMap::new(),
        tree: None,
        signer,
        now: options.now,
        allowed: &options.allowed,
    };
    if options.staging {
        let set = PointerSet::from([(Pointer::Staging, pointer::to_bytes(version))]);
        return switch(set, writer.pointers()?, &inspection, options.now, writer, progress);
    }
    move_pointers(&inspection, options.now, writer, progress)
}

/// Moves the pointers to the release that `inspection` is about.
pub(crate) fn move_pointers(
    inspection: &Inspection<'_>,
    signing_time: i64,
    writer: &Writer,
    progress: &dyn Progress,
) -> Result<Published, BuildError> {
    let current = writer.pointers()?;
    let set = pointers(&inspection.release.mom, inspection.kept, &current);
    switch(set, current, inspection, signing_time, writer, progress)
}

/// Signs the pointers of `set`, has the guard judge the move from `current`, and moves them.
fn switch(
    mut set: PointerSet,
    current: PointerGeneration,
    inspection: &Inspection<'_>,
    signing_time: i64,
    writer: &Writer,
    progress: &dyn Progress,
) -> Result<Published, BuildError> {
    let meter = Meter::begin(progress, Phase::Publish, 0, 0);
    if let Some(signer) = inspection.signer {
        sign_pointers(&mut set, signer, signing_time)?;
    }
    // Once more all of it: a staged release may have waited for long, and its files with it.
    let artifacts = StoredArtifacts(writer.store());
    let stored = Stored { artifacts: &artifacts, made: &[] };
    let verdict = inspection.pass(Some(stored), Some(moved(&current, &set)))?;
    let generation = writer.publish(&set)?;
    let mut warnings: Vec<String> = verdict.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(staging_stays(inspection.release.version(), &generation));
    meter.advance(set.len() as u64, 0);
    meter.finish();
    Ok(Published {
        version: inspection.release.version().number(),
        generation: generation.number,
        signed: inspection.signer.is_some(),
        warnings,
        overruled: verdict.overruled.iter().map(ToString::to_string).collect(),
    })
}

/// What is said where the staging channel did not follow.
fn staging_stays(version: Version, pointers: &PointerGeneration) -> Option<String> {
    let staging = pointers.version(Pointer::Staging).filter(|staging| *staging < version)?;
    Some(format!(
        "{} stays at {staging}, which is of another format; once its clients are there, move it with \
         clearwell publish {version} --staging",
        Pointer::Staging
    ))
}

/// The pointers of a release. `latest_version` stays where it is if it names a newer release, of another format.
fn pointers(mom: &Mom, kept: &BTreeMap<Version, Mom>, current: &PointerGeneration) -> PointerSet {
    let (version, format) = (mom.header.version, mom.header.format);
    let mut set = PointerSet::from([(Pointer::Latest(format), pointer::to_bytes(version))]);
    let newest = current.version(Pointer::LatestVersion);
    if newest.is_none_or(|newest| newest <= version || current.latest(format) == Some(newest)) {
        set.insert(Pointer::LatestVersion, pointer::to_bytes(version));
    }
    // Who follows the staging channel is never behind the others. It crosses into another format by its own name only:
    // its clients do not look at formats, and could leave out the release by which they have to cross.
    if let Some(staging) = current.version(Pointer::Staging)
        && (staging == version
            || staging < version && kept.get(&staging).is_some_and(|mom| mom.header.format == format))
    {
        set.insert(Pointer::Staging, pointer::to_bytes(version));
    }
    if current.version(Pointer::First(format)).is_none() {
        let of_format = kept.values().filter(|mom| mom.header.format == format).map(|mom| mom.header.version);
        let first = of_format.chain([version]).min().unwrap_or(version);
        set.insert(Pointer::First(format), pointer::to_bytes(first));
    }
    set
}

/// What all pointers say before and after. As in the store, a pointer that changes loses the signature it had.
fn moved(current: &PointerGeneration, set: &PointerSet) -> PointerMove {
    let before: BTreeMap<Pointer, Vec<u8>> =
        current.files.iter().map(|(&pointer, bytes)| (pointer, bytes.to_vec())).collect();
    let mut after = before.clone();
    for (&pointer, bytes) in set {
        if before.get(&pointer) != Some(bytes) {
            pointer.signature().map(|signature| after.remove(&signature));
        }
    }
    after.extend(set.iter().map(|(&pointer, bytes)| (pointer, bytes.clone())));
    PointerMove { before, after }
}

/// The release that endpoints of a format are pointed to now.
pub(crate) fn pointed_to(format: FormatNumber, store: &Store) -> Result<Option<Version>, BuildError> {
    Ok(store.pointers()?.latest(format))
}
