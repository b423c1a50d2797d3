//! Format bumps: two releases that carry endpoints into a new format, from trees and from mixer workspaces.

use std::fs;

use serde_json::json;

use crate::mix::Mix;
use crate::stock::Stock;
use crate::workspace::{Workspace, state};

const DEPRECATED: &str = "owner = \"root\"\n[bundles.os-core]\n[bundles.libs]\n[bundles.editor]\nincludes = [\"libs\"]\n\
                          [bundles.legacy]\nstatus = \"Deprecated\"\n";

/// Release 10 of trees with a deprecated bundle, and a change after it.
fn with_legacy() -> Mix {
    let mix = Mix::new();
    mix.put("trees/bundles.toml", DEPRECATED);
    mix.put("trees/legacy/usr/bin/legacy", "old\n");
    mix.build(&["--timestamp", "1700000000"]).expect(0);
    mix.change("changed");
    mix
}

/// With the first half, 20, as well.
fn with_first_half() -> Mix {
    let mix = with_legacy();
    mix.build(&["--format-bump", "old", "--timestamp", "1700001000"]).expect(0);
    mix
}

#[track_caller]
fn numbers(ended: crate::run::Ended) -> (u64, u64, u64) {
    let outcome = ended.expect(0).json();
    let number = |key: &str| outcome[key].as_u64().unwrap();
    (number("version"), number("previous"), number("format"))
}

