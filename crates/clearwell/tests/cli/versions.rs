//! Version numbers: from tags, in the order of dpkg and rpm, and the same in Cargo.toml and the changelog.

use std::process::Command;

use clearwell_testkit::program;

#[path = "../../build/version.rs"]
mod version;

/// In the order of the commits: (what git says, the version).
fn history() -> Vec<String> {
    let mut versions: Vec<String> = ["20260131123000", "20260131123001", "20261129014855"]
        .map(|time| version::untagged("0.2.0", time, "abc1234"))
        .into();
    for described in [
        "v0.2.0-rc.1-0-gabc1234",
        "v0.2.0-rc.1-3-gabc1234",
        "v0.2.0-rc.2-0-gfff1234",
        "v0.2.0-0-gabc1234",
        "v0.2.0-5-gfff1234",
        "v0.2.0-40-gabc1234",
        "v0.2.1-0-gabc1234",
        "v0.10.0-0-gabc1234",
        "v1.0.0+site-0-gabc1234",
        "v1.0.0+site-2-gabc1234",
    ] {
        versions.push(version::of_tag(described).unwrap());
    }
    versions
}

fn package_version(version: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/package-version");
    let output = Command::new(script).arg(version).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_version_is_its_tag_and_the_commits_since() {
    let versions = history();
    for expected in [
        "0.2.0-dev.20260131123000.gabc1234",
        "0.2.0-rc.1",
        "0.2.0-rc.1+3.gabc1234",
        "0.2.0",
        "0.2.0+5.gfff1234",
        "1.0.0+site.2.gabc1234",
    ] {
        assert!(versions.iter().any(|version| version == expected), "{expected}: {versions:?}");
    }
    for other in ["", "v0.2.0", "0.2.0-0-gabc1234", "v0.2.0-x-gabc1234"] {
        assert_eq!(version::of_tag(other), None, "{other}");
    }
    assert_eq!(package_version("0.2.0+5.gabc1234"), "0.2.0+5.gabc1234");
    assert_eq!(package_version("0.3.0-rc-1"), "0.3.0~rc.1");
}

#[test]
fn dpkg_and_rpm_sort_versions_as_their_commits() {
    let versions: Vec<String> = history().iter().map(|version| package_version(version)).collect();
    let pairs = || versions.iter().zip(&versions[1..]);
    if let Some(dpkg) = program("dpkg", "the order of versions is not compared with dpkg's") {
        for (older, newer) in pairs() {
            let is_older = Command::new(&dpkg).args(["--compare-versions", older, "lt", newer]).status().unwrap();
            assert!(is_older.success(), "dpkg: {older} < {newer}");
        }
    }
    if let Some(rpm) = program("rpm", "the order of versions is not compared with rpm's") {
        for (older, newer) in pairs() {
            let expression = format!("%{{lua:print(rpm.vercmp(\"{older}\", \"{newer}\"))}}");
            let compared = Command::new(&rpm).args(["--eval", &expression]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&compared.stdout).trim(), "-1", "rpm: {older} < {newer}");
        }
    }
}

#[test]
fn the_newest_entry_of_the_changelog_is_the_version_of_cargo() {
    let changelog = include_str!("../../../../CHANGELOG.md");
    let mut entries = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split_once(']'));
    let (version, rest) = entries.next().unwrap();
    // What is not released yet comes first, under the version of Cargo.toml that it will get.
    assert_eq!(version, env!("CARGO_PKG_VERSION"), "CHANGELOG.md");
    let date = rest.strip_prefix(" - ").unwrap_or_else(|| panic!("{rest}: expected \" - \" and a date"));
    let is_date = date.len() == 10 && date.split('-').all(|part| part.parse::<u16>().is_ok());
    assert!(is_date || date == "unreleased", "{date}");
}
