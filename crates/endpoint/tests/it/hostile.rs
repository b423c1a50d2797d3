//! Archives and manifests that try to write outside the root or the cache.

use std::path::Path;

use clearwell_endpoint::source::Fault;
use clearwell_testkit::TestObject;

use crate::support::{Archive, World, files, four_bundles, problem_names};

const PACK: &str = "30/pack-big-from-10.tar";

/// Updates with a hand-made pack; the rest of the release is valid.
async fn update_with(pack: Archive) -> (World, clearwell_endpoint::Report) {
    let mut world = World::new(four_bundles()).installed(10, &["big"]).await;
    world.probe.fault(PACK, Fault::Content(pack.build()));
    let report = world.update().await;
    assert_eq!(report.exit_code.code(), 0, "{:?}", report.problems);
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
    (world, report)
}

fn assert_nothing_outside(folder: &Path) {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["root", "state"]);
    let mut kept: Vec<_> =
        std::fs::read_dir(folder.join("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, ["delta", "endpoint.json", "manifest", "staged"]);
}

#[tokio::test]
async fn members_that_climb_out_end_the_pack() {
    let new = files("big", 12, "second");
    for member in ["../evil", "staged/../../evil", "delta/../evil"] {
        let pack = Archive::new().staged(&new[0]).file(member, b"evil").staged(&new[1]);
        let (world, report) = update_with(pack).await;
        assert_eq!(problem_names(&report), ["pack"], "{member}");
        let paths: Vec<_> = report.fetched_individually.iter().map(|file| file.path.to_string()).collect();
        assert!(!paths.contains(&"/usr/lib/big-00".to_owned()), "what came before is used");
        assert!(paths.contains(&"/usr/lib/big-01".to_owned()), "what came after is not");
        assert_nothing_outside(world.folder.path());
    }
}

#[tokio::test]
async fn members_that_do_not_belong_in_a_pack_end_it() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("evil");
    for name in [target.to_str().unwrap(), "other", "staged/short", "./", "staged/x/y"] {
        let (world, report) = update_with(Archive::new().file(name, b"evil")).await;
        assert!(!target.exists());
        assert_eq!(problem_names(&report), ["pack"], "{name}");
        assert_nothing_outside(world.folder.path());
    }
}

#[tokio::test]
async fn links_are_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().to_str().unwrap();
    let new = &files("big", 12, "second")[0];
    // The folder itself as a link, and a staged link with a member below it.
    let (world, report) = update_with(Archive::new().link("staged", out).staged(new)).await;
    assert_eq!(problem_names(&report), ["pack"]);
    assert_nothing_outside(world.folder.path());
    let link = TestObject::link("/x", out);
    let below = format!("staged/{}/evil", link.hash());
    let (world, _) = update_with(Archive::new().staged(&link).file(&below, b"evil")).await;
    assert_nothing_outside(world.folder.path());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_link_in_the_root_is_not_a_way_out() {
    let outside = tempfile::tempdir().unwrap();
    let mut world = World::new(four_bundles()).installed(10, &["big"]).await;
    let lib = world.root().join("usr/lib");
    std::fs::remove_dir_all(&lib).unwrap();
    std::os::unix::fs::symlink(outside.path(), &lib).unwrap();
    let report = world.endpoint.diagnose().await.unwrap();
    assert_eq!(report.exit_code.code(), 1);
    world.endpoint.repair().await.unwrap();
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(lib.symlink_metadata().unwrap().is_dir());
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
}

#[tokio::test]
async fn files_under_a_wrong_name_are_fetched_as_fullfiles() {
    let new = files("big", 12, "second");
    let name = format!("staged/{}", new[0].hash());
    let mut pack = Archive::new().folder("staged/", 0o755).file(&name, b"evil");
    for object in &new[1..12] {
        pack = pack.staged(object);
    }
    let (_, report) = update_with(pack).await;
    assert_eq!(problem_names(&report), ["pack-folder", "pack-member"]);
    let paths: Vec<_> = report.fetched_individually.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, ["/usr/lib/big-00"]);
}

#[tokio::test]
async fn deltas_are_compared_and_their_bases_too() {
    let (old, new) = (files("big", 12, "first"), files("big", 12, "second"));
    let stranger = TestObject::file("/nowhere", "not in any manifest");
    let mut wrong = new[3].clone();
    wrong.content = b"something else".to_vec();
    let misnamed = format!("delta/{}", clearwell_format::pack::DeltaName { from: old[2].hash(), to: new[2].hash() });
    let pack = Archive::new()
        .delta(&old[0], &new[0])
        .delta(&stranger, &new[1])
        .file(&misnamed, b"no delta")
        .delta(&old[4], &new[4])
        .delta(&old[3], &wrong);
    let mut world = World::new(four_bundles()).installed(10, &["big"]).await;
    // The base of the last one has changed on disk.
    std::fs::write(world.root().join("usr/lib/big-04"), "changed").unwrap();
    world.probe.fault(PACK, Fault::Content(pack.build()));
    let report = world.update().await;
    assert_eq!(report.exit_code.code(), 0);
    // The delta to `wrong` applies, but no manifest names its result.
    assert_eq!((report.deltas_applied, report.deltas_failed), (1, 3));
    assert_eq!(problem_names(&report), ["pack", "delta", "delta", "delta"]);
    let fetched: Vec<_> = report.fetched_individually.iter().map(|file| file.path.to_string()).collect();
    assert!(!fetched.contains(&"/usr/lib/big-00".to_owned()));
    assert_eq!(fetched.len(), 11);
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
    assert_eq!(std::fs::read_dir(world.folder.path().join("state/delta")).unwrap().count(), 0);
}
