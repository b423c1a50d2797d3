//! Verification of stores and trees.

use std::fs;
use std::sync::Arc;

use clearwell_endpoint::source::{Fault, Probe, Source, StoreSource, TreeSource};
use clearwell_endpoint::{Check, EndpointOptions, ProblemKind, VerifyOptions, VerifyReport, verify};
use clearwell_format::Version;
use clearwell_format::resource::Artifact;
use clearwell_sign::TrustAnchor;
use clearwell_store::progress::{Event, Progress, Silent};
use clearwell_testkit::{ReleaseBuilder, TestObject, Www, flip_byte, pointers, sample_store, sample_www, signer};

use crate::support::{Content, World, core, files, options, tracking};

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn everything(anchor: &TrustAnchor) -> VerifyOptions {
    let endpoint = EndpointOptions { trust: Some(anchor.clone().into()), ..options() };
    VerifyOptions { from: vec![version(10)], ..VerifyOptions::new(endpoint) }
}

async fn verified(source: impl Source + 'static, options: &VerifyOptions) -> VerifyReport {
    verify(Arc::new(source), options, &Silent).await.unwrap()
}

/// The phases that began, by name and object.
#[derive(Default)]
struct Begun(std::sync::Mutex<Vec<String>>);

impl Progress for Begun {
    fn event(&self, event: Event) {
        if let Event::Started { phase, object, .. } = event {
            let name = [Some(phase.as_str().to_owned()), object].into_iter().flatten().collect::<Vec<_>>().join(" ");
            self.0.lock().unwrap().push(name);
        }
    }
}

#[tokio::test]
async fn a_valid_store_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let options = everything(&sample.anchor);
    let begun = Begun::default();
    let report = verify(Arc::new(StoreSource::new(sample.store)), &options, &begun).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let version = version(20);
    let made = [
        Check::Pointers,
        Check::Install { version },
        Check::Signature { version },
        Check::Alone { version },
        Check::Fullfiles { version },
        Check::Update { from: Version::new(10).unwrap(), to: version },
    ];
    assert_eq!(report.checks.iter().map(|outcome| outcome.check.clone()).collect::<Vec<_>>(), made);
    let phases =
        ["pointers", "install 20", "signature 20", "bundles 20", "fullfiles 20", "update 10 to 20"].map(str::to_owned);
    assert_eq!(begun.0.into_inner().unwrap(), phases);
    assert_eq!(report.fetched_individually().count(), 0);
    assert!(report.checks[4].report.checked > 20);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["checks"][1]["check"], "install 20");
    assert_eq!(json["checks"][1]["report"]["exit-code"], 0);
}

#[tokio::test]
async fn a_release_can_be_verified_before_a_pointer_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = clearwell_store::Store::create(folder.path()).unwrap();
    let [first, _] = clearwell_testkit::sample_releases();
    first.release_in(&mut store.writer("test").unwrap());
    let options = VerifyOptions { versions: vec![version(10)], from: Vec::new(), ..everything(signer().anchor()) };
    assert!(verified(StoreSource::new(store.clone()), &options).await.is_clean());
    let newest = verified(StoreSource::new(store), &everything(signer().anchor())).await;
    assert_eq!(newest.checks[0].report.exit_code.code(), 16);
}

#[tokio::test]
async fn another_key_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let other = clearwell_sign::GenerateOptions {
        bits: clearwell_sign::KeyBits::Rsa2048,
        ..clearwell_sign::GenerateOptions::new("Another")
    };
    let other = clearwell_sign::generate(&other, 1_790_000_000).unwrap();
    let options = everything(&TrustAnchor::from_pem(&other.certificate_pem).unwrap());
    let report = verified(StoreSource::new(sample.store), &options).await;
    assert_eq!(report.checks.len(), 1);
    assert_eq!(report.checks[0].report.exit_code.code(), 21);
}

/// A directory of a new bundle that os-core has since an earlier release: the reference makes no fullfile for it.
#[tokio::test]
async fn what_os_core_carries_needs_no_fullfile() {
    let directory = TestObject::directory("/usr");
    let music = vec![directory.clone(), TestObject::file("/usr/song", "a song"), tracking("music")];
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], core(10)).build();
    let second =
        ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], core(20)).bundle("music", &["os-core"], music);
    let mut second = second.build();
    assert!(second.artifacts.remove(&Artifact::Fullfile(directory.hash())).is_some());
    let folder = tempfile::tempdir().unwrap();
    let www = Www { root: folder.path().to_owned() };
    [&first, &second].iter().for_each(|release| www.add(release));
    www.point(&pointers(second.mom.header.format, version(20)));
    let options = everything(signer().anchor());
    let report = verified(TreeSource::new(&www.root), &options).await;
    assert!(report.is_clean(), "{:#?}", report.problems());

    let song = format!("20/files/{}.tar", TestObject::file("/usr/song", "a song").hash());
    fs::remove_file(www.root.join(&song)).unwrap();
    let report = verified(TreeSource::new(&www.root), &options).await;
    let problems: Vec<_> = report.problems().iter().map(|(_, problem)| problem.to_string()).collect();
    assert!(matches!(&problems[..], [problem] if problem.contains(&song)), "{problems:?}");
}

