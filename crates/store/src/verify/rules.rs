//! What the archives of a version may contain, by its manifests. Each manifest is read once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clearwell_format::archive::{PackRule, content_limit};
use clearwell_format::{BundleName, Manifest, ManifestName, Version};

use super::bases::Bases;

/// The rules for the archives of one version.
pub(crate) struct Rules<'a> {
    version: Version,
    /// Where manifests are read that were not given.
    bases: Option<&'a dyn Bases>,
    packs: Mutex<BTreeMap<BundleName, Option<Arc<PackRule>>>>,
    fullfile: OnceLock<u64>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(version: Version, bases: &'a dyn Bases) -> Self {
        Self { version, bases: Some(bases), packs: Mutex::default(), fullfile: OnceLock::new() }
    }

    /// By the manifests that were found sound, and no others: the other files may say anything.
    pub(crate) fn of(version: Version, manifests: &BTreeMap<BundleName, Manifest>, full: Option<&Manifest>) -> Self {
        let rules = manifests.iter().map(|(bundle, manifest)| (bundle.clone(), Some(Arc::new(PackRule::of(manifest)))));
        let fullfile = OnceLock::new();
        if let Some(full) = full {
            fullfile.get_or_init(|| content_limit(&full.header));
        }
        Self { version, bases: None, packs: Mutex::new(rules.collect()), fullfile }
    }

    /// For the packs of a bundle; `None` if its manifest cannot be read, which is a separate defect.
    pub(super) fn pack(&self, bundle: &BundleName) -> Option<Arc<PackRule>> {
        if let Some(known) = self.packs().get(bundle) {
            return known.clone();
        }
        let text = self.manifest(&ManifestName::Bundle(bundle.clone()));
        let rule = text.and_then(|text| Manifest::parse(&text).ok()).map(|manifest| Arc::new(PackRule::of(&manifest)));
        self.packs().insert(bundle.clone(), rule.clone());
        rule
    }

    /// Most bytes in a fullfile: all files of the version have no more together.
    pub(super) fn fullfile(&self) -> u64 {
        *self.fullfile.get_or_init(|| {
            let full = self.manifest(&ManifestName::Full);
            full.and_then(|text| header_limit(&text)).unwrap_or(clearwell_format::manifest::Header::MAX_CONTENT_SIZE)
        })
    }

    fn manifest(&self, name: &ManifestName) -> Option<Vec<u8>> {
        self.bases?.manifest(self.version, name)
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
