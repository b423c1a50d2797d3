//! Each bundle has a zero pack, from which it is installed in one request.
//!
//! Source: packs §3.1 and client behaviour §3. Without one endpoints fetch every file individually.

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(store) = survey.context.store else {
        return Vec::new();
    };
    let with_content = survey.bundles.iter().filter(|bundle| bundle.manifest.present().next().is_some());
    with_content
        .filter_map(|bundle| {
            let pack = Artifact::Pack { bundle: bundle.name.clone(), from: None };
            let resource = Resource::of(bundle.manifest.header.version, pack);
            store.artifacts.size(&resource).is_none().then(|| {
                Finding::warning(
                    Rule::MissingZeroPack,
                    Object::Artifact(resource),
                    "endpoints that install the bundle fetch every file individually",
                    "build the release with zero packs",
                )
            })
        })
        .collect()
}
