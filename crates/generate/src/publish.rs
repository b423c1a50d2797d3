//! Moving the pointers to a release: `latest` of its format, `latest_version`, and `first` where there is none.
//!
//! All pointers and their signatures change in one step. Signatures are made here, when the pointers move: web servers
//! hold no keys.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Pointer;
use clearwell_format::{Mom, Version, pointer};
use clearwell_sign::Signer;
use clearwell_store::{PointerGeneration, PointerSet, ReleaseState, Store, Writer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::build::inspect::{self, Inspection, StoredArtifacts};
use crate::error::BuildError;
use crate::guard::{PointerMove, Rule, Stored};
use crate::plan::ReleaseManifests;
use crate::progress::{Meter, Phase, Progress};
use crate::sign_release::sign_pointers;
use crate::stored_manifests::StoredManifests;

/// Choices of a publication.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Publish also a release that was retracted.
    pub again: bool,
    /// Move the pointer of the staging channel, and no other.
    pub staging: bool,
    /// Rules of the guard that the maintainer overrules.
    pub allowed: BTreeSet<Rule>,
    /// The time of the signatures, and at which certificates must be valid, in seconds since the epoch.
    pub now: i64,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The release.
    pub version: u32,
    /// Number of the new generation of pointers.
    pub generation: u64,
    /// True if the pointers are signed.
    pub signed: bool,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
    /// Findings of the publish guard that `--allow` overruled, one line each.
    pub overruled: Vec<String>,
}

/// Moves the pointers to a release of the store. With pointers that name it already, it renews their signatures.
///
/// # Errors
/// [`BuildError::Retracted`], [`BuildError::Refused`] with the guard's findings, [`BuildError::Sign`], or the store's. The
/// pointers are then where they were.
pub fn publish(
    version: Version,
    writer: &Writer,
    signer: Option<&Signer>,
    options: &PublishOptions,
    progress: &dyn Progress,
) -> Result<Published, BuildError> {
    let store = writer.store();
    if !options.again && store.state(version)? == ReleaseState::Retracted {
        return Err(BuildError::Retracted { version });
    }
    let release = ReleaseManifests::read(&StoredManifests(store), version)?;
    let previous = match release.mom.header.previous.filter(|&previous| store.has_release(previous)) {
        Some(previous) => Some(ReleaseManifests::read(&StoredManifests(store), previous)?),
        None => None,
    };
    let mut kept = inspect::kept(store)?;
    kept.remove(&version);
    let inspection = Inspection {
        release: &release,
        previous: previous.as_ref(),
        kept: &kept,
        earlier_entries: inspect::earlier_entries(&release, previous.as_ref(), &kept, store)?.into(),
        wanted: BTreeMap::new(),
        tree: None,
        signer,
        now: options.now,
        allowed: &options.allowed,
    };
    let publication = match options.staging {
        true => {
            let set = PointerSet::from([(Pointer::Staging, pointer::to_bytes(version))]);
            Publication::signed(set, writer.pointers()?, signer, options.now)?
        }
        false => Publication::new(&release.mom, writer, signer, options.now)?,
    };
    // The guard runs again: a staged release may have waited for long, and its files with it.
    let artifacts = StoredArtifacts(store);
    let stored = Stored { artifacts: &artifacts, made: &[] };
    let verdict = inspection.pass(Some(stored), Some(publication.moved()))?;
    let (generation, left_behind) = publication.publish(version, writer, progress)?;
    let mut warnings: Vec<String> = verdict.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(left_behind);
    Ok(Published {
        version: version.number(),
        generation,
        signed: signer.is_some(),
        warnings,
        overruled: verdict.overruled.iter().map(ToString::to_string).collect(),
    })
}

/// The warning if the staging channel did not follow.
fn staging_stays(version: Version, pointers: &PointerGeneration) -> Option<String> {
    let staging = pointers.version(Pointer::Staging).filter(|staging| *staging < version)?;
    Some(format!(
        "{} stays at {staging}, which has another format; once its clients have crossed formats, move it with \
         clearwell publish {version} --staging",
        Pointer::Staging
    ))
}

