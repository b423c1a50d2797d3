//! Defaults of a build.

use crate::mix::Mix;

#[track_caller]
fn numbers(mix: &Mix, args: &[&str]) -> (u64, u64, u64) {
    mix.change(&args.join(" "));
    let outcome = mix.build(&[args, &["--stage", "--json"]].concat()).expect(0).json();
    let number = |key: &str| outcome[key].as_u64().unwrap();
    (number("version"), number("previous"), number("format"))
}

#[test]
fn a_build_from_trees_continues_the_store() {
    let mix = Mix::new();
    mix.build(&["--format", "29"]).expect(0);
    assert_eq!(mix.newest(), Some(10));
    mix.change("a");
    let outcome = mix.build(&["--json"]).expect(0).json();
    assert_eq!((&outcome["version"], &outcome["previous"], &outcome["format"]), (&20.into(), &10.into(), &29.into()));
    assert_eq!(numbers(&mix, &["--version", "45"]), (45, 20, 29));
    // Options override the file, and the file the store.
    mix.put(
        "more.toml",
        "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nformat = 29\ndeltas = 0\n",
    );
    assert_eq!(numbers(&mix, &["--config", "more.toml", "--version", "50", "--previous", "20"]), (50, 20, 29));
    let made = mix.run(&["releases", "show", "50", "--store", "store", "--json"]).expect(0).json();
    assert!(made["record"]["artifacts"].get("delta-pack").is_none(), "deltas = 0 makes none");
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
fn the_command_line_overrides_the_environment() {
    let mix = Mix::released();
    mix.run_with("CLEARWELL_STORE", "other", &["build"]).expect(0);
    assert!(mix.path("other/meta/layout").exists(), "but more than the file");
    mix.change("a");
    mix.run_with("CLEARWELL_STORE", "other", &["build", "--store", "store"]).expect(0);
    assert_eq!(mix.newest(), Some(20));
    mix.run_with("CLEARWELL_STORE", "store", &["releases"]).expect(0);
}

#[test]
fn unsigned_releases_need_an_explicit_option() {
    let mix = Mix::new();
    let unsigned = ["build", "--trees", "trees", "--store", "store", "--config", "/dev/null"];
    mix.run(&unsigned).expect(2).says(&["no signing certificate", "--cert", "clearwell init", "--no-signing"]);
    let outcome = mix.run(&[&unsigned[..], &["--no-signing", "--json"]].concat()).expect(0).json();
    assert_eq!(outcome["signed"], false);
    mix.run(&["verify", "--config", "/dev/null", "--store", "store"]).expect(0).says(&["signatures are not checked"]);
    mix.run(&["verify", "--store", "store", "--nosigcheck"]).expect(0).says(&["signatures are not checked"]);
    // The configuration names a certificate.
    mix.run(&["verify", "--store", "store"]).expect(1);
    mix.run(&["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(1);
}

#[test]
fn unchanged_trees_are_released_only_with_empty() {
    let mix = Mix::released();
    mix.refuses(&["build"], 11, &["nothing", "10"]);
    mix.refuses(&["build", "--paranoid"], 11, &["nothing"]);
    let outcome = mix.build(&["--empty", "--json"]).expect(0).json();
    assert_eq!(outcome["version"], 20);
    mix.verify("10");
    mix.refuses(&["build"], 11, &["nothing", "20"]);
    // A new include changes no file.
    let bundles = std::fs::read_to_string(mix.path("trees/bundles.toml")).unwrap();
    mix.put("trees/bundles.toml", bundles.replace("[bundles.libs]", "[bundles.libs]\nalso-add = [\"editor\"]"));
    mix.build(&[]).expect(0);
    mix.verify("10,20");
}

#[test]
fn a_file_is_read_again_only_if_it_may_have_changed() {
    let mix = Mix::released();
    assert!(mix.path("store/meta/cache/hashes").exists());
    // Files of the last seconds are not remembered, so an immediate change is always seen.
    for text in ["one", "two", "six"] {
        mix.change(text);
        mix.build(&[]).expect(0);
        mix.verify("");
    }
    mix.put("store/meta/cache/hashes", "damaged");
    mix.change("after all");
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn profiles_differ_in_compression_alone() {
    let mut manifests = Vec::new();
    for profile in ["small", "balanced", "fast"] {
        let mix = Mix::new();
        let time = ["--timestamp", "1700000000", "--profile", profile];
        mix.build(&time).expect(0);
        mix.change(profile.get(..1).unwrap());
        mix.change("the same in all");
        mix.build(&time).expect(0);
        mix.verify("10");
        let shown = mix.run(&["releases", "show", "20", "--store", "store", "--json"]).expect(0).json();
        assert_eq!(shown["record"]["profile"], profile);
        manifests.push(std::fs::read(mix.path("store/content/20/Manifest.MoM")).unwrap());
    }
    assert!(manifests.windows(2).all(|pair| pair[0] == pair[1]));
    Mix::new().build(&["--profile", "tiny"]).expect(2).says(&["use small, balanced or fast"]);
}
