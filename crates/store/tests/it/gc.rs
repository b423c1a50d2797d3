//! Which releases are collected, what stays of them, and what endpoints notice.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FormatNumber, ManifestName, Resource, Version};
use clearwell_store::check::{CheckOptions, CheckReport, Severity, check};
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::gc::{GcPlan, Outcome, Reason, Retention, collect};
use clearwell_store::progress::{Phase, Silent};
use clearwell_store::repair::{RepairOptions, repair};
use clearwell_store::verify::{DefectCode, DefectKind};
use clearwell_store::{Store, StoreError};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, copy_store, pointers};

use crate::support::{Recorder, assert_sound, format, version};

/// The files of os-core in a release.
fn os_core(number: u32) -> Vec<TestObject> {
    vec![
        TestObject::directory("/usr"),
        TestObject::file("/usr/release", format!("{number}")),
        TestObject::file("/usr/old", "as old as 10"),
    ]
}

/// Releases 10 to 50 of format 30. os-core changes in each; `tools` in 10 and 30; one file is as old as 10.
fn lineage(store: &Store) -> Vec<TestRelease> {
    let mut releases: Vec<TestRelease> = Vec::new();
    for number in [10, 20, 30, 40, 50] {
        let edition = if number < 30 { "first" } else { "second" };
        let release = ReleaseBuilder::new(number, releases.last())
            .bundle("os-core", &[], os_core(number))
            .bundle("tools", &["os-core"], vec![TestObject::file("/usr/tool", edition)])
            .build();
        release_and_publish(store, &release);
        releases.push(release);
    }
    releases
}

fn release_and_publish(store: &Store, release: &TestRelease) {
    let mut writer = store.writer("test").unwrap();
    release.release_in(&mut writer);
    writer.publish(&pointers(release.mom.header.format, release.version)).unwrap();
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    (folder, store)
}

fn keep(last: usize) -> Retention {
    Retention { grace: Duration::ZERO, ..Retention::new(last, SystemTime::now()) }
}

fn plan(store: &Store, retention: &Retention) -> Result<GcPlan, StoreError> {
    clearwell_store::gc::plan(store, retention, &Silent)
}

fn kept(plan: &GcPlan) -> Vec<u32> {
    plan.kept.keys().map(|version| version.number()).collect()
}

fn run(store: &Store, retention: &Retention) -> GcPlan {
    collect(&mut store.writer("gc").unwrap(), retention, Duration::ZERO, &Silent).unwrap().plan
}

fn assert_checks_out(store: &Store) {
    let report = check(store, &CheckOptions::new(1_700_000_000), &Silent).unwrap();
    assert!(
        report.findings.iter().all(|finding| finding.defect.kind.code() == DefectCode::NoCertificate),
        "{:#?}",
        report.findings
    );
}

fn has(store: &Store, number: u32, artifact: Artifact) -> bool {
    let resource = Resource::of(version(number), artifact);
    let found = store.lookup(&resource).unwrap().is_some();
    assert_eq!(found, store.path(&resource).exists(), "{resource}: index and disk differ");
    found
}

fn manifest(bundle: &str) -> Artifact {
    Artifact::ManifestTar(ManifestName::Bundle(bundle.parse().unwrap()))
}

fn pack(bundle: &str, from: Option<u32>) -> Artifact {
    Artifact::Pack { bundle: bundle.parse().unwrap(), from: from.map(version) }
}

