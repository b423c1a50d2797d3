//! Checks of bundles by their manifests: parents of paths, fullfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::{BundleName, EntryPath, FileHash, Resource, Version};
use clearwell_store::fullfiles::OsCore;
use tokio::task::JoinSet;

use super::Stage;
use crate::endpoint::{Run, Stop};
use crate::files::Listed;
use crate::fullfiles::{self, Outcome, fullfile};
use crate::manifests::Loaded;
use crate::pointers::fetch_problem;
use crate::problem::Problem;
use crate::staging::StageFolder;
use crate::{Endpoint, EndpointError, ExitCode};

pub(super) type Manifests = BTreeMap<BundleName, Arc<Loaded>>;

pub(super) async fn installed_manifests(
    endpoint: &mut Endpoint,
    run: &mut Run,
    version: Version,
) -> Result<Manifests, Stop> {
    let mom = endpoint.mom(run, version).await?;
    endpoint.follow_installed(run, &mom, None).await
}

/// The paths of a bundle whose parent directory is neither in it nor in its includes.
pub(super) fn orphans(bundle: &BundleName, manifests: &Manifests) -> Vec<Problem> {
    let mut together = BTreeSet::from([bundle]);
    let mut waiting = vec![bundle];
    while let Some(loaded) = waiting.pop().and_then(|next| manifests.get(next)) {
        let includes = loaded.manifest.header.includes.iter().filter(|include| manifests.contains_key(*include));
        waiting.extend(includes.filter(|include| together.insert(include)).collect::<Vec<_>>());
    }
    let folders: BTreeSet<&EntryPath> = together
        .iter()
        .filter_map(|name| manifests.get(*name))
        .flat_map(|loaded| loaded.manifest.present())
        .filter(|entry| entry.is_directory())
        .map(|entry| &entry.path)
        .collect();
    let Some(loaded) = manifests.get(bundle) else { return Vec::new() };
    let orphaned = loaded.manifest.present().filter_map(|entry| {
        let parent = entry.path.parent().filter(|parent| !folders.contains(parent))?;
        Some(Problem::NoParent { path: entry.path.clone(), parent })
    });
    orphaned.collect()
}

/// Fetches and compares every fullfile of the bundles, each once.
pub(super) async fn fetch_all(
    run: &mut Run,
    manifests: &Manifests,
    parallel: usize,
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    // By resource: one hash may be needed from the folders of two versions.
    let mut wanted: BTreeMap<Resource, FileHash> = BTreeMap::new();
    let os_core = OsCore::new(manifests.get(&BundleName::os_core()).map(|loaded| &loaded.manifest));
    for (bundle, loaded) in manifests {
        for entry in loaded.manifest.present().filter(|entry| !os_core.carries(entry)) {
            let listed = Listed { entry: entry.clone(), bundle: bundle.clone() };
            wanted.insert(fullfile(&listed, entry.hash()), entry.hash());
        }
    }
    stage.expect(wanted.len());
    let limit = manifests.values().map(|loaded| loaded.content_limit()).max().unwrap_or_default();
    let mut waiting = wanted.into_iter();
    let mut running = JoinSet::new();
    let mut code = ExitCode::Success;
    loop {
        while running.len() < parallel.max(1) {
            let Some((resource, hash)) = waiting.next() else { break };
            running.spawn(fullfiles::fetch(
                run.fetcher.clone(),
                StageFolder::without_contents(),
                hash,
                resource,
                limit,
            ));
        }
        let Some(done) = running.join_next().await else { break };
        let (_, resource, outcome) = done.map_err(EndpointError::Worker)?;
        run.report.checked += 1;
        let problem = match outcome {
            Outcome::Staged(_, warnings) => {
                warnings.note(&resource, run);
                continue;
            }
            Outcome::NoArchive(reason) => (Problem::Fullfile { resource, reason }, ExitCode::Stage),
            Outcome::OtherFile => (
                Problem::Fullfile { resource, reason: "the hash of its content differs from its name".into() },
                ExitCode::Negative,
            ),
            Outcome::Missing(failed) => (fetch_problem(resource, failed), ExitCode::Download),
        };
        run.note(problem.0);
        code = problem.1;
    }
    if code.is_success() { Ok(()) } else { Err(Stop::Exit(code)) }
}
