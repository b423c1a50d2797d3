//! `clearwell init`, keys that are encrypted, and the demo.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::mix::Mix;
use crate::run::{clearwell, run};

#[test]
fn a_new_mix_is_complete_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(dir.path(), &["init", "mix", "--json", "--organisation", "Tests"]).expect(0).json();
    assert_eq!(made["config"], "mix/clearwell.toml");
    let mix = dir.path().join("mix");
    let mode = |file: &str| fs::metadata(mix.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("private.pem"), 0o600);
    assert_eq!(mode("Swupd_Root.pem"), 0o644);
    let days = (made["valid-until"].as_i64().unwrap() - unix_now()) / 86_400;
    assert!((3650..=3653).contains(&days), "{days}");

    let files = || -> Vec<_> {
        let read = |name: &&str| fs::read(mix.join(name)).unwrap();
        ["clearwell.toml", "Swupd_Root.pem", "private.pem", "trees/bundles.toml", "store/meta/layout"]
            .iter()
            .map(read)
            .collect()
    };
    let before = files();
    run(dir.path(), &["init", "mix"]).expect(2).says(&["mix/clearwell.toml exists", "choose another folder"]);
    for left in ["Swupd_Root.pem", "private.pem", "store", "trees"] {
        let other = dir.path().join(format!("other-{left}"));
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join(left), "precious").unwrap();
        run(&other, &["init", "."]).expect(2).says(&[left, "choose another folder"]);
        assert_eq!(fs::read_to_string(other.join(left)).unwrap(), "precious");
        assert_eq!(other.read_dir().unwrap().count(), 1);
    }
    assert!(files() == before);

    // The new mix is used without options, and an endpoint can install the release.
    fs::write(mix.join("trees/os-core/usr/bin/hello"), "hello\n").unwrap();
    run(&mix, &["build"]).expect(0);
    run(&mix, &["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
}

#[test]
fn an_encrypted_key_signs_with_its_passphrase_only() {
    let mix = Mix::released();
    mix.change("signed with an encrypted key");
    mix.put("passphrase", "correct horse\nsecond line\n");
    mix.run(&["init", "keys", "--key-passphrase-file", "passphrase"]).expect(0);
    let key = fs::read_to_string(mix.path("keys/private.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{}", key.lines().next().unwrap());
    let pair = ["--cert", "keys/Swupd_Root.pem", "--key", "keys/private.pem"];
    let build = [&["build", "--allow", "signer-unknown"][..], &pair].concat();

    mix.put("wrong", "battery staple\n");
    mix.refuses(&build, 8, &["keys/private.pem", "encrypted", "give its passphrase"]);
    mix.refuses(
        &[&build[..], &["--key-passphrase-file", "wrong"]].concat(),
        8,
        &["keys/private.pem", "wrong passphrase"],
    );
    mix.refuses(&[&build[..], &["--key-passphrase-file", "none"]].concat(), 8, &["none"]);
    let ended = mix.run_with("CLEARWELL_KEY_PASSPHRASE", "battery staple", &build).expect(8);
    assert!(!ended.stderr.contains("battery"), "a passphrase is never shown");
    // The file that init wrote names the passphrase file; any of the three ways opens the key.
    mix.run_with("CLEARWELL_KEY_PASSPHRASE", "correct horse", &[&build[..], &["--version", "20"]].concat()).expect(0);
    mix.change("again");
    mix.run(&[&build[..], &["--key-passphrase-file", "passphrase", "--version", "30"]].concat()).expect(0);
    mix.put("keys/trees/os-core/usr/bin/hello", "hello\n");
    let dir = mix.path("keys");
    run(&dir, &["build"]).expect(0);
    run(&dir, &["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
}

#[test]
fn invalid_options_create_no_mix() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), "\n").unwrap();
    for (args, code, says) in [
        (&["--validity-days", "0"][..], 8, "1 to 36500 days"),
        (&["--validity-days", "36501"], 8, "1 to 36500 days"),
        (&["--organisation", ""], 8, "1 to 64"),
        (&["--key-passphrase-file", "empty"], 2, "empty"),
        (&["--key-passphrase-file", "none"], 8, "none"),
    ] {
        run(dir.path(), &[&["init", "mix"], args].concat()).expect(code).says(&[says]);
        assert!(!dir.path().join("mix").exists());
    }
    fs::write(dir.path().join("file"), "").unwrap();
    run(dir.path(), &["init", "file/mix"]).expect(9).says(&["file/mix"]);
}

#[test]
fn the_demo_runs_completely_and_ignores_configuration() {
    // In the folder of another mix, whose configuration names another key.
    let mix = Mix::new();
    let ended = mix.run(&["demo", "--once", "--json", "--dir", "demo"]).expect(0);
    let shown = ended.json();
    assert!(shown["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    for part in ["install", "update"] {
        assert_eq!(shown[part]["problems"], serde_json::json!([]), "{part}");
        assert_eq!(shown[part]["fetched-individually"], serde_json::json!([]), "{part}");
    }
    let verify = ["verify", "--store", "demo/store", "--cert", "demo/Swupd_Root.pem", "--from", "10,20"];
    mix.run(&verify).expect(0);
    assert!(!mix.path("store").exists());

    let temporary = mix.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let status =
        clearwell(mix.dir(), &["demo", "--once", "--progress", "none"]).env("TMPDIR", &temporary).output().unwrap();
    assert!(status.status.success());
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(text.contains("Three versions are published") && text.contains("clearwell releases diff 10 20"), "{text}");
    assert_eq!(temporary.read_dir().unwrap().count(), 0, "a demo without --dir leaves nothing behind");
    mix.run(&["demo", "--once", "--dir", "demo"]).expect(9).says(&["demo"]);
}

fn unix_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
