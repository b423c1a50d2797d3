//! Packs that are added later, and single deltas.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::mix::Mix;

#[test]
fn packs_are_added_to_existing_releases() {
    fn deltas<'a>(to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["deltas", "--store", "store", "--to", to], more].concat()
    }
    let mix = Mix::changed();
    mix.build(&["--deltas", "0"]).expect(0);
    let before = mix.kept().only(|path| path.starts_with("content/10/") || path.starts_with("content/20/"));
    let added = mix.run(&[&deltas("20", &["--last", "1"])[..], &["--json"]].concat()).expect(0).json();
    assert_eq!((&added["to"], &added["from"]), (&json!(20), &json!([10])));
    assert_eq!(added["packs"].as_array().unwrap().len(), 1, "only os-core changed");
    let after = mix.kept().only(|path| path.starts_with("content/10/") || path.starts_with("content/20/"));
    assert!(after.0.contains_key(std::path::Path::new("content/20/pack-os-core-from-10.tar")));
    assert!(before.0.iter().all(|(path, bytes)| after.0[path] == *bytes), "nothing that was released changes");
    mix.verify("10");
    mix.run(&deltas("20", &["--from", "10"])).expect(0);
    after.assert_same(&mix.kept().only(|path| path.starts_with("content/10/") || path.starts_with("content/20/")));

    mix.refuses(&deltas("99", &["--last", "1"]), 4, &["99"]);
    mix.refuses(&deltas("20", &["--from", "15"]), 4, &["15"]);
    mix.refuses(&deltas("10", &["--from", "20"]), 4, &["20"]);
    mix.refuses(&deltas("20", &[]), 2, &["--from"]);
    let lock = fs::OpenOptions::new().write(true).open(mix.path("store/meta/lock")).unwrap();
    lock.lock().unwrap();
    mix.refuses(&deltas("20", &["--last", "1"]), 6, &["locked", "wait for it to end"]);
}

#[test]
fn a_delta_is_made_shown_and_applied() {
    let mix = Mix::new();
    let text = |word: &str| (0..3000).map(|line| format!("line {line} of {word}\n")).collect::<String>();
    mix.put("old", text("the old"));
    mix.put("new", text("the old").replace("line 700 of", "line 700 no longer of"));
    fs::set_permissions(mix.path("new"), fs::Permissions::from_mode(0o750)).unwrap();
    mix.run(&["delta", "diff", "old", "new", "delta", "--json"]).expect(0).json();
    assert!(fs::metadata(mix.path("delta")).unwrap().len() < 2000);
    mix.run(&["delta", "show", "delta", "--json"]).expect(0).json();
    mix.run(&["delta", "patch", "old", "again", "delta", "--json"]).expect(0).json();
    assert_eq!(fs::read(mix.path("again")).unwrap(), fs::read(mix.path("new")).unwrap());
    assert_eq!(fs::metadata(mix.path("again")).unwrap().permissions().mode() & 0o7777, 0o750);

    let refused = |args: &[&str], says: &str| {
        let ended = mix.run(&[&["delta"], args, &["--json"]].concat());
        assert!(!matches!(ended.code, Some(0 | 70 | 101) | None), "{ended:?}");
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        assert_eq!(ended.json()["exit"], ended.code.unwrap());
    };
    refused(&["patch", "old", "again", "delta"], "again");
    refused(&["patch", "none", "other", "delta"], "none");
    clearwell_testkit::cut_off(&mix.path("delta"));
    refused(&["patch", "old", "other", "delta"], "delta");
    refused(&["show", "old"], "old");
    assert!(!mix.path("other").exists());
}
