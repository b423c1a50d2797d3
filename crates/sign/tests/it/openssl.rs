//! OpenSSL as the second opinion.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clearwell_sign::Certificate;
use clearwell_testkit::program;
use tempfile::NamedTempFile;

/// The `openssl` program.
pub(crate) struct OpenSsl;

impl OpenSsl {
    /// Says so loudly when it is missing, because then half of a test is.
    pub(crate) fn found() -> Option<Self> {
        program("openssl", "our signatures and verdicts are not compared with OpenSSL's").map(|_| Self)
    }

    /// Does OpenSSL accept the signature as swupd would? Without `time`, dates do not count.
    pub(crate) fn verifies(&self, signature: &Path, content: &Path, trusted: &Path, time: Option<i64>) -> bool {
        let mut command = Command::new("openssl");
        command.args(["smime", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", "/dev/null"]);
        command.args(["-no-CApath", "-no-CAstore"]);
        match time {
            Some(time) => command.arg("-attime").arg(time.to_string()),
            None => command.arg("-no_check_time"),
        };
        command.arg("-in").arg(signature).arg("-content").arg(content);
        // OpenSSL offers every certificate of `-certfile` to the search for the signer; swupd only the first of its
        // file.
        let first = NamedTempFile::new().unwrap();
        fs::write(first.path(), Certificate::from_pem(fs::read(trusted).unwrap()).unwrap().pem()).unwrap();
        command.arg("-CAfile").arg(trusted).arg("-certfile").arg(first.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}
