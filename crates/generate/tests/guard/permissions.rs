//! Modes of directories, which only a tree knows.

use clearwell_format::Owner;
use clearwell_generate::guard::{Finding, Rule, Severity};
use clearwell_generate::tree::{Node, Tree};

use super::assert_found;
use super::mix::{Mix, Object};

/// The findings of the rule for a system whose directories have these modes.
fn findings(modes: &[(&str, u32)]) -> Vec<Finding> {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let mut nodes = Vec::new();
    for &(path, mode) in modes {
        let parents = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
        for parent in parents.filter(|parent| !parent.starts_with("/usr")) {
            content.bundle("os-core").directory(parent);
        }
        content.bundle("os-core").put(path, Object::Directory { mode });
        nodes.push(Node::directory(path.parse().unwrap(), Owner { permissions: mode, uid: 0, gid: 0 }, 0));
    }
    mix.release(10, &content);
    let tree = Tree::new(nodes).unwrap();
    let mut findings = mix.check(|context| context.tree = Some(&tree));
    // Another rule warns of what endpoints leave alone below `/etc`, `/var` and the like.
    findings.retain(|finding| finding.rule == Rule::DirectoryPermissions);
    findings
}

#[test]
fn what_users_of_a_system_need_is_neither_closed_nor_open() {
    for (mode, problem) in
        [(0o700, "only root can use"), (0o750, "only root can use"), (0o777, "every user can replace")]
    {
        let found = findings(&[("/etc", 0o755), ("/usr", mode), ("/usr/bin", mode)]);
        assert_found(&found, Severity::Refusal, Rule::DirectoryPermissions, &["/usr", "/usr/bin"]);
        assert!(found.iter().all(|finding| finding.problem.contains(problem)), "{found:?}");
    }
    assert_eq!(findings(&[("/usr", 0o755), ("/usr/bin", 0o555), ("/usr/lib", 0o2775), ("/home", 0o711)]), []);
}

#[test]
fn what_is_closed_for_a_reason_is_left_alone() {
    assert_eq!(findings(&[("/root", 0o700), ("/etc/sudoers.d", 0o750), ("/var/lib/private", 0o700)]), []);
}

#[test]
fn below_usr_one_warning_counts_all() {
    let found = findings(&[("/usr/share/a", 0o700), ("/usr/share/b", 0o750), ("/usr/share/c", 0o755)]);
    assert_found(&found, Severity::Warning, Rule::DirectoryPermissions, &["/usr/share/a"]);
    assert!(found[0].problem.contains("so are 1 more"), "{}", found[0]);
    let found = findings(&[("/usr/share/a", 0o777), ("/usr/share/b", 0o1777)]);
    assert_found(&found, Severity::Warning, Rule::DirectoryPermissions, &["/usr/share/a"]);
}

#[test]
fn temporary_folders_are_for_all_and_sticky() {
    assert_eq!(findings(&[("/tmp", 0o1777), ("/var/tmp", 0o1777)]), []);
    let found = findings(&[("/tmp", 0o755)]);
    assert_found(&found, Severity::Warning, Rule::DirectoryPermissions, &["/tmp"]);
    for mode in [0o777, 0o700] {
        let found = findings(&[("/tmp", mode)]);
        assert_found(&found, Severity::Refusal, Rule::DirectoryPermissions, &["/tmp"]);
    }
}

#[test]
fn a_tree_that_no_bundle_lists_does_not_count() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let node = Node::directory("/opt".parse().unwrap(), Owner { permissions: 0o700, uid: 0, gid: 0 }, 0);
    let tree = Tree::new(vec![node]).unwrap();
    assert_eq!(mix.check(|context| context.tree = Some(&tree)), []);
}
