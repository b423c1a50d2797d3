//! `clearwell.toml`: every command uses what concerns it, in the folder of the mix and elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clearwell_testkit::root;

use crate::mix::Mix;
use crate::run::{Ended, Running, clearwell, run, shell};

/// Commands on a store, as they are typed in the folder of a mix.
const COMMANDS: [&str; 12] = [
    "check",
    "check --quick --jobs 1",
    "deltas --to 20 --last 1",
    "gc --keep 1 --dry-run",
    "releases",
    "releases show 20",
    "releases explain 20 /usr/bin/hello",
    "releases diff 10 20",
    "verify --from 10 --retry-seconds 0",
    "publish 20",
    "retract 20",
    "serve --check-config",
];

fn released() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--version", "20"]).expect(0);
    mix
}

#[test]
fn every_command_takes_the_store_of_the_configuration() {
    let mix = released();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = mix.path("clearwell.toml");
    for command in COMMANDS {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = mix.run(&words).expect(0);
        assert!(!ended.stderr.contains("not checked"), "{command}: {}", ended.stderr);
        let error = run(elsewhere.path(), &words).expect(2).error();
        assert!(error.starts_with("no store given; use --store DIR"), "{command}: {error}");
        // serve has a separate configuration file.
        if words[0] != "serve" {
            let named = [&words[..], &["--config", config.to_str().unwrap()]].concat();
            run(elsewhere.path(), &named).expect(0);
        }
        // Options and the environment override it.
        let other = ["--store", "nosuch"];
        mix.run(&[&words[..], &other].concat()).expect(7).says(&["nosuch is not a Clearwell store"]);
        mix.run_with("CLEARWELL_STORE", "nosuch", &words).expect(7);
        // All commands report an unreadable configuration, unless they need nothing of it.
        if words[0] != "serve" {
            mix.put("bad.toml", "stor = \"store\"\n");
            mix.run(&[&words[..], &["--config", "bad.toml"]].concat()).expect(2).says(&["bad.toml", "stor"]);
        }
    }
}

/// As with `runuser -u clearwell` in the home of root.
#[test]
fn a_folder_that_the_user_may_not_enter_has_no_configuration() {
    if !root("another user", "a command in a folder that its user may not enter") {
        return;
    }
    let mix = released();
    let everyone = |path: &str| fs::set_permissions(mix.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_clearwell"), mix.path("clearwell")).unwrap();
    everyone("clearwell");
    everyone("");
    mix.put("home/clearwell.toml", "stor = 1\n");
    let there = |mode| {
        fs::set_permissions(mix.path("home"), fs::Permissions::from_mode(mode)).unwrap();
        let dir = mix.dir().display();
        let as_other = format!(
            "cd home && exec setpriv --reuid=65534 --regid=65534 --clear-groups {dir}/clearwell releases --store {dir}/store"
        );
        Ended::of(&mut shell(mix.dir(), &as_other))
    };
    there(0o700).expect(0);
    there(0o755).expect(2).says(&["clearwell.toml:1:1: "]);
}

#[test]
fn a_tree_is_adopted_into_the_store_of_the_configuration() {
    let mix = Mix::new();
    clearwell_testkit::sample_www(&mix.path("www"));
    let ended = mix.run(&["adopt", "www"]).expect(0);
    assert!(!ended.stderr.contains("not checked"), "{}", ended.stderr);
    assert_eq!(mix.newest(), Some(20));
    // With another certificate nothing of it may be adopted, and the store that was made for it is gone again.
    mix.run(&["init", "other"]).expect(0);
    fs::remove_dir_all(mix.path("other/store")).unwrap();
    run(&mix.path("other"), &["adopt", "../www"]).expect(1);
    assert!(!mix.path("other/store").exists());
    run(&mix.path("other"), &["adopt", "../www", "--cert", "../Swupd_Root.pem"]).expect(0);
}

#[test]
fn a_server_needs_no_options_in_the_folder_of_a_mix() {
    use std::io::BufRead as _;
    let mix = released();
    let args = ["serve", "--listen", "127.0.0.1:0", "--admin", "off"];
    let (_running, mut stdout) = Running::start_read(clearwell(mix.dir(), &args));
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("serving http://127.0.0.1:"), "{line}");
    // Its certificate is read, for the metric.
    mix.put("Swupd_Root.pem", "not a certificate");
    mix.run(&["serve", "--check-config", "--listen", "127.0.0.1:0"]).expect(2).says(&["Swupd_Root.pem"]);
    mix.run(&["serve", "--check-config", "--listen", "127.0.0.1:0", "--store", "store"]).expect(0);
}

