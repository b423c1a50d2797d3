//! One page, run in one shell, in separate namespaces.
//!
//! ```text
//! /                       the machine's, read-only
//! /etc                    a copy of the machine's, with another hosts file
//! /home /mnt /root /run /srv /tmp /usr/local/share /var   empty, in memory; HOME is /root, where the page begins
//! /run/program/clearwell  the program under test, first on PATH
//! network                 the loopback interface only: every port is free
//! processes               end with the page
//! ```
//!
//! The script has the line numbers of the page: lines that are not commands are empty, and the opening fence of a block becomes
//! a command that sends the output to the block's own file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use clearwell_testkit::{program, skipped};

use crate::book::Block;

/// Far longer than any page takes, on a busy machine too.
const LONGEST: Duration = Duration::from_secs(120);

/// Names that pages use for servers; all are 127.0.0.1.
const HOSTS: [&str; 3] = ["updates.example.org", "internal.example.org", "proxy.example.org"];

/// Programs that every page may use, and the one that makes the namespaces.
const PROGRAMS: [&str; 4] = ["bwrap", "bash", "curl", "openssl"];

/// Empty and writable in a session.
const FRESH: [&str; 9] = ["/etc", "/home", "/mnt", "/root", "/run", "/srv", "/tmp", "/usr/local/share", "/var"];

/// Folders that every system has in those.
const EXPECTED: [&str; 4] = ["/usr/local/share/ca-certificates", "/var/lib", "/var/log", "/var/tmp"];

/// What ran, and where its output is.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    status: ExitStatus,
}

/// Whether pages can be run on this machine; skips the test otherwise.
pub(crate) fn is_possible() -> bool {
    const LOST: &str = "the commands of the manual are not run";
    if !PROGRAMS.iter().all(|name| program(name, LOST).is_some()) {
        return false;
    }
    let attempt = namespaces().arg("true").output().unwrap();
    if !attempt.status.success() {
        let reason = String::from_utf8_lossy(&attempt.stderr).into_owned();
        skipped(format!("no namespaces ({}): {LOST}", reason.trim()));
    }
    attempt.status.success()
}

impl Session {
    /// Runs these blocks of a page with `lines` lines.
    pub(crate) fn run(blocks: &[&Block], lines: usize) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(folder.path().join("page"), script(blocks, lines)).unwrap();
        fs::write(folder.path().join("hosts"), hosts()).unwrap();
        fs::write(folder.path().join("start"), START).unwrap();
        let errors = fs::File::create(folder.path().join("errors")).unwrap();
        let mut child = namespaces()
            .arg("--bind")
            .arg(folder.path())
            .args(["/run/session", "--ro-bind", env!("CARGO_BIN_EXE_clearwell"), "/run/program/clearwell"])
            .args(["bash", "/run/session/start"])
            .stdin(Stdio::null())
            .stdout(errors.try_clone().unwrap())
            .stderr(errors)
            .spawn()
            .unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > LONGEST {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { folder, status }
    }

    /// What a block printed, to both streams.
    pub(crate) fn output(&self, block: &Block) -> String {
        let bytes = fs::read(self.file(&block.line.to_string())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The line and command that failed, with the output of its block.
    pub(crate) fn failure(&self, page: &str, blocks: &[&Block]) -> Option<String> {
        if self.status.success() {
            return None;
        }
        let errors = fs::read_to_string(self.file("errors")).unwrap();
        let last = blocks.iter().rev().find(|block| self.file(&block.line.to_string()).exists());
        let output = last.map(|block| self.output(block)).unwrap_or_default();
        let line = last.map_or(0, |block| block.line);
        Some(format!("{page}: {} in the block of line {line}\n{}\n{output}", self.status, errors.trim_end()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A command that runs another in fresh namespaces; what it starts ends with it.
fn namespaces() -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new("bwrap");
    command.args(["--die-with-parent", "--new-session", "--as-pid-1"]);
    command.args(["--unshare-ipc", "--unshare-net", "--unshare-pid", "--unshare-uts"]);
    if is_root {
        // Owners of files are part of releases: all of them can be set, as on the machine of a maintainer.
        command.args(["--cap-add", "ALL"]);
    } else {
        command.args(["--unshare-user", "--uid", "0", "--gid", "0"]);
    }
    command.args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
    for folder in FRESH.iter().filter(|folder| Path::new(folder).is_dir()) {
        command.args(["--tmpfs", folder]);
    }
    command.args(["--ro-bind", "/etc", "/run/machine/etc"]);
    for folder in EXPECTED {
        command.args(["--dir", folder]);
    }
    let path = format!("/run/program:{}", env::var("PATH").unwrap());
    command.env_clear().envs([("PATH", path.as_str()), ("HOME", "/root"), ("LANG", "C.UTF-8"), ("TERM", "dumb")]);
    // On a terminal, bars are gone once a command has ended.
    command.env("CLEARWELL_PROGRESS", "none");
    command
}

/// Starts the page; its last words go to the stream that the test reads.
const START: &str = r#"
# What only the machine's root may read stays behind.
cp -a /run/machine/etc/. /etc/ 2>/dev/null
rm -f /etc/hosts
cp /run/session/hosts /etc/hosts
cd /root
exec 8>&2
set -E
trap 'code=$?; echo "line $LINENO: exit code $code: $BASH_COMMAND" >&8; exit $code' ERR
source /run/session/page
"#;

fn hosts() -> String {
    HOSTS.iter().fold("127.0.0.1 localhost\n".to_owned(), |text, name| text + "127.0.0.1 " + name + "\n")
}

fn script(blocks: &[&Block], lines: usize) -> String {
    let mut script = String::new();
    for line in 1..=lines {
        if blocks.iter().any(|block| block.line == line) {
            let _ = write!(script, "exec >/run/session/{line} 2>&1");
        } else if let Some(command) = blocks.iter().find_map(|block| block.lines.get(line.checked_sub(block.line + 1)?))
        {
            script.push_str(command);
        }
        script.push('\n');
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Page;

    fn page(text: &str) -> Option<String> {
        let page = Page { path: "page.md".to_owned(), text: text.to_owned() };
        let blocks = page.blocks();
        let blocks: Vec<&Block> = blocks.iter().collect();
        Session::run(&blocks, text.lines().count()).failure("page.md", &blocks)
    }

    #[test]
    fn a_failing_command_is_named_with_its_line_and_output() {
        if !is_possible() {
            return;
        }
        let failure = page("# A\n```sh\nmkdir x && cd x\n```\n\n```sh\nls ../x\nls absent\n```\n").unwrap();
        for part in ["line 8", "exit code 2: ls absent", "cannot access 'absent'"] {
            assert!(failure.contains(part), "{part}: {failure}");
        }
        assert!(page("```sh\nif\n```\n").is_some(), "a syntax error");
        assert!(page("```sh\nexit 3\n```\n").is_some(), "an exit");
    }

    #[test]
    fn a_session_sees_a_fresh_machine_and_leaves_nothing() {
        if !is_possible() {
            return;
        }
        let text = "```sh\n[ \"$PWD\" = /root ]\n[ -z \"$(find ~ /tmp /srv /var/lib -mindepth 1)\" ]\nmkdir /etc/clearwell /var/lib/x\n\
                    ! touch /usr/left-behind\ngetent hosts updates.example.org\nsleep 1000 &\nclearwell --version\n```\n";
        assert_eq!(page(text), None);
        assert!(!Path::new("/usr/left-behind").exists());
    }
}
