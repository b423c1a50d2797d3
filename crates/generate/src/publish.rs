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
use crate::progress::{Event, Phase, Progress};
use crate::sign_release::sign_pointers;

/// Choices of a publication.
#[derive(Clone, Debug)]
pub struct PublishOptions {
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
    move_pointers(&inspection, options.now, writer, progress)
}

/// Moves the pointers to the release that `inspection` is about.
pub(crate) fn move_pointers(
    inspection: &Inspection<'_>,
    signing_time: i64,
    writer: &Writer,
    progress: &dyn Progress,
) -> Result<Published, BuildError> {
    progress.event(Event::Started { phase: Phase::Publish, total: 0, total_bytes: 0 });
    let current = writer.pointers()?;
    let mut set = pointers(&inspection.release.mom, inspection.kept, &current);
    if let Some(signer) = inspection.signer {
        sign_pointers(&mut set, signer, signing_time)?;
    }
    // Once more all of it: a staged release may have waited for long, and its files with it.
    let artifacts = StoredArtifacts(writer.store());
    let stored = Stored { artifacts: &artifacts, made: &[] };
    let verdict = inspection.pass(Some(stored), Some(moved(&current, &set)))?;
    let generation = writer.publish(&set)?;
    progress.event(Event::Finished { phase: Phase::Publish, done: set.len() as u64, bytes: 0 });
    Ok(Published {
        version: inspection.release.version().number(),
        generation: generation.number,
        signed: inspection.signer.is_some(),
        warnings: verdict.warnings.iter().map(ToString::to_string).collect(),
        overruled: verdict.overruled.iter().map(ToString::to_string).collect(),
    })
}

/// The pointers of a release. `latest_version` stays where it is if it names a newer release, of another format.
fn pointers(mom: &Mom, kept: &BTreeMap<Version, Mom>, current: &PointerGeneration) -> PointerSet {
    let (version, format) = (mom.header.version, mom.header.format);
    let mut set = PointerSet::from([(Pointer::Latest(format), pointer::to_bytes(version))]);
    let newest = current.version(Pointer::LatestVersion);
    if newest.is_none_or(|newest| newest <= version || current.latest(format) == Some(newest)) {
        set.insert(Pointer::LatestVersion, pointer::to_bytes(version));
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
            match pointer {
                Pointer::Latest(format) => after.remove(&Pointer::LatestSignature(format)),
                Pointer::LatestVersion => after.remove(&Pointer::LatestVersionSignature),
                Pointer::First(_) | Pointer::LatestSignature(_) | Pointer::LatestVersionSignature => None,
            };
        }
    }
    after.extend(set.iter().map(|(&pointer, bytes)| (pointer, bytes.clone())));
    PointerMove { before, after }
}

/// The release that endpoints of a format are pointed to now.
pub(crate) fn pointed_to(format: FormatNumber, store: &Store) -> Result<Option<Version>, BuildError> {
    Ok(store.pointers()?.latest(format))
}
