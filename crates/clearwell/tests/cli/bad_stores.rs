//! Stores that are missing, locked, newer or damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::mix::Mix;
use crate::run::{Running, clearwell};

/// Every command that opens a store.
const READERS: [&[&str]; 4] = [
    &["check", "--store", "store"],
    &["releases", "--store", "store"],
    &["verify", "--store", "store"],
    &["serve", "--store", "store", "--listen", "127.0.0.1:0"],
];
const WRITERS: [&[&str]; 4] =
    [&["build"], &["publish", "10"], &["retract", "10"], &["gc", "--store", "store", "--keep", "1"]];

#[test]
fn a_folder_that_is_not_a_store_is_refused() {
    let mix = Mix::new();
    mix.put("other/file", "precious");
    for command in READERS.into_iter().chain([&["publish", "10"][..]]) {
        let command: Vec<&str> = command.iter().map(|word| if *word == "store" { "other" } else { word }).collect();
        let command = if command[0] == "publish" { vec!["publish", "10", "--store", "other"] } else { command };
        mix.run(&command).expect(7).says(&["other is not a Clearwell store", "init or adopt"]);
    }
    mix.build(&["--store", "other"]).expect(7).says(&["other is not empty", "file", "give an empty or new folder"]);
    assert_eq!(fs::read_to_string(mix.path("other/file")).unwrap(), "precious");
    assert_eq!(mix.path("other").read_dir().unwrap().count(), 1);
}

#[test]
fn a_store_without_its_stamp_is_not_created_again() {
    let mix = Mix::changed();
    fs::remove_file(mix.path("store/meta/layout")).unwrap();
    let before = mix.kept();
    mix.build(&[]).expect(7).says(&["store/meta/layout is missing", "there are releases", "restore it"]);
    assert!(before == mix.kept() && !mix.path("store/meta/layout").exists());
}

#[test]
fn a_file_is_not_a_store() {
    let mix = Mix::new();
    mix.put("file", "precious");
    mix.build(&["--store", "file"]).expect(7).says(&["file is not a Clearwell store"]);
    assert_eq!(fs::read_to_string(mix.path("file")).unwrap(), "precious");
}

