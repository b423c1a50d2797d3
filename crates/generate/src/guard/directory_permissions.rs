//! Directories of the system that others than root can enter, and only root can write.
//!
//! Source: hash §1. Modes are content: a tree that was made under umask 077 gives every endpoint a `/usr` that only
//! root can use, and one of umask 0 lets every user replace its programs. Needs
//! [`Context::tree`](super::Context::tree).
//!
//! Refused in the directories that every system has, [`SYSTEM`]. Below `/usr`, where packages close some on purpose, one
//! warning names the first of those that are closed, and one the first of those that are open. Directories that are
//! closed on most systems (`/root`, `/var/lib/private`, `/etc/sudoers.d`) are not checked.

use clearwell_format::{EntryPath, FileKind};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(tree) = survey.context.tree else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    let directories = tree.nodes().map(|(_, node)| node).filter(|node| node.kind() == FileKind::Directory);
    for node in directories.filter(|node| !survey.listed.at(node.path.as_bytes()).is_empty()) {
        let (path, mode) = (&node.path, node.owner.permissions);
        let is_one_of = |paths: &[&str]| paths.iter().any(|one| one.as_bytes() == path.as_bytes());
        let is_temporary = is_one_of(TEMPORARY);
        let is_system = is_temporary || is_one_of(SYSTEM);
        let is_below_usr = !is_system && path.is_within(b"/usr");
        let is_open = mode & WRITE != 0 && mode & STICKY == 0;
        if mode & ENTER == 0 {
            if is_system {
                findings.push(refusal(path, mode, "only root can use its content", "chmod go+rx"));
            } else if is_below_usr {
                closed.push((path, mode));
            }
        } else if is_open {
            if is_system {
                findings.push(refusal(path, mode, "every user can replace its content", "chmod o-w, or +t"));
            } else if is_below_usr {
                open.push((path, mode));
            }
        } else if is_temporary && mode & WRITE == 0 {
            findings.push(warning(path, format!("with mode {mode:04o} only root can write to it"), "chmod 1777 it"));
        }
    }
    for (paths, problem, remedy) in [
        (closed, "closed to all but root", "if that is not intended, chmod -R go+rX the tree"),
        (open, "writable for every user", "if that is not intended, chmod -R o-w the tree"),
    ] {
        if let Some((first, mode)) = paths.first() {
            let more = match paths.len() - 1 {
                0 => String::new(),
                more => format!(", and so are {more} more below /usr"),
            };
            findings.push(warning(first, format!("with mode {mode:04o} it is {problem}{more}"), remedy));
        }
    }
    findings
}

fn refusal(path: &EntryPath, mode: u32, harm: &str, remedy: &str) -> Finding {
    Finding::refusal(
        Rule::DirectoryPermissions,
        Object::Path(path.clone()),
        format!("with mode {mode:04o} {harm}"),
        format!("{remedy} it in the tree; the umask of the build machine may be the cause"),
    )
}

fn warning(path: &EntryPath, problem: String, remedy: &'static str) -> Finding {
    Finding::warning(Rule::DirectoryPermissions, Object::Path(path.clone()), problem, remedy)
}

/// Directories that users and services of every system need.
const SYSTEM: &[&str] = &[
    "/bin",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
];
/// Directories that every user writes to.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];
/// Others may enter.
const ENTER: u32 = 0o001;
/// Others may write.
const WRITE: u32 = 0o002;
/// Only owners of files may remove or rename them.
const STICKY: u32 = 0o1000;
