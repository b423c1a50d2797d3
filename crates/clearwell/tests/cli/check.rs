//! `check`: its findings, repairs and exit codes.

use std::fs;

use serde_json::Value;

use crate::mix::Mix;
use crate::run::{Ended, shell};

fn released() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--version", "20"]).expect(0);
    mix
}

fn check(mix: &Mix, args: &[&str], code: i32) -> Value {
    mix.run(&[&["check", "--store", "store", "--json"], args].concat()).expect(code).json()
}

#[test]
fn an_undamaged_store_has_no_findings() {
    let mix = released();
    let shown = check(&mix, &[], 0);
    assert_eq!((&shown["damage"], shown["findings"].as_array().unwrap().len()), (&0.into(), 0));
    assert!(shown["artifacts"].as_u64() > Some(20) && shown["bytes"].as_u64() > Some(1000), "{shown}");
    // Two MoMs with two signatures each, and two pointers.
    assert_eq!(shown["signatures"], 6);
    let text = mix.run(&["check", "--store", "store", "--quick", "--jobs", "1"]).expect(0).stdout;
    assert!(text.contains("the store is undamaged") && text.contains("2 versions"), "{text}");
    assert!(!mix.path("store/meta/check").exists(), "the journal is gone at the end");
}

#[test]
fn findings_name_the_damage_the_file_and_the_affected_releases() {
    let mix = released();
    let pack = mix.path("store/content/20/pack-os-core-from-0.tar");
    clearwell_testkit::flip_byte(&pack);
    let shown = check(&mix, &[], 1);
    assert_eq!(shown["damage"], 1);
    let finding = &shown["findings"][0];
    assert_eq!((&finding["kind"], &finding["severity"]), (&"digest".into(), &"damage".into()));
    assert_eq!(finding["path"], "content/20/pack-os-core-from-0.tar");
    assert_eq!(
        (&finding["versions"], &finding["bundles"]),
        (&serde_json::json!([20]), &serde_json::json!(["os-core"]))
    );
    let text = mix.run(&["check", "--store", "store"]).expect(1).stdout;
    for part in ["pack-os-core-from-0.tar", "SHA-256", "affects endpoints", "os-core", "--repair", "check FAILED"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let quick = check(&mix, &["--quick"], 1);
    assert_eq!(quick["findings"][0]["kind"], "digest", "bytes are still compared");
}

#[test]
fn repair_restores_the_released_bytes_and_keeps_the_damaged_ones() {
    let mix = released();
    let before = mix.kept();
    let fullfile = fs::read_dir(mix.path("store/content/10/files")).unwrap().next().unwrap().unwrap().path();
    let harmed =
        [fullfile, mix.path("store/content/20/Manifest.MoM.tar"), mix.path("store/content/20/Manifest.MoM.sig")];
    clearwell_testkit::flip_byte(&harmed[0]);
    clearwell_testkit::cut_off(&harmed[1]);
    // Not both of the MoM's: the archive is restored from the plain file and the signature next to it.
    let shown = check(&mix, &["--repair"], 12);
    assert_eq!(shown["repair"]["not-repaired"], serde_json::json!([]));
    assert_eq!(shown["repair"]["repaired"].as_array().unwrap().len(), 2);
    assert_eq!(shown["repair"]["repaired"][0]["how"], "same-bytes");
    for aside in shown["repair"]["moved-aside"].as_array().unwrap() {
        assert!(mix.path("store").join(aside.as_str().unwrap()).exists(), "{aside}");
    }
    before.assert_same(&mix.kept());
    check(&mix, &[], 0);
    fs::remove_file(&harmed[2]).unwrap();
    check(&mix, &["--repair"], 12);
    before.assert_same(&mix.kept());
}

#[test]
fn unrepairable_damage_is_reported() {
    let mix = released();
    // The file that changes in each release is only in the zero pack of its release: both are lost.
    for entry in fs::read_dir(mix.path("store/content/20")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap().to_string_lossy().starts_with("pack-") {
            fs::remove_file(path).unwrap();
        }
    }
    for entry in fs::read_dir(mix.path("store/content/20/files")).unwrap() {
        fs::write(entry.unwrap().path(), "").unwrap();
    }
    let shown = check(&mix, &["--repair"], 1);
    assert!(!shown["repair"]["not-repaired"].as_array().unwrap().is_empty());
    let text = mix.run(&["check", "--store", "store", "--repair"]).expect(1).stdout;
    assert!(text.contains("NOT REPAIRED") && text.contains("restore it from a backup"), "{text}");
    // The previous release is still complete.
    mix.run(&["verify", "--store", "store", "--version", "10", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"])
        .expect(0);
}

#[test]
fn an_interrupted_check_is_resumed() {
    let mix = released();
    // As left by a check that was killed after the first release.
    let index = fs::read(mix.path("store/meta/index/10")).unwrap();
    let digest: String = index[index.len() - 32..].iter().map(|byte| format!("{byte:02x}")).collect();
    mix.put("store/meta/check", format!("clearwell-check 1 contents\n10 {digest} 0\n20 {}", &digest[..7]));
    let shown = check(&mix, &["--resume"], 0);
    assert!(shown["resumed"].as_u64() > Some(5) && shown["artifacts"].as_u64() > Some(5), "{shown}");
    mix.put("store/meta/check", format!("clearwell-check 1 bytes\n10 {digest} 0\n"));
    assert_eq!(check(&mix, &["--resume"], 0)["resumed"], 0, "what was only compared was not looked into");
    mix.put("store/meta/check", format!("clearwell-check 1 contents\n10 {digest} 0\n"));
    assert_eq!(check(&mix, &[], 0)["resumed"], 0, "without --resume");
}

#[test]
fn another_certificate_is_reported() {
    let mix = released();
    mix.run(&["init", "other"]).expect(0);
    let shown = check(&mix, &["--cert", "other/Swupd_Root.pem"], 1);
    let kinds: Vec<&str> =
        shown["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["signature"; 6]);
}

#[test]
fn content_is_world_readable_under_any_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let mix = Mix::new();
    let script = r#"umask 077; exec "$0" build --version 10"#;
    Ended::of(&mut shell(mix.dir(), script)).expect(0);
    let mut waiting = vec![mix.path("store/content")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = path.symlink_metadata().unwrap();
            let mode = found.permissions().mode() & 0o7777;
            if found.is_dir() {
                assert_eq!(mode, 0o755, "{}", path.display());
                waiting.push(path);
            } else if found.is_file() {
                assert_eq!(mode, 0o644, "{}", path.display());
            }
        }
    }
}

#[test]
fn stores_that_were_broken_in_other_ways_are_repaired_too() {
    let mix = released();
    mix.change("thirty");
    mix.build(&["--version", "30"]).expect(0);
    mix.run(&["gc", "--store", "store", "--keep", "2", "--grace", "0", "--settle", "0", "--drop-manifests"]).expect(0);
    fs::rename(mix.path("store"), mix.path("start")).unwrap();
    let breakages: [(&str, &[&str]); 10] = [
        ("a folder in the place of a file", &["rm content/30/format", "mkdir content/30/format"]),
        ("a link in the place of a file", &["mv content/30/format x", "ln -s ../../x content/30/format"]),
        ("two files swapped", &["cd content/30", "mv Manifest.MoM.sig x", "mv format Manifest.MoM.sig", "mv x format"]),
        ("all fullfiles of a release gone", &["rm -r content/30/files"]),
        ("all indexes gone", &["rm -r meta/index"]),
        ("all records gone", &["rm -r meta/releases"]),
        ("the records of collected releases gone", &["rm -r meta/remnants"]),
        ("the index of a collected release gone", &["rm meta/index/10"]),
        ("the link to the pointers gone", &["rm content/version"]),
        ("a folder in the place of a pointer", &["cd content/version/format30", "rm latest", "mkdir latest"]),
    ];
    for (what, script) in breakages {
        let script = format!("rm -rf store && cp -a start store && cd store && {}", script.join(" && "));
        let broken = std::process::Command::new("/bin/sh").args(["-c", &script]).current_dir(mix.dir()).status();
        assert!(broken.unwrap().success(), "{what}");
        let found = mix.run(&["check", "--store", "store"]);
        assert_eq!(found.code, Some(1), "{what}: {}", found.stdout);
        let repaired = mix.run(&["check", "--store", "store", "--repair"]);
        assert_eq!(repaired.code, Some(12), "{what}: {}{}", repaired.stdout, repaired.stderr);
        let sound = mix.run(&["check", "--store", "store"]);
        assert_eq!(sound.code, Some(0), "{what}: {}", sound.stdout);
        mix.verify("20");
    }
}

#[test]
fn a_lost_stamp_is_written_again() {
    let mix = released();
    for harm in [fs::remove_file as fn(_) -> _, |path| fs::write(path, "x")] {
        harm(mix.path("store/meta/layout")).unwrap();
        mix.run(&["check", "--store", "store"]).expect(7);
        mix.run(&["check", "--store", "store", "--repair"]).expect(12).says(&["meta/layout was missing"]);
        mix.verify("10");
    }
    mix.put("empty/file", "");
    mix.run(&["check", "--store", "empty", "--repair"]).expect(7).says(&["is not a Clearwell store"]);
}
