//! Rules about what a store must have.

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};
use clearwell_generate::guard::{Rule, Verdict};

use super::mix::{Mix, bundle, version};
use super::{assert_refused, assert_warned, findings, found};

fn two_releases() -> Mix {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix.release(20, &mix.system(20));
    mix
}

fn remove(mix: &mut Mix, folder: u32, artifact: Artifact) -> String {
    let resource = Resource::of(version(folder), artifact);
    mix.tree.remove(&resource).unwrap();
    for release in &mut mix.releases {
        release.made.retain(|made| *made != resource);
    }
    resource.to_string()
}

fn manifest_of(name: &str) -> ManifestName {
    ManifestName::Bundle(bundle(name))
}

#[test]
fn a_fullfile_is_missing() {
    let mut mix = two_releases();
    let hash = mix.releases[0].entry("games", "/usr/bin/chess").hash();
    let gone = remove(&mut mix, 10, Artifact::Fullfile(hash));
    assert_refused(&mix, Rule::MissingFullfile, &[&gone]);
    assert!(findings(&mix)[0].remedy.contains("--min-version 20"));
}

#[test]
fn a_manifest_of_the_release_is_missing() {
    let mut mix = two_releases();
    let plain = remove(&mut mix, 20, Artifact::Manifest(manifest_of("os-core")));
    assert_refused(&mix, Rule::MissingManifest, &[&plain]);

    let mut mix = two_releases();
    let tar = remove(&mut mix, 20, Artifact::ManifestTar(manifest_of("os-core")));
    assert_refused(&mix, Rule::MissingManifest, &[&tar]);

    let mut mix = two_releases();
    mix.releases.last_mut().unwrap().manifests.remove(&bundle("games"));
    assert_refused(&mix, Rule::MissingManifest, &["bundle games"]);
}

#[test]
fn a_manifest_that_older_endpoints_need_is_missing() {
    for artifact in [Artifact::ManifestTar(manifest_of("os-core")), Artifact::ManifestTar(ManifestName::Mom)] {
        let mut mix = two_releases();
        let gone = remove(&mut mix, 10, artifact);
        assert_refused(&mix, Rule::ManifestStillNeeded, &[&gone]);
        let verdict = Verdict::new(findings(&mix), &[Rule::ManifestStillNeeded].into());
        assert!(verdict.may_publish());
        assert_eq!(verdict.overruled_rules(), [Rule::ManifestStillNeeded].into());
        assert!(!Verdict::new(findings(&mix), &Default::default()).may_publish());
    }
}

#[test]
fn what_is_not_allowable_stays_refused() {
    let mut mix = two_releases();
    let hash = mix.releases[0].entry("games", "/usr/bin/chess").hash();
    remove(&mut mix, 10, Artifact::Fullfile(hash));
    let verdict = Verdict::new(findings(&mix), &Rule::ALL.iter().copied().collect());
    assert_eq!(verdict.refusals.len(), 1);
    assert!(verdict.overruled.is_empty());
}

#[test]
fn a_zero_pack_is_missing() {
    let mut mix = two_releases();
    let gone = remove(&mut mix, 20, Artifact::Pack { bundle: bundle("os-core"), from: None });
    assert_warned(&mix, Rule::MissingZeroPack, &[&gone]);
}

#[test]
fn a_delta_pack_that_is_larger_than_the_zero_pack() {
    let mut mix = two_releases();
    let zero = Artifact::Pack { bundle: bundle("os-core"), from: None };
    let mut bytes = mix.tree[&Resource::of(version(20), zero)].clone();
    let delta = Artifact::Pack { bundle: bundle("os-core"), from: Some(version(10)) };
    let resource = mix.put(version(20), delta.clone(), bytes.clone());
    mix.releases.last_mut().unwrap().made.push(resource.clone());
    assert_eq!(found(&mix), []);
    bytes.extend([0; 8]);
    mix.put(version(20), delta, bytes);
    assert_warned(&mix, Rule::UselessPack, &[&resource.to_string()]);
}
