//! The effect of each failure on an operation: the table of client behaviour §5, object by object, with its exit codes.

use clearwell_endpoint::source::Fault;
use clearwell_endpoint::{EndpointOptions, Retry, Root};
use clearwell_format::resource::ResourceKind;

use crate::support::{Archive, Content, World, four_bundles, names, options, problem_names};

/// An endpoint with all four bundles in version 10.
async fn endpoint() -> World {
    World::new(four_bundles()).installed(10, &["big", "ex", "small"]).await
}

fn status(status: u16) -> Fault {
    Fault::Status(status)
}

fn junk() -> Fault {
    Fault::Content(b"junk".to_vec())
}

#[tokio::test]
async fn pointers() {
    for (path, fault, code, problem) in [
        ("version/format30/latest", status(404), 16, "fetch"),
        ("version/format30/latest", status(500), 16, "fetch"),
        ("version/format30/latest", Fault::Unreachable, 16, "fetch"),
        ("version/format30/latest", junk(), 21, "signature"),
        ("version/format30/latest.sig", status(404), 21, "fetch"),
        ("version/format30/latest.sig", status(503), 21, "fetch"),
        ("version/format30/latest.sig", junk(), 21, "signature"),
    ] {
        let mut world = endpoint().await;
        world.probe.fault(path, fault.clone());
        let report = world.update().await;
        assert_eq!((report.exit_code.code(), problem_names(&report)), (code, vec![problem]), "{path} {fault:?}");
        assert_eq!(report.to, report.from);
    }
    for (path, fault, code) in [
        ("version/latest_version", status(404), 16),
        ("version/latest_version", Fault::Content(b"000000000030".to_vec()), 16),
        ("version/latest_version.sig", status(404), 21),
    ] {
        let mut world = endpoint().await;
        world.probe.fault(path, fault);
        assert_eq!(world.endpoint.check_update().await.unwrap().exit_code.code(), code, "{path}");
    }
}

#[tokio::test]
async fn unsigned_pointers() {
    for (text, code, to) in
        [("junk", 16, "10"), ("", 16, "10"), ("0", 0, "10"), ("30\n20\n", 0, "30"), (" 030\r\n", 0, "30")]
    {
        let folder = tempfile::tempdir().unwrap();
        let place = Root::folder(folder.path());
        let mut world = World::with(four_bundles(), place, folder, |options| options.trust = None);
        world.install(10, &[]).await;
        world.probe.fault("version/format30/latest", Fault::Content(text.into()));
        let report = world.update().await;
        assert_eq!((report.exit_code.code(), report.to.unwrap().to_string().as_str()), (code, to), "{text:?}");
        world.probe.fault("version/latest_version", Fault::Content(Vec::new()));
        assert_eq!(world.endpoint.check_update().await.unwrap().exit_code.code(), 1, "empty means no update");
    }
}

#[tokio::test]
async fn mom() {
    let unsigned = {
        let content = four_bundles();
        let text = content.bytes("30/Manifest.MoM");
        Archive::new().file("Manifest.MoM", &text).build()
    };
    let mom = "30/Manifest.MoM.tar";
    let mut world = endpoint().await;
    for fault in [status(404), status(500), junk(), Fault::CutAfter(20)] {
        world.probe.fault(mom, fault.clone());
        let report = world.update().await;
        assert_eq!(report.exit_code.code(), 4, "{fault:?}");
        world.probe.heal();
    }

    // The signature may be a separate file.
    world.probe.fault(mom, Fault::Content(unsigned.clone()));
    world.probe.take_log();
    assert_eq!(world.update().await.exit_code.code(), 0);
    let log = world.probe.take_log();
    assert_eq!(log[3..5], ["GET 30/Manifest.MoM.tar", "GET 30/Manifest.MoM.sig"]);

    // If there is none, both are requested once more.
    for signature in [status(404), junk()] {
        let mut world = endpoint().await;
        world.probe.fault(mom, Fault::Content(unsigned.clone())).fault("30/Manifest.MoM.sig", signature);
        assert_eq!(world.update().await.exit_code.code(), 4);
        let log = world.probe.take_log();
        assert_eq!(
            log[3..].to_vec(),
            [
                "GET 30/Manifest.MoM.tar",
                "GET 30/Manifest.MoM.sig",
                "GET 30/Manifest.MoM.tar",
                "GET 30/Manifest.MoM.sig"
            ]
        );
    }

    // A validly signed MoM of another version is refused.
    let mut world = endpoint().await;
    world.probe.fault(mom, Fault::Content(world.content.bytes("10/Manifest.MoM.tar")));
    let report = world.update().await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (4, vec!["manifest"]));
}

