//! Ctrl-C and SIGTERM: work stops at a safe point, says what was kept, and continues the next time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::mix::{Kept, Mix};
use crate::run::clearwell;

/// A run whose stderr is read line by line.
struct Watched {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Watched {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Reads up to the line that is meant.
    #[track_caller]
    fn wait_for(&mut self, is_meant: impl Fn(&str) -> bool) {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            assert_ne!(self.stderr.read_line(&mut seen).unwrap(), 0, "it ended before:\n{seen}");
            if is_meant(&seen[from..]) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and the rest of stderr.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A phase begins.
fn begins(phase: &'static str) -> impl Fn(&str) -> bool {
    move |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        event["event"] == "started" && event["phase"] == phase
    }
}

/// The most expensive artifacts are made, and some of the small files.
fn is_making(line: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    event["event"] == "advanced" && event["phase"] == "make" && event["done"].as_u64() > Some(100)
}

/// Enough small files for a build to be interrupted in the middle.
fn large() -> Mix {
    let mix = Mix::new();
    for number in 0..1500 {
        mix.put(format!("trees/libs/usr/share/libs/{}/{number}", number % 7), format!("{number} of the library\n"));
    }
    mix
}

const BUILD: [&str; 5] = ["build", "--progress", "json", "--jobs", "1"];

#[test]
fn an_interrupted_build_is_continued_automatically() {
    let mix = large();
    let mut build = Watched::start(clearwell(mix.dir(), &BUILD));
    build.wait_for(is_making);
    build.signal(Signal::INT);
    let (code, rest) = build.ended();
    assert_eq!(code, Some(130), "{rest}");
    for part in
        ["stopping after the current step", "press Ctrl-C again", "nothing was released; run the same command again"]
    {
        assert!(rest.contains(part), "no {part:?} in:\n{rest}");
    }
    assert_eq!(mix.releases().as_array().unwrap().len(), 0);

    // No timestamp is given, and the clock has moved on.
    let outcome = mix.build(&["--json"]).expect(0).json();
    assert!(outcome["made"]["fullfile"]["reused"].as_u64() > Some(0), "{}", outcome["made"]);
    mix.verify("");
    let timestamp = outcome["timestamp"].to_string();
    mix.build(&["--store", "clean", "--timestamp", &timestamp]).expect(0);
    let content = |store: &str| Kept::of(&mix.path(store)).only(|path| path.starts_with("content/10/"));
    content("store").assert_same(&content("clean"));
}

#[test]
fn another_timestamp_or_other_trees_start_over() {
    let mix = large();
    let interrupt = |store: &str| {
        let mut build = Watched::start(clearwell(mix.dir(), &[&BUILD[..], &["--store", store]].concat()));
        build.wait_for(is_making);
        build.signal(Signal::TERM);
        assert_eq!(build.ended().0, Some(143));
    };
    let reused = |args: &[&str]| {
        let outcome = mix.build(&[args, &["--json"]].concat()).expect(0).json();
        (outcome["made"]["fullfile"]["reused"].clone(), outcome["timestamp"].clone())
    };
    interrupt("one");
    assert_eq!(reused(&["--store", "one", "--timestamp", "1700000000"]), (0.into(), 1_700_000_000.into()));
    interrupt("two");
    mix.change("another");
    assert_eq!(reused(&["--store", "two"]).0, 0);
}

#[test]
fn a_second_signal_stops_immediately() {
    let mix = Mix::new();
    // One file that takes long on any machine.
    let noise: Vec<u8> = (0..12_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    mix.put("trees/libs/usr/share/noise", noise.repeat(8));
    // The first signal may arrive before the step begins; then the build has ended before the second one.
    for _ in 0..10 {
        let mut build = Watched::start(clearwell(mix.dir(), &BUILD));
        build.wait_for(begins("make"));
        build.signal(Signal::INT);
        build.wait_for(|line| line.starts_with("stopping after the current step"));
        build.signal(Signal::INT);
        let (code, rest) = build.ended();
        assert_eq!(code, Some(130));
        if rest.contains("stopped immediately: nothing was released") {
            return;
        }
        assert!(rest.contains("interrupted: nothing was released"), "{rest}");
    }
    panic!("the second signal never arrived during a step");
}

#[test]
fn a_check_is_interrupted_and_resumed() {
    let mix = Mix::released();
    let store = mix.kept();
    // Slow enough to be in the middle when the line has been read.
    let mut check = Watched::start(clearwell(mix.dir(), &["check", "--progress", "json", "--rate", "10KiB"]));
    check.wait_for(begins("read"));
    check.signal(Signal::INT);
    let (code, rest) = check.ended();
    assert_eq!(code, Some(130), "{rest}");
    assert!(rest.contains("nothing was changed; check --resume"), "{rest}");
    store.assert_same(&mix.kept());
    mix.run(&["check", "--store", "store", "--resume"]).expect(0);
}

#[test]
fn a_verification_that_waits_is_interrupted() {
    let mix = Mix::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut verify = Watched::start(clearwell(mix.dir(), &["verify", "--progress", "json", "--url", &url]));
    verify.wait_for(begins("pointers"));
    verify.signal(Signal::INT);
    let (code, rest) = verify.ended();
    assert_eq!(code, Some(130), "{rest}");
    assert!(rest.contains("interrupted: nothing was changed"), "{rest}");
}
