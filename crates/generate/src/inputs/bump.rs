//! Format bumps: the two releases that carry a fleet from one format into the next (manifest 5.12).
//!
//! ```text
//! +0    the last release in the old format
//! +10   old: manifests in the old format, content that already says +20 and the new format; deprecated bundles emptied
//! +20   new: manifests in the new format, everything released again, deprecated bundles gone; previous is +0 too
//! ```
//!
//! A client of the old format updates to +10, finds the new format in its content and starts itself again there.

use super::{BundleStatus, Inputs};

/// Which half of a format bump a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatBump {
    /// The last release in the old format.
    Old,
    /// The first release in the new format.
    New,
}

impl FormatBump {
    /// Changes the inputs of an ordinary release into those of this half. The tree is that of +20 for both.
    pub fn apply(self, inputs: &mut Inputs) {
        match self {
            Self::Old => {
                for bundle in deprecated(inputs) {
                    bundle.files.clear();
                    bundle.includes.clear();
                    bundle.also_add.clear();
                }
            }
            Self::New => {
                inputs.bundles.retain(|bundle| bundle.status != BundleStatus::Deprecated);
                inputs.release.min_version = Some(inputs.release.version);
            }
        }
    }
}

fn deprecated(inputs: &mut Inputs) -> impl Iterator<Item = &mut super::BundleInput> {
    inputs.bundles.iter_mut().filter(|bundle| bundle.status == BundleStatus::Deprecated)
}
