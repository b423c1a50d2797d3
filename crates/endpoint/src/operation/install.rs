//! Installing a system into an empty root: `os-install`.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Pointer;
use clearwell_format::{BundleName, Resource, Version};

use super::zero_pack;
use crate::endpoint::{Endpoint, Run, Stop};
use crate::manifests::Follow;
use crate::problem::Problem;
use crate::{EndpointError, ExitCode, Report};

impl Endpoint {
    /// Installs a version, the newest if none is given, with these bundles, what they include, and os-core.
    ///
    /// What is installed already and right is left as it is.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn install(&mut self, version: Option<Version>, bundles: &[BundleName]) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.install_run(&mut run, version, bundles).await;
        self.conclude(run, outcome)
    }

    async fn install_run(
        &mut self,
        run: &mut Run,
        version: Option<Version>,
        bundles: &[BundleName],
    ) -> Result<(), Stop> {
        self.check_trust(run)?;
        let version = match version {
            Some(version) => version,
            None => match self.latest(run).await? {
                Some(version) => version,
                None => {
                    let resource = Resource::Pointer(Pointer::Latest(self.state.format));
                    return run.stop(Problem::Pointer { resource }, ExitCode::Server);
                }
            },
        };
        let mom = self.mom(run, version).await?;
        self.check_format(run, &mom).await?;

        let (known, unknown): (Vec<_>, Vec<_>) =
            bundles.iter().cloned().partition(|bundle| mom.bundle(bundle).is_some());
        for bundle in &unknown {
            run.note(Problem::NoSuchBundle { bundle: bundle.clone(), version });
        }
        if known.is_empty() && !bundles.is_empty() {
            // The client reports that nothing is to be done, and succeeds.
            return Ok(());
        }
        let core = BundleName::os_core();
        let roots = if known.is_empty() { vec![core.clone()] } else { known.into_iter().rev().collect() };
        let Some(core_entry) = self.entry(&mom, &core) else {
            return run.stop(Problem::NoSuchBundle { bundle: core, version }, ExitCode::Manifest);
        };
        self.manifest(run, &core_entry, None, ExitCode::Manifest).await?;
        let mut follow = Follow {
            mom: &mom,
            old: None,
            roots: roots.clone(),
            known: BTreeSet::new(),
            optional: self.options.optional_bundles,
            failure: ExitCode::Manifest,
        };
        if !roots.contains(&core) {
            follow.roots.push(core.clone());
        }
        let found = self.follow(run, follow).await?;
        if !unknown.is_empty() {
            return Err(Stop::Exit(ExitCode::InvalidBundle));
        }

        // Packs: what was met last comes first, and what was asked for comes last.
        let (asked, brought): (Vec<_>, Vec<_>) = found.iter().partition(|(bundle, _)| roots.contains(bundle));
        let packs: Vec<_> =
            asked.into_iter().chain(brought).rev().map(|(bundle, loaded)| zero_pack(bundle, loaded)).collect();

        let manifests: BTreeMap<_, _> = found.into_iter().collect();
        self.state.asked_for.extend(roots);
        let list = self.list(&manifests, run);
        self.check_tracking(run, manifests.iter().map(|(bundle, loaded)| (bundle, &**loaded)));
        let mut missing = Vec::new();
        for file in list.present() {
            run.report.checked += 1;
            run.report.not_updated.extend(file.entry.path.class().is_not_updated().then(|| file.entry.path.clone()));
            if !self.disk.look(&file.entry.path)?.is(file.entry.hash()) {
                missing.push(file.clone());
            }
        }
        self.packs(run, &packs, true).await?;
        self.fullfiles(run, &missing).await?;
        let placement = self.place(run, &missing, &list).await?;
        self.state.version = Some(version);
        self.state.installed.extend(manifests.into_keys());
        self.follow_format();
        self.check_version(run, version);
        if placement.failed > 0 { Err(Stop::Exit(ExitCode::Verify)) } else { Ok(()) }
    }

    /// The format is what the installed files say.
    pub(super) fn follow_format(&mut self) {
        if let Some(format) = self.format_on_disk() {
            self.state.format = format;
        }
    }

    /// A release that names itself older than it is stops its clients; one that names itself newer is a format bump.
    pub(super) fn check_version(&self, run: &mut Run, expected: Version) -> bool {
        match self.version_on_disk().filter(|found| *found < expected) {
            Some(found) => {
                run.note(Problem::VersionMismatch { expected, found });
                false
            }
            None => true,
        }
    }
}
