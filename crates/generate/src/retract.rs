//! Retracting a release: the only case in which pointers may go back.
//!
//! What the stock client does when `latest` goes back: a version that is not above the installed one means "no update",
//! and it exits with 0 (content layout §2). So endpoints that have updated stay where they are, and the others no longer
//! get the release. The guard's rule against pointers that go back is for publications; its other rules about pointers
//! apply here too.
//!
//! A later release that restores the old content is built on the retracted one, not on the one before it: only then do
//! its manifests list what endpoints on the retracted release have to delete. With `--min-version` every entry gets the new version,
//! so that no endpoint takes a file of a version below (manifest §5.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Version, pointer};
use clearwell_sign::Signer;
use clearwell_store::{PointerGeneration, PointerSet, ReleaseRecord, ReleaseState, Store, StoreError, Writer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::build::inspect::{self, Inspection, StoredArtifacts};
use crate::error::BuildError;
use crate::guard::{Rule, Stored};
use crate::plan::ReleaseManifests;
use crate::progress::Silent;
use crate::publish::Publication;

/// Choices of a retraction.
#[derive(Clone, Debug)]
pub struct RetractOptions {
    /// The release that pointers move to; `None` for the newest before that endpoints may have.
    pub to: Option<Version>,
    /// Rules of the guard that the maintainer overrules.
    pub allowed: BTreeSet<Rule>,
    /// The time of the signatures, in seconds since the epoch.
    pub now: i64,
}

/// A retraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Retracted {
    /// The retracted release.
    pub version: u32,
    /// The release that the pointers name now; null if no pointer named the retracted one.
    pub pointers_at: Option<u32>,
    /// Number of the generation of pointers afterwards.
    pub generation: u64,
    /// True if the pointers are signed.
    pub signed: bool,
    /// A version for the release that replaces the retracted one.
    pub next_version: u32,
}

/// Moves the pointers that name `version` to an earlier release of its format that was published and not retracted, and
/// marks the release. A second call completes one that was interrupted.
///
/// # Errors
/// [`BuildError::NeverPublished`] for a staged release. For a target that cannot be: [`BuildError::NotEarlier`],
/// [`BuildError::StagedTarget`], [`BuildError::RetractedTarget`], [`BuildError::TargetFormat`]; without one,
/// [`BuildError::NothingBefore`]. [`BuildError::Refused`] with the guard's findings, [`BuildError::Sign`] if a pointer
/// cannot be signed, or [`BuildError::Store`].
/// Nothing has changed then.
pub fn retract(
    version: Version,
    options: &RetractOptions,
    writer: &mut Writer,
    signer: Option<&Signer>,
) -> Result<Retracted, BuildError> {
    let store = writer.store().clone();
    let releases = Releases { states: store.states()?, store: &store };
    let record = store.record(version)?;
    // Endpoints that follow the staging channel have its releases.
    if releases.states.get(&version) == Some(&ReleaseState::Staged) && record.channel.is_none() {
        return Err(BuildError::NeverPublished { version });
    }
    // Looked at also if no pointer names the release: what was asked for cannot be then either.
    let asked = options.to.map(|to| releases.asked(to, &record)).transpose()?;
    let current = writer.pointers()?;
    let mut generation = current.number;
    let mut pointers_at = None;
    if names(&current, version).next().is_some() {
        let target = match asked {
            Some(target) => target,
            None => releases.before(&record)?.ok_or(BuildError::NothingBefore { version })?,
        };
        let set = moved_back(&current, &record, target);
        let publication = Publication::signed(set, current, signer, options.now)?;
        judge(target, &publication, options, signer, &store)?;
        (generation, _) = publication.publish(target, writer, &Silent)?;
        pointers_at = Some(target.number());
    }
    let record = store.record(version)?;
    if record.retracted.is_none() {
        writer.amend(&ReleaseRecord { retracted: Some(options.now), ..record })?;
    }
    let newest = store.releases()?.last().map_or(version, |newest| *newest);
    Ok(Retracted {
        version: version.number(),
        pointers_at,
        generation,
        signed: signer.is_some(),
        next_version: newest.number().saturating_add(10),
    })
}

/// The releases of a store, and what they are to endpoints.
struct Releases<'s> {
    states: BTreeMap<Version, ReleaseState>,
    store: &'s Store,
}

impl Releases<'_> {
    /// The target that a maintainer named.
    fn asked(&self, to: Version, record: &ReleaseRecord) -> Result<Version, BuildError> {
        let version = record.version;
        let state = self.states.get(&to).ok_or(StoreError::UnknownVersion { version: to })?;
        let format = self.store.record(to)?.format;
        if to >= version {
            return Err(BuildError::NotEarlier { from: to, to: version });
        }
        match state {
            ReleaseState::Staged => Err(BuildError::StagedTarget { version: to }),
            ReleaseState::Retracted => Err(BuildError::RetractedTarget { version: to }),
            ReleaseState::Published if format != record.format => {
                Err(BuildError::TargetFormat { version, format: record.format, to, to_format: format })
            }
            ReleaseState::Published => Ok(to),
        }
    }

    /// The newest release before that endpoints may have.
    fn before(&self, record: &ReleaseRecord) -> Result<Option<Version>, BuildError> {
        for (before, state) in self.states.range(..record.version).rev() {
            if *state == ReleaseState::Published && self.store.record(*before)?.format == record.format {
                return Ok(Some(*before));
            }
        }
        Ok(None)
    }
}

fn names(current: &PointerGeneration, version: Version) -> impl Iterator<Item = Pointer> {
    let texts = current.files.keys().copied().filter(|pointer| !matches!(pointer, Pointer::First(_)));
    texts.filter(move |pointer| current.version(*pointer) == Some(version))
}

/// The pointers that name the release, elsewhere: `latest` at the target, `latest_version` at the newest that `latest` of
/// any format then names.
fn moved_back(current: &PointerGeneration, record: &ReleaseRecord, target: Version) -> PointerSet {
    let others = current.formats().filter(|format: &FormatNumber| *format != record.format);
    let newest = others.filter_map(|format| current.latest(format)).filter(|version| *version < record.version);
    let newest = newest.chain([target]).max().unwrap_or(target);
    let to = |pointer: Pointer| if pointer == Pointer::LatestVersion { newest } else { target };
    names(current, record.version).map(|pointer| (pointer, pointer::to_bytes(to(pointer)))).collect()
}

/// Asks the guard about the pointers. The releases themselves are already published.
fn judge(
    target: Version,
    publication: &Publication,
    options: &RetractOptions,
    signer: Option<&Signer>,
    store: &Store,
) -> Result<(), BuildError> {
    let mut allowed = options.allowed.clone();
    allowed.insert(Rule::PointerGoesBack);
    let release = ReleaseManifests { mom: store.mom(target)?, bundles: BTreeMap::new(), full: None };
    let kept = inspect::kept(store)?;
    let inspection = Inspection {
        release: &release,
        previous: None,
        kept: &kept,
        earlier_entries: Arc::default(),
        tree: None,
        wanted: BTreeMap::new(),
        signer,
        now: options.now,
        allowed: &allowed,
    };
    let artifacts = StoredArtifacts(store);
    inspection.pass_pointers(Stored { artifacts: &artifacts, made: &[] }, publication.moved())
}
