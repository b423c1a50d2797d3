//! The commit that `clearwell --version` names: `CLEARWELL_COMMIT` where a packager sets it, else that of the checkout, else
//! "unknown", as in an unpacked source archive.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let named = std::env::var(VARIABLE).ok().filter(|commit| !commit.is_empty());
    let commit = named.or_else(of_checkout).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={VARIABLE}={commit}");
}

/// Only of this project's own checkout: a source archive may lie in a checkout of something else.
fn of_checkout() -> Option<String> {
    if !Path::new("../../.git").exists() {
        return None;
    }
    let commit = git(&["rev-parse", "--short=7", "HEAD"])?;
    // The log of HEAD grows with each commit and checkout; a checkout may have none. Cargo would take a missing file for a
    // changed one.
    let files = git(&["rev-parse", "--git-path", "HEAD", "--git-path", "logs/HEAD"])?;
    for file in files.lines().filter(|file| Path::new(file).exists()) {
        println!("cargo::rerun-if-changed={file}");
    }
    Some(commit)
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

const VARIABLE: &str = "CLEARWELL_COMMIT";
