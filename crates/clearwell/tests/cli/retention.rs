//! `gc` and `retract`: what is removed, what pointers name, and which endpoints can still update.

use crate::mix::Mix;

const NOW: [&str; 4] = ["--grace", "0", "--settle", "0"];

/// Releases 10, 20 and 30.
fn three() -> Mix {
    let mix = Mix::released();
    for version in ["20", "30"] {
        mix.change(version);
        mix.build(&["--version", version]).expect(0);
    }
    mix
}

fn verify(mix: &Mix, from: &str) {
    let args = ["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--retry-seconds", "0", "--from", from];
    mix.run(&args).expect(0);
}

#[test]
fn a_dry_run_lists_removals_and_changes_nothing() {
    let mix = three();
    let before = mix.kept();
    let args = [&["gc", "--store", "store", "--keep", "1", "--dry-run", "--json"], &NOW[..]].concat();
    let shown = mix.run(&args).expect(0).json();
    assert_eq!(shown["dry-run"], true);
    assert_eq!(shown["kept"], serde_json::json!([{ "version": 30, "reasons": ["pointer", "last"] }]));
    let outcomes: Vec<_> = shown["changes"].as_array().unwrap().iter().map(|change| &change["outcome"]).collect();
    assert_eq!(outcomes, ["remnant", "remnant", "trimmed"]);
    assert!(shown["bytes"].as_u64() > Some(1000));
    before.assert_same(&mix.kept());
    mix.run(&["gc", "--store", "store", "--keep", "1", "--dry-run"]).expect(0).says(&[]);
    let within_grace = mix.run(&["gc", "--store", "store", "--keep", "1", "--json"]).expect(0).json();
    assert_eq!(within_grace["artifacts"], 0, "all were pointed to within a day");
    before.assert_same(&mix.kept());
    mix.run(&["gc", "--store", "store"]).expect(2).says(&["--keep"]);
    mix.refuses(&["gc", "--store", "store", "--keep", "1", "--pin", "15"], 4, &["no release 15"]);
}

#[test]
fn releases_are_removed_and_the_mix_continues() {
    let mix = three();
    mix.run(&[&["gc", "--store", "store", "--keep", "2"], &NOW[..]].concat()).expect(0);
    let releases: Vec<u64> =
        mix.releases().as_array().unwrap().iter().map(|release| release["version"].as_u64().unwrap()).collect();
    assert_eq!(releases, [20, 30]);
    mix.run(&["check", "--store", "store"]).expect(0);
    verify(&mix, "20");
    mix.change("forty");
    mix.build(&["--version", "40"]).expect(0);
    verify(&mix, "20,30");
    mix.run(&["check", "--store", "store"]).expect(0);
    mix.build(&["--version", "10"]).expect(4);
    mix.run(&[&["gc", "--store", "store", "--keep", "1", "--drop-manifests"], &NOW[..]].concat())
        .expect(0)
        .says(&["can no longer update"]);
    mix.run(&["check", "--store", "store"]).expect(0);
    mix.change("fifty");
    mix.build(&["--version", "50"]).expect(0);
    verify(&mix, "40");
}

#[test]
fn the_release_after_a_retracted_one_is_built_on_it() {
    let mix = three();
    let shown = mix.run(&["retract", "30", "--json"]).expect(0).json();
    assert_eq!((&shown["pointers-at"], &shown["signed"]), (&20.into(), &true.into()));
    assert_eq!((mix.newest(), &shown["next-version"]), (Some(20), &40.into()));
    assert!(mix.releases()[2]["retracted"].is_i64());
    verify(&mix, "10");
    mix.run(&["check", "--store", "store"]).expect(0);
    // Retracting again is harmless.
    mix.run(&["retract", "30"]).expect(0);
    mix.refuses(&["publish", "30"], 4, &["30 is retracted", "release a higher version", "--again"]);
    mix.refuses(&["retract", "20", "--to", "30"], 4, &["release 30 is not before 20"]);

    // The next release is above the one that was retracted, and built on it: endpoints may be there.
    mix.change("20");
    mix.build(&["--min-version", "40"]).expect(0);
    assert_eq!(mix.newest(), Some(40));
    assert_eq!(mix.releases()[3]["previous"], 30);
    verify(&mix, "20,30");
}

#[test]
fn the_first_release_cannot_be_retracted() {
    let mix = Mix::released();
    mix.refuses(
        &["retract", "10"],
        4,
        &["release 10 has no earlier published release of its format", "release a higher version"],
    );
    mix.refuses(&["retract", "20"], 4, &["no release 20"]);
}

#[test]
fn a_retracted_release_can_be_published_again() {
    let mix = three();
    mix.run(&["retract", "30"]).expect(0);
    mix.run(&["publish", "30", "--again"]).expect(0);
    assert_eq!(mix.newest(), Some(30));
    assert!(mix.releases()[2]["retracted"].is_null());
    verify(&mix, "10,20");
}
