//! What the entries of adopted manifests need, once every version of the tree is in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Manifest, ManifestName, Resource, Version};

use super::AdoptReport;
use crate::fan_out::{fan_out, processors};
use crate::progress::Progress;
use crate::verify::{Defect, DefectKind, missing};
use crate::{Fault, Store, StoreError};

/// Checks each manifest of the tree's releases once, for the newest release that names it. A fullfile that is in the
/// tree and damaged has a finding already.
pub(super) fn look_for_fullfiles(
    store: &Store,
    report: &mut AdoptReport,
    progress: &dyn Progress,
) -> Result<(), StoreError> {
    let of_tree: BTreeSet<Version> =
        [&report.adopted, &report.extended, &report.unchanged].into_iter().flatten().copied().collect();
    let mut named: BTreeMap<(Version, BundleName), Version> = BTreeMap::new();
    for release in store.releases()? {
        let Some(mom) = readable(store.mom(release))? else { continue };
        let of_tree = mom.bundles().filter(|entry| of_tree.contains(&entry.version));
        named.extend(of_tree.map(|entry| ((entry.version, entry.bundle.clone()), release)));
    }
    let named: Vec<_> = named.into_iter().collect();
    let found = fan_out(&named, processors(), |((version, bundle), release)| {
        progress.go_on()?;
        let name = ManifestName::Bundle(bundle.clone());
        let resource = Resource::of(*version, Artifact::Manifest(name.clone()));
        let manifest: Option<Manifest> = readable(store.manifest(*version, &name))?;
        Ok::<_, StoreError>(manifest.map_or_else(Vec::new, |manifest| missing(store, &manifest, &resource, *release)))
    })?;
    let mut known: BTreeSet<PathBuf> = report.findings.iter().map(|finding| finding.defect.path.clone()).collect();
    let mut absent = BTreeSet::new();
    for (((version, _), _), missing) in named.iter().zip(found) {
        for (resource, kind) in missing {
            let defect = Defect::in_tree(resource, kind);
            // Bundles share files and versions: each is reported once.
            let is_new = match &defect.kind {
                DefectKind::VersionMissing { version: missing, .. } => absent.insert((*version, *missing)),
                _ => known.insert(defect.path.clone()),
            };
            if is_new {
                report.findings.push(defect.into());
            }
        }
    }
    Ok(())
}

/// `None` for a manifest that was left out, which has a finding already.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error) if error.fault() == Fault::Disk => Err(error),
        other => Ok(other.ok()),
    }
}