#[test]
fn what_kept_releases_point_at_stays() {
    let (_folder, store) = store();
    let releases = lineage(&store);
    let plan = run(&store, &keep(2));
    assert_eq!(kept(&plan), [40, 50]);
    let outcomes: Vec<_> = plan.changes.iter().map(|change| (change.version.number(), change.outcome)).collect();
    assert_eq!(
        outcomes,
        [(10, Outcome::Remnant), (20, Outcome::Remnant), (30, Outcome::Remnant), (40, Outcome::Trimmed)]
    );
    assert_eq!(store.releases().unwrap(), [version(40), version(50)]);
    assert_eq!(store.remnants().unwrap(), [version(10), version(20), version(30)]);

    let old = TestObject::file("/usr/old", "as old as 10").hash();
    assert!(has(&store, 10, Artifact::Fullfile(old)), "40 and 50 point at it");
    let first = TestObject::file("/usr/tool", "first").hash();
    assert!(!has(&store, 10, Artifact::Fullfile(first)), "no release has it");
    // `tools` is as old as 30 in both: its manifest and its zero pack stay there.
    assert!(has(&store, 30, manifest("tools")) && has(&store, 30, pack("tools", None)));
    assert!(!has(&store, 30, pack("tools", Some(10))) && !has(&store, 30, pack("os-core", None)));
    // Packs between kept releases stay, others go.
    assert!(has(&store, 50, pack("os-core", Some(40))) && !has(&store, 40, pack("os-core", Some(30))));
    // An endpoint on a release that is gone begins its update with these.
    for number in [10, 20, 30] {
        assert!(
            has(&store, number, Artifact::ManifestTar(ManifestName::Mom)) && has(&store, number, manifest("os-core"))
        );
        assert!(!has(&store, number, Artifact::Manifest(ManifestName::Mom)));
    }
    assert_sound(&store);
    assert_checks_out(&store);
    assert_eq!(
        store.bundle_manifest(&releases[4].mom.entries[1]).unwrap(),
        releases[4].manifests[&"tools".parse().unwrap()]
    );

    let again = run(&store, &keep(2));
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    assert!(matches!(store.writer("t").unwrap().draft(version(10), ""), Err(StoreError::VersionExists { .. })));
}

#[test]
fn manifests_of_what_goes_can_go_too() {
    let (_folder, store) = store();
    lineage(&store);
    run(&store, &keep(2));
    let plan = run(&store, &Retention { leave_manifests: false, ..keep(1) });
    let outcomes: Vec<_> = plan.changes.iter().map(|change| (change.version.number(), change.outcome)).collect();
    let (remnant, gone) = (Outcome::Remnant, Outcome::Removed);
    assert_eq!(outcomes, [(10, remnant), (20, gone), (30, remnant), (40, gone), (50, Outcome::Trimmed)]);
    for number in [20, 40] {
        assert!(!store.has_content(version(number)) && !store.layout().release_folder(version(number)).exists());
        assert!(!store.layout().index(version(number)).exists());
        assert_eq!(store.lookup(&Resource::of(version(number), Artifact::Format)).unwrap(), None);
    }
    assert_sound(&store);
    assert_checks_out(&store);
}

#[test]
fn rules_hold_releases_and_say_why() {
    let (_folder, store) = store();
    lineage(&store);
    let reasons = |retention: &Retention, number: u32| {
        let plan = plan(&store, retention).unwrap();
        plan.kept.get(&version(number)).cloned().unwrap_or_default()
    };
    assert_eq!(reasons(&keep(1), 50), BTreeSet::from([Reason::Pointer, Reason::Last]));
    assert_eq!(reasons(&keep(0), 50), BTreeSet::from([Reason::Pointer]), "a pointer is enough");
    assert_eq!(reasons(&Retention { pinned: [version(20)].into(), ..keep(1) }, 20), BTreeSet::from([Reason::Pinned]));
    assert_eq!(reasons(&Retention { formats: [format()].into(), ..keep(1) }, 10), BTreeSet::from([Reason::Format]));
    let unknown = Retention { pinned: [version(25)].into(), ..keep(1) };
    assert!(matches!(plan(&store, &unknown), Err(StoreError::UnknownVersion { .. })));

    // Manifests of test releases were made at 1 700 000 000 s plus their version in seconds.
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
    let within = Retention { within: Some(Duration::from_secs(15)), now: at(50), ..keep(0) };
    assert_eq!(kept(&plan(&store, &within).unwrap()), [40, 50]);
}

