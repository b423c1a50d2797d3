//! Which fullfiles a release needs: adopting a tree and checking the store say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_store::Store;
use clearwell_store::adopt::{AdoptOptions, adopt};
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::progress::Silent;
use clearwell_store::verify::DefectKind;
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, Www, pointers};

use crate::support::{format, version};

/// Releases 10 and 20. The directory of music in 20 is one that os-core has since 10; its song is new.
fn releases() -> [TestRelease; 2] {
    let os_core = || vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "ten")];
    let music = vec![directory(), song()];
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], os_core()).build();
    let second = ReleaseBuilder::new(20, Some(&first));
    let second = second.bundle("os-core", &[], os_core()).bundle("music", &[], music).build();
    [first, second]
}

fn directory() -> TestObject {
    TestObject::directory("/usr")
}

fn song() -> TestObject {
    TestObject::file("/usr/song", "a song")
}

fn fullfile(release: u32, object: &TestObject) -> Resource {
    Resource::of(version(release), Artifact::Fullfile(object.hash()))
}

/// What adopting the releases without some files names as missing, and the same of a check afterwards.
fn lacking(releases: &[TestRelease], without: &[Resource]) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let www = Www { root: folder.path().join("www") };
    releases.iter().for_each(|release| www.add(release));
    www.point(&pointers(format(), version(20)));
    without.iter().for_each(|resource| fs::remove_file(www.root.join(resource.to_string())).unwrap());
    let store = Store::create(folder.path().join("store")).unwrap();
    let report = adopt(&www.root, &mut store.writer("adopt").unwrap(), &AdoptOptions::default(), &Silent).unwrap();
    let missing =
        |kind: &DefectKind| matches!(kind, DefectKind::FullfileMissing { .. } | DefectKind::VersionMissing { .. });
    assert!(report.findings.iter().all(|problem| missing(&problem.defect.kind)), "{:?}", report.findings);
    let adopted = report.findings.into_iter().map(|problem| problem.defect.path).collect();
    let missing =
        |kind: &DefectKind| matches!(kind, DefectKind::FullfileMissing { .. } | DefectKind::VersionMissing { .. });
    let report = check(&store, &CheckOptions::new(1_700_000_000), &Silent).unwrap();
    let found = report.findings.into_iter().filter(|finding| missing(&finding.defect.kind));
    let found = found.map(|finding| finding.defect.path.strip_prefix("content").unwrap().to_owned()).collect();
    (adopted, found)
}

#[test]
fn what_os_core_carries_is_needed_by_neither() {
    let (adopted, found) = lacking(&releases(), &[fullfile(20, &directory())]);
    assert_eq!((adopted, found), Default::default());
}

#[test]
fn what_is_missing_is_named_by_both() {
    for missing in [fullfile(20, &song()), fullfile(10, &directory())] {
        let (adopted, found) = lacking(&releases(), std::slice::from_ref(&missing));
        assert_eq!(adopted, BTreeSet::from([PathBuf::from(missing.to_string())]));
        assert_eq!(adopted, found);
    }
}

#[test]
fn what_os_core_has_with_the_same_version_or_another_mode_is_needed() {
    let [first, _] = releases();
    let directory_of = |permissions| TestObject { permissions, ..TestObject::directory("/usr/share") };
    for permissions in [0o755, 0o700] {
        let os_core = vec![directory(), directory_of(0o755)];
        let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], os_core);
        let second = second.bundle("music", &[], vec![directory_of(permissions)]).build();
        let missing = fullfile(20, &directory_of(permissions));
        let (adopted, found) = lacking(&[first.clone(), second], std::slice::from_ref(&missing));
        assert_eq!(adopted, BTreeSet::from([PathBuf::from(missing.to_string())]));
        assert_eq!(adopted, found);
    }
}

#[test]
fn entries_of_earlier_releases_are_looked_at_with_a_release_that_comes_alone() {
    let [_, second] = releases();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let www = |name: &str, release: &TestRelease, without: Option<Resource>| {
        let www = Www { root: folder.path().join(name) };
        www.add(release);
        www.point(&pointers(format(), release.version));
        if let Some(without) = without {
            fs::remove_file(www.root.join(without.to_string())).unwrap();
        }
        let mut writer = store.writer("adopt").unwrap();
        let report = adopt(&www.root, &mut writer, &AdoptOptions::default(), &Silent).unwrap();
        report.findings.into_iter().map(|problem| problem.defect.path.display().to_string()).collect::<Vec<_>>()
    };
    let third = ReleaseBuilder::new(30, Some(&second))
        .bundle("os-core", &[], second.objects[&"os-core".parse().unwrap()].clone())
        .bundle("music", &[], vec![directory(), song(), TestObject::file("/usr/tune", "a tune")])
        .build();
    let [first, second] = releases();
    assert!(www("10", &first, None).is_empty());
    let missing = fullfile(20, &song());
    assert_eq!(www("20", &second, Some(missing.clone())), [missing.to_string()]);
    assert_eq!(www("30", &third, None), [missing.to_string()]);
    assert_eq!(store.lookup(&missing).unwrap(), None);
}
