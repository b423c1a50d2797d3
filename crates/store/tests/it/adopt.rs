//! Trees that mixer made, whole and damaged.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clearwell_format::pack::DeltaName;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FileHash, Resource};
use clearwell_sign::{GenerateOptions, KeyBits, TrustAnchor, generate};
use clearwell_store::adopt::{AdoptOptions, AdoptReport, AdoptedPointer, Severity, SignatureState, adopt};
use clearwell_store::progress::{Phase, Silent};
use clearwell_store::verify::{ContentDefect as Content, DefectKind as Kind};
use clearwell_store::{Fault, Store, StoreError, Transfer};
use clearwell_testkit::{Www, cut_off, flip_byte, pointers, sample_releases, sample_www, signer};
use proptest::prelude::*;

use crate::support::{Recorder, assert_sound, disk_until, format, version};

struct Adoption {
    folder: tempfile::TempDir,
    www: Www,
}

impl Adoption {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let www = sample_www(&folder.path().join("www"));
        Self { folder, www }
    }

    fn store(&self) -> Store {
        let path = self.folder.path().join("store");
        Store::open(&path).or_else(|_| Store::create(&path)).unwrap()
    }

    fn run(&self) -> AdoptReport {
        self.run_with(&AdoptOptions { trust: Some(signer().anchor().clone().into()), ..AdoptOptions::default() })
    }

    fn run_with(&self, options: &AdoptOptions) -> AdoptReport {
        let mut writer = self.store().writer("adopt").unwrap();
        adopt(&self.www.root, &mut writer, options, &Silent).unwrap()
    }

    /// Every file with its content and time of change.
    fn snapshot(&self) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
        let mut files = BTreeMap::new();
        snapshot(&self.www.root, &mut files);
        files
    }

    fn has(&self, path: &str) -> bool {
        self.store().lookup(&Resource::from_request_path(path).unwrap()).unwrap().is_some()
    }
}

fn snapshot(folder: &Path, files: &mut BTreeMap<PathBuf, (Vec<u8>, i64, i64)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshot(&path, files);
        } else {
            let meta = fs::metadata(&path).unwrap();
            files.insert(path.clone(), (fs::read(&path).unwrap(), meta.ctime(), meta.ctime_nsec()));
        }
    }
}

/// The path of a fullfile that belongs to release 20.
fn fullfile_of_20() -> String {
    let release = &sample_releases()[1];
    let found = release.artifacts.keys().find(|artifact| matches!(artifact, Artifact::Fullfile(_)));
    found.unwrap().to_string()
}

