//! OpenSSL as the second opinion.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use clearwell_sign::Certificate;
use tempfile::NamedTempFile;

/// The `openssl` program.
pub(crate) struct OpenSsl;

impl OpenSsl {
    /// Says so loudly when it is missing, because then half of a test is.
    pub(crate) fn found() -> Option<Self> {
        let version = Command::new("openssl").arg("version").output();
        if version.is_ok_and(|output| output.status.success()) {
            return Some(Self);
        }
        // Past the capture of the test runner, which would hide it in a green run.
        let notice = "SKIPPED: no openssl on PATH; our signatures and verdicts are not compared with OpenSSL's\n";
        io::stderr().write_all(notice.as_bytes()).unwrap();
        None
    }

    /// Does OpenSSL accept the signature as swupd would? Without `time`, dates are not looked at.
    pub(crate) fn verifies(&self, signature: &Path, content: &Path, trusted: &Path, time: Option<i64>) -> bool {
        let mut command = Command::new("openssl");
        command.args(["smime", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", "/dev/null"]);
        command.args(["-no-CApath", "-no-CAstore"]);
        match time {
            Some(time) => command.arg("-attime").arg(time.to_string()),
            None => command.arg("-no_check_time"),
        };
        command.arg("-in").arg(signature).arg("-content").arg(content);
        // OpenSSL offers every certificate of `-certfile` to the search for the signer; swupd only the first of its file.
        let first = NamedTempFile::new().unwrap();
        fs::write(first.path(), Certificate::from_pem(fs::read(trusted).unwrap()).unwrap().pem()).unwrap();
        command.arg("-CAfile").arg(trusted).arg("-certfile").arg(first.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}