#[tokio::test]
async fn bundle_manifests() {
    let whole = "30/Manifest.big.tar";
    let delta = "30/Manifest-big-delta-from-10";
    for fault in [status(404), status(500), junk(), Fault::CutAfter(30)] {
        let mut world = endpoint().await;
        world.probe.fault(whole, fault.clone()).fault(delta, status(404));
        let report = world.update().await;
        assert_eq!(report.exit_code.code(), 8, "{fault:?}");
        let mut world = World::new(four_bundles());
        world.probe.fault(whole, fault);
        assert_eq!(world.install(30, &["big"]).await.exit_code.code(), 14);
        let mut world = World::new(world.content).installed(30, &[]).await;
        world.probe.fault(whole, status(404));
        assert_eq!(world.add(&["big"]).await.exit_code.code(), 8);
    }

    // A valid manifest of another bundle: its hash differs from the MoM. One more attempt, then the operation ends.
    let mut world = endpoint().await;
    world.probe.fault(whole, Fault::Content(world.content.bytes("30/Manifest.small.tar"))).fault(delta, status(404));
    assert_eq!(world.update().await.exit_code.code(), 8);
    assert_eq!(world.probe.take_log().iter().filter(|line| **line == format!("GET {whole}")).count(), 2);

    // The second attempt may succeed.
    let mut world = endpoint().await;
    world.probe.faults(whole, [junk(), Fault::None]).fault(delta, status(404));
    assert_eq!(world.update().await.exit_code.code(), 0);
}

#[tokio::test]
async fn delta_manifests_fall_back_to_the_whole_manifest() {
    let other = four_bundles().bytes("30/Manifest-small-delta-from-10");
    for (fault, gets, problem) in [
        (status(404), 1, None),
        (status(403), 1, None),
        (status(500), 4, Some("delta-manifest")),
        (Fault::CutAfter(10), 4, Some("delta-manifest")),
        (junk(), 1, Some("delta-manifest")),
        (Fault::Content(other), 1, Some("delta-manifest")),
    ] {
        let mut world = endpoint().await;
        world.probe.fault("30/Manifest-big-delta-from-10", fault.clone());
        let report = world.update().await;
        assert_eq!(report.exit_code.code(), 0, "{fault:?}");
        assert_eq!(problem_names(&report), problem.into_iter().collect::<Vec<_>>(), "{fault:?}");
        let log = world.probe.take_log();
        let count = |line: &str| log.iter().filter(|other| *other == line).count();
        assert_eq!(count("GET 30/Manifest-big-delta-from-10"), gets, "{fault:?}");
        assert_eq!(count("GET 30/Manifest.big.tar"), 1);
        assert_eq!(report.delta_manifests_applied, 2);
    }
}

#[tokio::test]
async fn packs_are_ignored_by_update() {
    let pack = "30/pack-big-from-10.tar";
    for (fault, problem) in [
        (status(404), None),
        (status(500), Some("fetch")),
        (junk(), Some("pack")),
        (Fault::CutAfter(100), Some("fetch")),
    ] {
        let mut world = endpoint().await;
        world.probe.fault(pack, fault.clone());
        let report = world.update().await;
        assert_eq!(report.exit_code.code(), 0, "{fault:?}");
        assert_eq!(problem_names(&report), problem.into_iter().collect::<Vec<_>>(), "{fault:?}");
        assert_eq!((report.packs_used, report.packs_failed), (2, 1));
        let fetched: Vec<_> = report.fetched_individually.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(fetched.len(), 12);
        assert!(fetched.iter().all(|path| path.starts_with("/usr/lib/big-")));
    }
}

