//! The whole life cycle: install, update, add, remove, damage, repair; across formats; in a folder and simulated.

use clearwell_endpoint::{Level, Ownership, Pool, Root};
use clearwell_format::FormatNumber;
use clearwell_testkit::{ReleaseBuilder, TestObject};

use crate::support::{Content, World, core, files, four_bundles, names};

#[tokio::test]
async fn a_simulated_endpoint_sends_the_requests_of_a_real_one() {
    let content = four_bundles();
    let mut real = World::new(content.clone());
    let mut simulated = World::simulated(content);
    for world in [&mut real, &mut simulated] {
        assert!(world.install(10, &["big"]).await.is_clean());
        assert!(world.update().await.is_clean());
        assert!(world.add(&["small", "ex"]).await.is_clean());
        assert!(world.remove(&["big"]).await.is_clean());
        assert!(world.endpoint.diagnose().await.unwrap().is_clean());
        assert_eq!(world.endpoint.version().unwrap().number(), 30);
    }
    let sorted = |world: &World| {
        let mut log = world.probe.take_log();
        log.sort();
        log
    };
    assert_eq!(sorted(&real), sorted(&simulated));
    assert_eq!(std::fs::read_dir(simulated.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_fleet_shares_memory_and_each_endpoint_still_fetches_everything() {
    let content = four_bundles();
    let pool = Pool::default();
    let mut logs = Vec::new();
    let mut fleet = Vec::new();
    for number in 0..20 {
        let place = Root::Simulated;
        let mut world = World::with(content.clone(), place, tempfile::tempdir().unwrap(), |options| {
            options.pool = Some(pool.clone());
        });
        let bundles: &[&str] = if number % 2 == 0 { &["big"] } else { &["small"] };
        assert!(world.install(10, bundles).await.is_clean());
        assert!(world.update().await.is_clean());
        assert!(world.endpoint.diagnose().await.unwrap().is_clean());
        logs.push(world.probe.take_log());
        fleet.push(world);
    }
    assert!(logs.chunks(2).all(|pair| pair == &logs[..2]));
    assert_ne!(logs[0], logs[1]);
}

#[tokio::test]
async fn an_endpoint_is_opened_again() {
    let world = World::new(four_bundles()).installed(10, &["big"]).await;
    let World { content, endpoint, folder, .. } = world;
    drop(endpoint);
    let place = Root::folder(folder.path());
    let mut world = World::with(content, place, folder, |_| {});
    assert_eq!(world.endpoint.version().unwrap().number(), 10);
    assert_eq!(world.endpoint.bundles().map(ToString::to_string).collect::<Vec<_>>(), ["big", "os-core"]);
    assert!(world.endpoint.diagnose().await.unwrap().is_clean());
    assert_eq!(world.probe.take_log(), Vec::<String>::new(), "manifests are kept");
    assert!(world.update().await.is_clean());
}

/// The endpoint follows the content into the new format, as the client does by executing itself again (manifest §5.12).
#[tokio::test]
async fn an_update_continues_in_the_next_format() {
    let os = |version, format| {
        let mut objects = core(version);
        for folder in ["/usr/share/defaults", "/usr/share/defaults/swupd"] {
            objects.push(TestObject::directory(folder));
        }
        objects.push(TestObject::file("/usr/share/defaults/swupd/format", format));
        objects
    };
    let next = FormatNumber::new(31).unwrap();
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], os(10, "30")).build();
    // The last release of the old format has the content of the first one of the new format.
    let last = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], os(30, "31\n")).build();
    let bumped = ReleaseBuilder::new(30, Some(&last)).format(next).bundle("os-core", &[], os(30, "31\n")).build();
    let newest = ReleaseBuilder::new(40, Some(&bumped)).format(next).bundle("os-core", &[], os(40, "31\n")).build();
    let content = Content::default();
    for release in [&first, &last, &bumped, &newest] {
        content.publish(release);
    }
    content.point(30, 20);
    content.point(31, 40);
    for mut world in [World::new(content.clone()), World::simulated(content)] {
        world.install(10, &[]).await;
        world.probe.take_log();
        let report = world.update().await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(world.endpoint.version().unwrap().number(), 40);
        assert_eq!(world.endpoint.format(), next);
        let log = world.probe.take_log();
        let heads: Vec<_> = log.iter().filter(|line| line.starts_with("HEAD version/")).collect();
        assert_eq!(heads, ["HEAD version/format30/latest", "HEAD version/format31/latest"]);
    }
}

