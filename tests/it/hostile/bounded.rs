//! Runs of the binary that must end without being killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::run::{Ended, Running, clearwell};
use crate::wait;

/// Runs the binary to its end; a run that does not end is killed and fails the test.
#[track_caller]
pub(crate) fn bounded(dir: &Path, args: &[&str]) -> Ended {
    let out = tempfile::NamedTempFile::new().unwrap();
    let err = tempfile::NamedTempFile::new().unwrap();
    let mut command = clearwell(dir, args);
    command.stdin(Stdio::null()).stdout(out.reopen().unwrap()).stderr(err.reopen().unwrap());
    let mut child = Child(command.spawn().unwrap());
    wait::until(|| child.0.try_wait().unwrap().is_some());
    let text = |file: tempfile::NamedTempFile| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    Ended { code: child.0.wait().unwrap().code(), stdout: text(out), stderr: text(err) }
}

/// True if a process that was asked to end does.
pub(crate) fn ends(running: Running) -> bool {
    let (told, hear) = mpsc::channel();
    std::thread::spawn(move || told.send(running.wait()));
    hear.recv_timeout(Duration::from_secs(60)).is_ok()
}

struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
