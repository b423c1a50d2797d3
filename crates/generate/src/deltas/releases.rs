//! Releases of the store, as far as the packs of some bundles need them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::{BundleName, Manifest, ManifestName, Mom, Version};
use clearwell_store::{Store, StoreError};

use crate::plan::ReleaseManifests;

/// Every release in which one of `bundles` has the version given with it; of each the manifests of these bundles, of
/// what they include, directly or not, and of os-core. Manifests of equal version are shared.
///
/// # Errors
/// [`StoreError`] if a MoM or a manifest is missing or cannot be read: what endpoints have would be a guess.
pub(crate) fn releases_with(
    bundles: &BTreeSet<(BundleName, Version)>,
    store: &Store,
) -> Result<Vec<Arc<ReleaseManifests>>, StoreError> {
    let mut known = BTreeMap::new();
    let mut releases = Vec::new();
    for version in store.releases()? {
        let mom = store.mom(version)?;
        let is_wanted = |bundle: &&BundleName| {
            mom.bundle(bundle).is_some_and(|entry| bundles.contains(&((*bundle).clone(), entry.version)))
        };
        let wanted: BTreeSet<&BundleName> = bundles.iter().map(|(bundle, _)| bundle).collect();
        let wanted: Vec<BundleName> = wanted.into_iter().filter(is_wanted).cloned().collect();
        if !wanted.is_empty() {
            let bundles = with_company(wanted, &mom, &mut known, store)?;
            releases.push(Arc::new(ReleaseManifests { mom, bundles, full: None }));
        }
    }
    Ok(releases)
}

type Known = BTreeMap<(BundleName, Version), Arc<Manifest>>;

fn with_company(
    mut open: Vec<BundleName>,
    mom: &Mom,
    known: &mut Known,
    store: &Store,
) -> Result<BTreeMap<BundleName, Arc<Manifest>>, StoreError> {
    let mut company = BTreeMap::new();
    open.push(BundleName::os_core());
    while let Some(name) = open.pop() {
        // An include that the MoM does not list is skipped by clients as well (manifest §3.4).
        let Some(entry) = mom.bundle(&name).filter(|_| !company.contains_key(&name)) else { continue };
        let key = (name.clone(), entry.version);
        let manifest = match known.get(&key) {
            Some(manifest) => Arc::clone(manifest),
            None => {
                let manifest = Arc::new(store.manifest(entry.version, &ManifestName::Bundle(name.clone()))?);
                known.insert(key, Arc::clone(&manifest));
                manifest
            }
        };
        open.extend(manifest.header.includes.iter().cloned());
        company.insert(name, manifest);
    }
    Ok(company)
}
