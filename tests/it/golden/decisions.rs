//! Scenarios 901 to 906: bugs of the reference, and what this generator does instead.

use std::fs;

use clearwell_format::{Manifest, MomEntry, Version};
use clearwell_generate::guard::{self, Context, EarlierEntries, Finding, Rule, Severity};
use clearwell_generate::inputs::Warning;

use super::fixture;
use super::replay::Replay;
use super::scenario::Scenario;

fn replay(name: &str) -> Replay {
    let replay = Replay::run(&Scenario::read(&fixture(name)));
    let refused: Vec<_> = replay.commands.iter().filter_map(|outcome| outcome.refusal.as_ref()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    replay
}

/// The manifest that the reference wrote.
fn reference(name: &str, version: u32, manifest: &str) -> Vec<u8> {
    fs::read(fixture(name).join(format!("expected/{version}/Manifest.{manifest}"))).unwrap()
}

fn present(manifest: &Manifest) -> Vec<String> {
    manifest.present().map(|entry| entry.path.to_string()).collect()
}

fn lists(manifest: &Manifest, path: &str) -> bool {
    manifest.present().any(|entry| entry.path.as_bytes() == path.as_bytes())
}

/// The reference subtracts bundles that include each other from one another, so a file that both list is in neither,
/// and clients never get it.
///
/// Decision: it can be planned. Its bundles are installed together or not at all, so the file is needed once, and it is
/// kept in the first of them by name, which gives the same manifests from any order of `groups.ini`. The guard refuses
/// to publish it, because clients crash when its bundles are removed; a maintainer who accepts that allows the rule.
#[test]
fn golden_901_a_file_of_a_cycle_is_kept_in_the_first_of_its_bundles() {
    let name = "901-quirk-include-cycle";
    let replay = replay(name);
    assert!(!String::from_utf8(reference(name, 10, "left")).unwrap().contains("both.conf"));
    assert!(!String::from_utf8(reference(name, 10, "right")).unwrap().contains("both.conf"));

    let (left, right) = (replay.manifest(10, "left"), replay.manifest(10, "right"));
    assert!(lists(left, "/usr/lib/common/both.conf"));
    assert!(!lists(right, "/usr/lib/common/both.conf"));
    // The unused directory of a bundle is not subtracted by the bundle itself either.
    assert!(lists(left, "/usr/share/left-empty"));
    let told: Vec<String> = replay.plan(10).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["the bundles left, right include each other: paths that several of them list are kept in the first"]
    );
    // A bundle that includes a cycle leaves out what either bundle of the cycle has, as in the reference.
    assert_eq!(replay.manifest(10, "user").to_bytes(), reference(name, 10, "user"));

    // Version 20 breaks the cycle: the file moves to the bundle that the other includes.
    let (left, right) = (replay.manifest(20, "left"), replay.manifest(20, "right"));
    assert!(lists(right, "/usr/lib/common/both.conf"));
    let moved = left.entries.iter().find(|entry| entry.path.as_bytes() == b"/usr/lib/common/both.conf").unwrap();
    assert!(moved.is_deleted());
    assert_eq!(replay.plan(20).warnings, []);

    let refused: Vec<Rule> = findings(&replay, 10).into_iter().map(|finding| finding.rule).collect();
    assert!(refused.contains(&Rule::IncludeCycle), "{refused:?}");
    assert!(findings(&replay, 20).iter().all(|finding| finding.rule != Rule::IncludeCycle));
}

/// The reference steps over the neighbour of each entry that it removes, so half of what is banned stays; in bundles
/// which half is random.
///
/// Decision: all of it is removed, and only it. Content sizes keep counting what was removed, as in the reference, so
/// everything that is not random there is the same bytes.
#[test]
fn golden_902_all_debug_information_is_removed() {
    let name = "902-quirk-debuginfo-neighbours";
    let replay = replay(name);
    let full = &replay.plan(10).full;
    let banned: Vec<_> = replay.releases[&Version::new(10).unwrap()]
        .inputs
        .tree
        .nodes()
        .map(|(_, node)| node.path.to_string())
        .filter(|path| path.starts_with("/usr/lib/debug") || path.starts_with("/usr/src/debug"))
        .filter(|path| path != "/usr/lib/debug" && path != "/usr/src/debug")
        .collect();
    assert_eq!(banned.len(), 7);
    assert!(banned.iter().all(|path| !lists(full, path)));
    assert!(String::from_utf8(reference(name, 10, "full")).unwrap().contains("/usr/src/debug/one.c"));
    let tree = replay.releases[&Version::new(10).unwrap()].inputs.tree.len();
    assert_eq!(full.entries.len(), tree - banned.len());

    for bundle in ["os-core", "app"] {
        assert_eq!(replay.manifest(10, bundle).to_bytes(), reference(name, 10, bundle));
    }
    assert_eq!(replay.plan(10).mom.to_bytes(), reference(name, 10, "MoM"));
    let size = format!("contentsize:\t{}\n", full.header.content_size);
    assert!(String::from_utf8(reference(name, 10, "full")).unwrap().contains(&size));
}

