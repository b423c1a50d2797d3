//! Tests that cannot run, or not completely, on a machine: they never skip silently.
//!
//! ```text
//! SKIPPED certificates::chains: no openssl on PATH: our verdicts are not compared with OpenSSL's
//! ```
//!
//! With `CLEARWELL_NO_SKIPS=1` a skip is a failure. `CLEARWELL_SKIPS` names a file that gets the lines as well: `tests/all`
//! shows them once more at the end.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::{env, fs};

/// Says what is not tested, and why, past the test harness, which hides what passing tests print.
///
/// # Panics
/// With `CLEARWELL_NO_SKIPS=1` in the environment.
#[track_caller]
pub fn skipped(reason: impl AsRef<str>) {
    let reason = reason.as_ref();
    // The harness gives threads the names of their tests.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let is_failure = env::var_os("CLEARWELL_NO_SKIPS").is_some_and(|value| value == "1");
    assert!(!is_failure, "{test} may not be skipped here: {reason}");
    let line = format!("SKIPPED {test}: {reason}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(file) = env::var_os("CLEARWELL_SKIPS") {
        // One call: test binaries and threads write at once.
        OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// The program on `PATH`; without it the test is skipped, and `lost` is what then is not tested.
#[track_caller]
pub fn program(name: &str, lost: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skipped(format!("no {name} on PATH: {lost}"));
    }
    found
}

/// True for root; without its rights, which `what` needs, the test is skipped, and `lost` is what then is not tested.
#[track_caller]
pub fn root(what: &str, lost: &str) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        skipped(format!("{what} needs root: {lost}"));
    }
    is_root
}

/// An address of IPv6 with a port that the kernel picks; of IPv4, and the test skipped in part, on a machine without.
#[track_caller]
pub fn ipv6_loopback() -> &'static str {
    if TcpListener::bind("[::1]:0").is_ok() {
        return "[::1]:0";
    }
    skipped("this machine has no [::1]: no address of IPv6 is listened on");
    "127.0.0.1:0"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the tests below run in a separate process with another environment.
    #[test]
    #[ignore = "run by other tests"]
    fn of_this() {
        assert_eq!(program("no-such-program", "nothing"), None);
        assert!(program("sh", "nothing").is_some());
    }

    fn run(variables: &[(&str, &str)]) -> (bool, String, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "skip::tests::of_this", "--include-ignored"]);
        command.env_remove("CLEARWELL_NO_SKIPS").env_remove("CLEARWELL_SKIPS").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    const LINE: &str = "SKIPPED skip::tests::of_this: no no-such-program on PATH: nothing\n";

    #[test]
    fn a_skip_is_loud_and_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("skips");
        for count in 1..3 {
            let (passed, _, stderr) = run(&[("CLEARWELL_SKIPS", file.to_str().unwrap())]);
            assert!(passed && stderr == LINE, "{stderr}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), LINE.repeat(count));
        }
        assert!(run(&[("CLEARWELL_NO_SKIPS", "0")]).0);
    }

    #[test]
    fn a_skip_can_be_a_failure() {
        let (passed, stdout, stderr) = run(&[("CLEARWELL_NO_SKIPS", "1")]);
        assert!(!passed && stderr.is_empty(), "{stderr}");
        assert!(stdout.contains("may not be skipped here: no no-such-program on PATH"), "{stdout}");
    }
}