#[test]
fn what_pointers_named_a_moment_ago_stays_whatever_the_clock_says() {
    let (_folder, store) = store();
    lineage(&store);
    let grace = |now: SystemTime| Retention { grace: Duration::from_secs(3600), now, ..keep(1) };
    let now = SystemTime::now();
    let all = [10, 20, 30, 40, 50];
    assert_eq!(kept(&plan(&store, &grace(now)).unwrap()), all, "all were named within the hour");
    assert_eq!(kept(&plan(&store, &grace(now + Duration::from_secs(4000))).unwrap()), [50]);
    // A clock that is years behind: what is in the future is recent.
    assert_eq!(kept(&plan(&store, &grace(SystemTime::UNIX_EPOCH)).unwrap()), all);
}

#[test]
fn staged_releases_stay_and_those_taken_back_do_not() {
    let (_folder, store) = store();
    let releases = lineage(&store);
    let staged =
        ReleaseBuilder::new(60, releases.last()).bundle("os-core", &[], vec![TestObject::directory("/usr")]).build();
    staged.release_in(&mut store.writer("test").unwrap());
    assert_eq!(kept(&plan(&store, &keep(0)).unwrap()), [50, 60]);

    let writer = store.writer("test").unwrap();
    let mut record = store.record(version(60)).unwrap();
    record.retracted = Some(1_700_000_100);
    writer.amend(&record).unwrap();
    drop(writer);
    assert_eq!(kept(&plan(&store, &keep(1)).unwrap()), [50]);
    run(&store, &keep(1));
    assert_eq!(store.latest(format()).unwrap(), Some(version(50)));
    assert_checks_out(&store);
}

#[test]
fn endpoints_of_an_old_format_can_still_cross() {
    let (_folder, store) = store();
    let mut releases = lineage(&store);
    let new_format = FormatNumber::new(31).unwrap();
    for number in [60, 70, 80] {
        let release = ReleaseBuilder::new(number, None)
            .format(new_format)
            .bundle("os-core", &[], vec![TestObject::file("/release", format!("{number}"))])
            .build();
        release_and_publish(&store, &release);
        releases.push(release);
    }
    let plan = run(&store, &keep(1));
    assert_eq!(kept(&plan), [50, 60, 80], "the last of the old format, the first of the new one, and the newest");
    assert!(plan.kept[&version(60)].contains(&Reason::Boundary));
    assert_eq!(store.latest(format()).unwrap(), Some(version(50)));
    assert_checks_out(&store);
}

#[test]
fn first_moves_on_with_the_releases() {
    let (_folder, store) = store();
    lineage(&store);
    let writer = store.writer("test").unwrap();
    writer.publish(&[(Pointer::First(format()), b"10".to_vec())].into()).unwrap();
    drop(writer);
    let before = store.pointers().unwrap();
    run(&store, &keep(2));
    let after = store.pointers().unwrap();
    assert_eq!(after.version(Pointer::First(format())), Some(version(40)));
    let signature = Pointer::LatestSignature(format());
    assert_eq!(before.files[&signature], after.files[&signature], "other pointers keep their signatures");
}

#[test]
fn a_reader_that_was_open_before_reads_on_through_publications_and_collections() {
    let (folder, store) = store();
    let mut last = lineage(&store).pop().unwrap();
    let reader = Store::open(folder.path()).unwrap();
    let old = Resource::of(version(10), Artifact::Fullfile(TestObject::file("/usr/old", "as old as 10").hash()));
    for version in reader.releases().unwrap() {
        reader.index(version).unwrap();
    }
    for number in [60, 70, 80, 90] {
        let release = ReleaseBuilder::new(number, Some(&last)).bundle("os-core", &[], os_core(number)).build();
        release_and_publish(&store, &release);
        let generation = reader.generation().unwrap();
        run(&store, &keep(2));
        // As it is, and after it has looked for news.
        for _ in 0..2 {
            assert_eq!(reader.latest(format()).unwrap(), Some(version(number)));
            reader.read(&old).unwrap();
            for entry in reader.mom(version(number)).unwrap().bundles() {
                reader.bundle_manifest(entry).unwrap();
            }
            assert!(reader.generation().unwrap() > generation, "readers are told");
            reader.refresh();
        }
        last = release;
    }
    let gone = Resource::of(version(50), Artifact::Manifest(ManifestName::Full));
    assert_eq!(reader.lookup(&gone).unwrap(), None);
}