/// The reference leaves out a directory with an illegal name and keeps its children, which clients cannot install
/// without it.
///
/// Decision: everything below it is left out too, with one warning that names the directory.
#[test]
fn golden_903_nothing_below_an_illegal_name_is_listed() {
    let name = "903-quirk-illegal-directory";
    let replay = replay(name);
    assert!(String::from_utf8(reference(name, 10, "app")).unwrap().contains("bad;dir/child"));
    for manifest in [replay.manifest(10, "app"), &replay.plan(10).full] {
        assert!(present(manifest).iter().all(|path| !path.contains("bad;dir")));
        assert!(lists(manifest, "/usr/share/app"));
    }
    let path = "/usr/share/app/bad;dir".parse().unwrap();
    assert_eq!(replay.plan(10).warnings, [Warning::IllegalName { path }]);
    assert_eq!(replay.manifest(10, "os-core").to_bytes(), reference(name, 10, "os-core"));
    assert_eq!(refusals(&replay, 10), Vec::<String>::new());
}

/// The reference never writes a link below /V3, /V4 or /VA, finds it new each time, and releases its bundle with every
/// version.
///
/// Decision: a link there is left out before anything is compared, with a warning; `filecount` and `contentsize` count
/// it as the reference does, so the first release is the same bytes, and the next ones carry the bundle over.
#[test]
fn golden_904_a_link_among_optimised_builds_releases_nothing() {
    let name = "904-quirk-optimized-links";
    let replay = replay(name);
    assert_eq!(replay.manifest(10, "linked").to_bytes(), reference(name, 10, "linked"));
    assert_eq!(replay.plan(10).mom.to_bytes(), reference(name, 10, "MoM"));
    assert!(replay.released(20, "linked").is_none(), "nothing of it changed");
    assert!(replay.released(20, "os-core").is_some());
    let carried = replay.plan(20).mom.bundle(&"linked".parse().unwrap()).unwrap();
    assert_eq!(carried.version.number(), 10);
    let path = "/V3/usr/lib/libm.so".parse().unwrap();
    assert_eq!(replay.plan(20).warnings, [Warning::OptimisedLink { path }]);
}

/// The reference compares also-adds that a format before 29 cannot state with a list that is always empty, and releases
/// the bundle with every version.
///
/// Decision: what the format cannot state is not compared. The first release in format 29 states it, and is a change.
#[test]
fn golden_905_also_add_is_compared_where_the_format_has_it() {
    let name = "905-quirk-also-add-old-formats";
    let replay = replay(name);
    assert_eq!(replay.manifest(10, "extras").to_bytes(), reference(name, 10, "extras"));
    assert!(replay.released(20, "extras").is_none(), "format 28 cannot state what differs");
    let extras = replay.manifest(30, "extras");
    assert_eq!(extras.header.also_add, ["tools".parse().unwrap()]);
    assert_eq!(extras.header.previous, Version::new(10));
    assert!(replay.released(40, "extras").is_none(), "nothing changed since");
    let versions = |version| -> Vec<_> {
        replay.plan(version).mom.bundles().map(|entry| (entry.bundle.to_string(), entry.version.number())).collect()
    };
    assert_eq!(versions(40).iter().find(|(bundle, _)| bundle == "extras").unwrap().1, 30);
}

/// The reference lets a directory with content become a file or a link without a warning. Clients end the update with an
/// error for the file, and leave a `.deleted.*` folder behind for both.
///
/// Decision: the plan is the same bytes, because no other manifest would express what the maintainer asked for; the guard
/// refuses the file, warns of the link, and names the remedy: a release in between without the path.
#[test]
fn golden_906_the_guard_stops_a_directory_that_becomes_a_file() {
    let name = "906-quirk-full-directory-replaced";
    let replay = replay(name);
    for (version, manifests) in [(10, ["os-core", "types"]), (20, ["os-core", "types"])] {
        for bundle in manifests {
            assert_eq!(replay.manifest(version, bundle).to_bytes(), reference(name, version, bundle));
        }
        assert_eq!(replay.plan(version).mom.to_bytes(), reference(name, version, "MoM"));
        assert_eq!(replay.plan(version).full.to_bytes(), reference(name, version, "full"));
    }
    let found: Vec<(Severity, String)> = findings(&replay, 20)
        .into_iter()
        .filter(|finding| finding.rule == Rule::DirectoryReplaced)
        .map(|finding| (finding.severity, finding.object.to_string()))
        .collect();
    assert_eq!(
        found,
        [
            (Severity::Refusal, "/usr/share/types/to-file".to_owned()),
            (Severity::Warning, "/usr/share/types/to-link".to_owned())
        ]
    );
}

fn refusals(replay: &Replay, version: u32) -> Vec<String> {
    findings(replay, version)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Refusal)
        .map(|finding| format!("{finding:?}"))
        .collect()
}

/// The findings of the guard for the manifests of a version.
fn findings(replay: &Replay, version: u32) -> Vec<Finding> {
    let release = &replay.releases[&Version::new(version).unwrap()];
    let manifests = |version: Version| (*replay.releases[&version].manifests).clone();
    let mut context = Context::new(manifests(release.plan.version));
    context.previous = release.inputs.release.previous.map(manifests);
    let older = replay.releases.range(..release.plan.version).map(|(_, older)| &older.manifests);
    let text = |entry: &MomEntry| {
        let release = replay.releases.get(&entry.version)?;
        Some(release.manifests.bundles.get(&entry.bundle)?.to_bytes())
    };
    context.earlier_entries = EarlierEntries::read(&context.release, older.map(|older| &older.mom), text).into();
    guard::check(&context)
}