#[test]
fn the_certificate_of_the_configuration_is_what_signatures_are_checked_with() {
    let mix = released();
    mix.run(&["init", "other"]).expect(0);
    mix.put("other.toml", "store = \"store\"\ncertificate = \"other/Swupd_Root.pem\"\n");
    let verify = ["verify", "--config", "other.toml", "--retry-seconds", "0"];
    let ended = mix.run(&verify).expect(1);
    assert!(ended.stdout.contains("signature"), "{}", ended.stdout);
    mix.run(&[&verify[..], &["--cert", "Swupd_Root.pem"]].concat()).expect(0);
    mix.run(&[&verify[..], &["--nosigcheck"]].concat()).expect(0).says(&["signatures are not checked"]);
    mix.run_with("CLEARWELL_CERTIFICATE", "Swupd_Root.pem", &verify).expect(0);
    // `check` uses the certificates that the releases install, as endpoints do.
    mix.run(&["check", "--config", "other.toml"]).expect(0);
    mix.run(&["check", "--cert", "other/Swupd_Root.pem"]).expect(1);
}

#[test]
fn check_uses_the_configured_certificate_where_releases_install_none() {
    let mix = Mix::new();
    mix.build(&["--no-signing", "--version", "10"]).expect(0);
    mix.run(&["init", "other"]).expect(0);
    mix.put("none.toml", "store = \"store\"\n");
    let kinds = |config: &str| -> Vec<String> {
        let found = mix.run(&["check", "--config", config, "--json"]).json();
        let kinds =
            found["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap().to_owned());
        kinds.collect()
    };
    let without = kinds("none.toml");
    assert_ne!(without, kinds("clearwell.toml"), "{without:?}");
}

#[test]
fn the_certificate_has_one_option_and_the_old_one_still_works() {
    let mix = released();
    clearwell_testkit::sample_www(&mix.path("www"));
    for command in ["build", "publish", "retract", "adopt", "verify", "check"] {
        let help = mix.run(&[command, "--help"]).expect(0).stdout;
        assert!(help.contains("--cert <PEM>") && !help.contains("--certificate"), "{help}");
    }
    for option in ["--cert", "--certificate"] {
        for command in ["publish 20", "verify", "check", "adopt www --store other"] {
            let words: Vec<&str> = command.split(' ').chain([option, "Swupd_Root.pem"]).collect();
            mix.run(&words).expect(0);
        }
    }
}

#[test]
fn sizes_and_rates_are_accepted_in_their_usual_forms() {
    let mix = released();
    for size in ["50MB", "2gb", "1.5GiB", "64 mib", "3000000"] {
        mix.run(&["deltas", "--to", "20", "--last", "1", "--memory", size]).expect(0);
        mix.put("sized.toml", format!("store = \"store\"\nmemory = \"{size}\"\n"));
        mix.run(&["deltas", "--to", "20", "--last", "1", "--config", "sized.toml"]).expect(0);
    }
    for rate in ["1.5GiB", "1.5GiB/s", "2gb/s", "1000000000"] {
        mix.run(&["check", "--rate", rate]).expect(0);
        mix.run(&["serve", "--check-config", "--min-rate", rate]).expect(0);
    }
    for bad in ["", "much", "-1", "0", "99999999999GiB", "1.5", "50 M B", "0x10"] {
        for command in ["build", "deltas --to 20 --last 1", "delta diff old new out"] {
            let option = format!("--memory={bad}");
            let words: Vec<&str> = command.split(' ').chain([option.as_str()]).collect();
            mix.refuses(&words, 2, &["--memory", bad]);
        }
        mix.refuses(&["check", &format!("--rate={bad}")], 2, &["--rate", bad]);
        mix.put("sized.toml", format!("store = \"store\"\nmemory = \"{bad}\"\n"));
        mix.refuses(&["build", "--config", "sized.toml"], 2, &["sized.toml", "memory"]);
    }
    mix.refuses(&["check", "--rate", "50MiB/h"], 2, &["--rate", "bytes per second", "50MB/s"]);
    mix.put("sized.toml", "store = \"store\"\nmemory = -1\n");
    mix.refuses(&["build", "--config", "sized.toml"], 2, &["sized.toml", "memory"]);
}
