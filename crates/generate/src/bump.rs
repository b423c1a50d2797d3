//! Format bumps: the two releases that carry a fleet from one format into the next (manifest §5.12).
//!
//! ```text
//! +0    the last release in the old format
//! +10   first half    manifests in the old format, content that names +20 and the new format; deprecated bundles emptied
//! +20   second half   manifests in the new format, the same content, all of it released again; deprecated bundles gone
//! ```
//!
//! An endpoint of the old format updates to +10, finds the new format in its content, restarts itself in that format
//! and regards itself as being on +20. So +20 has to exist, in that format, with that content. Both halves are built
//! on +0. Bundles that a bump drops stay out of the releases after it.

use clearwell_format::{BundleName, FormatNumber, Mom, Version};
use clearwell_store::{ReleaseRecord, Store, StoreError};

use crate::build::inspect::StoredArtifacts;
use crate::guard::content;
use crate::inputs::{BundleInput, BundleStatus, Inputs, Warning, following};

/// Which half of a format bump a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatBump {
    /// The last release in the old format.
    Old,
    /// The first release in the new format.
    New,
}

impl FormatBump {
    /// The half as it is typed, and kept in the release record under [`FormatBump::OPTION`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The option that names the half.
    pub const OPTION: &'static str = "format-bump";
    /// The option that names the format of the second half.
    pub const NEXT_FORMAT: &'static str = "next-format";
}

/// What endpoints that take a release find in its content: what they take themselves for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `/usr/share/defaults/swupd/format`.
    pub format: FormatNumber,
    /// `VERSION_ID` of `/usr/lib/os-release`; `None` if it has none.
    pub version: Option<Version>,
}

impl Destination {
    /// Format and version in the content of a planned release; `None` if it has no readable format file.
    pub fn of_inputs(inputs: &Inputs) -> Option<Self> {
        Self::of(|path| inputs.tree.node(inputs.tree.find(path.as_bytes())?).read().ok())
    }

    fn of(read: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Self> {
        let format = read(content::FORMAT).and_then(|text| content::format(&text))?;
        Some(Self { format, version: read(content::OS_RELEASE).and_then(|text| content::version_id(&text)) })
    }
}

/// The first half of a format bump in a store, and what its second half has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstHalf {
    /// The release.
    pub version: Version,
    /// Its format, the old one.
    pub format: FormatNumber,
    /// The release that both halves are built on.
    pub previous: Option<Version>,
    /// The version that endpoints on it take themselves for.
    pub next_version: Version,
    /// The format in which they look for updates.
    pub next_format: FormatNumber,
}

impl FirstHalf {
    /// The release, if it is a first half. Its content decides, as it does for endpoints; of content without these files
    /// about formats, the record.
    ///
    /// # Errors
    /// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
    pub fn of(version: Version, store: &Store) -> Result<Option<Self>, StoreError> {
        let record = store.record(version)?;
        let mom = store.mom(version)?;
        let artifacts = StoredArtifacts(store);
        let (next_format, next_version) = match Destination::of(|path| content::of_kept(&artifacts, &mom, path)) {
            Some(said) if said.format > record.format => (said.format, said.version.filter(|next| *next > version)),
            Some(_) => return Ok(None),
            None => match recorded(&record) {
                Some(format) => (format, None),
                None => return Ok(None),
            },
        };
        let next_version = next_version.or_else(|| following(version));
        let ReleaseRecord { format, previous, .. } = record;
        Ok(next_version.map(|next_version| Self { version, format, previous, next_version, next_format }))
    }

    /// The newest release, if it is a first half: until the second is released, endpoints on it find no update.
    ///
    /// # Errors
    /// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
    pub fn pending(store: &Store) -> Result<Option<Self>, StoreError> {
        match store.releases()?.last() {
            Some(newest) => Self::of(*newest, store),
            None => Ok(None),
        }
    }

