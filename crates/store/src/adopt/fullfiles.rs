//! What the entries of adopted manifests need, once every version of the tree is in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clearwell_format::{BundleName, Manifest, ManifestName, Version};

use super::AdoptReport;
use super::problem::{Problem, ProblemKind};
use crate::fan_out::{fan_out, processors};
use crate::fullfiles::lacking;
use crate::progress::Progress;
use crate::{Fault, Store, StoreError};

/// Looks at each manifest of the tree's releases once, for the newest release that names it. A fullfile that has a problem
/// of its own is in the tree, and reported.
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
        let manifest: Option<Manifest> = readable(store.manifest(*version, &ManifestName::Bundle(bundle.clone())))?;
        Ok::<_, StoreError>(manifest.map(|manifest| lacking(store, &manifest, *release)))
    })?;
    let mut known: BTreeSet<PathBuf> = report.problems.iter().map(|problem| problem.path.clone()).collect();
    let mut absent = BTreeSet::new();
    for (((version, bundle), _), lacking) in named.iter().zip(found) {
        let Some(lacking) = lacking else { continue };
        for (fullfile, path) in lacking.fullfiles {
            let at = PathBuf::from(fullfile.to_string());
            if known.insert(at.clone()) {
                report.problems.push(Problem { path: at, kind: ProblemKind::FullfileMissing { path } });
            }
        }
        for missing in lacking.versions.into_keys().filter(|missing| absent.insert((*version, *missing))) {
            let path = PathBuf::from(format!("{version}/Manifest.{bundle}"));
            report.problems.push(Problem { path, kind: ProblemKind::VersionMissing { version: missing } });
        }
    }
    Ok(())
}

/// Nothing for a manifest that was left out, which has a problem of its own.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error) if error.fault() == Fault::Disk => Err(error),
        other => Ok(other.ok()),
    }
}
