//! Limits of the system: reaching one gives one error and an exit code, never a signal or a "please report it".

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::mix::Mix;
use crate::run::{Ended, Running};

/// The binary in the folder of a mix, with `ulimit` limits.
fn limited(mix: &Mix, limits: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{limits} && exec timeout 300 \"$0\" \"$@\"");
    command.current_dir(mix.dir()).args(["-c", &script, env!("CARGO_BIN_EXE_clearwell")]).args(args);
    command.env_remove("CI").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

#[test]
fn a_file_that_may_not_grow_is_an_error_of_the_disk() {
    let mix = Mix::changed();
    // More than a pipe or an index needs, less than a pack: blocks of 512 or 1024 bytes.
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    mix.put("trees/os-core/usr/share/noise", noise);
    let before = mix.kept();
    for blocks in [1, 100, 500] {
        let limits = format!("ulimit -f {blocks}");
        let ended = Ended::of(&mut limited(&mix, &limits, &["build"])).expect(9);
        assert!(ended.error().contains("File too large"), "{}", ended.stderr);
        before.assert_same(&mix.kept());
    }
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn a_server_whose_log_may_not_grow_keeps_serving() {
    let mix = Mix::released();
    let options = ["--listen", "127.0.0.1:0", "--admin", "off", "--json", "--drain-grace-seconds", "0"];
    let log = ["--access-log", "full", "--access-log-format", "combined", "--access-log-file", "access.log"];
    let mut command = limited(&mix, "ulimit -f 4", &[&["serve", "--store", "store"], &options[..], &log].concat());
    command.stderr(Stdio::null());
    let (running, mut stdout) = Running::start_logged(command);
    let mut text = String::new();
    while serde_json::from_str::<serde_json::Value>(&text).is_err() {
        assert_ne!(std::io::BufRead::read_line(&mut stdout, &mut text).unwrap(), 0, "the server ended: {text}");
    }
    let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
    let address = addresses["listen"].as_str().unwrap();
    let ask = || status(address, "/version/format30/latest");
    for _ in 0..300 {
        assert_eq!(ask(), 200);
    }
    // The process waits for the log before it exits: all lines were tried, and the file has those that fit.
    running.terminate();
    assert_eq!(running.wait().code(), Some(0));
    let log = fs::read_to_string(mix.path("access.log")).unwrap();
    assert!(log.len() <= 4096 && log.ends_with('\n'), "{log}");
}

#[test]
fn memory_that_is_refused_is_one_error() {
    let mix = Mix::changed();
    // Below some size the loader cannot even load the program, and reports that itself.
    let loads = |kib: &u32| {
        let ended = Ended::of(&mut limited(&mix, &format!("ulimit -v {kib}"), &["--version"]));
        ended.code == Some(0)
    };
    let smallest = (1..200).map(|step| step * 4096).find(loads).unwrap();
    let before = mix.kept();
    let mut codes = Vec::new();
    for step in 0..24 {
        let limits = format!("ulimit -v {}", smallest + step * 8192);
        let ended = Ended::of(&mut limited(&mix, &limits, &["build", "--json", "--jobs", "8"]));
        codes.push(ended.code);
        if ended.code == Some(0) {
            break;
        }
        ended.error();
        let ended = ended.expect(13);
        assert_eq!(ended.json()["exit"], 13, "{}", ended.stdout);
        before.assert_same(&mix.kept());
    }
    assert!(codes.contains(&Some(13)), "{codes:?}");
    if !codes.contains(&Some(0)) {
        mix.build(&[]).expect(0);
    }
    mix.verify("10");
}

#[test]
fn a_server_that_may_have_too_little_memory_does_not_start() {
    let mix = Mix::released();
    let options = ["serve", "--store", "store", "--listen", "127.0.0.1:0", "--admin", "off"];
    for check in [&["--check-config"][..], &[]] {
        let ended = Ended::of(&mut limited(&mix, "ulimit -v 300000", &[&options[..], check].concat())).expect(2);
        let error = ended.error();
        assert!(error.contains("memory-cache") && error.contains("292 MiB"), "{error}");
    }
}

#[test]
fn refused_threads_give_at_most_one_error() {
    let mix = Mix::changed();
    // Stacks larger than the address space: every thread is refused.
    let mut command = limited(&mix, "ulimit -v 4000000", &["build", "--jobs", "8"]);
    command.env("RUST_MIN_STACK", "8000000000");
    let ended = Ended::of(&mut command).expect(13);
    assert!(ended.error().contains("thread"), "{}", ended.stderr);
    mix.build(&[]).expect(0);
}

/// The status of the response to one GET.
fn status(address: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
