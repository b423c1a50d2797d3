//! Releases continue the history of their store: neither a default nor a file of a workspace starts another one.

use std::fs;

use serde_json::{Value, json};

use crate::mix::Mix;
use crate::workspace::{Workspace, state};

/// A workspace about to build 20. Its release 10 is in `store`, where it was adopted from `update/www`, if `adopted`.
fn second(adopted: bool) -> Workspace {
    let workspace = Workspace::new(10, 0);
    workspace.image(10, "one");
    workspace.build(&[]).expect(0);
    fs::rename(workspace.mix.path("store/content"), workspace.mix.path("mix/update/www")).unwrap();
    fs::remove_dir_all(workspace.mix.path("store")).unwrap();
    if adopted {
        let adopt = ["adopt", "mix/update/www", "--store", "store", "--cert", "Swupd_Root.pem"];
        workspace.mix.run(&adopt).expect(0);
    }
    workspace.image(20, "two");
    fs::remove_file(workspace.mix.path("mix/update/image/20/full/usr/bin/edit")).unwrap();
    workspace.mix.put("mix/mixversion", "20");
    workspace
}

/// What 20 lists as deleted, and whether endpoints on 10 get a pack.
fn what_20_keeps(workspace: &Workspace) -> (Vec<String>, bool) {
    let manifest = workspace.text("store/content/20/Manifest.editor");
    let deleted = manifest.lines().filter(|line| line.starts_with(".d")).map(|line| line.rsplit('\t').next().unwrap());
    (deleted.map(str::to_owned).collect(), workspace.mix.path("store/content/20/pack-os-core-from-10.tar").exists())
}

