//! Update packs and delta manifests of one version's folder.

use std::sync::Arc;

use clearwell_store::Draft;

use super::report::PackReport;
use super::{choice, manifests};
use crate::error::BuildError;
use crate::make::{Made, MakeContext};
use crate::pack::update::{self, UpdatePack};
use crate::plan::{PackPlan, ReleaseManifests};

/// What was made for updates.
pub(crate) struct Updates {
    pub(crate) made: Vec<Made>,
    /// Pack by pack.
    pub(crate) reports: Vec<PackReport>,
    /// Warnings for the maintainer, one line each.
    pub(crate) warnings: Vec<String>,
}

/// Makes the update packs of `packs` that lie in the folder of the draft, and the deltas of its manifests from those of
/// `earlier` releases. `new` is the release that has the new manifests. Zero packs are there already: no
/// update pack is larger.
///
/// # Errors
/// See [`BuildError`]. What was made stays in the draft.
pub(crate) fn make(
    packs: &[PackPlan],
    earlier: &[Arc<ReleaseManifests>],
    new: &ReleaseManifests,
    draft: &Draft<'_>,
    context: &MakeContext<'_>,
) -> Result<Updates, BuildError> {
    let here = |pack: &&PackPlan| pack.to == draft.version();
    let updates = packs.iter().filter(here).filter(|pack| pack.from.is_some());
    let choice = choice::choose(updates.clone(), new, draft, context)?;
    let zero_of =
        |pack: &PackPlan| packs.iter().filter(here).find(|zero| zero.from.is_none() && zero.bundle == pack.bundle);
    let update_packs: Vec<UpdatePack<'_>> = updates.map(|plan| UpdatePack { plan, zero: zero_of(plan) }).collect();
    let mut made = update::make(&update_packs, &choice, draft, context)?;
    let reports = choice.reports(&made);
    made.extend(manifests::make(earlier, new, draft, context)?);
    Ok(Updates { made, reports, warnings: choice.warnings })
}
