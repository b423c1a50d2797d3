//! Runs of the binary.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

// By path: other test binaries have this file as a module, too.
#[path = "schemas.rs"]
pub(crate) mod schemas;

/// Variables of other programs that the binary, or a library in it, reads.
const VARIABLES: [&str; 13] = [
    "SOURCE_DATE_EPOCH",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "CI",
    "TERM",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
];

/// The binary in `dir`, with nothing of the caller's environment that it would read.
pub(crate) fn clearwell(dir: &Path, args: &[&str]) -> Command {
    let mut command = isolated(env!("CARGO_BIN_EXE_clearwell"), dir);
    command.args(args);
    command
}

/// A shell in `dir` that runs `script`, with the binary as `$0`; likewise.
pub(crate) fn shell(dir: &Path, script: &str) -> Command {
    let mut command = isolated("/bin/sh", dir);
    command.args(["-euc", script, env!("CARGO_BIN_EXE_clearwell")]);
    command
}

/// A program in `dir` that runs the binary; likewise.
pub(crate) fn isolated(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CLEARWELL_") || VARIABLES.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ended {
    Ended::of(&mut clearwell(dir, args))
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs the command to its end. What it prints as JSON has to match its schema.
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let ended = Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        schemas::check_run(command, &ended);
        ended
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr has all of these.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr does not say {part:?}:\n{}", self.stderr);
        }
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }

    /// The text of the one error on stderr.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        // An error begins a line; its causes may be errors too.
        let stderr = format!("\n{}", self.stderr);
        let mut errors = stderr.split("\nerror: ").skip(1);
        let error = errors.next().unwrap_or_else(|| panic!("no error in:\n{}", self.stderr));
        assert_eq!(errors.next(), None, "more than one error in:\n{}", self.stderr);
        error.trim_end().to_owned()
    }
}

/// A run under way; ended, whatever the test does.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts the binary; its output is ignored.
    pub(crate) fn start(mut command: Command) -> Self {
        Self { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap() }
    }

    /// Starts the binary with a pipe for its result.
    pub(crate) fn start_read(mut command: Command) -> (Self, BufReader<ChildStdout>) {
        command.stderr(Stdio::null());
        Self::start_logged(command)
    }

    /// The same, and its log goes where the command says.
    pub(crate) fn start_logged(mut command: Command) -> (Self, BufReader<ChildStdout>) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        (Self { child }, stdout)
    }

    pub(crate) fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Asks it to end, as an init system does.
    pub(crate) fn terminate(&self) {
        rustix::process::kill_process(self.id(), rustix::process::Signal::TERM).unwrap();
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        rustix::process::kill_process(self.id(), rustix::process::Signal::HUP).unwrap();
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) -> ExitStatus {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().unwrap()
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `clearwell serve` on ports that the kernel picked.
pub(crate) struct Server {
    pub(crate) running: Running,
    /// Address for clients.
    pub(crate) listen: String,
    /// Address for clients with TLS.
    pub(crate) listen_tls: Option<String>,
    /// Address of metrics and health.
    pub(crate) admin: String,
}

impl Server {
    pub(crate) fn start(dir: &Path, store: &str, more: &[&str]) -> Self {
        let args = ["serve", "--store", store, "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        Self::start_by(clearwell(dir, &[&args, more].concat()))
    }

    /// Starts the server by a command that prints what it does.
    pub(crate) fn start_by(command: Command) -> Self {
        let (running, mut stdout) = Running::start_read(command);
        // The document ends where its braces do; the pipe stays open as long as the server runs.
        let mut text = String::new();
        while serde_json::from_str::<Value>(&text).is_err() {
            assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "the server ended before it listened: {text:?}");
        }
        let addresses: Value = serde_json::from_str(&text).unwrap();
        schemas::check("serve", &addresses);
        let address = |key: &str| addresses[key].as_str().unwrap().to_owned();
        let listen_tls = addresses["listen-tls"].as_str().map(str::to_owned);
        Self { running, listen: address("listen"), listen_tls, admin: address("admin") }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }
}
