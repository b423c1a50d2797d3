//! What the manifests of a version let its archives hold, read once each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clearwell_format::archive::{PackRule, content_limit};
use clearwell_format::{BundleName, Manifest, ManifestName, Version};

use super::Bases;

/// The rules for the archives of one version.
pub(crate) struct Rules<'a> {
    version: Version,
    bases: &'a dyn Bases,
    packs: Mutex<BTreeMap<BundleName, Option<Arc<PackRule>>>>,
    fullfile: OnceLock<u64>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(version: Version, bases: &'a dyn Bases) -> Self {
        Self { version, bases, packs: Mutex::default(), fullfile: OnceLock::new() }
    }

    /// With manifests that were compared with the MoM, where the files beside may say something else.
    pub(crate) fn with(self, manifests: &BTreeMap<BundleName, Manifest>) -> Self {
        let rules = manifests.iter().map(|(bundle, manifest)| (bundle.clone(), Some(Arc::new(PackRule::of(manifest)))));
        Self { packs: Mutex::new(rules.collect()), ..self }
    }

    /// For the packs of a bundle; `None` if its manifest cannot be had, which is found elsewhere.
    pub(super) fn pack(&self, bundle: &BundleName) -> Option<Arc<PackRule>> {
        if let Some(known) = self.packs().get(bundle) {
            return known.clone();
        }
        let text = self.bases.manifest(self.version, &ManifestName::Bundle(bundle.clone()));
        let rule = text.and_then(|text| Manifest::parse(&text).ok()).map(|manifest| Arc::new(PackRule::of(&manifest)));
        self.packs().insert(bundle.clone(), rule.clone());
        rule
    }

    /// Most bytes in a fullfile: all files of the version have no more together.
    pub(super) fn fullfile(&self) -> u64 {
        *self.fullfile.get_or_init(|| {
            let full = self.bases.manifest(self.version, &ManifestName::Full);
            full.and_then(|text| header_limit(&text)).unwrap_or(clearwell_format::manifest::Header::MAX_CONTENT_SIZE)
        })
    }

    fn packs(&self) -> std::sync::MutexGuard<'_, BTreeMap<BundleName, Option<Arc<PackRule>>>> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries of a full manifest are many, and say nothing of sizes.
fn header_limit(text: &[u8]) -> Option<u64> {
    let end = text.windows(2).position(|pair| pair == b"\n\n")?;
    Manifest::parse(&text[..end + 2]).ok().map(|manifest| content_limit(&manifest.header))
}
