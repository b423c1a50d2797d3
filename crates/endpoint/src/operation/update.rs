//! Updating the installed system: `update`.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::{BundleName, Mom, Version};

use super::needed;
use crate::disk::WhenFull;
use crate::endpoint::{Endpoint, Run, Stop};
use crate::files::{FileList, changes, consolidate};
use crate::manifests::{Follow, Loaded};
use crate::packs::Wanted;
use crate::{EndpointError, ExitCode, Report};

impl Endpoint {
    /// Updates to a version, by default the newest, and on into a newer format if the content names it.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn update(&mut self, to: Option<Version>) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.update_run(&mut run, to).await;
        self.conclude(run, outcome)
    }

    async fn update_run(&mut self, run: &mut Run, to: Option<Version>) -> Result<(), Stop> {
        for _ in 0..MOST_FORMATS {
            let format = self.state.format;
            let applied = self.update_within_format(run, to).await?;
            let arrived = to.is_some_and(|to| self.version() >= Some(to));
            if !applied || arrived || self.state.format == format {
                return Ok(());
            }
            // The client starts itself again, and does the same in the new format.
            run.fetcher.restart();
        }
        Ok(())
    }

    /// One update; true if something was applied.
    async fn update_within_format(&mut self, run: &mut Run, to: Option<Version>) -> Result<bool, Stop> {
        let installed = self.installed_version()?;
        self.check_trust(run)?;
        let Some((target, asks)) = self.target(run, to).await?.filter(|(target, _)| *target > installed) else {
            return Ok(false);
        };
        let old_mom = self.mom(run, installed).await?;
        let new_mom = self.mom(run, target).await?;
        let old = self.follow_installed(run, &old_mom, None).await?;
        let new = self.follow_installed(run, &new_mom, Some(&old_mom)).await?;

        let mut known = Vec::new();
        let old_list = consolidate(
            old.iter().map(|(bundle, loaded)| (bundle, &loaded.manifest)),
            &self.state.asked_for,
            self.options.level,
            &mut known,
        );
        let new_list = self.list(&new, run);
        let mut changes = changes(&old_list, &new_list);
        changes.overlooked.drain(..).for_each(|problem| run.note(problem));
        run.report.not_updated = std::mem::take(&mut changes.not_updated);

        let packs: Vec<_> = new.iter().filter_map(|(bundle, loaded)| pack(bundle, loaded, &old, &old_list)).collect();
        let deltas = self.packs(run, &packs, false).await?;
        self.apply_deltas(run, deltas, &old_list).await?;
        for file in changes.compare {
            run.report.checked += 1;
            if !self.disk.look(&file.entry.path)?.is(file.entry.hash()) {
                changes.install.push(file);
            }
        }
        changes.install.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
        self.fullfiles(run, &changes.install).await?;
        self.check_staged(run, &changes.install, &new_list)?;
        let placement = self.place(run, &changes.install, &new_list).await?;
        self.remove_all(run, &changes.remove, WhenFull::MoveAside)?;
        self.check_tracking(run, new.iter().map(|(bundle, loaded)| (bundle, &**loaded)));

        let format = self.state.format;
        self.state.version = Some(target);
        let holds_something = |loaded: &Loaded| loaded.manifest.present().next().is_some();
        self.state.installed =
            new.into_iter().filter(|(_, loaded)| holds_something(loaded)).map(|(bundle, _)| bundle).collect();
        self.state.asked_for.retain(|bundle| self.state.installed.contains(bundle));
        self.follow_format();
        self.clean_up(&new_mom)?;
        if placement.failed > 0 || placement.left_remains {
            return Err(Stop::Exit(ExitCode::Stage));
        }
        if !self.check_version(run, target) {
            return Err(Stop::Exit(ExitCode::Unexpected));
        }
        if asks && self.state.format == format {
            // Is there still more? The answer changes nothing.
            let _ = self.latest(run).await;
        }
        Ok(true)
    }

    /// Where to update to, and whether the pointers were asked. A version that is named is the last to go to; without a
    /// question it counts within the format, as a release of another is reached only by pointers.
    async fn target(&mut self, run: &mut Run, to: Option<Version>) -> Result<Option<(Version, bool)>, Stop> {
        if let Some(to) = to.filter(|_| !self.options.asks_for_latest)
            && self.mom(run, to).await?.header.format == self.state.format
        {
            return Ok(Some((to, false)));
        }
        let latest = self.latest(run).await?;
        Ok(latest.map(|latest| (to.map_or(latest, |to| to.min(latest)), true)))
    }

    /// The manifests of the installed bundles, in a release that may be newer.
    pub(crate) async fn follow_installed(
        &mut self,
        run: &mut Run,
        mom: &Mom,
        old: Option<&Mom>,
    ) -> Result<BTreeMap<BundleName, std::sync::Arc<Loaded>>, Stop> {
        let follow = Follow {
            mom,
            old,
            roots: self.installed_descending(),
            known: BTreeSet::new(),
            optional: false,
            failure: ExitCode::RecurseManifest,
        };
        Ok(self.follow(run, follow).await?.into_iter().collect())
    }

    /// After an update the client keeps nothing but the manifests in use.
    fn clean_up(&mut self, mom: &Mom) -> Result<(), EndpointError> {
        self.markers.clear();
        self.staging.clear()?;
        self.library.keep_only(mom)
    }
}

/// The pack that brings a bundle from its installed version; none if it did not change.
fn pack(
    bundle: &BundleName,
    loaded: &Loaded,
    old: &BTreeMap<BundleName, std::sync::Arc<Loaded>>,
    old_list: &FileList,
) -> Option<Wanted> {
    let to = loaded.manifest.header.version;
    let from = old.get(bundle).map(|old| old.manifest.header.version);
    if from.is_some_and(|from| from >= to) {
        return None;
    }
    let mut needed = needed(loaded);
    if from.is_some() {
        let held: BTreeSet<_> = old_list.present().map(|file| file.entry.hash()).collect();
        needed.retain(|hash, _| !held.contains(hash));
    }
    Some(Wanted { bundle: bundle.clone(), from, to, needed, rule: loaded.pack_rule() })
}

/// Formats that one update goes through at most.
const MOST_FORMATS: usize = 8;