#[test]
fn nothing_is_collected_from_a_store_that_cannot_be_read() {
    let (_folder, store) = store();
    lineage(&store);
    let mom = store.path(&Resource::of(version(50), Artifact::Manifest(ManifestName::Mom)));
    clearwell_testkit::flip_byte(&mom);
    let before: Vec<Version> = store.releases().unwrap();
    let error = collect(&mut store.writer("gc").unwrap(), &keep(1), Duration::ZERO, &Silent).unwrap_err();
    assert!(matches!(error, StoreError::ArtifactDamaged { .. }), "{error}");
    assert_eq!(store.releases().unwrap(), before);
}

#[test]
fn foreign_files_stay() {
    let (_folder, store) = store();
    lineage(&store);
    let note = store.layout().release_folder(version(20)).join("README.html");
    std::fs::write(&note, "keep me").unwrap();
    run(&store, &keep(1));
    assert!(note.exists());
}

#[test]
fn a_check_and_a_collection_tell_how_far_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let sample = clearwell_testkit::sample_store(folder.path());
    let heard = Recorder::default();
    let report = check(&sample.store, &CheckOptions::new(1_700_000_000), &heard).unwrap();
    let finished = heard.finished();
    assert_eq!(finished.iter().map(|(phase, ..)| *phase).collect::<Vec<_>>(), [Phase::Read, Phase::Manifests]);
    assert_eq!(finished[0], (Phase::Read, report.artifacts, report.bytes));
    assert!(finished[1].1 >= 4, "MoMs and manifests: {finished:?}");

    let heard = Recorder::default();
    let report = collect(&mut sample.store.writer("gc").unwrap(), &keep(1), Duration::ZERO, &heard).unwrap();
    let removed = report.plan.removed();
    assert!(removed.number > 0);
    let finished = heard.finished();
    assert_eq!(finished.iter().map(|(phase, ..)| *phase).collect::<Vec<_>>(), [Phase::Plan, Phase::Remove]);
    assert_eq!(finished[1], (Phase::Remove, removed.number, removed.bytes));
}

/// A disk without room for one more file, folder or link until some were removed; and that stops for good after some
/// operations.
fn full_disk(operations: i64) -> (Disk, Arc<AtomicI64>) {
    let (room, left) = (AtomicI64::new(0), Arc::new(AtomicI64::new(operations)));
    let count = left.clone();
    let disk = Disk::with_hook(move |operation, path| {
        if count.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::Error::other("the machine stopped"));
        }
        let needed = match operation {
            Operation::Remove => -files_at(path),
            Operation::CreateFolder if path.is_dir() => 0,
            Operation::CreateFile if path.exists() => 0,
            Operation::CreateFile | Operation::CreateFolder | Operation::SymbolicLink | Operation::HardLink => 1,
            _ => 0,
        };
        let is_there = |room: i64| (needed <= 0 || room >= needed).then_some(room - needed);
        let found = room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_there);
        found.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    });
    (disk, left)
}

fn files_at(path: &Path) -> i64 {
    let below =
        || std::fs::read_dir(path).into_iter().flatten().map(|entry| files_at(&entry.unwrap().path())).sum::<i64>();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => 1 + below(),
        Ok(_) => 1,
        Err(_) => 0,
    }
}

