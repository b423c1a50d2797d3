//! The requests of each operation, in the order of client behaviour §3.

use crate::support::{Content, World, core, files, four_bundles};
use clearwell_testkit::{ReleaseBuilder, TestRelease};

/// Splits a list like `H a`, `G a`, written as in the specification.
fn requests(text: &str) -> Vec<String> {
    let line = |line: &str| line.trim().replacen("H ", "HEAD ", 1).replacen("G ", "GET ", 1);
    text.lines().map(line).filter(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn update_with_everything_available() {
    let mut world = World::new(four_bundles()).installed(10, &["big", "ex", "small"]).await;
    let report = world.update().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.delta_manifests_applied, 3);
    assert_eq!(
        world.probe.take_log(),
        requests(
            "H version/format30/latest
             G version/format30/latest
             G version/format30/latest.sig
             G 30/Manifest.MoM.tar
             G 30/Manifest-small-delta-from-10
             G 30/Manifest-os-core-delta-from-10
             G 30/Manifest-big-delta-from-10
             H 30/pack-big-from-10.tar
             H 30/pack-os-core-from-10.tar
             H 30/pack-small-from-10.tar
             G 30/pack-big-from-10.tar
             G 30/pack-os-core-from-10.tar
             G 30/pack-small-from-10.tar
             G version/format30/latest
             G version/format30/latest.sig"
        )
    );
}

#[tokio::test]
async fn update_with_cold_caches_loads_the_installed_manifests_first() {
    let mut world = World::new(four_bundles()).installed(10, &["big", "ex", "small"]).await;
    std::fs::remove_dir_all(world.folder.path().join("state/manifest")).unwrap();
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    let place = clearwell_endpoint::Root::folder(folder.path());
    let mut world = World::with(world.content, place, folder, |_| {});
    assert!(world.update().await.is_clean());
    let log = world.probe.take_log();
    assert_eq!(
        log[3..12],
        requests(
            "G 10/Manifest.MoM.tar
             G 30/Manifest.MoM.tar
             G 10/Manifest.small.tar
             G 10/Manifest.os-core.tar
             G 10/Manifest.ex.tar
             G 10/Manifest.big.tar
             G 30/Manifest-small-delta-from-10
             G 30/Manifest-os-core-delta-from-10
             G 30/Manifest-big-delta-from-10"
        )
    );
}

#[tokio::test]
async fn update_with_neither_deltas_nor_packs() {
    let content = four_bundles();
    content.remove("-delta-from-");
    content.remove("30/pack-");
    let mut world = World::new(content).installed(10, &["big", "ex", "small"]).await;
    let report = world.update().await;
    assert!(report.is_clean(), "{report:?}");
    let log = world.probe.take_log();
    assert_eq!(
        log[3..15],
        requests(
            "G 30/Manifest.MoM.tar
             G 30/Manifest-small-delta-from-10
             G 30/Manifest.small.tar
             G 30/Manifest-os-core-delta-from-10
             G 30/Manifest.os-core.tar
             G 30/Manifest-big-delta-from-10
             G 30/Manifest.big.tar
             H 30/pack-big-from-10.tar
             G 30/pack-big-from-10.tar
             G 30/pack-os-core-from-10.tar
             G 30/pack-small-from-10.tar
             H /"
        )
    );
    let hashes: Vec<_> = report.fetched_individually.iter().map(|file| file.hash.to_string()).collect();
    assert_eq!(hashes.len(), 12 + 2 + 1);
    assert!(hashes.is_sorted());
    let heads: Vec<_> = hashes.iter().map(|hash| format!("HEAD 30/files/{hash}.tar")).collect();
    assert_eq!(log[15..30], heads);
    let mut gets = log[30..45].to_vec();
    gets.sort();
    assert_eq!(gets, hashes.iter().map(|hash| format!("GET 30/files/{hash}.tar")).collect::<Vec<_>>());
    assert_eq!(log[45..], requests("G version/format30/latest\nG version/format30/latest.sig"));
}

#[tokio::test]
async fn bundle_add_of_many_files_takes_packs() {
    let mut world = World::new(four_bundles()).installed(10, &["ex"]).await;
    assert!(world.add(&["big"]).await.is_clean());
    assert_eq!(
        world.probe.take_log(),
        requests(
            "H 10/Manifest.big.tar
             G 10/Manifest.big.tar
             H 10/pack-big-from-0.tar
             G 10/pack-big-from-0.tar"
        )
    );
}

#[tokio::test]
async fn bundle_add_of_few_files_takes_fullfiles() {
    let mut world = World::new(four_bundles()).installed(10, &["ex"]).await;
    let report = world.add(&["small"]).await;
    assert!(report.is_clean());
    let log = world.probe.take_log();
    assert_eq!(log[..3], requests("H 10/Manifest.small.tar\nG 10/Manifest.small.tar\nH /"));
    // The tracking file is empty, like that of os-core, which is in the cache.
    assert_eq!(log.len(), 3 + 2 + 2);
    assert_eq!(report.fetched_individually.len(), 2);
}

#[tokio::test]
async fn os_install_of_the_newest() {
    let mut world = World::new(four_bundles());
    assert!(world.endpoint.install(None, &crate::support::names(&["big"])).await.unwrap().is_clean());
    assert_eq!(
        world.probe.take_log(),
        requests(
            "H version/format30/latest
             G version/format30/latest
             G version/format30/latest.sig
             G 30/Manifest.MoM.tar
             G 30/Manifest.os-core.tar
             G 30/Manifest.big.tar
             H 30/pack-os-core-from-0.tar
             H 30/pack-big-from-0.tar
             G 30/pack-os-core-from-0.tar
             G 30/pack-big-from-0.tar"
        )
    );
}

/// Seen with the stock client on a mix with these includes; os-core is reached through c and through b.
#[tokio::test]
async fn includes_are_followed_depth_first_from_the_end() {
    let includes: [(&str, &[&str]); 7] = [
        ("a", &["os-core", "z", "m"]),
        ("b", &["os-core"]),
        ("c", &["os-core"]),
        ("m", &["os-core", "b"]),
        ("q", &["os-core", "w", "c"]),
        ("w", &["os-core"]),
        ("z", &["os-core"]),
    ];
    let build = |version, previous: Option<&TestRelease>, edition| {
        let mut builder = ReleaseBuilder::new(version, previous).bundle("os-core", &[], core(version));
        for (name, includes) in includes {
            builder = builder.bundle(name, includes, files(name, 12, edition));
        }
        builder.build()
    };
    let first = build(10, None, "first");
    let second = build(20, Some(&first), "second");
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    let mut world = World::new(content);
    let of = |log: Vec<String>, prefix: &str, suffix: &str| -> String {
        let names = log.iter().filter_map(|line| line.strip_prefix(prefix)?.strip_suffix(suffix));
        names.filter(|name| *name != "MoM").collect::<Vec<_>>().join(" ")
    };

    world.install(10, &["a", "q"]).await;
    let log = world.probe.take_log();
    assert_eq!(of(log.clone(), "GET 10/Manifest.", ".tar"), "os-core q c w a m b z");
    assert_eq!(of(log, "GET 10/pack-", "-from-0.tar"), "z b m w os-core c a q");

    world.update().await;
    let log = world.probe.take_log();
    assert_eq!(of(log.clone(), "GET 20/Manifest.", ".tar"), "z os-core w q c m b a");
    assert_eq!(of(log, "GET 20/pack-", "-from-10.tar"), "a b c m os-core q w z");

    let mut world = World::new(world.content).installed(10, &[]).await;
    world.add(&["q", "a"]).await;
    let log = world.probe.take_log();
    assert_eq!(of(log.clone(), "GET 10/Manifest.", ".tar"), "a m b z q c w");
    assert_eq!(of(log, "GET 10/pack-", "-from-0.tar"), "a m b z q c w");
}

#[tokio::test]
async fn diagnose_and_repair_request_manifests_and_fullfiles_only() {
    let mut world = World::new(four_bundles()).installed(10, &["small"]).await;
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
    assert_eq!(world.probe.take_log(), Vec::<String>::new(), "everything is in the cache");

    world.update().await;
    world.probe.take_log();
    std::fs::write(world.root().join("usr/lib/small-00"), "broken").unwrap();
    std::fs::remove_file(world.root().join("usr/lib/small-01")).unwrap();
    let report = world.endpoint.diagnose().await.unwrap();
    assert_eq!(report.exit_code.code(), 1);
    assert_eq!(report.faulty.len(), 2);
    assert_eq!(world.endpoint.repair().await.unwrap().exit_code.code(), 0);
    let log = world.probe.take_log();
    assert_eq!(log[0], "HEAD /");
    assert_eq!(log.iter().filter(|line| line.starts_with("GET 30/files/")).count(), 2);
    assert_eq!(log.len(), 1 + 2 + 2);
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
}

#[tokio::test]
async fn nothing_new_and_check_update() {
    let mut world = World::new(four_bundles()).installed(30, &[]).await;
    assert_eq!(world.update().await.exit_code.code(), 0);
    assert_eq!(
        world.probe.take_log(),
        requests("H version/format30/latest\nG version/format30/latest\nG version/format30/latest.sig")
    );
    assert_eq!(world.endpoint.check_update().await.unwrap().exit_code.code(), 1);
    assert_eq!(
        world.probe.take_log(),
        requests(
            "H version/latest_version
             G version/latest_version
             H version/latest_version.sig
             G version/latest_version.sig"
        )
    );
}
