//! Rules about pointers, version files and the change of a format.

use clearwell_format::resource::Pointer;
use clearwell_generate::guard::{Finding, Rule, Severity};
use clearwell_generate::plan::ReleaseManifests;

use super::mix::{Content, Mix, NOW, format, version};
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

/// What is found in the second of the pair, released as `number` with this content.
fn second_of_pair(number: u32, content: impl Fn(&mut Content)) -> Vec<Finding> {
    let mut mix = format_bump(true);
    mix.format = format(31);
    // Everything is released again (min-version), as if nothing had been before.
    let mut alone = Mix::signed();
    alone.format = format(31);
    let mut of_second = mix.system(number);
    content(&mut of_second);
    let release = alone.plan(number, &of_second);
    mix.tree.append(&mut alone.tree);
    mix.make(release, |_| {});
    // Both of the pair are planned from the release before (manifest §5.12).
    let first = &mix.releases[0];
    let previous = ReleaseManifests { full: None, ..first.release_manifests() };
    mix.check(|context| context.previous = Some(previous))
}

#[test]
fn a_format_changes_in_two_releases() {
    let mix = format_bump(true);
    assert_warned(&mix, Rule::FormatBoundary, &["release 20"]);
    assert!(super::findings(&mix)[0].remedy.contains("version 30 in format 31"));
    assert_eq!(second_of_pair(30, |_| {}), []);
    // Endpoints do not have a bundle that only the second brings.
    assert_eq!(
        second_of_pair(30, |content| {
            content.bundle("young").file("/usr/bin/young", "x");
        }),
        []
    );
}

#[test]
fn the_second_of_a_pair_is_where_the_first_leads() {
    let says = |findings: &[Finding], text: &str| {
        assert_found(findings, Severity::Refusal, Rule::FormatBoundary, &[&findings[0].object.to_string()]);
        assert!(findings[0].to_string().contains(text), "{}", findings[0]);
    };
    says(&second_of_pair(40, |_| {}), "release 20 leads endpoints to version 30 in format 31, not to this release");
    type Change = dyn Fn(&mut Content);
    let changes: [(&Change, &str); 4] = [
        (
            &|content| {
                content.bundle("editors").file("/usr/bin/vi", "another");
            },
            "/usr/bin/vi is not the same as in release 20",
        ),
        (
            &|content| {
                content.bundle("editors").file("/usr/bin/new", "x");
            },
            "/usr/bin/new is not the same as",
        ),
        (
            &|content| {
                content.bundle("editors").remove("/usr/bin/vi");
            },
            "/usr/bin/vi is not the same as",
        ),
        (
            &|content| {
                content.bundle("editors").file("/usr/bin/vi", "1").file("/usr/bin/x", "2");
            },
            "/usr/bin/vi and 1 more are",
        ),
    ];
    for (change, text) in changes {
        says(&second_of_pair(30, change), text);
    }
}

#[test]
fn a_format_that_was_left_is_not_gone_on_with() {
    let mut mix = format_bump(true);
    mix.format = format(30);
    mix.release(30, &mix.system(30));
    let findings = super::findings(&mix);
    assert_found(&findings, Severity::Refusal, Rule::FormatBoundary, &["release 30"]);
    assert!(findings[0].to_string().contains("the earlier release 20 leads to format 31"), "{}", findings[0]);
}

#[test]
fn a_release_built_on_nothing_in_a_store_with_releases() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut alone = Mix::signed();
    let release = alone.plan(20, &mix.system(20));
    mix.tree.append(&mut alone.tree);
    mix.make(release, |_| {});
    let findings = mix.check(|context| context.previous = None);
    assert_found(&findings, Severity::Refusal, Rule::SecondHistory, &["release 20"]);
    assert!(findings[0].remedy.contains("--previous 10") && findings[0].remedy.contains("a separate store"));
    // Known as soon as it is planned.
    let planned = mix.check(|context| (context.previous, context.store, context.pointers) = (None, None, None));
    assert_found(&planned, Severity::Refusal, Rule::SecondHistory, &["release 20"]);
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
