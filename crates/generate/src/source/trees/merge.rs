//! Merges the trees of all bundles into one.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::{BundleName, EntryPath, FileKind, Owner};

use crate::inputs::Warning;
use crate::source::SourceError;
use crate::tree::Node;

/// Nodes by path, each with the bundle that brought it first.
#[derive(Debug, Default)]
pub(super) struct Merge {
    nodes: BTreeMap<EntryPath, (Node, BundleName)>,
    /// Directories that some bundles let their group write and others do not.
    narrowed: BTreeSet<EntryPath>,
}

impl Merge {
    /// Adds the node of a bundle. A directory that only one of two bundles lets its group write, as a umask of 002 makes
    /// it, is released without that permission.
    ///
    /// # Errors
    /// If another bundle has the path and something else about it differs.
    pub(super) fn add(&mut self, node: Node, bundle: &BundleName) -> Result<(), SourceError> {
        match self.nodes.get(&node.path) {
            None => {
                self.nodes.insert(node.path.clone(), (node, bundle.clone()));
                Ok(())
            }
            Some((there, _)) if there.hash == node.hash => Ok(()),
            Some((there, _)) if differ_in_group_write(there, &node) => {
                self.narrowed.insert(node.path.clone());
                if there.owner.permissions & GROUP_WRITE != 0 {
                    self.nodes.insert(node.path.clone(), (node, bundle.clone()));
                }
                Ok(())
            }
            Some((there, first)) => Err(SourceError::Conflict {
                what: difference(there, &node),
                path: node.path,
                first: first.clone(),
                second: bundle.clone(),
            }),
        }
    }

    /// Adds a file that the release makes, replacing one that the bundle may have, and directories above it. Both
    /// have fixed modes and owners. What bundles have of those directories counts, so theirs have to be added before.
    ///
    /// # Errors
    /// If something else than a file is at the path, or than a directory above it, or another bundle's file.
    pub(super) fn put(
        &mut self,
        path: &EntryPath,
        content: Vec<u8>,
        mtime: u64,
        bundle: &BundleName,
    ) -> Result<(), SourceError> {
        let mut ancestor = path.parent();
        while let Some(directory) = ancestor {
            match self.find(&directory).map(Node::kind) {
                Some(FileKind::Directory) => {}
                Some(_) => return Err(SourceError::InTheWay { path: directory, needed: path.clone() }),
                None => {
                    let node = Node::directory(directory.clone(), DIRECTORY, mtime);
                    self.nodes.insert(directory.clone(), (node, bundle.clone()));
                }
            }
            ancestor = directory.parent();
        }
        let node = Node::file(path.clone(), Owner::MANIFEST, mtime, content.into());
        match self.nodes.get(path) {
            Some((there, _)) if there.kind() != FileKind::File => {
                return Err(SourceError::InTheWay { path: path.clone(), needed: path.clone() });
            }
            Some((_, first)) if first != bundle => return self.add(node, bundle),
            _ => {}
        }
        self.nodes.insert(path.clone(), (node, bundle.clone()));
        Ok(())
    }

    /// What was decided between bundles, for the maintainer.
    pub(super) fn warning(&self) -> Option<Warning> {
        let first = self.narrowed.first()?;
        let others = match self.narrowed.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        Some(Warning::Source {
            what: format!(
                "{first}{others}: some bundles let the group write there, as a umask of 002 makes directories, and others \
                 do not; released without"
            ),
        })
    }

    pub(super) fn find(&self, path: &EntryPath) -> Option<&Node> {
        self.nodes.get(path).map(|(node, _)| node)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|(node, _)| node)
    }

    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes.into_values().map(|(node, _)| node).collect()
    }
}

fn differ_in_group_write(a: &Node, b: &Node) -> bool {
    let strict = |node: &Node| Owner { permissions: node.owner.permissions & !GROUP_WRITE, ..node.owner };
    (a.kind(), b.kind()) == (FileKind::Directory, FileKind::Directory) && strict(a) == strict(b)
}

fn difference(a: &Node, b: &Node) -> String {
    let kind = |node: &Node| match node.kind() {
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        FileKind::File => "file",
    };
    let (of_a, of_b) = (a.owner, b.owner);
    if a.kind() != b.kind() {
        format!("kind ({} and {})", kind(a), kind(b))
    } else if (of_a.uid, of_a.gid) != (of_b.uid, of_b.gid) {
        format!("owner ({}:{} and {}:{})", of_a.uid, of_a.gid, of_b.uid, of_b.gid)
    } else if of_a.permissions != of_b.permissions && a.kind() != FileKind::Link {
        format!("mode ({:04o} and {:04o})", of_a.permissions, of_b.permissions)
    } else if a.kind() == FileKind::Link {
        "target".to_owned()
    } else {
        "content".to_owned()
    }
}

