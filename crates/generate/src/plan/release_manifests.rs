//! The manifests of a release: earlier ones, as a plan and the guard compare with them, and the planned one.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearwell_format::{BundleName, Manifest, Mom, MomEntry, Version};

/// The manifests of a release.
#[derive(Clone, Debug)]
pub struct ReleaseManifests {
    /// Its MoM.
    pub mom: Mom,
    /// The manifest of each bundle of the MoM, in the version that the MoM names.
    pub bundles: BTreeMap<BundleName, Arc<Manifest>>,
    /// `Manifest.full`, if it was kept. Only needed of the release that a plan follows.
    pub full: Option<Arc<Manifest>>,
}

/// Where manifests are read from: a store, a `www` folder of mixer, a test.
pub trait ManifestSource {
    /// Why a manifest cannot be read.
    type Error;

    /// The MoM of a version.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    fn mom(&self, version: Version) -> Result<Mom, Self::Error>;

    /// The manifest that an entry of a MoM names. A source that does not know its bytes to be good compares the hash.
    ///
    /// # Errors
    /// If it is missing, cannot be read, or is another.
    fn bundle(&self, entry: &MomEntry) -> Result<Manifest, Self::Error>;

    /// `Manifest.full`; `None` if it was not kept.
    ///
    /// # Errors
    /// If it cannot be read.
    fn full(&self, version: Version) -> Result<Option<Manifest>, Self::Error>;
}

impl ReleaseManifests {
    /// Reads all manifests of a release.
    ///
    /// # Errors
    /// The first error of the source.
    pub fn read<S: ManifestSource>(source: &S, version: Version) -> Result<Self, S::Error> {
        let mom = source.mom(version)?;
        let bundles = mom
            .bundles()
            .map(|entry| Ok((entry.bundle.clone(), Arc::new(source.bundle(entry)?))))
            .collect::<Result<_, _>>()?;
        let full = source.full(version)?.map(Arc::new);
        Ok(Self { mom, bundles, full })
    }

    /// The version of the release.
    pub const fn version(&self) -> Version {
        self.mom.header.version
    }
}