fn bundles(mix: &Mix, version: u32) -> Vec<String> {
    let shown = mix.run(&["releases", "show", &version.to_string(), "--store", "store", "--json"]).expect(0).json();
    let name = |bundle: &serde_json::Value| bundle["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = shown["record"]["bundles"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn endpoints_cross_from_trees() {
    let mix = with_legacy();
    let time = |seconds: &'static str| ["--timestamp", seconds, "--json"];
    let old = mix.build(&[&["--format-bump", "old"][..], &time("1700001000")].concat());
    assert_eq!(numbers(old), (20, 10, 30));
    // Version, format and the release before are those that the first half announces; its timestamp is kept.
    let new = mix.build(&[&["--format-bump", "new"][..], &time("1700002000")].concat());
    assert_eq!(numbers(new), (30, 10, 31));
    assert_eq!(bundles(&mix, 20), ["editor", "legacy", "libs", "os-core"]);
    assert_eq!(bundles(&mix, 30), ["editor", "libs", "os-core"]);
    mix.verify("10,20");
    mix.run(&["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--version", "20", "--from", "10"]).expect(0);

    let stock = Stock::find("a format bump", &mix.path("store/content"), &mix.path("Swupd_Root.pem"));
    if let Some(stock) = &stock {
        stock.install(10, 30, "editor,legacy").expect(0);
        stock.update().expect(0);
        stock.diagnose().expect(0);
        let said = |file: &str| fs::read_to_string(stock.root().join(file)).unwrap();
        assert_eq!(said("usr/share/clear/version"), "30");
        assert_eq!(said("usr/share/clear/versionstamp"), "1700001000");
        assert!(!stock.root().join("usr/bin/legacy").exists());
    }

    // A dropped bundle stays out, though the trees still have it; so do its packs in the new format.
    mix.change("forty");
    let next = mix.build(&time("1700003000"));
    let says = "bundle legacy is deprecated and not in the previous release: left out";
    assert_eq!(numbers(next.says(&[says])), (40, 30, 31));
    assert_eq!(bundles(&mix, 40), ["editor", "libs", "os-core"]);
    mix.verify("10,20,30");
    // A second bump right after the first.
    assert_eq!(numbers(mix.build(&["--format-bump", "old", "--next-format", "35", "--json"])), (50, 40, 31));
    assert_eq!(numbers(mix.build(&["--format-bump", "new", "--json"])), (60, 40, 35));
    mix.verify("10,20,30,40,50");
    if let Some(stock) = &stock {
        stock.update().expect(0);
        stock.diagnose().expect(0);
        assert_eq!(fs::read_to_string(stock.root().join("usr/share/clear/version")).unwrap(), "60");
    }
}

#[test]
fn a_dropped_bundle_returns_only_on_request() {
    let mix = with_first_half();
    mix.build(&["--format-bump", "new"]).expect(0);
    mix.put("trees/bundles.toml", format!("{DEPRECATED}[bundles.young]\nstatus = \"Deprecated\"\n"));
    mix.put("trees/young/usr/bin/young", "new, and not for long\n");
    mix.build(&[]).expect(0);
    // A bundle that was never released is dropped by the next bump, as with mixer.
    assert_eq!(bundles(&mix, 40), ["editor", "libs", "os-core", "young"]);
    mix.put("trees/bundles.toml", DEPRECATED.replace("Deprecated", "Active"));
    fs::remove_dir_all(mix.path("trees/young")).unwrap();
    mix.build(&[]).expect(0);
    assert_eq!(bundles(&mix, 50), ["editor", "legacy", "libs", "os-core"]);
    mix.put("trees/bundles.toml", DEPRECATED);
    mix.change("sixty");
    mix.build(&[]).expect(0);
    assert_eq!(bundles(&mix, 60), ["editor", "legacy", "libs", "os-core"], "it has to leave with a bump again");
    mix.verify("10,20,30,40,50");
}

#[test]
fn only_the_second_half_may_follow_the_first() {
    let mix = Mix::changed();
    mix.refuses(&["build", "--format-bump", "new"], 4, &["first half", "has not been built", "--format-bump old"]);
    mix.refuses(&["build", "--format-bump", "old", "--next-format", "30"], 2, &["--next-format 30 is not above 30"]);
    mix.refuses(&["build", "--format-bump", "old", "--format", "31"], 2, &["stays in format 30", "--next-format"]);
    mix.build(&["--format-bump", "old"]).expect(0);
    mix.change("thirty");
    // An endpoint on the first half finds no update now, so it cannot be verified by what is installed.
    let refused = |args: &[&str], code: i32, says: &[&str]| {
        let before = mix.kept();
        mix.build(args).expect(code).says(says);
        before.assert_same(&mix.kept());
    };
    let first = ["release 20 is the first half", "version 30 in format 31", "--format-bump new"];
    for args in [&[][..], &["--version", "30"], &["--version", "40"], &["--format-bump", "old"], &["--stage"]] {
        refused(args, 5, &first);
    }
    for (args, code, says) in [
        (&["--format", "32"][..], 4, "--format says 32"),
        (&["--format", "30"], 4, "look for updates in format 31"),
        (&["--version", "40"], 4, "report version 30"),
        (&["--min-version", "20"], 2, "leave out --min-version"),
        (&["--next-format", "31"], 2, "--next-format belongs to --format-bump old"),
        // Endpoints on 20 would never get the new content.
        (&[], 5, "/usr/share/text is not the same as in release 20"),
    ] {
        refused(&[&["--format-bump", "new"], args].concat(), code, &[says]);
    }
    mix.change("changed");
    mix.build(&["--format-bump", "new", "--format", "31", "--version", "30", "--previous", "20"]).expect(0);
    mix.verify("10,20");
    mix.change("forty");
    mix.refuses(&["build", "--format-bump", "new"], 4, &["release 30, the second half of 20, is already published"]);
    mix.refuses(
        &["build", "--format", "30"],
        4,
        &["--format asks for format 30", "the previous release 30 has format 31"],
    );
    mix.refuses(&["build", "--format", "32"], 5, &["format-boundary"]);
    mix.put("clearwell.toml", fs::read_to_string(mix.path("clearwell.toml")).unwrap() + "format = 30\n");
    mix.refuses(&["build"], 4, &["the configuration file asks for format 30"]);
}

#[test]
fn content_of_another_second_half_never_arrives() {
    let mix = with_first_half();
    mix.put("trees/editor/usr/bin/edit", "another editor\n");
    mix.put("trees/libs/usr/lib/new", "new\n");
    let differs = ["format-boundary", "/usr/bin/edit and 1 more are not the same as in release 20", "same trees"];
    mix.build(&["--format-bump", "new"]).expect(5).says(&differs);
    mix.build(&["--format-bump", "new", "--allow", "format-boundary"]).expect(0).says(&differs);
    let verify = ["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--from", "10"];
    let told = mix.run(&verify).expect(1).stdout;
    for says in [
        "PROBLEM in update 10 to 30: /usr/bin/edit differs from the manifests afterwards",
        "/usr/lib/new is missing afterwards",
        "update 10 to 30                    FAILED",
    ] {
        assert!(told.contains(says), "{told}");
    }
    let Some(stock) =
        Stock::find("a second half with other content", &mix.path("store/content"), &mix.path("Swupd_Root.pem"))
    else {
        return;
    };
    stock.install(10, 30, "editor").expect(0);
    stock.update().expect(0);
    let told = stock.diagnose().expect(1).stdout;
    assert!(told.contains("Hash mismatch") && told.contains("/usr/bin/edit"), "{told}");
    assert!(told.contains("Missing file") && told.contains("/usr/lib/new"), "{told}");
}

#[test]
fn a_second_half_of_another_version_is_never_found() {
    let mix = with_first_half();
    // Past the command's own check, as if the first half had been made elsewhere.
    let args = ["--format", "31", "--version", "40", "--min-version", "40", "--allow", "format-boundary"];
    mix.build(&args).expect(0).says(&["release 20 leads endpoints to version 30 in format 31, not to this release"]);
    let told = mix.run(&["verify", "--store", "store", "--from", "10", "--retry-seconds", "0"]).expect(1).stdout;
    assert!(told.contains("30/Manifest.MoM.tar could not be fetched"), "{told}");
    if let Some(stock) = Stock::find("a bump with a gap", &mix.path("store/content"), &mix.path("Swupd_Root.pem")) {
        stock.install(10, 30, "editor").expect(0);
        stock.update().expect(4);
    }
}

#[test]
fn halves_may_be_staged() {
    let mix = with_legacy();
    mix.build(&["--format-bump", "old", "--stage"]).expect(0);
    mix.build(&["--version", "30"])
        .expect(5)
        .says(&["release 20 is the first half", "drop the first half with discard"]);
    mix.build(&["--format-bump", "new", "--stage"]).expect(0);
    let verify = |version: &str, from: &str| {
        mix.run(&["verify", "--store", "store", "--version", version, "--from", from, "--retry-seconds", "0"])
    };
    verify("20", "10").expect(0);
    verify("30", "20").expect(0);
    // Pointers do not lead from 10 to 30 yet.
    let told = verify("30", "10").expect(1).stdout;
    assert!(told.contains("endpoints on 10 can update to release 10 in format 30 only"), "{told}");
    mix.run(&["publish", "20"]).expect(0);
    verify("30", "10").expect(0);
    mix.run(&["publish", "30"]).expect(0);
    mix.verify("10,20");
}

#[test]
fn a_second_half_published_before_its_first_warns() {
    let mix = with_legacy();
    mix.build(&["--format-bump", "old", "--stage"]).expect(0);
    let told = "endpoints in format 30 cannot reach format 31: release 20, the first half, is staged";
    mix.build(&["--format-bump", "new"]).expect(0).says(&[told, "clearwell publish 20"]);
    mix.run(&["publish", "20"]).expect(0);
    mix.verify("10,20");
}

#[test]
fn retracting_a_first_half_explains_the_next_step() {
    let mix = with_first_half();
    let told = mix.run(&["retract", "20"]).expect(0).stdout;
    assert!(told.contains("clearwell build --format-bump new") && told.contains("format 31"), "{told}");
    let refused = mix.build(&["--version", "30"]).expect(5).says(&["--format-bump new", "--allow format-boundary"]);
    assert!(!refused.stderr.contains("discard"), "{}", refused.stderr);
    assert_eq!(numbers(mix.build(&["--format-bump", "new", "--json"])), (30, 10, 31));
}

/// A workspace whose release 10 has a deprecated bundle, with the image that both halves are made of.
fn workspace_with_legacy() -> Workspace {
    let workspace = Workspace::new(10, 0);
    workspace.mix.put("mix/update/groups.ini", GROUPS);
    workspace.mix.put("mix/mixbundles", "editor\nlegacy\nos-core\n");
    image(&workspace, 10, 10, "30");
    workspace.build(&["--increment"]).expect(0);
    image(&workspace, 20, 30, "31");
    image(&workspace, 30, 30, "31");
    workspace
}

const GROUPS: &str = "[os-core]\ngroup=os-core\n\n[legacy]\ngroup=legacy\n\n[editor]\ngroup=editor\n\n";

/// The image of a version whose content says another version, and a format.
fn image(workspace: &Workspace, version: u32, says: u32, format: &str) {
    workspace.image(version, &format!("{says} {format}"));
    let full = format!("mix/update/image/{version}/full");
    workspace.mix.put(format!("{full}/usr/lib/os-release"), format!("VERSION_ID={says}\n"));
    workspace.mix.put(format!("{full}/usr/share/clear/version"), says.to_string());
    workspace.mix.put(format!("{full}/usr/share/defaults/swupd/format"), format);
    let files = [("/usr/share/clear/bundles/legacy", String::new()), ("/usr/bin/legacy", "legacy\n".repeat(50))];
    workspace.bundle(version, "legacy", &["os-core"], &files);
    let info = format!("mix/update/image/{version}/legacy-info");
    let text = workspace.text(&info).replace("\"Active\"", "\"Deprecated\"");
    workspace.mix.put(info, text);
}

/// What a release leaves in the workspace: mixer.state, mixversion, LAST_VER, the bundles of groups.ini and mixbundles.
fn left(workspace: &Workspace) -> (String, String, String, Vec<String>, String) {
    let text = |file: &str| workspace.text(file).trim_end().to_owned();
    let groups = text("mix/update/groups.ini");
    let sections = groups.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect();
    (
        workspace.text("mix/mixer.state"),
        text("mix/mixversion"),
        text("mix/update/image/LAST_VER"),
        sections,
        text("mix/mixbundles"),
    )
}

#[test]
fn endpoints_cross_from_a_workspace() {
    for increment in [&[][..], &["--increment"]] {
        let workspace = workspace_with_legacy();
        let build = |args: &[&str]| workspace.build(&[args, increment, &["--json"]].concat());
        assert_eq!(numbers(build(&["--format-bump", "old"])), (20, 10, 30));
        // As mixer leaves it: the first half is recorded only by its version.
        let all = ["[os-core]", "[legacy]", "[editor]"].map(str::to_owned).to_vec();
        let version = if increment.is_empty() { "20" } else { "30" };
        let expected = (state(30, 10), version.into(), "10".into(), all, "editor\nlegacy\nos-core".into());
        assert_eq!(left(&workspace), expected);
        workspace.build(&["--version", "40"]).expect(5).says(&["release 20 is the first half", "--format-bump new"]);

        assert_eq!(numbers(build(&["--format-bump", "new"])), (30, 10, 31));
        let rest = ["[os-core]", "[editor]"].map(str::to_owned).to_vec();
        let version = if increment.is_empty() { "30" } else { "40" };
        let expected = (state(31, 30), version.into(), "30".into(), rest, "editor\nos-core".into());
        assert_eq!(left(&workspace), expected);
        workspace.mix.verify("10,20");
        if let Some(stock) = Stock::find(
            "a format bump of a workspace",
            &workspace.mix.path("store/content"),
            &workspace.mix.path("Swupd_Root.pem"),
        ) {
            stock.install(10, 30, "editor,legacy").expect(0);
            stock.update().expect(0);
            stock.diagnose().expect(0);
        }

        // Bundles that were built again add it to groups.ini again; it stays out of the release.
        image(&workspace, 40, 40, "31");
        workspace.mix.put("mix/mixversion", "40");
        workspace.mix.put("mix/update/groups.ini", GROUPS);
        assert_eq!(numbers(build(&[]).says(&["bundle legacy is deprecated"])), (40, 30, 31));
        assert_eq!(bundles(&workspace.mix, 40), ["editor", "os-core"]);
        // A second bump right after.
        workspace.mix.put("mix/mixversion", "50");
        workspace.mix.put("mix/mixer.state", state(31, 40));
        image(&workspace, 50, 60, "32");
        fs::rename(workspace.mix.path("mix/update/image/50"), workspace.mix.path("mix/update/image/60")).unwrap();
        assert_eq!(numbers(build(&["--format-bump", "old"])), (50, 40, 31));
        assert_eq!(numbers(build(&["--format-bump", "new"])), (60, 40, 32));
        workspace.mix.verify("10,20,30,40,50");
    }
}

#[test]
fn the_content_of_a_workspace_must_announce_the_new_format() {
    let workspace = workspace_with_legacy();
    let refused = |args: &[&str], code: i32, says: &[&str]| {
        let before = workspace.mix.kept();
        workspace.build(args).expect(code).says(says);
        before.assert_same(&workspace.mix.kept());
    };
    refused(&["--format-bump", "old", "--next-format", "32"], 3, &["content of 20 names format 31", "format 32"]);
    image(&workspace, 20, 30, "30");
    refused(&["--format-bump", "old"], 3, &["content of 20 names format 30", "version of the second half"]);
    image(&workspace, 20, 20, "31");
    refused(&["--format-bump", "old"], 3, &["names format 31 and version 20"]);
    // A version that exists cannot be the second half.
    image(&workspace, 20, 30, "31");
    image(&workspace, 30, 30, "30");
    workspace.build(&["--version", "30", "--stage"]).expect(0);
    refused(&["--format-bump", "old"], 4, &["version 30", "endpoints on 20 would look for", "exists"]);
}

#[test]
fn the_content_decides_the_gap_between_the_halves() {
    let workspace = workspace_with_legacy();
    image(&workspace, 20, 35, "33");
    image(&workspace, 35, 35, "33");
    assert_eq!(numbers(workspace.build(&["--format-bump", "old", "--increment", "--json"])), (20, 10, 30));
    assert_eq!(workspace.text("mix/mixversion"), "35");
    workspace.mix.put("mix/mixversion", "40");
    workspace.build(&["--format-bump", "new"]).expect(4).says(&["mixversion says 40", "report version 35"]);
    workspace.mix.put("mix/mixversion", "35");
    assert_eq!(numbers(workspace.build(&["--format-bump", "new", "--json"])), (35, 10, 33));
    workspace.mix.verify("10,20");
}

#[test]
fn an_unwritable_workspace_is_reported_after_the_release() {
    let workspace = Workspace::new(10, 0);
    workspace.image(10, "one");
    fs::create_dir(workspace.mix.path("mix/mixversion.clearwell-new")).unwrap();
    workspace.build(&["--increment"]).expect(9).says(&["10 is released", "failed to write", "mixversion"]);
    assert_eq!(workspace.mix.newest(), Some(10));
    assert_eq!(json!(workspace.text("mix/mixversion")), "10");
}