const GROUP_WRITE: u32 = 0o020;
const DIRECTORY: Owner = Owner { permissions: 0o755, uid: 0, gid: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, owner: Owner, content: &str) -> Node {
        Node::file(path.parse().unwrap(), owner, 0, content.as_bytes().into())
    }

    #[test]
    fn bundles_may_share_a_path_but_not_disagree() {
        let (a, b): (BundleName, BundleName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let other = |owner: Owner, content: &str| {
            let mut merge = Merge::default();
            merge.add(file("/x", Owner::MANIFEST, "one"), &a).unwrap();
            merge.add(file("/x", owner, content), &b).map_err(|error| error.to_string())
        };
        assert!(other(Owner::MANIFEST, "one").is_ok());
        assert!(
            other(Owner::MANIFEST, "two").unwrap_err().starts_with("/x differs in content between the bundles a and b")
        );
        assert!(other(Owner { permissions: 0o755, ..Owner::MANIFEST }, "one").unwrap_err().contains("differs in mode"));
        assert!(other(Owner { uid: 7, ..Owner::MANIFEST }, "one").unwrap_err().contains("differs in owner"));
    }

    #[test]
    fn a_umask_is_no_disagreement() {
        let path: EntryPath = "/usr".parse().unwrap();
        let directory = |permissions| Node::directory(path.clone(), Owner { permissions, ..DIRECTORY }, 0);
        for (first, second) in [(0o755, 0o775), (0o775, 0o755)] {
            let mut merge = Merge::default();
            merge.add(directory(first), &"a".parse().unwrap()).unwrap();
            merge.add(directory(second), &"b".parse().unwrap()).unwrap();
            assert_eq!(merge.find(&path).unwrap().owner.permissions, 0o755);
            assert!(merge.warning().unwrap().to_string().starts_with("/usr: some bundles let the group write"));
        }
        let mut merge = Merge::default();
        merge.add(directory(0o755), &"a".parse().unwrap()).unwrap();
        assert!(merge.warning().is_none());
        assert!(merge.add(directory(0o757), &"b".parse().unwrap()).is_err(), "every user may write");
    }

    #[test]
    fn what_a_release_makes_has_fixed_modes_and_yields_to_directories() {
        let (os_core, editor) = (BundleName::os_core(), "editor".parse().unwrap());
        let path: EntryPath = "/usr/share/clear/version".parse().unwrap();
        let closed = Owner { permissions: 0o600, uid: 7, gid: 7 };
        let mut merge = Merge::default();
        merge.add(file("/usr/share/clear/version", closed, "1"), &os_core).unwrap();
        let own = Owner { permissions: 0o750, uid: 0, gid: 7 };
        merge.add(Node::directory("/usr/share".parse().unwrap(), own, 0), &editor).unwrap();
        merge.put(&path, b"30".to_vec(), 0, &os_core).unwrap();
        let owner = |path: &str| merge.find(&path.parse().unwrap()).unwrap().owner;
        assert_eq!(owner("/usr/share/clear/version"), Owner::MANIFEST);
        assert_eq!(owner("/usr/share"), own);
        assert_eq!((owner("/usr"), owner("/usr/share/clear")), (DIRECTORY, DIRECTORY));
        assert_eq!(merge.into_nodes().len(), 4);
    }

    #[test]
    fn what_a_release_makes_takes_no_place_of_another() {
        let (os_core, editor) = (BundleName::os_core(), "editor".parse().unwrap());
        let path: EntryPath = "/usr/share/clear/version".parse().unwrap();
        let told = |node: Node| {
            let mut merge = Merge::default();
            merge.add(node, &editor).unwrap();
            merge.put(&path, b"30".to_vec(), 0, &os_core).map_err(|error| error.to_string())
        };
        let link = |path: &str| Node::link(path.parse().unwrap(), Owner::MANIFEST, 0, b"x");
        assert!(told(link("/usr")).unwrap_err().starts_with("/usr is not a directory"));
        assert!(told(link("/usr/share/clear/version")).unwrap_err().contains("is not a file"));
        let error = told(file("/usr/share/clear/version", Owner::MANIFEST, "1")).unwrap_err();
        assert!(error.contains("differs in content between the bundles editor and os-core"), "{error}");
        assert!(told(file("/usr/share/clear/version", Owner::MANIFEST, "30")).is_ok());
    }
}