    /// The first half that a second half follows: a pending one, or that of the newest release, which may have been
    /// interrupted.
    ///
    /// # Errors
    /// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
    pub fn to_follow(store: &Store) -> Result<Option<Self>, StoreError> {
        if let Some(pending) = Self::pending(store)? {
            return Ok(Some(pending));
        }
        let releases = store.releases()?;
        let Some((newest, older)) = releases.split_last() else { return Ok(None) };
        let format = store.record(*newest)?.format;
        for version in older.iter().rev() {
            if store.record(*version)?.format < format {
                return Ok(Self::of(*version, store)?.filter(|first| first.next_version == *newest));
            }
        }
        Ok(None)
    }

    /// `/usr/share/clear/versionstamp` of its content: endpoints on it keep that file, so the second half has the same.
    ///
    /// # Errors
    /// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
    pub fn version_stamp(&self, store: &Store) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(content::of_kept(&StoredArtifacts(store), &store.mom(self.version)?, content::VERSION_STAMP))
    }
}

/// The second half by the record, where the content does not name it.
fn recorded(record: &ReleaseRecord) -> Option<FormatNumber> {
    let is_first = record.options.get(FormatBump::OPTION).is_some_and(|half| half == FormatBump::Old.as_str());
    record.options.get(FormatBump::NEXT_FORMAT).filter(|_| is_first)?.parse().ok()
}

/// Makes the inputs of an ordinary release those of a half, and leaves out the bundles that left with an earlier bump.
/// Returns those that leave with this release.
///
/// # Errors
/// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
pub fn settle(inputs: &mut Inputs, bump: Option<FormatBump>, store: &Store) -> Result<Vec<BundleName>, StoreError> {
    // What every bundle includes never leaves: endpoints would delete their system.
    let os_core = BundleName::os_core();
    let is_deprecated = |bundle: &BundleInput| bundle.status == BundleStatus::Deprecated && bundle.name != os_core;
    if bump.is_some()
        && inputs.bundles.iter().any(|bundle| bundle.name == os_core && bundle.status == BundleStatus::Deprecated)
    {
        inputs
            .warnings
            .push(Warning::Source { what: "os-core is deprecated, but it cannot be removed: kept".to_owned() });
    }
    if bump == Some(FormatBump::New) {
        inputs.release.min_version = Some(inputs.release.version);
        return Ok(inputs.bundles.extract_if(.., |bundle| is_deprecated(bundle)).map(|bundle| bundle.name).collect());
    }
    let mut gone = Vec::new();
    if inputs.bundles.iter().any(is_deprecated) {
        let before = match inputs.release.previous.filter(|before| store.has_release(*before)) {
            Some(before) => Some(store.mom(before)?),
            None => None,
        };
        for bundle in inputs.bundles.iter().filter(|bundle| is_deprecated(bundle)).map(|bundle| &bundle.name) {
            let is_gone = match &before {
                Some(before) if before.bundle(bundle).is_some() => false,
                // Nothing of it was released that a first half could delete.
                _ if bump.is_some() => true,
                Some(before) => left_with_a_bump(bundle, before, store)?,
                None => false,
            };
            gone.extend(is_gone.then(|| bundle.clone()));
        }
    }
    inputs.bundles.retain(|bundle| !gone.contains(&bundle.name));
    inputs.warnings.extend(gone.into_iter().map(|bundle| Warning::DeprecatedBundle { bundle }));
    if bump == Some(FormatBump::Old) {
        for bundle in inputs.bundles.iter_mut().filter(|bundle| is_deprecated(bundle)) {
            bundle.files.clear();
            bundle.includes.clear();
            bundle.also_add.clear();
        }
    }
    Ok(Vec::new())
}

/// True if the release that had the bundle last is of an earlier format than `before`. A bundle that was taken out of the
/// mix within a format and is there again is released, as by mixer.
fn left_with_a_bump(bundle: &BundleName, before: &Mom, store: &Store) -> Result<bool, StoreError> {
    for version in store.releases()?.into_iter().rev().filter(|version| *version < before.header.version) {
        let mom = store.mom(version)?;
        if mom.bundle(bundle).is_some() {
            return Ok(mom.header.format < before.header.format);
        }
    }
    Ok(false)
}
