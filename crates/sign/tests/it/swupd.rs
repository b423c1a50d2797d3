//! The stock client as the judge.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clearwell_testkit::{program, root};
use tempfile::TempDir;

/// The `swupd` program, with a separate root and state folder.
pub(crate) struct Swupd(TempDir);

impl Swupd {
    /// Says so loudly when it is missing.
    pub(crate) fn found() -> Option<Self> {
        let lost = "our verdicts are not compared with the stock client's";
        program("swupd", lost).filter(|_| root("swupd", lost))?;
        let folder = TempDir::new().unwrap();
        let lib = folder.path().join("root/usr/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("os-release"), "VERSION_ID=10\n").unwrap();
        Some(Self(folder))
    }

    /// Does `swupd check-update` accept a pointer to a higher version, so signed, with `trusted` as its certificate?
    pub(crate) fn accepts(&self, pointer: &[u8], signature: &[u8], trusted: &Path) -> bool {
        let www = TempDir::new_in(self.0.path()).unwrap();
        fs::create_dir(www.path().join("version")).unwrap();
        fs::write(www.path().join("version/latest_version"), pointer).unwrap();
        fs::write(www.path().join("version/latest_version.sig"), signature).unwrap();
        let status = Command::new("swupd")
            .args(["check-update", "--no-scripts", "-F", "30", "-I", "-u"])
            .arg(format!("file://{}", www.path().display()))
            .arg("-p")
            .arg(self.0.path().join("root"))
            .arg("-S")
            .arg(self.0.path().join("state"))
            .arg("-C")
            .arg(trusted)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        status.code() == Some(0)
    }
}