#[test]
fn a_locked_store_is_read_and_not_written() {
    let mix = Mix::changed();
    let lock = OpenOptions::new().write(true).open(mix.path("store/meta/lock")).unwrap();
    fs::write(mix.path("store/meta/lock"), "process 77 (build 20)\n").unwrap();
    lock.lock().unwrap();
    for command in WRITERS {
        mix.refuses(command, 6, &["locked by process 77 (build 20)", "wait for it to end"]);
    }
    clearwell_testkit::sample_www(&mix.path("www"));
    mix.refuses(&["adopt", "www", "--store", "store"], 6, &["locked by process 77"]);
    mix.run(&["releases", "--store", "store"]).expect(0);
    drop(lock);
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn a_build_under_way_locks_out_the_next() {
    let mix = Mix::changed();
    mix.put(
        "wait",
        "#!/bin/sh\ntouch waiting\nwhile [ -e wait -a ! -e go ]; do sleep 0.02; done\necho 'not today' >&2\nexit 3\n",
    );
    let slow = ["build", "--version", "20", "--config", "slow.toml"];
    mix.put("slow.toml", "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nsigning-command = [\"/bin/sh\", \"wait\"]\n");
    let first = Running::start(clearwell(mix.dir(), &slow));
    while !mix.path("waiting").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    mix.refuses(&["build", "--version", "30"], 6, &["locked by process", "(build 20)"]);
    mix.put("go", "");
    assert_eq!(first.wait().code(), Some(8));
    mix.build(&["--version", "30"]).expect(0);
    mix.verify("10");
}

#[test]
fn a_newer_layout_is_left_alone() {
    let mix = Mix::changed();
    let stamp = fs::read(mix.path("store/meta/layout")).unwrap();
    for (text, says) in [
        ("clearwell-store 1.3\n", "layout 1.3 is newer than this program's 1.2; use a newer clearwell"),
        ("clearwell-store 2.0\n", "layout 2.0 is newer"),
        ("something else\n", "cannot be parsed; restore it from a backup"),
        ("", "cannot be parsed"),
    ] {
        mix.put("store/meta/layout", text);
        let before = mix.kept();
        for command in READERS.into_iter().chain(WRITERS) {
            mix.run(command).expect(7).says(&[says]);
        }
        mix.run(&["adopt", ".", "--store", "store"]).expect(7).says(&[says]);
        before.assert_same(&mix.kept());
        assert_eq!(fs::read_to_string(mix.path("store/meta/layout")).unwrap(), text);
    }
    mix.put("store/meta/layout", stamp);
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn damaged_records_and_indexes_are_not_built_upon() {
    let mix = Mix::changed();
    mix.build(&[]).expect(0);
    mix.change("thirty");
    for file in ["meta/index/20", "meta/releases/20.json"] {
        let path = mix.path("store").join(file);
        let sound = fs::read(&path).unwrap();
        for damage in DAMAGES {
            damage(&path);
            let before = mix.kept();
            mix.build(&["--version", "30"]).expect(7).says(&[file, "restore it from a backup"]);
            mix.build(&[]).expect(7).says(&[file, "restore it from a backup"]);
            before.assert_same(&mix.kept());
            fs::write(&path, &sound).unwrap();
        }
    }
    mix.build(&[]).expect(0);
    mix.verify("10,20");
}

#[test]
fn damaged_content_is_found_by_verifying() {
    let mix = Mix::changed();
    mix.build(&[]).expect(0);
    for file in [
        "Manifest.os-core.tar",
        "Manifest.MoM.tar",
        "Manifest.MoM.sig",
        "pack-os-core-from-0.tar",
        "pack-os-core-from-10.tar",
    ] {
        let path = mix.path("store/content/20").join(file);
        let sound = fs::read(&path).unwrap();
        for damage in DAMAGES {
            damage(&path);
            let verify =
                ["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--from", "10", "--retry-seconds", "0"];
            let ended = mix.run(&verify).expect(1);
            assert!(ended.stdout.contains("PROBLEM") && ended.stdout.contains("check FAILED"), "{}", ended.stdout);
            assert!(ended.stdout.contains(&format!("20/{file}")), "{}", ended.stdout);
            fs::write(&path, &sound).unwrap();
        }
    }
    mix.verify("10");
}

#[test]
fn damaged_pointers_are_put_right_by_publishing_again() {
    let mix = Mix::changed();
    mix.build(&[]).expect(0);
    mix.run(&["publish", "20"]).expect(0);
    let link = mix.path("store/content/version");
    for damage in 0..3 {
        let target = fs::read_link(&link).unwrap();
        match damage {
            0 => {
                fs::remove_file(&link).unwrap();
                fs::create_dir(&link).unwrap();
            }
            1 => {
                fs::remove_file(&link).unwrap();
                symlink("elsewhere", &link).unwrap();
            }
            _ => fs::remove_dir_all(mix.path("store/content").join(&target)).unwrap(),
        }
        // `check` reports it as a finding.
        for command in READERS.into_iter().filter(|command| command[0] != "check") {
            mix.run(command).expect(7).says(&["content/", "are damaged", "publish a release again"]);
        }
        assert!(mix.run(&["check", "--store", "store"]).expect(1).stdout.contains("content/version"));
        mix.run(&["publish", "20"]).expect(0);
        assert_eq!(mix.newest(), Some(20));
        mix.verify("10");
    }
}

/// Damage to a file, by disks or by users.
const DAMAGES: [fn(&Path); 4] = [
    clearwell_testkit::cut_off,
    clearwell_testkit::flip_byte,
    |path| fs::write(path, "").unwrap(),
    |path| fs::remove_file(path).unwrap(),
];
