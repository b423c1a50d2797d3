//! Listing, comparing, staging and publishing.

use serde_json::json;

use crate::mix::Mix;

#[test]
fn a_staged_release_waits_for_its_publication() {
    let mix = Mix::changed();
    let pointers =
        |mix: &Mix| mix.kept().only(|path| path.starts_with("content/version") || path.contains(".pointers"));
    let before = pointers(&mix);
    let outcome = mix.build(&["--version", "20", "--stage", "--json"]).expect(0).json();
    assert_eq!(outcome["generation"], json!(null));
    assert!(pointers(&mix) == before, "staging moves no pointer");
    assert_eq!(mix.newest(), Some(10));
    mix.run(&["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--version", "20", "--from", "10"]).expect(0);

    let published = mix.run(&["publish", "20", "--json"]).expect(0).json();
    assert_eq!((&published["version"], &published["generation"]), (&json!(20), &json!(2)));
    assert_eq!(mix.newest(), Some(20));
    mix.verify("10");
    // The store is that of clearwell.toml.
    assert!(mix.run(&["releases", "show", "20"]).expect(0).stdout.starts_with("release 20"));
    // Once more: signatures are renewed.
    assert_eq!(mix.run(&["publish", "20", "--json"]).expect(0).json()["generation"], 3);
    mix.verify("10");
    mix.refuses(&["publish", "10"], 5, &["pointer-goes-back", "publish a higher version, or retract"]);
    mix.refuses(&["publish", "30"], 4, &["no release 30"]);
    mix.run(&["publish", "10", "--allow", "pointer-goes-back"]).expect(0).says(&["pointer-goes-back"]);
    assert_eq!(mix.newest(), Some(10));
}

#[test]
fn releases_are_listed_shown_and_compared() {
    let mix = Mix::changed();
    mix.put("trees/editor/usr/share/editor/new", "new\n");
    std::fs::remove_file(mix.path("trees/editor/usr/bin/edit")).unwrap();
    mix.put("trees/games/usr/bin/game", "game\n");
    mix.build(&[]).expect(0);
    let lines = mix.releases();
    assert_eq!(lines[0]["pointers"], json!([]));
    assert_eq!(lines[1]["pointers"], json!(["format30/latest", "latest_version"]));
    assert_eq!((&lines[1]["bundles"], &lines[1]["previous"]), (&json!(4), &json!(10)));
    let ask = |args: &[&str]| mix.run(&[&["releases", "--store", "store"], args].concat());
    assert!(ask(&[]).expect(0).stdout.contains("format30/latest"));

    let shown = ask(&["show", "20", "--json"]).expect(0).json();
    assert_eq!(shown["record"]["sources"][0]["kind"], "trees");
    let text = ask(&["show", "20"]).expect(0).stdout;
    assert!(text.contains("release 20, format 30") && text.contains("editor") && text.contains("trees"), "{text}");

    let diff = ask(&["diff", "10", "20", "--json"]).expect(0).json();
    assert_eq!(diff["bundles-added"], json!(["games"]));
    let editor = diff["bundles"].as_array().unwrap().iter().find(|bundle| bundle["bundle"] == "editor").unwrap();
    assert_eq!(editor["added"], json!(["/usr/share/editor", "/usr/share/editor/new"]));
    assert_eq!(editor["removed"], json!(["/usr/bin/edit"]));
    assert!(ask(&["diff", "20", "10"]).expect(0).stdout.contains("- bundle games"));
    assert!(ask(&["diff", "20", "20"]).expect(0).stdout.contains("have the same content"));

    for (args, says) in [(&["show", "99"][..], "no release 99"), (&["diff", "10", "99"], "no release 99")] {
        mix.refuses(&[&["releases", "--store", "store"], args].concat(), 4, &[says]);
    }
    mix.verify("10");
}

#[test]
fn a_closed_stdout_is_not_an_error() {
    let mix = Mix::released();
    let mut child = crate::run::clearwell(mix.dir(), &["releases", "--store", "store"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_path_is_explained() {
    let mix = Mix::released();
    mix.change("changed");
    mix.build(&[]).expect(0);
    let explain = |args: &[&str]| mix.run(&[&["releases", "explain", "--store", "store"], args].concat());
    let text = explain(&["20", "/usr/share/text"]).expect(0).stdout;
    for part in ["/usr/share/text in os-core 20", "last changed in 20; previously 10", "20/files/", "from 10"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let text = explain(&["20", "/usr/bin/edit"]).expect(0).stdout;
    assert!(text.contains("in editor 10") && text.contains("released in 10, the first release"), "{text}");
    let document = explain(&["20", "/usr/share/text", "--json"]).expect(0).json();
    assert_eq!(
        (&document["entries"][0]["version"], &document["entries"][0]["updates"][0]["from"]),
        (&20.into(), &10.into())
    );
    explain(&["20", "/nowhere"]).expect(3).says(&["/nowhere", "no bundle of release 20"]);
    explain(&["20", "nowhere"]).expect(2);
}

#[test]
fn releases_have_dates_and_states() {
    let mix = Mix::new();
    for (version, time) in [("10", "86400"), ("20", "951782400"), ("30", "1700000000")] {
        mix.change(version);
        mix.build(&["--version", version, "--timestamp", time]).expect(0);
    }
    mix.run(&["retract", "30"]).expect(0);
    mix.change("forty");
    mix.build(&["--version", "40", "--stage", "--timestamp", "1790000000"]).expect(0);
    let lines = mix.releases();
    let of = |key: &str| lines.as_array().unwrap().iter().map(|line| line[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("state"), ["previous", "current", "retracted", "staged"]);
    assert_eq!(
        of("date"),
        ["1970-01-02T00:00:00Z", "2000-02-29T00:00:00Z", "2023-11-14T22:13:20Z", "2026-09-21T14:13:20Z"]
    );
    let table = mix.run(&["releases"]).expect(0).stdout;
    for row in [
        "10     30 1970-01-02 00:00  previous",
        "20     30 2000-02-29 00:00  current",
        "40     30 2026-09-21 14:13  staged",
    ] {
        assert!(table.contains(row), "no {row:?} in\n{table}");
    }
    let column = |name: &str| table.lines().next().unwrap().find(name).unwrap();
    for line in table.lines().skip(1) {
        assert!(line.is_char_boundary(column("state")) && line[column("state") - 1..].starts_with(' '), "{table}");
    }
}
