//! What an interrupted build left of a version, and whether another one is the same.
//!
//! | left | the next build with the same inputs and options |
//! |---|---|
//! | a draft | continues it |
//! | a staged release | moves the pointers to it; with other inputs it replaces it |
//!
//! Inputs without a timestamp get the one that the version was begun with: the version stamp is a file of os-core, so
//! with another one nothing would be the same.

use clearwell_format::Version;
use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};
use clearwell_sign::{Signer, verify};
use clearwell_store::{Begun, ReleaseRecord, ReleaseState, Store, StoreError};

use super::{BuildOptions, fingerprint};
use crate::inputs::Inputs;

/// What there is of `version`, the latest first: its draft, and the release that is staged. `now` is in seconds since the
/// epoch.
///
/// A draft is left out whose timestamp is not a past one of the last week: a release states when it was made.
///
/// # Errors
/// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
pub fn unfinished(store: &Store, version: Version, now: i64) -> Result<Vec<Begun>, StoreError> {
    let is_fresh = |begun: &Begun| {
        begun.timestamp.is_some_and(|timestamp| (now.saturating_sub(FRESH_SECONDS)..=now).contains(&timestamp))
    };
    let mut unfinished: Vec<Begun> = store.begun(version).filter(is_fresh).into_iter().collect();
    if store.has_release(version) && store.state(version)? == ReleaseState::Staged {
        let record = store.record(version)?;
        let begun = |fingerprint| Begun { fingerprint, timestamp: Some(record.timestamp) };
        unfinished.extend(fingerprint_of(&record).map(str::to_owned).map(begun));
    }
    Ok(unfinished)
}

/// True if a build of these inputs continues what was begun.
pub fn continues(inputs: &Inputs, options: &BuildOptions, begun: &Begun) -> bool {
    begun.timestamp == Some(inputs.release.timestamp) && begun.fingerprint == fingerprint::fingerprint(inputs, options)
}

/// True if the release is what this build would make.
pub(super) fn is_made_of(
    record: &ReleaseRecord,
    inputs: &Inputs,
    fingerprint: &str,
    signer: Option<&Signer>,
    store: &Store,
) -> Result<bool, StoreError> {
    if fingerprint_of(record) != Some(fingerprint) || record.timestamp != inputs.release.timestamp {
        return Ok(false);
    }
    let signature = Resource::of(record.version, Artifact::MomSignature);
    Ok(match (store.lookup(&signature)?, signer) {
        (None, None) => true,
        (Some(_), Some(signer)) => {
            let mom = store.read(&Resource::of(record.version, Artifact::Manifest(ManifestName::Mom)))?;
            verify(&mom, &store.read(&signature)?, signer.anchor(), None).is_ok()
        }
        _ => false,
    })
}

fn fingerprint_of(record: &ReleaseRecord) -> Option<&str> {
    record.fingerprint.as_deref()
}

/// A week.
const FRESH_SECONDS: i64 = 7 * 24 * 3600;