#[test]
fn a_whole_tree_becomes_a_store_and_stays_as_it_was() {
    let adoption = Adoption::new();
    let before = adoption.snapshot();
    let report = adoption.run();
    assert_eq!(report.findings.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(report.adopted, [version(10), version(20)]);
    assert_eq!(report.generation, Some(1));
    assert_eq!(adoption.snapshot(), before);

    let store = adoption.store();
    assert_sound(&store);
    assert_eq!(store.latest(format()).unwrap(), Some(version(20)));
    for (path, (bytes, ..)) in &before {
        let below = path.strip_prefix(&adoption.www.root).unwrap();
        assert_eq!(&fs::read(store.root().join("content").join(below)).unwrap(), bytes, "{}", below.display());
    }
    let record = store.record(version(20)).unwrap();
    assert_eq!(record.previous, Some(version(10)));
    assert_eq!(record.generator, "mixer 6.2.1");
    assert_eq!(record.sources[0].kind, "adopted");
    assert_eq!(record.bundles.len(), 2);
    assert!(record.files > 20);
    assert_eq!(report.stored.number as usize, before.len() - 4, "all but the pointers");
}

#[test]
fn each_damage_is_found_reported_and_left_out() {
    type Harm = fn(&Path);
    type Expected = fn(&Kind) -> bool;
    let remove: Harm = |path| fs::remove_file(path).unwrap();
    let junk: Harm = |path| fs::write(path, b"junk").unwrap();
    let fullfile = fullfile_of_20();
    let cases: Vec<(&str, Harm, Expected)> = vec![
        (&fullfile, flip_byte, |kind| {
            matches!(kind, Kind::Content(Content::Archive(_)) | Kind::Content(Content::ObjectHash { .. }))
        }),
        (&fullfile, cut_off, |kind| matches!(kind, Kind::Content(Content::Archive(_)))),
        (&fullfile, junk, |kind| matches!(kind, Kind::Content(Content::Archive(_)))),
        (&fullfile, remove, |kind| matches!(kind, Kind::FullfileMissing { .. })),
        ("pack-editor-from-0.tar", cut_off, |kind| matches!(kind, Kind::Content(Content::Archive(_)))),
        ("pack-editor-from-10.tar", flip_byte, |kind| {
            matches!(kind, Kind::Content(Content::Archive(_)) | Kind::Content(Content::ObjectHash { .. }))
        }),
        ("Manifest.editor.tar", flip_byte, |kind| {
            matches!(kind, Kind::Content(Content::Archive(_)) | Kind::ManifestHash { .. })
        }),
        ("Manifest.editor.tar", remove, |kind| matches!(kind, Kind::ArchiveMissing)),
        ("Manifest.editor", flip_byte, |kind| matches!(kind, Kind::NotAsArchived)),
        ("Manifest.full", cut_off, |kind| matches!(kind, Kind::NotAsArchived)),
        ("Manifest.MoM.tar", cut_off, |kind| matches!(kind, Kind::Content(Content::Archive(_)))),
        ("Manifest.MoM", flip_byte, |kind| matches!(kind, Kind::NotAsArchived)),
        ("Manifest.MoM.sig", cut_off, |kind| matches!(kind, Kind::Signature(_))),
        ("format", junk, |kind| matches!(kind, Kind::Content(Content::OtherFormat { .. }))),
        ("notes.txt", junk, |kind| matches!(kind, Kind::Unknown)),
        ("Manifest.stray", junk, |kind| matches!(kind, Kind::NotInMom)),
        ("Manifest-editor-delta-from-10", junk, |kind| matches!(kind, Kind::Content(Content::NotADelta))),
    ];
    for (file, harm, expected) in cases {
        let adoption = Adoption::new();
        harm(&adoption.www.path(20, file));
        let report = adoption.run();
        let problems: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(report.findings.len(), 1, "{file}: {problems:?}");
        assert!(expected(&report.findings[0].defect.kind), "{problems:?}");
        assert_eq!(report.findings[0].defect.path, Path::new("20").join(file));
        assert!(problems[0].starts_with(&format!("20/{file}: ")) && problems[0].ends_with(')'), "{}", problems[0]);
        assert_eq!(report.adopted, [version(10), version(20)]);
        let left_out = Resource::from_request_path(&format!("20/{file}"));
        assert!(left_out.is_none() || !adoption.has(&format!("20/{file}")), "{file}");
        assert!(!adoption.store().layout().release_folder(version(20)).join(file).exists(), "{file}");
        assert_sound(&adoption.store());
    }
}

#[test]
fn wrong_objects_in_sound_archives_are_found() {
    let adoption = Adoption::new();
    let fullfiles: Vec<_> = sample_releases()[1]
        .artifacts
        .iter()
        .filter(|(artifact, _)| matches!(artifact, Artifact::Fullfile(_)))
        .map(|(artifact, bytes)| (artifact.to_string(), bytes.clone()))
        .collect();
    // Another file's archive under this name.
    fs::write(adoption.www.path(20, &fullfiles[0].0), &fullfiles[1].1).unwrap();
    // A pack that lacks most of its bundle, and a manifest that is another bundle's.
    fs::copy(adoption.www.path(20, "pack-editor-from-10.tar"), adoption.www.path(20, "pack-editor-from-0.tar"))
        .unwrap();
    fs::copy(adoption.www.path(20, "Manifest.editor.tar"), adoption.www.path(20, "Manifest.os-core.tar")).unwrap();
    fs::copy(adoption.www.path(10, "Manifest.os-core"), adoption.www.path(20, "Manifest.os-core")).unwrap();
    let report = adoption.run();
    let mut kinds = report.findings.iter().map(|problem| (problem.defect.path.to_str().unwrap(), &problem.defect.kind));
    let mut find = |path: &str| kinds.find(|(at, _)| *at == path).unwrap_or_else(|| panic!("{path}")).1;
    assert!(matches!(find("20/Manifest.os-core"), Kind::ManifestHash { .. }));
    assert!(matches!(find("20/Manifest.os-core.tar"), Kind::Content(Content::Member(_))));
    assert!(matches!(find(&format!("20/{}", fullfiles[0].0)), Kind::Content(Content::Member(_))));
    assert!(matches!(find("20/pack-editor-from-0.tar"), Kind::PackIncomplete { missing } if *missing > 5));
    assert!(adoption.has("20/pack-editor-from-0.tar"), "clients can still use it");
    assert!(!adoption.has("20/Manifest.os-core.tar"));
}

#[test]
fn a_version_without_a_usable_mom_is_not_adopted() {
    let breaks: [fn(&Www); 3] = [
        |www| ["Manifest.MoM", "Manifest.MoM.tar"].iter().for_each(|file| cut_off(&www.path(20, file))),
        |www| ["Manifest.MoM", "Manifest.MoM.tar"].iter().for_each(|file| fs::remove_file(www.path(20, file)).unwrap()),
        |www| {
            for file in ["Manifest.MoM", "Manifest.MoM.tar", "Manifest.MoM.sig"] {
                fs::copy(www.path(10, file), www.path(20, file)).unwrap();
            }
        },
    ];
    for harm in breaks {
        let adoption = Adoption::new();
        harm(&adoption.www);
        let report = adoption.run();
        assert_eq!((&report.adopted[..], &report.refused[..]), (&[version(10)][..], &[version(20)][..]));
        let worst: Vec<_> = report.findings.iter().filter(|problem| problem.severity() == Severity::Release).collect();
        assert!(matches!(worst[0].defect.kind, Kind::MomUnusable | Kind::MomMissing));
        let dangling = |kind: &Kind| matches!(kind, Kind::PointerToNothing { version } if version.number() == 20);
        assert_eq!(worst[1..].iter().filter(|problem| dangling(&problem.defect.kind)).count(), 2);
        assert_eq!(report.generation, None);
        assert!(!adoption.store().layout().release_folder(version(20)).exists());
        assert_sound(&adoption.store());
    }
}

#[test]
fn signatures_count_where_the_caller_trusts_someone() {
    let options = GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Another signer") };
    let other = TrustAnchor::from_pem(generate(&options, 1_893_456_000).unwrap().certificate_pem).unwrap();
    let adoption = Adoption::new();
    let report = adoption.run_with(&AdoptOptions { trust: Some(other.into()), ..AdoptOptions::default() });
    assert_eq!(report.refused, [version(10), version(20)]);
    assert!(report.findings.iter().any(|problem| matches!(problem.defect.kind, Kind::Signature(_))));

    fs::remove_file(adoption.www.root.join("version/format30/latest.sig")).unwrap();
    fs::write(adoption.www.root.join("version/latest_version.sig"), b"junk").unwrap();
    let report = adoption.run();
    assert_eq!(report.adopted, [version(10), version(20)]);
    let kinds: Vec<_> = report.findings.iter().map(|problem| &problem.defect.kind).collect();
    assert!(matches!(kinds[..], [Kind::Signature(_), Kind::SignatureMissing]));
    assert_eq!(report.generation, None, "no pointer is worth publishing");

    let report = adoption.run_with(&AdoptOptions::default());
    assert_eq!((report.unchanged.len(), report.generation), (2, Some(1)));
    assert!(report.findings.is_empty());
}

/// A delta between two files that are not in the store.
fn delta_of_text() -> Vec<u8> {
    let (old, new) = ("old text ".repeat(100), "new text ".repeat(100));
    let meta = clearwell_delta::NewFile { mode: 0o100_644, uid: 0, gid: 0 };
    match clearwell_delta::diff(old.as_bytes(), new.as_bytes(), meta, &clearwell_delta::DiffOptions::default()) {
        Ok(clearwell_delta::Delta::Bytes(delta)) => delta,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_delta_that_makes_another_file_is_left_out() {
    let adoption = Adoption::new();
    // Its base is the program of release 10, and what it makes is not that of 20.
    let program = |release: usize| {
        let objects = &clearwell_testkit::sample_releases()[release].objects[&"editor".parse().unwrap()];
        objects.iter().find(|object| object.path.to_string() == "/usr/bin/edit").unwrap().clone()
    };
    let (old, new) = (program(0), program(1));
    let meta = clearwell_delta::NewFile { mode: 0o100_755, uid: 0, gid: 0 };
    let delta = |target: &[u8]| match clearwell_delta::diff(
        &old.content,
        target,
        meta,
        &clearwell_delta::DiffOptions::default(),
    ) {
        Ok(clearwell_delta::Delta::Bytes(delta)) => delta,
        other => panic!("{other:?}"),
    };
    let good = format!("delta/{}", DeltaName { from: old.hash(), to: new.hash() });
    let bad = format!("delta/{}", DeltaName { from: old.hash(), to: FileHash::from_bytes([7; 32]) });
    fs::write(adoption.www.path(20, &good), delta(&new.content)).unwrap();
    fs::write(adoption.www.path(20, &bad), delta(&new.content)).unwrap();
    let report = adoption.run();
    assert!(adoption.has(&format!("20/{good}")) && !adoption.has(&format!("20/{bad}")));
    let kinds: Vec<_> = report.findings.iter().map(|problem| &problem.defect.kind).collect();
    assert!(matches!(kinds[..], [Kind::Content(Content::DeltaResult { .. })]), "{kinds:?}");
}

#[test]
fn a_second_run_takes_what_is_new_and_compares_the_rest() {
    let adoption = Adoption::new();
    let later = adoption.folder.path().join("later");
    fs::rename(adoption.www.root.join("20"), &later).unwrap();
    adoption.www.point(&pointers(format(), version(10)));
    let report = adoption.run();
    assert_eq!((report.adopted, report.generation), (vec![version(10)], Some(1)));

    // mixer makes delta packs after the release, and release 20.
    fs::rename(&later, adoption.www.root.join("20")).unwrap();
    let delta = DeltaName { from: FileHash::from_bytes([1; 32]), to: FileHash::from_bytes([2; 32]) };
    fs::write(adoption.www.path(10, &format!("delta/{delta}")), delta_of_text()).unwrap();
    fs::write(adoption.www.path(10, "Manifest-editor-delta-from-5"), delta_of_text()).unwrap();
    adoption.www.point(&pointers(format(), version(20)));
    let report = adoption.run();
    assert_eq!((&report.adopted[..], &report.extended[..]), (&[version(20)][..], &[version(10)][..]));
    assert!(report.findings.is_empty());
    assert!(adoption.has(&format!("10/delta/{delta}")) && adoption.has("10/Manifest-editor-delta-from-5"));
    assert_sound(&adoption.store());

    let report = adoption.run();
    assert_eq!((report.unchanged.len(), report.stored.number, report.generation), (2, 0, None));

    // A released file was changed, and the pointers moved back.
    fs::copy(adoption.www.path(20, "pack-editor-from-0.tar"), adoption.www.path(10, "pack-editor-from-0.tar")).unwrap();
    adoption.www.point(&pointers(format(), version(10)));
    let report = adoption.run();
    assert!(matches!(report.findings[0].defect.kind, Kind::DiffersFromStore));
    assert!(report.findings[1..].iter().all(|problem| matches!(problem.defect.kind, Kind::PointerBehind { .. })));
    assert_eq!(report.findings.len(), 3);
    assert_eq!(adoption.store().latest(format()).unwrap(), Some(version(20)));
    assert_sound(&adoption.store());
}

#[test]
fn what_was_repaired_is_added() {
    let adoption = Adoption::new();
    let path = adoption.www.path(20, &fullfile_of_20());
    let good = fs::read(&path).unwrap();
    cut_off(&path);
    assert_eq!(adoption.run().findings.len(), 1);
    fs::write(&path, good).unwrap();
    let report = adoption.run();
    assert_eq!((report.extended, report.stored.number), (vec![version(20)], 1));
    assert!(report.findings.is_empty());
    assert!(adoption.has(&format!("20/{}", fullfile_of_20())));
}

#[test]
fn older_versions_that_are_gone_are_missed() {
    let adoption = Adoption::new();
    fs::remove_dir_all(adoption.www.root.join("10")).unwrap();
    let report = adoption.run();
    assert_eq!(report.adopted, [version(20)]);
    assert!(!report.findings.is_empty());
    for problem in &report.findings {
        assert!(
            matches!(problem.defect.kind, Kind::VersionMissing { version, .. } if version.number() == 10),
            "{problem}"
        );
    }
}

#[test]
fn hard_links_take_no_room() {
    let adoption = Adoption::new();
    let report = adoption.run_with(&AdoptOptions { transfer: Transfer::HardLink, ..AdoptOptions::default() });
    assert!(report.findings.is_empty());
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    let file = "pack-editor-from-0.tar";
    let stored = adoption.store().layout().release_folder(version(20)).join(file);
    assert_eq!(inode(adoption.www.path(20, file)), inode(stored));
}

#[test]
fn a_folder_that_is_no_tree_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tree/0")).unwrap();
    let mut writer = Store::create(folder.path().join("store")).unwrap().writer("adopt").unwrap();
    let mut refused = |name: &str| {
        adopt(&folder.path().join(name), &mut writer, &AdoptOptions::default(), &Silent).map(drop).unwrap_err()
    };
    assert!(matches!(refused("tree"), StoreError::NotContent { .. }));
    assert!(matches!(refused("nowhere"), StoreError::NoTree { .. }));
    assert_eq!(refused("nowhere").fault(), Fault::Input);
}

#[test]
fn progress_counts_every_file() {
    let adoption = Adoption::new();
    let mut writer = adoption.store().writer("adopt").unwrap();
    let heard = Recorder::default();
    adopt(&adoption.www.root, &mut writer, &AdoptOptions::default(), &heard).unwrap();
    let files: Vec<u64> = adoption
        .snapshot()
        .iter()
        .filter(|(path, _)| !path.to_str().unwrap().contains("/version/"))
        .map(|(_, (bytes, ..))| bytes.len() as u64)
        .collect();
    let all = (files.len() as u64, files.iter().sum::<u64>());
    assert_eq!(heard.finished(), [(Phase::Read, all.0, all.1), (Phase::Store, all.0, all.1)]);
}

#[test]
fn an_adoption_that_was_stopped_is_finished_by_the_next() {
    let adoption = Adoption::new();
    // A step that does not divide what repeats, so that every kind of operation is hit.
    for operations in (0..400).step_by(23) {
        let path = adoption.folder.path().join(format!("store-{operations}"));
        drop(Store::create(&path).unwrap());
        let options = AdoptOptions::default();
        let (disk, _) = disk_until(operations);
        let stopped = Store::open_on(&path, disk)
            .unwrap()
            .writer("adopt")
            .and_then(|mut writer| adopt(&adoption.www.root, &mut writer, &options, &Silent));
        let store = Store::open(&path).unwrap();
        assert_sound(&store);
        let report = adopt(&adoption.www.root, &mut store.writer("adopt").unwrap(), &options, &Silent).unwrap();
        assert!(report.findings.is_empty());
        assert_eq!(store.releases().unwrap().len(), 2, "after {operations}");
        assert_eq!(store.latest(format()).unwrap(), Some(version(20)));
        assert_sound(&store);
        if stopped.is_ok() {
            break;
        }
    }
}

/// The tree with a staging channel: its text, and the signature of some version.
fn with_staging(text: &str, signed: Option<u32>) -> Adoption {
    let adoption = Adoption::new();
    let folder = adoption.www.root.join("version/formatstaging");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("latest"), text).unwrap();
    if let Some(signed) = signed {
        let signature = &pointers(format(), version(signed))[&Pointer::LatestSignature(format())];
        fs::write(folder.join("latest.sig"), signature).unwrap();
    }
    adoption
}

#[test]
fn the_staging_channel_is_listed_and_kept() {
    let adoption = with_staging("20\n", None);
    let text = fs::read(adoption.www.root.join("version/formatstaging/latest")).unwrap();
    let signature = signer().sign(&text, 1_700_000_000).unwrap();
    fs::write(adoption.www.root.join("version/formatstaging/latest.sig"), &signature).unwrap();
    let report = adoption.run();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let sound = |pointer| AdoptedPointer { pointer, version: version(20), signature: SignatureState::Valid };
    assert_eq!(report.pointers, [Pointer::LatestVersion, Pointer::Latest(format()), Pointer::Staging].map(sound));
    let store = adoption.store();
    let kept = store.pointers().unwrap();
    assert_eq!(
        (&*kept.files[&Pointer::Staging], &*kept.files[&Pointer::StagingSignature]),
        (&text[..], &signature[..])
    );
    // Any web server shows it.
    assert_eq!(fs::read(store.root().join("content/version/formatstaging/latest")).unwrap(), text);
    assert_sound(&store);
    let again = adoption.run();
    assert_eq!((again.pointers.len(), again.generation), (3, None));

    for (signed, state) in [(Some(10), SignatureState::Unchecked), (None, SignatureState::None)] {
        let report = with_staging("10", signed).run_with(&AdoptOptions::default());
        let expected = AdoptedPointer { pointer: Pointer::Staging, version: version(10), signature: state };
        assert!(report.pointers.contains(&expected), "{:?}", report.pointers);
    }
}

#[test]
fn a_staging_channel_that_clients_would_refuse_is_reported_and_not_kept() {
    for (text, signed, expected) in [
        ("20", None, "it is not signed"),
        ("20", Some(10), "the signature does not verify"),
        ("40", Some(40), "it names version 40"),
        ("soon", Some(20), "it does not contain a version"),
    ] {
        let adoption = with_staging(text, signed);
        let report = adoption.run();
        let [problem] = &report.findings[..] else { panic!("{:?}", report.findings) };
        assert_eq!(problem.defect.path, Path::new("version/formatstaging/latest"));
        assert!(problem.to_string().contains(expected), "{problem}");
        assert!(!adoption.store().pointers().unwrap().files.contains_key(&Pointer::Staging));
        assert_eq!(adoption.store().latest(format()).unwrap(), Some(version(20)), "the others are");
    }
}

#[test]
fn files_that_are_neither_of_a_version_nor_pointers_are_reported() {
    let adoption = Adoption::new();
    let strays = [
        "030/format",
        "40",
        "index.html",
        "latest",
        "version/format030/latest",
        "version/format30/latest.old",
        "version/format31/latest.sig",
        "version/formatX/latest",
        "version/formatstaging/first",
        "version/formatstaging/latest.sig",
        "version/notes",
        "version/old/format29/latest",
    ];
    for stray in strays {
        let path = adoption.www.root.join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "stray").unwrap();
    }
    std::os::unix::fs::symlink("nowhere", adoption.www.root.join("version/dangling")).unwrap();
    assert!(adoption.www.root.join("0").is_dir(), "mixer makes one, and nothing is in it");
    let report = adoption.run();
    let mut found: Vec<_> = report.findings.iter().map(|problem| problem.defect.path.to_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected: Vec<_> = strays
        .into_iter()
        .map(|stray| match stray {
            "030/format" => "030",
            "version/old/format29/latest" => "version/old/format29",
            stray => stray,
        })
        .chain(["version/dangling"])
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(report.findings.iter().all(|problem| problem.severity() == Severity::Note));
    assert_eq!(report.adopted, [version(10), version(20)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_byte_is_changed_what_is_adopted_is_sound(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let adoption = Adoption::new();
        let files = adoption.snapshot();
        let (path, (bytes, ..)) = files.iter().nth(file.index(files.len())).unwrap();
        let mut bytes = bytes.clone();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fs::write(path, &bytes).unwrap();
        let report = adoption.run();
        prop_assert!(report.adopted.len() == 2, "each MoM is there twice");
        assert_sound(&adoption.store());
    }
}