/// The members of a damaged pack before the damage are used.
#[tokio::test]
async fn half_a_pack_provides_half_of_the_files() {
    let mut world = endpoint().await;
    let pack = "30/pack-big-from-10.tar";
    let mut tar = Vec::new();
    let whole = world.content.bytes(pack);
    let mut decoder = clearwell_format::archive::decoder(whole.as_slice()).unwrap();
    std::io::Read::read_to_end(&mut decoder, &mut tar).unwrap();
    // Not between two members: an archive without its end-of-archive blocks is accepted.
    tar.truncate(tar.len() / 2 + 700);
    world.probe.fault(pack, Fault::Content(tar));
    let report = world.update().await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (0, vec!["pack"]));
    assert!((1..12).contains(&report.fetched_individually.len()), "{:?}", report.fetched_individually);
}

/// `os-install` requires its packs: after the first failure it requests no more.
#[tokio::test]
async fn packs_end_with_the_first_failure_in_os_install() {
    let mut world = World::new(four_bundles());
    world.probe.fault("10/pack-os-core-from-0.tar", status(404));
    let report = world.install(10, &["big"]).await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (0, vec!["fetch"]));
    let log = world.probe.take_log();
    assert!(!log.contains(&"GET 10/pack-big-from-0.tar".to_owned()));
    assert!(!log.contains(&"HEAD 10/pack-big-from-0.tar".to_owned()));
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0);
}

#[tokio::test]
async fn fullfiles() {
    let mut installed = endpoint().await;
    installed.content.remove("30/pack-big");
    let path = format!("30/files/{}.tar", {
        let report = installed.update().await;
        report.fetched_individually[3].hash
    });
    let content = installed.content;
    let hash = path["30/files/".len()..].trim_end_matches(".tar").to_owned();
    let two = Archive::new().file(&hash, b"a").file("b", b"b").build();
    let misnamed = Archive::new().file("b", b"b").build();
    let wrong = Archive::new().file(&hash, b"wrong").build();
    for (fault, update, install) in [
        (status(404), 17, 17),
        (status(500), 17, 17),
        (Fault::Unreachable, 17, 17),
        (junk(), 10, 35),
        (Fault::Content(two), 10, 35),
        (Fault::Content(misnamed), 10, 35),
        (Fault::Content(wrong), 1, 1),
    ] {
        let mut world = World::new(content.clone()).installed(10, &["big"]).await;
        world.probe.fault(&path, fault.clone());
        let report = world.update().await;
        assert_eq!(report.exit_code.code(), update, "{fault:?}");
        assert!(!report.problems.is_empty());
        let still = world.read("/usr/lib/big-03").unwrap();
        assert!(still.starts_with(b"big 3, first edition"), "nothing is changed before everything is there");
        world.probe.heal();
        assert_eq!(world.update().await.exit_code.code(), 0, "the next try succeeds");

        let mut world = World::new(content.clone());
        world.probe.fault("30/pack-big-from-0.tar", status(404)).fault(&path, fault.clone());
        assert_eq!(world.install(30, &["big"]).await.exit_code.code(), install, "{fault:?}");
    }
}

/// A truncated body: the rest is requested, the correct 206 counts as a failure, the range after the end gets a 416, and
/// only the plain request succeeds (client behaviour §4).
#[tokio::test]
async fn a_truncated_fullfile_costs_three_retries() {
    let mut world = World::new(four_bundles()).installed(10, &["ex"]).await;
    world.content.remove("10/pack-small");
    let path = {
        let mut other = World::new(world.content.clone()).installed(10, &[]).await;
        let report = other.add(&["small"]).await;
        format!("10/files/{}.tar", report.fetched_individually[0].hash)
    };
    let size = world.content.bytes(&path).len();
    world.probe.faults(&path, [Fault::CutAfter(50), Fault::None]);
    let report = world.add(&["small"]).await;
    assert_eq!(report.exit_code.code(), 0);
    assert_eq!(report.traffic.retries, 3);
    let log = world.probe.take_log();
    let gets: Vec<_> = log.iter().filter(|line| line.starts_with(&format!("GET {path}"))).collect();
    let expected = ["", " from 50", &format!(" from {size}"), ""].map(|range| format!("GET {path}{range}"));
    assert_eq!(gets, expected.iter().collect::<Vec<_>>());
    let kind = ResourceKind::Fullfile;
    assert_eq!((report.traffic.gets_of(kind, 206), report.traffic.gets_of(kind, 416)), (1, 1));
}

