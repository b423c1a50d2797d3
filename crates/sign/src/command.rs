//! A signing command: for keys that stay in hardware or behind a service.
//!
//! ```text
//! standard input    the bytes to sign, then end of file
//! standard output   the detached PKCS#7 signature, DER
//! standard error    shown when the command fails
//! exit status       0
//! ```
//!
//! For example `openssl smime -sign -binary -outform DER -signer CERT -inkey KEY`. The command has a limited time, and
//! the caller verifies what it returns before it is used.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::SignError;
use crate::verify::MAX_SIGNATURE_BYTES;

/// How much of standard error is kept for the message.
const MAX_STDERR_BYTES: u64 = 4096;

/// How often a command that closed its output is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// A program that signs, with its arguments; no shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCommand {
    /// Path, or a name found on `PATH`.
    pub program: OsString,
    /// Arguments, passed as they are.
    pub args: Vec<OsString>,
    /// Time for one signature, after which the command is killed.
    pub limit: Duration,
}

impl SigningCommand {
    /// Time that a command gets when nothing else is said.
    pub const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

    /// A command with the default limit.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: program.into(), args, limit: Self::DEFAULT_LIMIT }
    }

    /// What mixer runs: OpenSSL signs with the first certificate of a PEM file and its key. The other certificates of
    /// the file are included. `passphrase` is one of OpenSSL's sources, such as `file:PATH` or `env:VARIABLE`.
    pub fn openssl(certificate: &Path, key: &Path, passphrase: &OsStr) -> Self {
        let fixed = ["smime", "-sign", "-binary", "-md", "sha256", "-outform", "DER"].map(OsStr::new);
        let (certificate, key) = (certificate.as_os_str(), key.as_os_str());
        let pairs = [("-signer", certificate), ("-certfile", certificate), ("-inkey", key), ("-passin", passphrase)];
        let named = pairs.into_iter().flat_map(|(option, value)| [OsStr::new(option), value]);
        Self::new("openssl", fixed.into_iter().chain(named))
    }

    /// Runs the command on `content` and returns its output, unverified.
    pub(crate) fn run(&self, content: &[u8]) -> Result<Vec<u8>, SignError> {
        let deadline = Instant::now() + self.limit;
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| SignError::CommandStart { command: self.to_string(), source })?;

        let stdin = child.stdin.take().expect("standard input is a pipe");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        // Threads, because any of the three pipes may fill first. They are not joined: a grandchild that keeps a pipe
        // open must not block the caller beyond the limit.
        feed(stdin, content.to_vec());
        let stdout = collect(stdout, MAX_SIGNATURE_BYTES as u64 + 1);
        let stderr = collect(stderr, MAX_STDERR_BYTES);

        let ended = self.finish(&mut child, &stdout, &stderr, deadline);
        if ended.is_err() {
            // Best effort: the command may have ended in the meantime.
            let _ = child.kill();
            let _ = child.wait();
        }
        let ended = ended?;
        // One that was cut off for writing too much has failed for that reason; verification says so.
        if !ended.status.success() && ended.stdout.len() <= MAX_SIGNATURE_BYTES {
            let stderr = String::from_utf8_lossy(&ended.stderr).trim().replace(char::is_control, " ");
            let stderr = if stderr.is_empty() { "no message".to_owned() } else { stderr };
            return Err(SignError::CommandFailed { command: self.to_string(), status: ended.status, stderr });
        }
        Ok(ended.stdout)
    }

    /// Waits for both outputs and the end of the command.
    fn finish(
        &self,
        child: &mut Child,
        stdout: &Collected,
        stderr: &Collected,
        deadline: Instant,
    ) -> Result<Output, SignError> {
        let exchange = |source| SignError::CommandExchange { command: self.to_string(), source };
        let timeout = || SignError::CommandTimeout { command: self.to_string(), limit: self.limit };
        let left = || deadline.saturating_duration_since(Instant::now());
        let stdout = stdout.recv_timeout(left()).map_err(|_| timeout())?.map_err(exchange)?;
        let stderr = stderr.recv_timeout(left()).map_err(|_| timeout())?.map_err(exchange)?;
        loop {
            match child.try_wait().map_err(exchange)? {
                Some(status) => return Ok(Output { status, stdout, stderr }),
                None if left().is_zero() => return Err(timeout()),
                None => thread::sleep(POLL.min(left())),
            }
        }
    }
}

impl fmt::Display for SigningCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg:?}"))
    }
}

type Collected = Receiver<io::Result<Vec<u8>>>;

fn feed(mut pipe: impl Write + Send + 'static, content: Vec<u8>) {
    thread::spawn(move || {
        // A command that does not read its input to the end is evaluated by its output and status.
        let _ = pipe.write_all(&content);
    });
}

/// Reads at most `limit` bytes; then the pipe is closed, which ends a command that writes without end.
fn collect(pipe: impl Read + Send + 'static, limit: u64) -> Collected {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(limit).read_to_end(&mut bytes);
        // The receiver is gone when the caller gave up.
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}
