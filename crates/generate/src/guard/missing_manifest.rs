//! Each bundle of the MoM has its manifest, plain and as archive, in the folder that the MoM names; so has the MoM.
//!
//! Source: content layout §1. Endpoints read the archive, later builds the plain file.

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    let unknown = release.mom.bundles().filter(|entry| !release.bundles.contains_key(&entry.bundle)).map(|entry| {
        Finding::refusal(
            Rule::MissingManifest,
            Object::Bundle(entry.bundle.clone()),
            format!("the MoM names version {} of its manifest, which is missing", entry.version),
            "build from a store that has it, or build with --min-version to release every bundle again",
        )
    });
    let names = release
        .mom
        .bundles()
        .filter(|entry| release.bundles.contains_key(&entry.bundle))
        .map(|entry| (entry.version, ManifestName::Bundle(entry.bundle.clone())))
        .chain([(release.version(), ManifestName::Mom)]);
    let files = names.flat_map(|(version, name)| {
        [Artifact::ManifestTar(name.clone()), Artifact::Manifest(name)].map(|artifact| Resource::of(version, artifact))
    });
    let absent =
        files.filter(|resource| survey.context.store.is_some_and(|store| store.artifacts.size(resource).is_none()));
    let absent = absent.map(|resource| {
        Finding::refusal(
            Rule::MissingManifest,
            Object::Artifact(resource),
            "the release needs it, but it is not in the store",
            "build the release again, with --min-version if the manifest is an old one",
        )
    });
    unknown.chain(absent).collect()
}