#[tokio::test]
async fn a_release_that_names_itself_older_stops_its_clients() {
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], core(10)).build();
    let second = ReleaseBuilder::new(20, Some(&first))
        .bundle("os-core", &[], [core(10), vec![TestObject::file("/usr/lib/new", "x")]].concat())
        .build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    let mut world = World::new(content).installed(10, &[]).await;
    let report = world.update().await;
    assert_eq!(report.exit_code.code(), 27);
    assert_eq!(crate::support::problem_names(&report), ["version-mismatch"]);
}

#[tokio::test]
async fn modes_and_owners_count_with_and_without_privilege() {
    let thing = TestObject { permissions: 0o4711, ..TestObject::file("/usr/bin/thing", "x") };
    let locked = TestObject { permissions: 0o000, ..TestObject::file("/usr/lib/locked", "x") };
    let closed = TestObject { permissions: 0o500, ..TestObject::directory("/usr/closed") };
    let inside = TestObject::file("/usr/closed/inside", "x");
    let release = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], [core(10), vec![thing, locked, closed, inside]].concat())
        .build();
    let content = Content::default();
    content.publish(&release);
    content.point(30, 10);
    let mut ways = vec![Ownership::Recorded];
    // Changing owners needs a privilege.
    if std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0) {
        ways.push(Ownership::Applied);
    }
    for ownership in ways {
        let folder = tempfile::tempdir().unwrap();
        let place = Root::Folder { folder: folder.path().to_owned(), ownership };
        let mut world = World::with(content.clone(), place, folder, |_| {});
        assert!(world.install(10, &[]).await.is_clean());
        assert!(world.endpoint.diagnose().await.unwrap().is_clean());
        let thing = world.root().join("usr/bin/thing");
        std::fs::set_permissions(&thing, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let report = world.endpoint.diagnose().await.unwrap();
        assert_eq!(report.faulty.len(), 1, "{ownership:?}");
        assert_eq!(world.endpoint.repair().await.unwrap().exit_code.code(), 0);
        assert!(world.endpoint.diagnose().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_bundle_that_left_the_release_is_removed() {
    let first = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], core(10))
        .bundle("a", &["os-core"], files("a", 2, "first"))
        .build();
    let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], core(20)).build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    let mut world = World::new(content).installed(10, &["a"]).await;
    assert!(world.update().await.is_clean());
    assert_eq!(world.read("/usr/lib/a-00"), None);
    assert_eq!(world.endpoint.bundles().count(), 1);
}

#[tokio::test]
async fn a_path_of_any_bytes_and_a_long_name() {
    let long = format!("/usr/lib/{}", "x".repeat(255));
    let extra = vec![
        TestObject::file("/usr/lib/a b;é", "x"),
        TestObject::file(&long, "y"),
        TestObject::link("/usr/lib/l", "/é"),
    ];
    let release = ReleaseBuilder::new(10, None).bundle("os-core", &[], [core(10), extra].concat()).build();
    let content = Content::default();
    content.publish(&release);
    content.point(30, 10);
    let folder = tempfile::tempdir().unwrap();
    let place = Root::folder(folder.path());
    let mut world = World::with(content, place, folder, |options| options.level = Level::Avx512);
    assert!(world.endpoint.install(None, &names(&[])).await.unwrap().is_clean());
    assert_eq!(world.read(&long).unwrap(), b"y");
    assert!(world.endpoint.diagnose().await.unwrap().is_clean());
}
