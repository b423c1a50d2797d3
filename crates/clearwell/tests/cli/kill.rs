//! `kill -9` at any moment: the last release stays complete, and the next build finishes.

use std::thread;
use std::time::Instant;

use crate::mix::Mix;
use crate::run::{Running, Server, clearwell};

/// A mix of a few hundred files, so that a build takes long enough to be hit in each of its phases.
fn mix() -> Mix {
    let mix = Mix::new();
    for number in 0..150 {
        let text = format!("{number} of the library\n").repeat(10 + number);
        mix.put(format!("trees/libs/usr/share/libs/{}/{number}", number % 7), text);
    }
    mix
}

fn change(mix: &Mix, version: u32) {
    for number in (0..150).step_by(3) {
        let text = format!("{number} of the library, {version}\n").repeat(10 + number);
        mix.put(format!("trees/libs/usr/share/libs/{}/{number}", number % 7), text);
    }
}

#[test]
fn a_killed_build_damages_no_release_and_the_next_finishes_it() {
    const MOMENTS: u32 = 26;
    let mix = mix();
    let timestamp = ["--timestamp", "1700000000", "--deltas", "1"];
    let begun = Instant::now();
    mix.build(&[&["--store", "trial"][..], &timestamp].concat()).expect(0);
    let mut whole = begun.elapsed();

    // The store is incomplete; the next build completes it.
    for moment in 1..=4 {
        let store = format!("store-{moment}");
        let build = Running::start(clearwell(mix.dir(), &["build", "--store", &store]));
        thread::sleep(whole * moment / 40);
        build.kill();
        assert!(mix.run(&["build", "--store", &store]).expect(0).stdout.contains("release 10"));
    }

    mix.build(&timestamp).expect(0);
    let server = Server::start(mix.dir(), "store", &["--drain-grace-seconds", "0"]);
    let url = server.url();
    let (mut version, mut finished, mut interrupted) = (20, vec![10], 0);
    change(&mix, version);
    for moment in 0..MOMENTS {
        let number = version.to_string();
        let build = Running::start(clearwell(mix.dir(), &[&["build", "--version", &number][..], &timestamp].concat()));
        thread::sleep(whole * moment / MOMENTS);
        let ended = build.kill();
        if ended.success() {
            // It was faster than the trial run.
            whole = whole * 2 / 3;
        } else {
            interrupted += 1;
        }
        // Killed or not, endpoints see a whole release: the one before, or this one.
        let newest = mix.newest().unwrap();
        assert!(
            newest == u64::from(version) || newest == u64::from(*finished.last().unwrap()),
            "moment {moment}: {newest}"
        );
        let fetch =
            ["verify", "--url", &url, "--cert", "Swupd_Root.pem", "--bundles", "os-core,libs", "--retry-seconds", "0"];
        mix.run(&[&fetch[..], &["--skip-fullfiles"]].concat()).expect(0);
        // Every second interrupted build is continued; the others are replaced by the next version.
        if ended.success() || moment % 2 == 1 {
            if newest != u64::from(version) {
                mix.build(&[&["--version", &number][..], &timestamp].concat()).expect(0);
            }
            assert_eq!(mix.newest(), Some(u64::from(version)));
            finished.push(version);
            version += 10;
            change(&mix, version);
        }
    }
    assert!(interrupted >= MOMENTS / 2, "only {interrupted} builds were interrupted");
    server.running.terminate();
    assert_eq!(server.running.wait().code(), Some(0));
    let last = version.to_string();
    mix.build(&[&["--version", &last][..], &timestamp].concat()).expect(0);
    mix.verify("10");
    let left: Vec<_> = mix.path("store/meta/staging").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "scratch is cleaned: {left:?}");

    // What interrupted builds made is what an isolated one makes.
    let trial = crate::mix::Kept::of(&mix.path("trial")).only(|path| path.starts_with("content/10/"));
    let store = mix.kept().only(|path| path.starts_with("content/10/"));
    trial.assert_same(&store);
}

/// A command on a store that three releases were published to, and what a run of it ends with.
struct Killed {
    args: &'static [&'static str],
    /// Before it is run.
    harm: fn(&Mix),
    ends: &'static [i32],
    newest: u64,
}

#[test]
fn commands_on_a_store_are_killed_and_finish_the_next_time() {
    const MOMENTS: u32 = 8;
    let commands = [
        Killed {
            args: &["gc", "--store", "store", "--keep", "1", "--grace", "0", "--settle", "0"],
            harm: |_| {},
            ends: &[0],
            newest: 30,
        },
        Killed { args: &["retract", "30"], harm: |_| {}, ends: &[0], newest: 20 },
        Killed { args: &["publish", "30"], harm: |_| {}, ends: &[0], newest: 30 },
        Killed {
            args: &["check", "--store", "store", "--repair"],
            harm: |mix| {
                clearwell_testkit::flip_byte(&mix.path("store/content/30/Manifest.MoM.sig"));
                clearwell_testkit::cut_off(&mix.path("store/content/10/Manifest.full.tar"));
                std::fs::remove_file(mix.path("store/meta/index/10")).unwrap();
            },
            ends: &[0, 12],
            newest: 30,
        },
    ];
    let mix = Mix::released();
    for version in ["20", "30"] {
        mix.change(version);
        mix.build(&["--version", version]).expect(0);
    }
    std::fs::rename(mix.path("store"), mix.path("start")).unwrap();
    let mut interrupted = 0;
    for command in &commands {
        let fresh = || {
            let _ = std::fs::remove_dir_all(mix.path("store"));
            let copied =
                std::process::Command::new("cp").args(["-a", "start", "store"]).current_dir(mix.dir()).status();
            assert!(copied.unwrap().success());
            (command.harm)(&mix);
        };
        fresh();
        let begun = Instant::now();
        assert!(command.ends.contains(&mix.run(command.args).code.unwrap()));
        let mut whole = begun.elapsed();
        for moment in 0..MOMENTS {
            fresh();
            let running = Running::start(clearwell(mix.dir(), command.args));
            thread::sleep(whole * moment / MOMENTS);
            if running.kill().success() {
                whole = whole * 2 / 3;
            } else {
                interrupted += 1;
            }
            assert!([Some(20), Some(30)].contains(&mix.newest()));
            let verify = ["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"];
            // Before the repair only the detached signature is damaged, which endpoints do not need.
            let seen = mix.run(&[&verify[..], &["--skip-fullfiles"]].concat());
            assert!(
                seen.code == Some(0) || command.ends.contains(&12),
                "{:?} at {moment}: {}",
                command.args,
                seen.stdout
            );
            let again = mix.run(command.args);
            assert!(command.ends.contains(&again.code.unwrap()), "{:?} at {moment}: {}", command.args, again.stderr);
            assert_eq!(mix.newest(), Some(command.newest), "{:?} at {moment}", command.args);
            mix.run(&["check", "--store", "store"]).expect(0);
            mix.verify("");
        }
    }
    assert!(interrupted >= MOMENTS, "only {interrupted} commands were interrupted");
}