/// The pointers to a release, signed and not yet moved, so that the guard checks the move before anything is visible.
pub(crate) struct Publication {
    set: PointerSet,
    before: PointerGeneration,
}

impl Publication {
    /// Those of a release that is in the store, or will be.
    ///
    /// # Errors
    /// [`BuildError::Sign`] if a pointer cannot be signed, [`BuildError::Store`] if the pointers cannot be read.
    pub(crate) fn new(
        mom: &Mom,
        writer: &Writer,
        signer: Option<&Signer>,
        signing_time: i64,
    ) -> Result<Self, BuildError> {
        let before = writer.pointers()?;
        let set = pointers(mom, writer.store(), &before)?;
        Self::signed(set, before, signer, signing_time)
    }

    /// These pointers with their signatures.
    ///
    /// # Errors
    /// [`BuildError::Sign`].
    pub(crate) fn signed(
        mut set: PointerSet,
        before: PointerGeneration,
        signer: Option<&Signer>,
        signing_time: i64,
    ) -> Result<Self, BuildError> {
        if let Some(signer) = signer {
            sign_pointers(&mut set, signer, signing_time)?;
        }
        Ok(Self { set, before })
    }

    /// All pointers before and after. As in the store, a pointer that changes loses the signature it had.
    pub(crate) fn moved(&self) -> PointerMove {
        let before: BTreeMap<Pointer, Vec<u8>> =
            self.before.files.iter().map(|(&pointer, bytes)| (pointer, bytes.to_vec())).collect();
        let mut after = before.clone();
        for (pointer, bytes) in &self.set {
            if before.get(pointer) != Some(bytes) {
                pointer.signature().map(|signature| after.remove(&signature));
            }
        }
        after.extend(self.set.iter().map(|(&pointer, bytes)| (pointer, bytes.clone())));
        PointerMove { before, after }
    }

    /// The change of signatures only, if the release is published later: the move of the texts is checked then.
    pub(crate) fn signatures_moved(&self) -> PointerMove {
        let PointerMove { before, mut after } = self.moved();
        for pointer in self.set.keys().filter(|pointer| !pointer.is_signature()) {
            match before.get(pointer) {
                Some(text) => drop(after.insert(*pointer, text.clone())),
                None => drop(after.remove(pointer)),
            }
        }
        PointerMove { before, after }
    }

    /// Moves them to `version`. Returns the new generation, and a warning, if any.
    ///
    /// # Errors
    /// [`BuildError::Store`] if the pointers cannot be moved.
    pub(crate) fn publish(
        self,
        version: Version,
        writer: &Writer,
        progress: &dyn Progress,
    ) -> Result<(u64, Option<String>), BuildError> {
        let meter = Meter::begin(progress, Phase::Publish, 0, 0);
        let generation = writer.publish(&self.set)?;
        meter.advance(self.set.len() as u64, 0);
        meter.finish();
        Ok((generation.number, staging_stays(version, &generation)))
    }
}

/// The pointers of a release. `latest_version` stays where it is if it names a newer release, of another format.
fn pointers(mom: &Mom, store: &Store, current: &PointerGeneration) -> Result<PointerSet, BuildError> {
    let (version, format) = (mom.header.version, mom.header.format);
    let mut set = PointerSet::from([(Pointer::Latest(format), pointer::to_bytes(version))]);
    let newest = current.version(Pointer::LatestVersion);
    if newest.is_none_or(|newest| newest <= version || current.latest(format) == Some(newest)) {
        set.insert(Pointer::LatestVersion, pointer::to_bytes(version));
    }
    // Who follows the staging channel is never behind the others. It crosses into another format by its own name only:
    // its clients do not look at formats, and could leave out the release by which they have to cross.
    if let Some(staging) = current.version(Pointer::Staging)
        && (staging == version || staging < version && store.record(staging)?.format == format)
    {
        set.insert(Pointer::Staging, pointer::to_bytes(version));
    }
    if current.version(Pointer::First(format)).is_none() {
        let mut first = version;
        for (published, state) in store.states()? {
            if state != ReleaseState::Staged && published < first && store.record(published)?.format == format {
                first = published;
            }
        }
        set.insert(Pointer::First(format), pointer::to_bytes(first));
    }
    Ok(set)
}