/// What `mixer.state` and `LAST_VER` say, in a workspace whose release 10 was made without them.
type Said = (Option<String>, Option<&'static str>);

fn say(workspace: &Workspace, (mixer_state, last): &Said) {
    for (file, text) in [("mix/mixer.state", mixer_state.as_deref()), ("mix/update/image/LAST_VER", *last)] {
        let _ = fs::remove_file(workspace.mix.path(file));
        if let Some(text) = text {
            workspace.mix.put(file, text);
        }
    }
}

#[test]
fn the_version_built_last_is_the_default_as_for_mixer() {
    let without_key = Some("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"30\"\n".to_owned());
    for said in [(None, Some("10")), (None, Some("10\n")), (without_key, Some("10")), (Some(state(30, 10)), None)] {
        let workspace = second(true);
        say(&workspace, &said);
        let outcome = workspace.build(&["--json"]).expect(0).json();
        assert_eq!((&outcome["previous"], &outcome["format"]), (&json!(10), &json!(30)), "{said:?}");
        assert_eq!(what_20_keeps(&workspace), (vec!["/usr/bin/edit".to_owned()], true), "{said:?}");
        workspace.mix.verify("10");

        // Not adopted: nothing is released, and no store is left.
        let workspace = second(false);
        say(&workspace, &said);
        let says = ["builds on version 10", "clearwell adopt", "update/www --store store", "--previous"];
        workspace.build(&[]).expect(7).says(&says);
        assert!(!workspace.mix.path("store").exists());
    }
}

#[test]
fn a_workspace_without_the_previous_version_is_refused() {
    let two_ways = ["--previous 10", "--allow second-history", "a new store"];
    for (said, code, says) in [
        // mixer continues and loses the history.
        ((None, None), 4, &two_ways[..]),
        ((None, Some("0\n")), 4, &two_ways),
        ((Some(state(30, 0)), Some("10")), 4, &["mixer.state names no previous version", "--previous 10"]),
        ((None, Some("20")), 4, &["LAST_VER names 20", "20 is not above it", "mixversion"]),
        ((None, Some("30")), 4, &["LAST_VER names 30", "20 is not above it", "mixversion"]),
        ((Some(state(30, 15)), None), 7, &["builds on version 15", "clearwell adopt"]),
        ((None, Some("ten")), 3, &["LAST_VER", "\"ten\" is not a version"]),
    ] {
        let workspace = second(true);
        say(&workspace, &said);
        let before = workspace.mix.kept();
        workspace.build(&[]).expect(code).says(says);
        before.assert_same(&workspace.mix.kept());
        workspace.build(&["--previous", "10"]).expect(if code == 3 { 3 } else { 0 });
    }
    // Its releases are known only by its public tree.
    let workspace = second(false);
    say(&workspace, &(Some(state(30, 0)), None));
    workspace.build(&[]).expect(7).says(&["builds on version 10", "clearwell adopt", "--previous, 0 for none"]);
    assert!(!workspace.mix.path("store").exists());
    let outcome = workspace.build(&["--previous", "0", "--json"]).expect(0).json();
    assert_eq!(outcome["previous"], 0, "a new store may start another history");
}

#[test]
fn a_workspace_older_than_its_store_is_refused() {
    let workspace = second(true);
    say(&workspace, &(Some(state(30, 10)), None));
    workspace.build(&[]).expect(0);
    workspace.image(30, "three");
    workspace.mix.put("mix/mixversion", "30");
    workspace.build(&[]).expect(4).says(&[
        "mixer.state names 10",
        "last release in the store is 20",
        "--previous 20",
        "--previous 10",
    ]);
    // Endpoints may be on a retracted release.
    workspace
        .mix
        .run(&["retract", "20", "--store", "store", "--certificate", "Swupd_Root.pem", "--key", "private.pem"])
        .expect(0);
    workspace.build(&[]).expect(4).says(&["mixer.state names 10", "last release in the store is 20", "--previous 20"]);
    let outcome = workspace.build(&["--previous", "20", "--json"]).expect(0).json();
    assert_eq!(outcome["previous"], 20);
    workspace.mix.verify("10,20");
}

#[test]
fn another_history_needs_an_explicit_option() {
    let mix = Mix::changed();
    let two_ways = ["second-history", "--previous 10", "another history"];
    mix.refuses(&["build", "--previous", "0"], 5, &two_ways);
    mix.refuses(&["build", "--previous", "0", "--version", "20", "--stage"], 5, &two_ways);
    mix.build(&["--previous", "0", "--allow", "second-history"]).expect(0).says(&["allowed: second-history"]);
    let shown = mix.run(&["releases", "show", "20", "--json"]).expect(0).json();
    assert_eq!(shown["record"]["allowed-rules"], json!(["second-history"]));
    assert_eq!(shown["record"]["previous"], Value::Null);
    mix.verify("10");
    mix.run(&["publish", "20"]).expect(0);
    // A build from trees continues at the pointers.
    mix.change("thirty");
    assert_eq!(mix.build(&["--json"]).expect(0).json()["previous"], 20);
}

#[test]
fn the_first_release_is_published_again_below_others() {
    let mix = Mix::changed();
    mix.build(&[]).expect(0);
    mix.run(&["retract", "20"]).expect(0);
    mix.run(&["publish", "10"]).expect(0);
    assert_eq!(mix.newest(), Some(10));
}

#[test]
fn staged_releases_are_history_too() {
    let mix = Mix::new();
    mix.build(&["--stage"]).expect(0);
    mix.change("twenty");
    let before = mix.kept();
    mix.build(&["--version", "20"]).expect(5).says(&["second-history", "the store has 10", "--previous 10"]);
    before.assert_same(&mix.kept());
    assert_eq!(mix.build(&["--version", "20", "--previous", "10", "--json"]).expect(0).json()["previous"], 10);
    mix.verify("10");
}

#[test]
fn lost_pointers_do_not_start_a_new_history() {
    let mix = Mix::changed();
    let link = mix.path("store/content/version");
    fs::remove_file(&link).unwrap();
    mix.build(&["--version", "20"]).expect(5).says(&["second-history", "--previous 10"]);
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    mix.build(&["--version", "20"]).expect(7).says(&["are damaged", "publish a release again"]);
    mix.build(&["--version", "20", "--previous", "0"]).expect(7).says(&["are damaged"]);
}

#[test]
fn a_workspace_is_not_incremented_past_the_last_version() {
    for version in [2_147_483_647, 2_147_483_638] {
        let workspace = Workspace::new(version, 0);
        workspace.image(version, "one");
        workspace.build(&["--increment"]).expect(4).says(&["no version 10 above", &version.to_string()]);
        assert!(!workspace.mix.path("store").exists(), "nothing is released");
        assert_eq!(workspace.text("mix/mixversion"), version.to_string());
        workspace.build(&[]).expect(0);
        assert_eq!(workspace.mix.newest(), Some(version.into()));
    }
    let workspace = Workspace::new(2_147_483_637, 0);
    workspace.image(2_147_483_637, "one");
    workspace.build(&["--increment"]).expect(0);
    assert_eq!(workspace.text("mix/mixversion"), "2147483647");
}