#[tokio::test]
async fn retries_are_an_option() {
    for (retry, gets) in [(Retry::AT_ONCE, 4), (Retry::NEVER, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let place = Root::folder(folder.path());
        let mut world = World::with(four_bundles(), place, folder, |options| options.retry = retry);
        world.probe.fault("version/format30/latest", status(500));
        let report = world.endpoint.install(None, &[]).await.unwrap();
        assert_eq!(report.exit_code.code(), 16);
        assert_eq!(report.traffic.gets_of(ResourceKind::Pointer, 500), gets);
        assert_eq!(report.traffic.heads[&500], 1);
    }
}

#[tokio::test]
async fn bundles_that_do_not_exist() {
    let mut world = World::new(four_bundles()).installed(10, &["small"]).await;
    for (bundles, code) in [(vec!["nope"], 3), (vec!["nope", "ex"], 3), (vec!["small"], 0)] {
        assert_eq!(world.add(&bundles).await.exit_code.code(), code, "{bundles:?}");
    }
    assert!(world.endpoint.bundles().any(|bundle| bundle.as_str() == "ex"), "the others are installed");
    for (bundle, code) in [("os-core", 2), ("nope", 3), ("big", 13), ("small", 0), ("small", 13)] {
        assert_eq!(world.remove(&[bundle]).await.exit_code.code(), code, "{bundle}");
    }
    assert_eq!(world.read("/usr/lib/small-00"), None);
    assert!(world.read("/usr/share/clear/bundles/os-core").is_some());

    let mut world = World::new(world.content);
    assert_eq!(world.install(10, &["nope"]).await.exit_code.code(), 0, "\"nothing to be done\"");
    assert_eq!(world.install(10, &["nope", "ex"]).await.exit_code.code(), 3);
    assert_eq!(world.read("/usr/lib/os-release"), None);
    assert_eq!(world.update().await.exit_code.code(), 20);
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 20);
}

#[tokio::test]
async fn formats_and_certificates() {
    let set = |set: fn(&mut EndpointOptions)| {
        let folder = tempfile::tempdir().unwrap();
        let place = Root::folder(folder.path());
        World::with(four_bundles(), place, folder, set)
    };
    let mut world = set(|options| options.format = "31".parse().unwrap());
    let report = world.install(10, &[]).await;
    assert_eq!(report.exit_code.code(), 14);
    assert!(problem_names(&report).contains(&"format"));
    let mut world = set(|options| options.format = "3".parse().unwrap());
    assert_eq!(world.install(10, &[]).await.exit_code.code(), 0, "only the beginning of the number is compared");

    // Thirty years later, the certificate is refused before the first request.
    let mut world = set(|options| options.now = Some(2_800_000_000));
    let report = world.install(10, &[]).await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (21, vec!["trust-anchor"]));
    assert_eq!(world.probe.take_log(), Vec::<String>::new());
    assert_eq!(options().now, None);
}

#[tokio::test]
async fn an_unknown_include_is_skipped_and_reported() {
    let release = clearwell_testkit::ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], crate::support::core(10))
        .bundle("a", &["os-core", "vanished"], crate::support::files("a", 1, "only"))
        .build();
    let content = Content::default();
    content.publish(&release);
    content.point(30, 10);
    let mut world = World::new(content);
    let report = world.endpoint.install(None, &names(&["a"])).await.unwrap();
    assert_eq!((report.exit_code.code(), problem_names(&report)), (0, vec!["unknown-include"]));
}
