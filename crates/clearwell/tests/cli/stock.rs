//! The stock client in a scratch root, if swupd is installed. It reads a store's content through `file://`, or asks a
//! server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clearwell_testkit::{program, root};

use crate::run::Ended;

/// An endpoint.
pub(crate) struct Stock {
    scratch: tempfile::TempDir,
    url: String,
    certificate: PathBuf,
}

impl Stock {
    /// An endpoint of `content` that trusts `certificate`; `None`, said loudly, without a `swupd` on PATH or without the
    /// right to use it.
    pub(crate) fn find(test: &str, content: &Path, certificate: &Path) -> Option<Self> {
        let lost = format!("{test} is not compared with the stock client");
        program("swupd", &lost).filter(|_| root("swupd", &lost))?;
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["root", "state"] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        fs::set_permissions(scratch.path().join("state"), fs::Permissions::from_mode(0o700)).unwrap();
        let url = format!("file://{}", content.display());
        Some(Self { scratch, url, certificate: certificate.to_owned() })
    }

    /// From here on it asks a server.
    pub(crate) fn ask(&mut self, url: String) {
        self.url = url;
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// Installs a release into the empty root.
    pub(crate) fn install(&self, version: u32, format: u16, bundles: &str) -> Ended {
        let (version, format) = (version.to_string(), format.to_string());
        // An empty root has no time stamp, and the client would not verify without one.
        let args = ["--ignore-time", "-V", &version, "-F", &format, "-B", bundles];
        self.run("os-install", &args, &[self.root().to_str().unwrap()])
    }

    pub(crate) fn update(&self) -> Ended {
        self.run("update", &[], &["--path", self.root().to_str().unwrap()])
    }

    /// An update to the latest of another format than the root has, or of the staging channel.
    pub(crate) fn update_in(&self, format: &str) -> Ended {
        self.run("update", &["-F", format], &["--path", self.root().to_str().unwrap()])
    }

    /// Makes the root that of a release, whatever it was.
    pub(crate) fn repair(&self, version: u32) -> Ended {
        self.run("repair", &["--picky", "-V", &version.to_string()], &["--path", self.root().to_str().unwrap()])
    }

    pub(crate) fn diagnose(&self) -> Ended {
        self.run("diagnose", &[], &["--path", self.root().to_str().unwrap()])
    }

    fn run(&self, command: &str, args: &[&str], place: &[&str]) -> Ended {
        Ended::of(
            Command::new("swupd")
                .arg(command)
                .args(["--no-scripts", "--no-boot-update", "--no-progress", "--yes", "--max-retries", "0"])
                .args(["--url", &self.url, "--allow-insecure-http"])
                .arg("--certpath")
                .arg(&self.certificate)
                .arg("--statedir")
                .arg(self.scratch.path().join("state"))
                .args(args)
                .args(place)
                .env("LC_ALL", "C.UTF-8")
                .stdin(Stdio::null()),
        )
    }
}
