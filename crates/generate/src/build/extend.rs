//! Packs that older releases lack: those of bundles that did not change since, from releases that were not there then,
//! or that an earlier build left out.
//!
//! They are added before the new release is made, because a bundle's pack is in the folder of the release in which
//! the bundle last changed. Adding is harmless even if the new release fails.

use std::collections::BTreeMap;

use clearwell_format::{Resource, Version};
use clearwell_store::{Store, Writer};

use super::Run;
use crate::deltas::{self, report};
use crate::error::BuildError;
use crate::make::MakeContext;
use crate::plan::{Origins, PackPlan, Plan, ReleaseManifests};
use crate::progress::{About, Phase};

impl Run<'_> {
    /// Builds them. A pack whose content is no longer in the store is skipped with a warning.
    pub(super) fn extend_older(
        &mut self,
        plan: &Plan,
        release: &ReleaseManifests,
        context: &MakeContext<'_>,
        writer: &mut Writer,
    ) -> Result<(), BuildError> {
        let store = writer.store().clone();
        for (version, packs) in self.lacking(plan, context, &store)? {
            let mut record = store.record(version)?;
            let draft = writer.extend(version)?;
            let about = About::new(self.progress, version);
            let context = &MakeContext { progress: &about, ..*context };
            let zero_packs: Vec<&PackPlan> = packs.iter().filter(|pack| pack.from.is_none()).collect();
            self.stopwatch.time(Phase::Make, || context.make(Phase::Make, &[], &zero_packs, &draft))?;
            let earlier = self.earlier.clone();
            let update = || deltas::make(&packs, &earlier, release, &draft, context);
            let updates = self.stopwatch.time(Phase::Deltas, update)?;
            self.note_pack_warnings(&updates);
            report::add_packs(&mut record, &updates.reports);
            let prepared = self.stopwatch.phase_of(version, Phase::Prepare, || draft.prepare(record))?;
            self.stopwatch.phase_of(version, Phase::Release, || prepared.release())?;
            self.outcome.extended.push(version.number());
        }
        Ok(())
    }

    /// By release, the packs that are neither there nor made with the new release.
    fn lacking(
        &mut self,
        plan: &Plan,
        context: &MakeContext<'_>,
        store: &Store,
    ) -> Result<BTreeMap<Version, Vec<PackPlan>>, BuildError> {
        let mut packs: Vec<PackPlan> = plan.packs.iter().filter(|pack| pack.to != plan.version).cloned().collect();
        if self.options.zero_packs {
            let origins = Origins::of(&self.inputs.tree);
            let zero = |(bundle, manifest)| PackPlan::zero(bundle, manifest, &origins);
            packs.extend(plan.carried.iter().map(|(bundle, manifest)| (bundle, manifest.as_ref())).filter_map(zero));
        }
        let mut lacking: BTreeMap<Version, Vec<PackPlan>> = BTreeMap::new();
        for pack in packs {
            let resource = Resource::of(pack.to, pack.artifact());
            if !store.has_release(pack.to) || store.lookup(&resource)?.is_some() {
                continue;
            }
            match context.objects.missing_fullfile(&pack)? {
                Some(fullfile) => self.outcome.warnings.push(format!(
                    "{resource} is skipped: the fullfile {fullfile}, which it is built from, is missing"
                )),
                None => lacking.entry(pack.to).or_default().push(pack),
            }
        }
        Ok(lacking)
    }
}
