//! The version and the commit that `clearwell --version` names.
//!
//! `CLEARWELL_VERSION` and `CLEARWELL_COMMIT` where a packager sets them, else those of the checkout ([`version`]), else
//! Cargo's version and "unknown", as in an unpacked source archive. Packages and the image take their version from the
//! binary.

use std::path::Path;
use std::process::Command;

#[path = "build/version.rs"]
mod version;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/version.rs");
    let checkout = Checkout::find();
    let commit = checkout.as_ref().map_or_else(|| "unknown".to_owned(), |checkout| checkout.commit.clone());
    let cargo = env!("CARGO_PKG_VERSION");
    let version = checkout.and_then(|checkout| checkout.version(cargo)).unwrap_or_else(|| cargo.to_owned());
    for (variable, found) in [("CLEARWELL_COMMIT", commit), ("CLEARWELL_VERSION", version)] {
        println!("cargo::rerun-if-env-changed={variable}");
        let named = std::env::var(variable).ok().filter(|named| !named.is_empty());
        println!("cargo::rustc-env={variable}={}", named.unwrap_or(found));
    }
}

/// This project's own checkout.
struct Checkout {
    commit: String,
}

impl Checkout {
    /// `None` in a source archive, also if that lies in a checkout of something else.
    fn find() -> Option<Self> {
        if !Path::new("../../.git").exists() {
            return None;
        }
        let commit = git(&["rev-parse", "--short=7", "HEAD"])?;
        // The log of HEAD grows with each commit and checkout; a checkout may have none, and a repository no tags. Cargo
        // would take a missing file for a changed one.
        let mut paths = vec!["rev-parse"];
        for path in ["HEAD", "logs/HEAD", "refs/tags", "packed-refs"] {
            paths.extend(["--git-path", path]);
        }
        for file in git(&paths)?.lines().filter(|file| Path::new(file).exists()) {
            println!("cargo::rerun-if-changed={file}");
        }
        Some(Self { commit })
    }

    fn version(&self, cargo: &str) -> Option<String> {
        let described = git(&["describe", "--tags", "--long", "--abbrev=7", "--match", "v[0-9]*.[0-9]*.[0-9]*"]);
        match described.as_deref().and_then(version::of_tag) {
            Some(version) => Some(version),
            None => {
                let time = git(&["log", "-1", "--format=%cd", "--date=format-local:%Y%m%d%H%M%S"])?;
                Some(version::untagged(cargo, &time, &self.commit))
            }
        }
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(args).env("TZ", "UTC").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
