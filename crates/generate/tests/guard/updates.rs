//! Rules that compare a release with all releases that endpoints may update from.

use clearwell_generate::guard::{EarlierEntries, Finding, Rule, Severity};

use super::mix::{BundleContent, Mix, bundle, version};
use super::{assert_found, assert_refused, assert_warned, findings, found};

/// Releases 10, 20 and so on, of the system with what each adds to its games.
fn releases(steps: &[fn(&mut BundleContent)]) -> Mix {
    let mut mix = Mix::signed();
    for (number, step) in (10..).step_by(10).zip(steps) {
        let mut content = mix.system(number);
        step(content.bundle("games"));
        mix.release(number, &content);
    }
    mix
}

fn nothing(_: &mut BundleContent) {}

fn full_folder(games: &mut BundleContent) {
    games.directory("/usr/share/maps").file("/usr/share/maps/one", "1");
}

fn empty_folder(games: &mut BundleContent) {
    games.directory("/usr/share/maps");
}

fn file(games: &mut BundleContent) {
    games.file("/usr/share/maps", "all");
}

fn link(games: &mut BundleContent) {
    games.link("/usr/share/maps", "clear");
}

#[track_caller]
fn assert_problem(findings: &[Finding], text: &str) {
    assert!(findings.len() == 1 && findings[0].problem.contains(text), "{findings:?}");
}

#[test]
fn a_directory_is_replaced_for_endpoints_that_skip_releases() {
    for between in [nothing, empty_folder] {
        let mix = releases(&[full_folder, between, file]);
        assert_refused(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);
        assert_problem(&findings(&mix), "the update of endpoints on 10 ends with exit code 10");
        let mix = releases(&[full_folder, between, between, link]);
        assert_warned(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);
        assert_problem(&findings(&mix), "endpoints on 10 keep it");
    }
    assert_eq!(found(&releases(&[empty_folder, nothing, file])), []);
    assert_eq!(found(&releases(&[file, nothing, full_folder])), []);
    let mix = releases(&[full_folder, full_folder, nothing, full_folder, file]);
    assert_problem(&findings(&mix), "endpoints on 10, 20 and 40 ends");
}

#[test]
fn harm_that_the_previous_release_does_already_is_not_reported_again() {
    assert_eq!(found(&releases(&[full_folder, nothing, file, file])), []);
    assert_eq!(found(&releases(&[full_folder, file, file])), []);
    // Unless the file was removed in between.
    let mix = releases(&[full_folder, file, nothing, file]);
    assert_refused(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);
}

#[test]
fn kernels_that_stay_do_not_end_an_update() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").directory("/usr/lib/modules").directory("/usr/lib/modules/5");
    content.bundle("os-core").file("/usr/lib/modules/5/driver", "d");
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("os-core").directory("/usr/lib/modules").file("/usr/lib/modules/5", "f");
    mix.release(20, &content);
    assert_warned(&mix, Rule::DirectoryReplaced, &["/usr/lib/modules/5"]);
}

#[test]
fn each_older_manifest_is_read_once_and_the_current_one_never() {
    let mix = releases(&[nothing, full_folder, nothing, nothing, nothing]);
    let (newest, older) = mix.releases.split_last().unwrap();
    let reads = std::sync::Mutex::new(Vec::new());
    EarlierEntries::read(&newest.release_manifests(), older.iter().map(|release| &release.mom), |entry| {
        reads.lock().unwrap().push(format!("{} {}", entry.bundle, entry.version));
        None
    });
    let mut reads = reads.into_inner().unwrap();
    reads.sort();
    assert_eq!(reads, ["games 10", "games 20", "os-core 10", "os-core 20", "os-core 30", "os-core 40"]);
}

#[test]
fn directories_with_local_data_stay_directories() {
    for path in ["/home", "/etc", "/var", "/usr/src", "/opt", "/usr/local"] {
        for replacement in [None, Some("usr")] {
            let mut mix = Mix::signed();
            let mut content = mix.system(10);
            content.bundle("os-core").directory(path);
            mix.release(10, &content);
            mix.release(20, &content);
            let mut content = mix.system(30);
            let os_core = content.bundle("os-core");
            if let Some(target) = replacement {
                os_core.link(path, target);
            }
            mix.release(30, &content);
            assert_refused(&mix, Rule::LocalDataMoved, &[path]);
            assert_problem(&findings(&mix), "endpoints on 10 and 20 rename it");
        }
    }
}

#[test]
fn content_of_opt_may_go() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").directory("/opt");
    content.bundle("games").directory("/opt/maker").file("/opt/maker/game", "g");
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("os-core").directory("/opt");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
}

#[test]
fn a_bundle_that_is_gone_is_reported_once() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    for number in [20, 30] {
        let mut content = mix.system(number);
        content.0.remove(&bundle("games"));
        mix.release(number, &content);
    }
    assert_eq!(found(&mix), []);

    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("music").file("/usr/bin/play", "p");
    mix.release(20, &content);
    mix.release_next_to(30, &mix.system(30));
    let found = mix.check_beside();
    assert_found(&found, Severity::Warning, Rule::BundleRemoved, &["bundle music"]);
    assert_problem(&found, "endpoints on 20 that have it");
}

