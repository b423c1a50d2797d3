//! A check of a store and the adoption of a tree judge the same files alike.

use std::collections::BTreeSet;
use std::path::Path;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};
use clearwell_store::Store;
use clearwell_store::adopt::{AdoptOptions, adopt};
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::progress::Silent;
use clearwell_store::verify::DefectCode;
use clearwell_testkit::{TestRelease, Www, pointers, sample_releases, signer};

use crate::support::{format, version};

/// What is wrong with `artifact` of release 20, by an adoption and by a check, if it was released with these bytes.
fn judgements(artifact: &Artifact, bytes: &[u8]) -> (BTreeSet<DefectCode>, BTreeSet<DefectCode>) {
    let mut releases: [TestRelease; 2] = sample_releases();
    assert!(releases[1].artifacts.insert(artifact.clone(), bytes.to_vec()).is_some());
    let folder = tempfile::tempdir().unwrap();

    let www = Www { root: folder.path().join("www") };
    releases.iter().for_each(|release| www.add(release));
    www.point(&pointers(format(), version(20)));
    let store = Store::create(folder.path().join("adopted")).unwrap();
    let options = AdoptOptions { trust: Some(signer().anchor().clone().into()), ..AdoptOptions::default() };
    let adopted = adopt(&www.root, &mut store.writer("adopt").unwrap(), &options, &Silent).unwrap();

    let store = Store::create(folder.path().join("released")).unwrap();
    let mut writer = store.writer("release").unwrap();
    for release in &releases {
        release.release_in(&mut writer);
    }
    writer.publish(&pointers(format(), version(20))).unwrap();
    let options = CheckOptions {
        anchors: vec![signer().anchor().clone()],
        ..CheckOptions::new(clearwell_store::clock::unix_seconds())
    };
    let checked = check(&store, &options, &Silent).unwrap();

    let resource = Resource::of(version(20), artifact.clone()).to_string();
    let of_tree =
        adopted.findings.iter().map(|finding| &finding.defect).filter(|defect| defect.path == Path::new(&resource));
    let path = Path::new("content").join(&resource);
    let of_store = checked.findings.iter().map(|finding| &finding.defect).filter(|defect| defect.path == path);
    (of_tree.map(|defect| defect.kind.code()).collect(), of_store.map(|defect| defect.kind.code()).collect())
}

#[test]
fn check_and_adoption_agree() {
    let [first, second] = sample_releases();
    let editor = ManifestName::Bundle("editor".parse().unwrap());
    let fullfile = second.artifacts.keys().find(|artifact| matches!(artifact, Artifact::Fullfile(_))).unwrap();
    let zero_pack = Artifact::Pack { bundle: "editor".parse().unwrap(), from: None };
    let archive = Artifact::ManifestTar(editor.clone());
    let earlier = &first.artifacts[&archive];
    let junk = b"not what the name promises".as_slice();
    for (artifact, bytes, code) in [
        (fullfile, junk, DefectCode::Content),
        (&zero_pack, junk, DefectCode::Content),
        (&Artifact::Format, junk, DefectCode::Content),
        (&archive, junk, DefectCode::Content),
        (&archive, earlier, DefectCode::ManifestHash),
        (&Artifact::Manifest(editor), junk, DefectCode::NotAsArchived),
        (&Artifact::MomSignature, junk, DefectCode::Signature),
    ] {
        let (adopted, checked) = judgements(artifact, bytes);
        assert_eq!(adopted, BTreeSet::from([code]), "adoption of {artifact}");
        assert_eq!(checked, BTreeSet::from([code]), "check of {artifact}");
    }
}