/// Each kind of damage, the check that finds it, and whether endpoints still get their files.
#[tokio::test]
async fn damage_in_a_tree_is_named() {
    let fullfile = |www: &Www| {
        let mut files: Vec<_> = fs::read_dir(www.path(20, "files")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.remove(0)
    };
    type Damage = Box<dyn Fn(&Www)>;
    let flip = |file: &'static str| -> Damage { Box::new(move |www| flip_byte(&www.path(20, file))) };
    let cases: [(&str, Damage); 8] = [
        ("zero pack", flip("pack-editor-from-0.tar")),
        ("delta pack", flip("pack-editor-from-10.tar")),
        ("manifest", flip("Manifest.editor.tar")),
        ("MoM", flip("Manifest.MoM.tar")),
        ("fullfile", Box::new(move |www| flip_byte(&fullfile(www)))),
        ("no fullfile", Box::new(move |www| fs::remove_file(fullfile(www)).unwrap())),
        ("no zero pack", Box::new(|www| fs::remove_file(www.path(20, "pack-editor-from-0.tar")).unwrap())),
        ("no old manifest", Box::new(|www| fs::remove_file(www.path(10, "Manifest.editor.tar")).unwrap())),
    ];
    for (name, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        let www = sample_www(folder.path());
        damage(&www);
        let report = verified(TreeSource::new(&www.root), &everything(signer().anchor())).await;
        assert!(!report.problems().is_empty(), "{name}: {report:#?}");
        assert!(!report.is_clean());
    }
}

#[tokio::test]
async fn files_that_clients_would_fetch_individually_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let www = sample_www(folder.path());
    fs::remove_file(www.path(20, "pack-editor-from-10.tar")).unwrap();
    let report = verified(TreeSource::new(&www.root), &everything(signer().anchor())).await;
    let listed: Vec<_> =
        report.fetched_individually().map(|(check, file)| (check.to_string(), file.path.to_string())).collect();
    assert_eq!(
        listed.iter().map(|(check, _)| check.as_str()).collect::<std::collections::BTreeSet<_>>(),
        ["update 10 to 20"].into()
    );
    assert!(listed.iter().any(|(_, path)| path == "/usr/bin/edit"));
}

#[tokio::test]
async fn a_bundle_must_stand_alone() {
    let mut lost = files("b", 1, "only");
    lost.push(clearwell_testkit::TestObject::file("/usr/a/b", "x"));
    let mut folder = files("a", 1, "only");
    folder.push(clearwell_testkit::TestObject::directory("/usr/a"));
    let release = clearwell_testkit::ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], core(10))
        .bundle("a", &["os-core"], folder)
        .bundle("b", &["os-core"], lost)
        .build();
    let content = Content::default();
    content.publish(&release);
    content.point(30, 10);
    let installs = VerifyOptions { from: Vec::new(), ..everything(signer().anchor()) };
    let report = verified(content.clone(), &installs).await;
    let problems: Vec<_> = report.problems().iter().map(|(_, problem)| problem.to_string()).collect();
    assert_eq!(problems, ["/usr/a/b has no parent directory: no installed bundle contains /usr/a"]);
    let only = VerifyOptions { bundles: crate::support::names(&["a"]), ..installs };
    assert!(verified(content.clone(), &only).await.is_clean());
    // An endpoint finds the same.
    assert_eq!(World::new(content).install(10, &["b"]).await.exit_code.code(), 35);
}

#[tokio::test]
async fn an_incomplete_zero_pack_is_named() {
    let content = crate::support::four_bundles();
    let some = &files("big", 12, "second")[..5];
    let pack = some.iter().fold(crate::support::Archive::new(), |pack, object| pack.staged(object)).build();
    let probe = Probe::new(Arc::new(content));
    probe.fault("30/pack-big-from-0.tar", Fault::Content(pack));
    let options = VerifyOptions { versions: vec![version(30)], ..everything(signer().anchor()) };
    let report = verified(probe, &options).await;
    let kinds: Vec<_> = report.problems().iter().map(|(_, problem)| problem.kind()).collect();
    assert_eq!(kinds, [ProblemKind::IncompletePack]);
}