#[test]
fn what_a_retracted_release_changed_is_changed_back_unnoticed() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").file("/usr/bin/ed", "broken");
    mix.release(20, &content);
    mix.release_next_to(30, &mix.system(30));
    let found = mix.check_beside();
    assert_found(&found, Severity::Refusal, Rule::UnnoticedChange, &["/usr/bin/ed in bundle editors"]);
    assert_problem(&found, "its version is still 10; endpoints on 20 keep");
    // Built on the retracted release, the entry has version 40.
    mix.releases.remove(2);
    mix.release(40, &mix.system(40));
    assert_eq!(super::found(&mix), []);
}

#[test]
fn a_file_that_moved_to_another_bundle_and_back_is_unnoticed() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").remove("/usr/bin/ed");
    content.bundle("games").file("/usr/bin/ed", "of games");
    mix.release(20, &content);
    mix.release_next_to(30, &mix.system(30));
    let found = mix.check_beside();
    assert_found(&found, Severity::Refusal, Rule::UnnoticedChange, &["/usr/bin/ed in bundle editors"]);
}

#[test]
fn what_a_retracted_release_brought_back_is_deleted_unnoticed() {
    let with_go = |mix: &Mix, number| {
        let mut content = mix.system(number);
        content.bundle("games").file("/usr/bin/go", "g");
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &with_go(&mix, 10));
    mix.release(20, &mix.system(20));
    mix.release(30, &with_go(&mix, 30));
    mix.release_next_to(40, &mix.system(40));
    let found = mix.check_beside();
    assert_found(&found, Severity::Refusal, Rule::UnnoticedChange, &["/usr/bin/go in bundle games"]);
    assert_problem(&found, "its deletion has version 20; endpoints on 30 have a higher version");
}

#[test]
fn a_file_that_moved_to_a_bundle_that_goes_stays() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").remove("/usr/bin/ed");
    content.bundle("games").file("/usr/bin/ed", "of games");
    mix.release(20, &content);
    content = mix.system(30);
    content.bundle("editors").remove("/usr/bin/ed");
    content.0.remove(&bundle("games"));
    mix.release(30, &content);
    let found = found(&mix);
    let expected = [(Rule::UnnoticedChange, "/usr/bin/ed in bundle games"), (Rule::BundleRemoved, "bundle games")];
    assert_eq!(found, expected.map(|(rule, object)| (rule, object.to_owned())));
    assert!(findings(&mix)[0].problem.contains("endpoints on 20 with both keep the file"), "{}", findings(&mix)[0]);
}

#[test]
fn a_change_that_endpoints_would_not_notice() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").file("/usr/bin/ed", "another").file("/usr/bin/ex", "new");
    let mut release = mix.plan(20, &content);
    let entry = release.entry("editors", "/usr/bin/ed");
    entry.version = version(10);
    let hash = entry.hash();
    release.manifest("editors").entries.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
    let artifact = clearwell_format::resource::Artifact::Fullfile(hash);
    let fullfile = mix.tree[&clearwell_format::Resource::of(version(20), artifact.clone())].clone();
    mix.put(version(10), artifact, fullfile);
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::UnnoticedChange, &["/usr/bin/ed in bundle editors"]);
}

#[test]
fn a_directory_with_content_becomes_a_file_or_a_link() {
    let before = |mix: &Mix| {
        let mut content = mix.system(10);
        content.bundle("games").directory("/usr/share/maps").file("/usr/share/maps/one", "1").directory("/usr/empty");
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &before(&mix));
    let mut content = mix.system(20);
    content.bundle("games").file("/usr/share/maps", "all").file("/usr/empty", "was nothing in it");
    mix.release(20, &content);
    assert_refused(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);

    let mut mix = Mix::signed();
    mix.release(10, &before(&mix));
    let mut content = mix.system(20);
    content.bundle("games").link("/usr/share/maps", "clear");
    mix.release(20, &content);
    assert_warned(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);

    // The opposite direction is fine.
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/share/maps", "all");
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("games").directory("/usr/share/maps").file("/usr/share/maps/one", "1");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
}

#[test]
fn a_directory_goes_while_its_ghosts_stay() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").directory("/boot").file("/boot/kernel", "k");
    mix.release(10, &content);
    mix.release(20, &mix.system(20));
    assert_warned(&mix, Rule::BootRemoved, &["/boot"]);
    // Release 20 has the same effect on endpoints on 10.
    mix.release(30, &mix.system(30));
    assert_eq!(found(&mix), []);

    let mut mix = Mix::signed();
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("os-core").directory("/boot");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
}

#[test]
fn a_bundle_that_is_gone() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.0.remove(&bundle("games"));
    mix.release(20, &content);
    assert_warned(&mix, Rule::BundleRemoved, &["bundle games"]);
}

#[test]
fn a_version_that_is_not_above() {
    let mut mix = Mix::signed();
    mix.release(20, &mix.system(20));
    let release = mix.plan(20, &mix.system(20));
    mix.make(release, |_| {});
    assert_eq!(found(&mix)[0], (Rule::VersionNotAbove, "release 20".to_owned()));

    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix.release(20, &mix.system(20));
    let older = mix.releases.remove(0);
    mix.releases.push(older);
    let first = findings(&mix).into_iter().find(|finding| finding.rule == Rule::VersionNotAbove).unwrap();
    assert!(first.problem.contains("not above 20"), "{first}");
}

#[test]
fn a_release_in_which_os_core_did_not_change() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/bin/go", "g");
    mix.release(20, &content);
    let found = found(&mix);
    assert_eq!(
        found,
        [(Rule::VersionFile, "/usr/lib/os-release".to_owned()), (Rule::ThirdPartyAdd, "bundle os-core".to_owned()),]
    );
}
