//! Every key of a configuration file is an option too, and nothing else is a key.

use crate::mix::Mix;
use crate::run::run;

#[test]
fn every_key_of_the_mix_is_an_option() {
    let dir = tempfile::tempdir().unwrap();
    let help = run(dir.path(), &["build", "--help"]).expect(0).stdout;
    let keys: Vec<&str> = keys(include_str!("../../../../config/clearwell.toml"), "#= ");
    assert!(keys.len() >= 12, "{keys:?}");
    for key in keys {
        let option = key.replace("certificate", "cert");
        assert!(help.contains(&format!("--{option} <")), "--{option} is not an option");
    }
}

#[test]
fn every_key_of_the_server_is_an_option_and_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let help = run(dir.path(), &["serve", "--help"]).expect(0).stdout;
    let shipped = include_str!("../../../../config/serve.toml");
    let keys = [keys(shipped, "#= "), keys(shipped, "")].concat();
    assert!(keys.len() >= 26, "{keys:?}");
    for key in keys {
        let variable = format!("CLEARWELL_SERVE_{}", key.replace('-', "_").to_uppercase());
        let option = key.replace("certificate", "cert");
        assert!(help.contains(&format!("--{option} <")) && help.contains(&variable), "--{option} is not an option");
    }
}

#[test]
fn the_shipped_files_are_usable() {
    let mix = Mix::new();
    mix.put("clearwell.toml", include_str!("../../../../config/clearwell.toml"));
    mix.build(&["--trees", "trees", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let mix = Mix::released();
    for option in [["--jobs", "100000"], ["--jobs", "many"], ["--timestamp", "253402300800"], ["--timestamp", "soon"]] {
        mix.refuses(&["build", option[0], option[1]], 2, &option);
    }
}

#[test]
fn a_bad_configuration_names_file_and_key() {
    let mix = Mix::released();
    for (text, named) in [
        ("stor = \"x\"\n", "stor"),
        ("format = 0\n", "format"),
        ("format = \"new\"\n", "format"),
        ("jobs = -1\n", "jobs"),
        ("trees = \"trees\"\nmix = \"mix\"\nstore = \"store\"\n", "mix and trees"),
        (
            "trees = \"trees\"\nstore = \"store\"\nmemory = \"much\"\nkey = \"private.pem\"\ncertificate = \"Swupd_Root.pem\"\n",
            "memory",
        ),
        ("= \n", "bad.toml"),
    ] {
        mix.put("bad.toml", text);
        let ended = mix.refuses(&["build", "--config", "bad.toml"], 2, &[]);
        let error = ended.error();
        assert!(error.contains(named) || named == "mix and trees" && error.contains("both mix and trees"), "{error}");
    }
    mix.refuses(&["build", "--config", "none.toml"], 2, &["none.toml"]);
    mix.refuses(&["publish", "10", "--config", "none.toml"], 2, &["none.toml"]);
}

/// The keys of lines that begin with `mark`.
fn keys<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect()
}

#[test]
fn options_override_the_environment() {
    let mix = Mix::new();
    mix.put("clearwell.toml", "store = \"store\"\ncertificate = \"Swupd_Root.pem\"\n");
    let first = ["build", "--trees", "trees", "--version", "10"];
    mix.run_with("CLEARWELL_MIX", "elsewhere", &first).expect(0);
    mix.change("once more");
    let unsigned = ["build", "--trees", "trees", "--no-signing", "--stage", "--allow", "signature-lost"];
    mix.run_with("CLEARWELL_KEY", "elsewhere.pem", &unsigned).expect(0);
    mix.change("and again");
    let by_key = ["build", "--trees", "trees", "--previous", "10", "--version", "30", "--key", "private.pem"];
    mix.run_with("CLEARWELL_SIGNING_COMMAND", "false", &by_key).expect(0);

    mix.refuses(&["build", "--trees", "trees", "--mix", "elsewhere"], 2, &["--mix and --trees exclude each other"]);
    let both = ["--no-signing", "--key", "private.pem"];
    mix.refuses(&[&["build", "--trees", "trees"][..], &both].concat(), 2, &["--no-signing excludes"]);
    let both = ["--signing-command", "false", "--key", "private.pem"];
    mix.refuses(&[&["build", "--trees", "trees"][..], &both].concat(), 2, &["exclude each other"]);
}

#[test]
fn verify_overrides_the_environment_and_refuses_contradictions() {
    let mix = Mix::released();
    clearwell_testkit::sample_www(&mix.path("www"));
    let www = ["verify", "--www", "www", "--nosigcheck"];
    mix.run_with("CLEARWELL_STORE", "elsewhere", &www).expect(0);
    mix.run_with("CLEARWELL_CERTIFICATE", "elsewhere.pem", &www).expect(0);
    let url = ["verify", "--url", "http://127.0.0.1:1", "--retry-seconds", "0"];
    mix.run_with("CLEARWELL_STORE", "elsewhere", &url).expect(10);

    for (more, named) in [
        (["--www", "www"], "--store and --www exclude each other"),
        (["--url", "http://127.0.0.1:1"], "--store and --url exclude each other"),
    ] {
        mix.refuses(&[&["verify", "--store", "store"][..], &more].concat(), 2, &[named]);
    }
    let both = ["--cert", "Swupd_Root.pem", "--nosigcheck"];
    mix.refuses(&[&["verify"][..], &both].concat(), 2, &["--cert and --nosigcheck exclude each other"]);
    mix.refuses(&["verify", "--url", "http://127.0.0.1:1", "--www", "www"], 2, &["--url", "--www"]);
}

#[test]
fn a_key_that_cannot_sign_leaves_no_store_behind() {
    let mix = Mix::new();
    mix.build(&["--key", "none.pem"]).expect(8).says(&["failed to read none.pem"]);
    assert!(!mix.path("store").exists());
}

#[test]
fn an_old_name_of_a_key_is_a_hidden_option_and_a_variable() {
    let mix = Mix::released();
    let check = ["serve", "--check-config", "--store=store", "--listen=127.0.0.1:0", "--admin=off"];
    for (old, option) in [
        ("requests-per-second", "requests-per-second-per-address"),
        ("request-burst", "request-burst-per-address"),
        ("tls-certificate", "tls-cert"),
    ] {
        let help = mix.run(&["serve", "--help"]).expect(0).stdout;
        assert!(help.contains(&format!("--{option} <")) && !help.contains(&format!("--{old} <")), "{help}");
    }
    let burst = "expected a whole number above 0, found 0";
    mix.refuses(&[&check[..], &["--request-burst=0"]].concat(), 2, &["--request-burst-per-address", burst]);
    for variable in ["CLEARWELL_SERVE_REQUEST_BURST", "CLEARWELL_SERVE_REQUEST_BURST_PER_ADDRESS"] {
        mix.run_with(variable, "0", &check).expect(2).says(&[variable, burst]);
    }
}

#[test]
fn an_error_of_a_file_names_file_line_column_and_key() {
    let mix = Mix::released();
    mix.put("serve.toml", "[limits]\nmax-streams = 0\n");
    let error = mix.run(&["serve", "--check-config", "--store=store", "--config=serve.toml"]).expect(2).error();
    assert_eq!(error, "serve.toml:2:15: limits.max-streams: expected a whole number above 0, found 0");
    mix.put("mix.toml", "store = \"store\"\njobs = -1\n");
    let error = mix.run(&["check", "--config=mix.toml"]).expect(2).error();
    assert!(error.starts_with("mix.toml:2:8: jobs: expected a number of threads up to "), "{error}");
}
