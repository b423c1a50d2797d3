//! Adding and removing bundles: `bundle-add` and `bundle-remove`.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::{BundleName, EntryPath, Mom};

use super::zero_pack;
use crate::disk::WhenFull;
use crate::endpoint::{Endpoint, Run, Stop};
use crate::files::{FileList, Listed};
use crate::manifests::{Follow, Loaded};
use crate::problem::Problem;
use crate::{EndpointError, ExitCode, Report};

impl Endpoint {
    /// Installs bundles and their includes. Unknown bundles are reported; the others are installed.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn bundle_add(&mut self, bundles: &[BundleName]) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.add_run(&mut run, bundles).await;
        self.conclude(run, outcome)
    }

    async fn add_run(&mut self, run: &mut Run, bundles: &[BundleName]) -> Result<(), Stop> {
        let version = self.installed_version()?;
        self.check_trust(run)?;
        let mom = self.mom(run, version).await?;
        let mut manifests = self.load_installed(run, &mom, ExitCode::Manifest).await?;

        let (known, unknown): (Vec<_>, Vec<_>) =
            bundles.iter().cloned().partition(|bundle| mom.bundle(bundle).is_some());
        for bundle in &unknown {
            run.note(Problem::NoSuchBundle { bundle: bundle.clone(), version });
        }
        let follow = Follow {
            mom: &mom,
            old: None,
            roots: known.iter().rev().cloned().collect(),
            known: self.state.installed.clone(),
            optional: self.options.optional_bundles,
            failure: ExitCode::RecurseManifest,
        };
        let added = self.follow(run, follow).await?;
        manifests.extend(added.iter().cloned());
        self.check_tracking(run, added.iter().map(|(bundle, loaded)| (bundle, &**loaded)));
        let list = self.list(&manifests, run);
        let files = self.files_to_add(&added, &list)?;

        if files.len() > FILES_PER_PACK * added.len() {
            let packs: Vec<_> = added.iter().map(|(bundle, loaded)| zero_pack(bundle, loaded)).collect();
            self.packs(run, &packs, false).await?;
        }
        self.fullfiles(run, &files).await?;
        self.check_staged(run, &files, &list)?;
        let placement = self.place(run, &files, &list).await?;
        if placement.failed > 0 {
            return Err(Stop::Exit(ExitCode::Stage));
        }
        self.state.installed.extend(added.into_iter().map(|(bundle, _)| bundle));
        self.state.asked_for.extend(known);
        if unknown.is_empty() { Ok(()) } else { Err(Stop::Exit(ExitCode::InvalidBundle)) }
    }

    /// Files of the added bundles that are not on disk yet.
    fn files_to_add(
        &self,
        added: &[(BundleName, std::sync::Arc<Loaded>)],
        list: &FileList,
    ) -> Result<Vec<Listed>, Stop> {
        let paths: BTreeSet<&EntryPath> =
            added.iter().flat_map(|(_, loaded)| loaded.manifest.present()).map(|entry| &entry.path).collect();
        let mut files = Vec::new();
        for file in
            list.present().filter(|file| paths.contains(&file.entry.path) && !file.entry.path.class().is_not_updated())
        {
            if !self.disk.look(&file.entry.path)?.is(file.entry.hash()) {
                files.push(file.clone());
            }
        }
        Ok(files)
    }

    /// Removes bundles with the files that no other bundle has. What they brought along stays.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn bundle_remove(&mut self, bundles: &[BundleName]) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.remove_run(&mut run, bundles).await;
        self.conclude(run, outcome)
    }

    async fn remove_run(&mut self, run: &mut Run, bundles: &[BundleName]) -> Result<(), Stop> {
        let version = self.installed_version()?;
        self.check_trust(run)?;
        let mom = self.mom(run, version).await?;
        let mut manifests = self.load_installed(run, &mom, ExitCode::RecurseManifest).await?;

        let mut code = ExitCode::Success;
        let mut leaving = Vec::new();
        for bundle in bundles {
            match self.may_leave(bundle, bundles, &mom, &manifests) {
                Ok(()) => leaving.push(bundle),
                Err(refusal) => code = refusal,
            }
            if mom.bundle(bundle).is_none() {
                run.note(Problem::NoSuchBundle { bundle: bundle.clone(), version });
            }
        }
        let removed: Vec<_> = leaving.iter().filter_map(|bundle| manifests.remove(*bundle)).collect();
        let rest = self.list(&manifests, run);
        // Configuration, state and kernels included: bundle-remove makes no exceptions (observed).
        let paths = removed.iter().flat_map(|loaded| loaded.manifest.present()).map(|entry| &entry.path);
        let gone: BTreeSet<_> = paths.filter(|path| rest.find(path).is_none()).collect();
        self.remove_all(run, gone, WhenFull::Keep)?;
        for bundle in leaving {
            self.state.installed.remove(bundle);
            self.state.asked_for.remove(bundle);
            self.markers.retain(|(marked, _, _)| marked != bundle);
        }
        if code.is_success() { Ok(()) } else { Err(Stop::Exit(code)) }
    }

    fn may_leave(
        &self,
        bundle: &BundleName,
        leaving: &[BundleName],
        mom: &Mom,
        manifests: &BTreeMap<BundleName, std::sync::Arc<Loaded>>,
    ) -> Result<(), ExitCode> {
        if *bundle == BundleName::os_core() {
            return Err(ExitCode::RequiredBundle);
        }
        if mom.bundle(bundle).is_none() {
            return Err(ExitCode::InvalidBundle);
        }
        if !self.state.installed.contains(bundle) {
            return Err(ExitCode::NotInstalled);
        }
        let mut others = manifests.iter().filter(|(other, _)| !leaving.contains(other));
        if others.any(|(_, loaded)| loaded.manifest.header.includes.contains(bundle)) {
            return Err(ExitCode::RequiredBundle);
        }
        Ok(())
    }

    /// The manifests of everything that is installed.
    pub(super) async fn load_installed(
        &mut self,
        run: &mut Run,
        mom: &Mom,
        failure: ExitCode,
    ) -> Result<BTreeMap<BundleName, std::sync::Arc<Loaded>>, Stop> {
        let follow = Follow {
            mom,
            old: None,
            roots: self.installed_descending(),
            known: BTreeSet::new(),
            optional: false,
            failure,
        };
        Ok(self.follow(run, follow).await?.into_iter().collect())
    }
}

/// Clients fetch packs only for more files than this per bundle (packs §5).
const FILES_PER_PACK: usize = 10;
