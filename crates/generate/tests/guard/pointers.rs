//! Rules about pointers, version files and the change of a format.

use clearwell_format::resource::Pointer;
use clearwell_generate::guard::{Rule, Severity};

use super::mix::{Mix, NOW, format, version};
use super::{assert_found, assert_refused, assert_warned, found};

fn two_releases() -> Mix {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix.release(20, &mix.system(20));
    mix
}

fn with_latest(text: &str) -> Mix {
    let mut mix = two_releases();
    let signature = mix.signer.as_ref().unwrap().sign(text.as_bytes(), NOW).unwrap();
    mix.pointers.insert(Pointer::Latest(format(30)), text.into());
    mix.pointers.insert(Pointer::LatestSignature(format(30)), signature);
    mix
}

const LATEST: &[&str] = &["version/format30/latest"];

#[test]
fn texts_that_endpoints_cannot_read() {
    for text in ["", "twenty", "20abc", "0", "        20        "] {
        assert_refused(&with_latest(text), Rule::UnreadablePointer, LATEST);
    }
    assert_eq!(found(&with_latest("20\n")), []);
    for text in ["20\n10\n", "20\n10\n5\n1\n"] {
        assert_refused(&with_latest(text), Rule::MultiLineLatest, LATEST);
    }
}

#[test]
fn pointers_that_go_back() {
    let mut mix = two_releases();
    mix.before.insert(Pointer::Latest(format(30)), b"30".to_vec());
    mix.before.insert(Pointer::LatestVersion, b"20".to_vec());
    assert_refused(&mix, Rule::PointerGoesBack, LATEST);
}

#[test]
fn pointers_that_lose_their_signature() {
    let mut mix = two_releases();
    mix.before = mix.pointers.clone();
    mix.pointers.remove(&Pointer::LatestSignature(format(30)));
    mix.signer = None;
    let found = found(&mix);
    let lost = (Rule::SignatureLost, "version/format30/latest.sig".to_owned());
    assert!(found.contains(&lost), "{found:?}");
}

#[test]
fn pointers_to_nothing_or_to_another_format() {
    assert_refused(&with_latest("25"), Rule::PointerTarget, LATEST);
    let mut mix = two_releases();
    mix.pointers.insert(Pointer::First(format(31)), b"10".to_vec());
    assert_refused(&mix, Rule::PointerTarget, &["version/format31/first"]);
}

#[test]
fn a_system_that_says_another_version() {
    for said in ["10", "30", "\"next\""] {
        let mut mix = Mix::signed();
        mix.release(10, &mix.system(10));
        let mut content = mix.system(20);
        content.bundle("os-core").file("/usr/lib/os-release", &format!("VERSION_ID={said}\n#\n"));
        mix.release(20, &content);
        assert_refused(&mix, Rule::VersionFile, &["/usr/lib/os-release"]);
    }
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").remove("/usr/lib/os-release").remove("/usr/share/defaults/swupd/format");
    mix.release(10, &content);
    assert_warned(&mix, Rule::VersionFile, &["release 10", "release 10"]);
}

#[test]
fn a_time_stamp_that_is_no_time_or_ahead() {
    const STAMP: &str = "/usr/share/clear/versionstamp";
    let with = |text: &str| {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        content.bundle("os-core").file(STAMP, text);
        mix.release(10, &content);
        mix
    };
    for text in ["", "0", "today", "-1", "17000000000", &(NOW + 86_401).to_string()] {
        assert_refused(&with(text), Rule::VersionStamp, &[STAMP]);
    }
    assert_eq!(found(&with(&format!("{}\n", NOW + 86_400))), []);

    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").remove(STAMP);
    mix.release(10, &content);
    assert_warned(&mix, Rule::VersionStamp, &["release 10"]);
}

/// Versions 10 in format 30, then the pair 20 and 30: the content of both says 31 and 30.
fn format_bump(first_of_pair: bool) -> Mix {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix.format = format(31);
    let content = mix.system(30);
    if first_of_pair {
        mix.format = format(30);
        mix.release(20, &content);
    } else {
        mix.release(30, &content);
    }
    mix
}

#[test]
fn a_format_changes_in_two_releases() {
    let mut mix = format_bump(true);
    assert_warned(&mix, Rule::FormatBoundary, &["release 20"]);
    assert!(super::findings(&mix)[0].remedy.contains("version 30 in format 31"));
    mix.format = format(31);
    // Everything is released again (min-version), as if nothing had been before.
    let mut alone = Mix::signed();
    alone.format = format(31);
    let release = alone.plan(30, &mix.system(30));
    mix.tree.append(&mut alone.tree);
    mix.make(release, |_| {});
    // Both of the pair are planned from the release before (manifest 5.12).
    let first = &mix.releases[0];
    let manifests = first.manifests.iter().map(|(name, manifest)| (name.clone(), manifest)).collect();
    let previous = clearwell_generate::guard::Listing { mom: &first.mom, manifests, full: None };
    assert_eq!(mix.check(|context| context.previous = Some(previous)), []);
}

#[test]
fn a_format_that_changes_without_a_way_there() {
    let mix = format_bump(false);
    assert_refused(&mix, Rule::FormatBoundary, &["release 30"]);
}

#[test]
fn content_of_a_format_that_leads_nowhere() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").file("/usr/share/defaults/swupd/format", "31");
    mix.release(10, &content);
    let findings = mix.check(|_| {});
    assert_found(&findings, Severity::Refusal, Rule::FormatBoundary, &["release 10"]);
    assert_eq!(mix.releases[0].version(), version(10));
}
