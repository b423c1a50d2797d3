//! Paths that an operator names and that are not regular files: no command blocks on them or reads them endlessly.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::mix::Mix;
use crate::run::{Ended, clearwell};

/// Runs with a timeout: exit code 124 is a hang.
fn run(mix: &Mix, args: &[&str]) -> Ended {
    let plain = clearwell(mix.dir(), args);
    let mut bounded = Command::new("timeout");
    bounded.arg("60").arg(plain.get_program()).args(plain.get_args()).current_dir(mix.dir()).stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    Ended::of(&mut bounded)
}

/// Creates each kind of file at `place` in turn.
fn with_each_kind(place: &Path, mut try_it: impl FnMut(&str)) {
    let clear = || drop(fs::remove_file(place).or_else(|_| fs::remove_dir(place)));
    clear();
    mknodat(CWD, place, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    try_it("FIFO");
    clear();
    fs::create_dir(place).unwrap();
    try_it("folder");
    clear();
    symlink("/dev/zero", place).unwrap();
    try_it("device");
    clear();
    let socket = UnixListener::bind(place).unwrap();
    try_it("socket");
    drop(socket);
    clear();
    File::create(place).unwrap().set_len(1 << 40).unwrap();
    try_it("has more than");
    clear();
}

#[test]
fn no_command_hangs_or_reads_endlessly_on_what_is_not_a_file() {
    let mix = Mix::released();
    let build = ["build", "--trees=trees", "--store=store"];
    let cases: [(&[&str], i32); 13] = [
        (&["check", "--store=store", "--config=odd"], 2),
        (&["check", "--store=store", "--cert=odd"], 8),
        (&["verify", "--store=store", "--cert=odd"], 8),
        (&["verify", "--url=https://127.0.0.1:1", "--ca=odd"], 8),
        (&["verify", "--url=https://127.0.0.1:1", "--client-cert=odd"], 8),
        (&["rotation", "--store=store", "--next-cert=odd"], 8),
        (&[build[0], build[1], build[2], "--cert=odd"], 8),
        (&[build[0], build[1], build[2], "--key=odd"], 8),
        (&[build[0], build[1], build[2], "--key-passphrase-file=odd"], 8),
        (&["serve", "--store=store", "--config=odd", "--check-config"], 2),
        (
            &[
                "serve",
                "--store=store",
                "--listen-tls=127.0.0.1:0",
                "--tls-cert=odd",
                "--tls-key=odd",
                "--check-config",
            ],
            2,
        ),
        (&["serve", "--store=store", "--signing-cert=odd", "--check-config"], 2),
        (&["delta", "show", "odd"], 3),
    ];
    with_each_kind(&mix.path("odd"), |kind| {
        for (args, code) in &cases {
            // A delta may have any size.
            if args[0] == "delta" && kind == "has more than" {
                continue;
            }
            let ended = run(&mix, args).expect(*code);
            assert!(ended.stderr.contains("odd") && ended.stderr.contains(kind), "{args:?}, {kind}: {}", ended.stderr);
        }
    });
}

#[test]
fn no_command_hangs_on_what_replaces_a_file_of_the_mix() {
    let mix = Mix::released();
    for (file, args, code) in [
        ("clearwell.toml", &["check", "--store=store"][..], 2),
        ("trees/bundles.toml", &["build", "--store=store", "--trees=trees", "--cert=Swupd_Root.pem"], 3),
    ] {
        let before = fs::read(mix.path(file)).unwrap();
        with_each_kind(&mix.path(file), |kind| {
            let ended = run(&mix, args).expect(code);
            assert!(ended.stderr.contains(file) && ended.stderr.contains(kind), "{file}, {kind}: {}", ended.stderr);
        });
        fs::write(mix.path(file), before).unwrap();
    }
}

#[test]
fn a_pipe_that_the_caller_opened_is_read() {
    let mix = Mix::released();
    let program = clearwell(mix.dir(), &[]);
    let line = "cat Swupd_Root.pem | \"$0\" check --store store --cert /dev/stdin --config clearwell.toml";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).arg(program.get_program()).current_dir(mix.dir());
    Ended::of(&mut shell).expect(0);
    let line = "\"$0\" check --store store --cert /dev/stdin < /dev/zero";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).arg(program.get_program()).current_dir(mix.dir());
    Ended::of(&mut shell).expect(8).says(&["/dev/stdin", "has more than"]);
}
