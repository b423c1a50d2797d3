//! `swupd 3rd-party add` asks for the manifest of os-core in the folder of the latest release.
//!
//! Source: content layout §8 item 2. It is there only if os-core changed, as it does where it carries the version
//! files.

use clearwell_format::BundleName;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    let carried = release.mom.bundle(&BundleName::os_core()).filter(|entry| entry.version != release.version());
    let finding = |entry: &clearwell_format::MomEntry| {
        Finding::warning(
            Rule::ThirdPartyAdd,
            Object::Bundle(entry.bundle.clone()),
            format!(
                "it did not change since {}; endpoints cannot add this release as a third-party repository",
                entry.version
            ),
            "put the version files into os-core, so that it changes with each release",
        )
    };
    carried.map(finding).into_iter().collect()
}
