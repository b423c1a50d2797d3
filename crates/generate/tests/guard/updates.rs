//! Rules that compare a release with the one before.

use clearwell_generate::guard::Rule;

use super::mix::{Mix, bundle, version};
use super::{assert_refused, assert_warned, findings, found};

#[test]
fn a_change_that_endpoints_would_not_notice() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").file("/usr/bin/ed", "another").file("/usr/bin/ex", "new");
    let mut release = mix.plan(20, &content);
    let entry = release.entry("editors", "/usr/bin/ed");
    entry.version = version(10);
    let hash = entry.hash;
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

    // The other way round is no trouble.
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
    assert_warned(&mix, Rule::BootRemoved, &["/boot in bundle os-core"]);

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
