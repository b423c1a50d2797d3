//! Staged releases: built again, published, discarded; and refusals that leave nothing.

use std::fs;

use crate::mix::{Kept, Mix};

/// Release 10 published, and release 20 staged.
fn staged() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--version", "20", "--stage"]).expect(0);
    mix
}

fn check(mix: &Mix) {
    mix.run(&["check", "--store", "store"]).expect(0);
}

#[test]
fn a_staged_release_is_built_again_until_it_is_published() {
    let mix = staged();
    mix.change("once more");
    mix.build(&["--version", "20", "--stage"]).expect(0);
    assert_eq!(mix.newest(), Some(10));
    check(&mix);
    // The same again: nothing is to be made, also without a timestamp.
    let again = mix.build(&["--version", "20", "--stage", "--json"]).expect(0).json();
    assert_eq!(again["resumed"], true);
    let published = mix.build(&["--version", "20", "--json"]).expect(0).json();
    assert!(published["resumed"] == true && published["generation"].is_u64(), "{published}");
    mix.verify("10");
    mix.change("too late");
    mix.refuses(&["build", "--version", "20"], 4, &["version 20 exists already", "choose a higher one"]);
    mix.refuses(&["build", "--version", "20", "--stage"], 4, &["version 20 exists already"]);
}

#[test]
fn a_staged_release_is_discarded() {
    let mix = Mix::changed();
    let before = mix.kept();
    mix.build(&["--version", "20", "--stage"]).expect(0);
    let shown = mix.run(&["discard", "20", "--json"]).expect(0).json();
    assert_eq!((&shown["version"], &shown["discarded"]), (&20.into(), &"release".into()));
    assert!(shown["artifacts"].as_u64() > Some(5));
    let gone = mix.kept();
    let of_twenty =
        |kept: &Kept| kept.clone().only(|path| path.starts_with("content/20") || path == "meta/releases/20.json");
    of_twenty(&before).assert_same(&of_twenty(&gone));
    assert_eq!(mix.releases().as_array().unwrap().len(), 1);
    check(&mix);
    mix.refuses(&["discard", "20"], 4, &["no release 20"]);
    mix.build(&["--version", "20"]).expect(0);
    mix.verify("10");
}

#[test]
fn a_release_that_may_be_needed_is_not_discarded() {
    let mix = staged();
    mix.change("thirty");
    mix.build(&["--version", "30", "--previous", "20", "--stage"]).expect(0);
    mix.refuses(&["discard", "10"], 4, &["release 10 was published", "retract"]);
    mix.refuses(&["discard", "20"], 4, &["the previous release of 30", "discard that one first"]);
    mix.change("twenty");
    mix.refuses(&["build", "--version", "20", "--stage"], 4, &["the previous release of 30"]);
    mix.run(&["publish", "30"]).expect(0);
    mix.refuses(&["discard", "30"], 4, &["release 30 was published"]);
    mix.refuses(&["discard", "20"], 4, &["the previous release of 30"]);
    mix.run(&["retract", "30"]).expect(0);
    assert_eq!(mix.newest(), Some(10), "20 was never published");
    mix.refuses(&["discard", "30"], 4, &["published before it was retracted", "gc"]);
    mix.refuses(&["discard", "15"], 4, &["no release 15"]);
    mix.run(&["discard", "x"]).expect(2);
    mix.run(&["discard"]).expect(2);
    check(&mix);
}

#[test]
fn pointers_move_back_to_published_releases() {
    let mix = staged();
    mix.change("thirty");
    mix.build(&["--version", "30", "--previous", "10"]).expect(0);
    mix.refuses(&["retract", "20"], 4, &["20 is staged and was never published", "clearwell discard 20"]);
    mix.refuses(&["retract", "30", "--to", "20"], 4, &["20 was never published", "name a published release with --to"]);
    mix.refuses(&["retract", "10", "--to", "20"], 4, &["release 20 is not before 10"]);
    mix.refuses(&["retract", "30", "--no-signing"], 5, &["signature-lost"]);
    mix.run(&["retract", "30"]).expect(0);
    assert_eq!(mix.newest(), Some(10));
    mix.run(&["publish", "20"]).expect(0);
    mix.verify("10");
}

/// All files below a folder, except caches and the name of the last writer.
fn all(mix: &Mix, folder: &str) -> Kept {
    Kept::of_all(&mix.path(folder)).only(|path| !path.starts_with("meta/cache") && path != "meta/lock")
}

#[test]
fn a_refused_build_leaves_nothing() {
    let mix = Mix::changed();
    let before = all(&mix, "store");
    mix.refuses(&["build", "--version", "20", "--no-signing"], 5, &["signature-lost"]);
    all(&mix, "store").assert_same(&before);
    mix.refuses(&["build", "--version", "20", "--no-signing", "--stage"], 5, &["signature-lost"]);
    all(&mix, "store").assert_same(&before);
    mix.put("bad.sh", "#!/bin/sh\nexit 3\n");
    mix.refuses(&["build", "--version", "20", "--signing-command", "/bin/sh bad.sh"], 8, &["Manifest.MoM"]);
    all(&mix, "store").assert_same(&before);
    check(&mix);
    mix.build(&["--version", "20"]).expect(0);
    check(&mix);
    mix.verify("10");
}

#[test]
fn a_refused_command_leaves_no_new_store() {
    let mix = Mix::new();
    mix.put("trees/editor/usr/bin/bad\nname", "x");
    for store in ["store", "deep/er/store"] {
        mix.build(&["--store", store]).expect(3);
        assert!(!mix.path(store.split('/').next().unwrap()).exists(), "{store}");
    }
    fs::create_dir(mix.path("empty")).unwrap();
    mix.build(&["--store", "empty"]).expect(3);
    assert_eq!(mix.path("empty").read_dir().unwrap().count(), 0);

    fs::create_dir(mix.path("www")).unwrap();
    mix.run(&["adopt", "www", "--store", "store"]).expect(3).says(&["no numbered folders"]);
    assert!(!mix.path("store").exists());
    mix.put("www/10/Manifest.MoM", "not a manifest");
    mix.run(&["adopt", "www", "--store", "store"]).expect(1);
    assert!(!mix.path("store").exists(), "nothing of it was adopted");

    fs::remove_file(mix.path("trees/editor/usr/bin/bad\nname")).unwrap();
    mix.build(&[]).expect(0);
    mix.verify("");
}
