//! Taking back a release: the one sanctioned way for pointers to go back.
//!
//! What the stock client does when `latest` goes back: a version that is not above the installed one is nothing to do,
//! and it ends with 0 (content layout 2). So endpoints that have updated stay where they are, and the others no longer
//! hear of the release. The guard's rule against pointers that go back is about publications, where it would be a
//! mistake.
//!
//! A release above that brings the old content back is built on the one that is taken back, not on the one before: only
//! so do its manifests list what endpoints on it have to delete. With `--min-version` every entry gets the new version,
//! so that no endpoint takes a file of a version below (manifest 5.5).

use clearwell_format::resource::Pointer;
use clearwell_format::{Version, pointer};
use clearwell_sign::Signer;
use clearwell_store::{PointerSet, Store, StoreError, Writer};
use serde::Serialize;

use crate::error::BuildError;
use crate::sign_release::sign_pointers;

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retracted {
    /// The release.
    pub version: u32,
    /// What the pointers name that named it; `None` if none did.
    pub pointers_at: Option<u32>,
    /// The generation of pointers afterwards.
    pub generation: u64,
    /// The pointers were signed.
    pub signed: bool,
    /// A version for the release that puts things right.
    pub next_version: u32,
}

/// Moves the pointers that name `version` to `to`, or else to the release before of its format that was not taken back,
/// and marks the release. Done twice, it does the rest of what was interrupted.
///
/// # Errors
/// [`BuildError::NothingBefore`] if there is no release to move to, [`BuildError::NotEarlier`] or
/// [`BuildError::FormatBoundary`] for a `to` that cannot be, [`BuildError::Sign`], or the store's.
pub fn retract(
    version: Version,
    to: Option<Version>,
    writer: &mut Writer,
    signer: Option<&Signer>,
    now: i64,
) -> Result<Retracted, BuildError> {
    let store = writer.store().clone();
    let mut record = store.record(version)?;
    let current = writer.pointers()?;
    let named: Vec<Pointer> = [Pointer::Latest(record.format), Pointer::LatestVersion, Pointer::Staging]
        .into_iter()
        .filter(|pointer| current.version(*pointer) == Some(version))
        .collect();
    let mut pointers_at = None;
    let mut generation = current.number;
    if !named.is_empty() {
        let target = target(version, to, &store)?;
        let mut set: PointerSet = named.iter().map(|pointer| (*pointer, pointer::to_bytes(target))).collect();
        if let Some(signer) = signer {
            sign_pointers(&mut set, signer, now)?;
        }
        generation = writer.publish(&set)?.number;
        pointers_at = Some(target.number());
    }
    if record.retracted.is_none() {
        record.retracted = Some(now);
        writer.amend(&record)?;
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

fn target(version: Version, to: Option<Version>, store: &Store) -> Result<Version, BuildError> {
    let record = store.record(version)?;
    if let Some(to) = to {
        let target = store.record(to)?;
        if target.format != record.format {
            return Err(BuildError::FormatBoundary {
                from: version,
                old_format: record.format,
                to,
                format: target.format,
            });
        }
        if target.retracted.is_some() || to == version {
            return Err(BuildError::TakenBack { version: to });
        }
        return Ok(to);
    }
    for before in store.releases()?.into_iter().rev().filter(|before| *before < version) {
        let candidate = match store.record(before) {
            Err(StoreError::UnknownVersion { .. }) => continue,
            other => other?,
        };
        if candidate.format == record.format && candidate.retracted.is_none() {
            return Ok(before);
        }
    }
    Err(BuildError::NothingBefore { version })
}
