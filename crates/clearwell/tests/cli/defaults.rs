//! What a build does where nothing is said.

use crate::mix::Mix;

#[track_caller]
fn numbers(mix: &Mix, args: &[&str]) -> (u64, u64, u64) {
    mix.change(&args.join(" "));
    let outcome = mix.build(&[args, &["--stage", "--json"]].concat()).expect(0).json();
    let number = |key: &str| outcome[key].as_u64().unwrap();
    (number("version"), number("previous"), number("format"))
}

#[test]
fn trees_go_on_where_the_store_is() {
    let mix = Mix::new();
    mix.build(&["--format", "29"]).expect(0);
    assert_eq!(mix.newest(), Some(10));
    mix.change("a");
    let outcome = mix.build(&["--json"]).expect(0).json();
    assert_eq!((&outcome["version"], &outcome["previous"], &outcome["format"]), (&20.into(), &10.into(), &29.into()));
    assert_eq!(numbers(&mix, &["--version", "45"]), (45, 20, 29));
    // Options win over the file, the file over the store.
    mix.put(
        "more.toml",
        "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nformat = 29\ndeltas = 0\n",
    );
    assert_eq!(numbers(&mix, &["--config", "more.toml", "--version", "50", "--previous", "20"]), (50, 20, 29));
    let made = mix.run(&["releases", "show", "50", "--store", "store", "--json"]).expect(0).json();
    assert!(made["record"]["artifacts"].get("delta_pack").is_none(), "deltas = 0 makes none");
}

#[test]
fn the_first_release_is_ten_of_format_thirty() {
    let mix = Mix::new();
    let outcome = mix.build(&["--json"]).expect(0).json();
    assert_eq!((&outcome["version"], &outcome["previous"], &outcome["format"]), (&10.into(), &0.into(), &30.into()));
    assert_eq!(outcome["signed"], true);
    assert_eq!(outcome["generation"], 1);
}

#[test]
fn the_environment_counts_less_than_the_command_line() {
    let mix = Mix::released();
    mix.run_with("CLEARWELL_STORE", "other", &["build"]).expect(0);
    assert!(mix.path("other/meta/layout").exists(), "but more than the file");
    mix.change("a");
    mix.run_with("CLEARWELL_STORE", "other", &["build", "--store", "store"]).expect(0);
    assert_eq!(mix.newest(), Some(20));
    mix.run_with("CLEARWELL_STORE", "store", &["releases"]).expect(0);
}

#[test]
fn unsigned_releases_are_an_explicit_wish() {
    let mix = Mix::new();
    let unsigned = ["build", "--trees", "trees", "--store", "store", "--config", "/dev/null"];
    mix.run(&unsigned).expect(2).says(&["no certificate", "--certificate", "clearwell init", "--no-signing"]);
    let outcome = mix.run(&[&unsigned[..], &["--no-signing", "--json"]].concat()).expect(0).json();
    assert_eq!(outcome["signed"], false);
    mix.run(&["verify", "--store", "store"]).expect(0).says(&["signatures are not checked"]);
    mix.run(&["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(1);
}