#[test]
fn a_collection_works_on_a_full_disk_and_survives_a_stop_anywhere() {
    let (folder, store) = store();
    lineage(&store);
    drop(store);
    for retention in [keep(2), Retention { leave_manifests: false, ..keep(1) }] {
        for operations in (0..).map(|step| step * 3) {
            let copy = tempfile::tempdir().unwrap();
            copy_store(folder.path(), copy.path());
            let (disk, left) = full_disk(operations);
            let store = Store::open_on(copy.path(), disk).unwrap();
            let collected = store
                .writer("gc")
                .and_then(|mut writer| collect(&mut writer, &retention, Duration::ZERO, &Silent).map(drop));
            let store = Store::open(copy.path()).unwrap();
            let damage = |store: &Store| {
                let report = check(store, &CheckOptions::new(1_700_000_000), &Silent).unwrap();
                // On a full disk files of a collected version are removed before its index says so.
                let releases: Vec<_> = store.releases().unwrap().iter().map(|of| format!("content/{of}/")).collect();
                let is_of_release = |path: &str| releases.iter().any(|folder| path.starts_with(folder));
                let found = report.findings.into_iter().filter(|finding| finding.severity() == Severity::Damage);
                found.filter(|finding| is_of_release(finding.defect.path.to_str().unwrap())).collect::<Vec<_>>()
            };
            assert!(damage(&store).is_empty(), "after {operations}: {:#?}", damage(&store));
            let is_through = left.load(Ordering::SeqCst) > 0;
            if is_through {
                collected.unwrap();
            }
            run(&store, &retention);
            let report = check(&store, &CheckOptions::new(1_700_000_000), &Silent).unwrap();
            assert!(report.is_sound() && !miscounts(&report), "after {operations}: {:#?}", report.findings);
            if is_through {
                break;
            }
        }
    }
}

/// True if the record of a release counts other artifacts than its index has.
fn miscounts(report: &CheckReport) -> bool {
    report.findings.iter().any(|finding| matches!(finding.defect.kind, DefectKind::RecordCounts { .. }))
}

#[test]
fn counts_of_a_record_that_a_stop_parted_from_its_index_are_put_right() {
    let options = CheckOptions::new(1_700_000_000);
    type PutRight<'a> = &'a dyn Fn(&Store);
    let ways: [(&str, PutRight<'_>); 2] = [
        ("the next collection", &|store| drop(run(store, &keep(2)))),
        ("a repair", &|store| {
            let findings = check(store, &options, &Silent).unwrap().findings;
            let repairing = RepairOptions { equivalent: false, check: options.clone() };
            repair(&mut store.writer("check").unwrap(), &findings, &repairing).unwrap();
        }),
    ];
    for (what, put_right) in ways {
        let (folder, store) = store();
        lineage(&store);
        let records = store.layout().records();
        let disk = Disk::with_hook(move |operation, path| match operation {
            Operation::Rename if path.parent() == Some(&*records) => Err(io::Error::other("the machine stopped")),
            _ => Ok(()),
        });
        let failing = Store::open_on(folder.path(), disk).unwrap();
        collect(&mut failing.writer("gc").unwrap(), &keep(2), Duration::ZERO, &Silent).unwrap_err();
        store.refresh();
        assert!(miscounts(&check(&store, &options, &Silent).unwrap()), "it stopped in between");
        put_right(&store);
        assert!(!miscounts(&check(&store, &options, &Silent).unwrap()), "{what}");
    }
}

#[test]
fn a_staged_release_is_discarded_on_a_full_disk() {
    let (folder, store) = store();
    let releases = lineage(&store);
    let next =
        ReleaseBuilder::new(60, releases.last()).bundle("os-core", &[], vec![TestObject::file("/new", "x")]).build();
    next.release_in(&mut store.writer("test").unwrap());
    let store = Store::open_on(folder.path(), full_disk(i64::MAX).0).unwrap();
    store.writer("discard").unwrap().discard(version(60)).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(!store.has_content(version(60)));
    assert_checks_out(&store);
}
