//! Bundles that contradict themselves or each other.

use std::fs;

use crate::mix::{BUNDLES, Mix};

#[test]
fn contradictory_definitions_are_refused() {
    let mix = Mix::changed();
    for (text, says) in [
        (
            "[bundles.editor]\nincludes = [\"lisb\"]\n",
            &["bundle editor includes lisb", "bundles.toml", "drop the include"][..],
        ),
        ("[bundles.editor]\nalso-add = [\"lisb\"]\n", &["editor", "lisb", "bundles.toml"]),
        ("[bundles.editor]\nalso-add = [\"lisb\"]\n", &["bundle editor also-adds lisb", "drop the include"]),
        ("[bundles.editor]\nincludes = [\"editor\"]\n", &["bundle editor includes itself", "drop the include"]),
        ("[bundles.ghost]\n", &["bundle ghost", "does not exist", "create it"]),
        ("[bundles.editor]\nincludes = [\"no/name\"]\n", &["bundles.toml", "line 2", "no/name"]),
        ("[bundles.editor]\ncolour = \"red\"\n", &["bundles.toml", "line 2", "colour"]),
        ("[bundles.MoM]\n", &["bundles.toml", "MoM"]),
        ("[bundles", &["bundles.toml", "line 1"]),
    ] {
        mix.put("trees/bundles.toml", text);
        mix.refuses(&["build"], 3, says);
    }
    mix.put("trees/bundles.toml", BUNDLES);

    mix.put("trees/not a bundle/file", "");
    mix.refuses(&["build"], 3, &["not a bundle", "rename it"]);
    fs::remove_dir_all(mix.path("trees/not a bundle")).unwrap();

    // Endpoints would delete a path that two bundles have with different content.
    mix.put("trees/libs/usr/bin/edit", "another editor\n");
    mix.refuses(&["build"], 3, &["/usr/bin/edit", "editor", "libs", "make them the same or drop one"]);
    fs::remove_file(mix.path("trees/libs/usr/bin/edit")).unwrap();

    fs::rename(mix.path("trees/os-core"), mix.path("kept")).unwrap();
    mix.refuses(&["build"], 3, &["trees/os-core", "os-core"]);
    fs::rename(mix.path("kept"), mix.path("trees/os-core")).unwrap();
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn bundles_that_include_each_other_are_refused() {
    let mix = Mix::changed();
    mix.put("trees/bundles.toml", BUNDLES.replace("[bundles.libs]", "[bundles.libs]\nincludes = [\"editor\"]"));
    // Endpoints install and update bundles of a cycle; bundle-remove crashes.
    let refusal = ["include-cycle", "editor, libs include each other", "remove one of the includes"];
    mix.refuses(&["build"], 5, &refusal);
    mix.build(&["--allow", "include-cycle"]).expect(0);
    mix.verify("10");
}

#[test]
fn endpoints_that_skip_a_release_count() {
    let mix = Mix::new();
    mix.put("trees/libs/usr/share/thing/page", "a page");
    mix.build(&[]).expect(0);
    fs::remove_dir_all(mix.path("trees/libs/usr/share/thing")).unwrap();
    mix.build(&[]).expect(0);
    mix.put("trees/libs/usr/share/thing", "a file");
    let refusal = ["directory-replaced: /usr/share/thing", "the update of endpoints on 10 ends with exit code 10"];
    mix.refuses(&["build"], 5, &refusal);
    mix.build(&["--allow", "directory-replaced"]).expect(0);
    // Release 30 has the same effect on endpoints on 10, so the next one is not refused again.
    mix.put("trees/libs/usr/share/other", "a file");
    mix.build(&[]).expect(0);
}

#[test]
fn paths_that_updates_do_not_touch_are_listed() {
    let mix = Mix::new();
    mix.put("trees/libs/etc/libs.conf", "one");
    let listed =
        ["warning: not-updated", "new below /etc, /var and other prefixes that updates do not touch: /etc/libs.conf;"];
    mix.build(&[]).expect(0).says(&listed);
    let ended = mix.run(&["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
    assert!(
        ended.stdout.contains("WARNING in install 10: updates do not change 1 path: /etc/libs.conf"),
        "{}",
        ended.stdout
    );
    mix.put("trees/libs/usr/share/other", "a file");
    assert!(!mix.build(&[]).expect(0).stderr.contains("not-updated"));
    mix.put("trees/libs/etc/libs.conf", "two");
    mix.build(&[]).expect(0).says(&["changed below /etc, /var and other prefixes that updates do not touch: /etc/libs.conf; endpoints keep the old ones"]);
}

#[test]
fn a_harmful_release_is_refused_with_every_finding() {
    let mix = Mix::new();
    for folder in ["one", "two"] {
        mix.put(format!("trees/libs/usr/share/{folder}/file"), folder);
    }
    mix.build(&[]).expect(0);
    for folder in ["one", "two"] {
        let path = mix.path("trees/libs/usr/share").join(folder);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "a file where endpoints have a folder").unwrap();
    }
    let ended = mix.refuses(&["build"], 5, &["nothing was published", "/usr/share/one", "/usr/share/two"]);
    let findings = ended.stderr.lines().filter(|line| line.trim_start().starts_with("directory-replaced: ")).count();
    assert_eq!(findings, 2, "{}", ended.stderr);

    // The maintainer overrules the rule; the record says so.
    mix.build(&["--allow", "directory-replaced"]).expect(0).says(&["warning: allowed: directory-replaced"]);
    let shown = mix.run(&["releases", "show", "20", "--store", "store", "--json"]).expect(0).json();
    assert_eq!(shown["record"]["allowed-rules"], serde_json::json!(["directory-replaced"]));
}

#[test]
fn a_removed_bundle_is_reported() {
    let mix = Mix::changed();
    mix.put("trees/bundles.toml", "owner = \"root\"\n");
    fs::remove_dir_all(mix.path("trees/editor")).unwrap();
    mix.build(&[]).expect(0).says(&["warning: bundle-removed", "editor", "inform its users, or keep the bundle"]);
    mix.verify("10");
}
