//! The trees of all bundles on their way to one.

use std::collections::BTreeMap;

use clearwell_format::{BundleName, EntryPath, FileKind, Owner};

use crate::source::SourceError;
use crate::tree::Node;

/// Nodes by path, each with the bundle that brought it first.
#[derive(Debug, Default)]
pub(super) struct Merge {
    nodes: BTreeMap<EntryPath, (Node, BundleName)>,
}

impl Merge {
    /// Adds the node of a bundle.
    ///
    /// # Errors
    /// If another bundle has the path and something about it differs.
    pub(super) fn add(&mut self, node: Node, bundle: &BundleName) -> Result<(), SourceError> {
        match self.nodes.get(&node.path) {
            None => {
                self.nodes.insert(node.path.clone(), (node, bundle.clone()));
                Ok(())
            }
            Some((there, _)) if there.hash == node.hash => Ok(()),
            Some((there, first)) => Err(SourceError::Conflict {
                what: difference(there, &node),
                path: node.path,
                first: first.clone(),
                second: bundle.clone(),
            }),
        }
    }

    /// Adds a file that the release makes, in place of one that a tree may have.
    ///
    /// # Errors
    /// If something else than a file is at the path, or than a directory above it.
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
        let owner = match self.find(path) {
            Some(node) if node.kind() == FileKind::File => node.owner,
            Some(_) => return Err(SourceError::InTheWay { path: path.clone(), needed: path.clone() }),
            None => Owner::MANIFEST,
        };
        let node = Node::file(path.clone(), owner, mtime, content.into());
        self.nodes.insert(path.clone(), (node, bundle.clone()));
        Ok(())
    }

    pub(super) fn find(&self, path: &EntryPath) -> Option<&Node> {
        self.nodes.get(path).map(|(node, _)| node)
    }

    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes.into_values().map(|(node, _)| node).collect()
    }
}

fn difference(a: &Node, b: &Node) -> &'static str {
    if a.kind() != b.kind() {
        "kind (file, directory or link)"
    } else if (a.owner.uid, a.owner.gid) != (b.owner.uid, b.owner.gid) {
        "owner"
    } else if a.owner.permissions != b.owner.permissions && a.kind() != FileKind::Link {
        "mode"
    } else if a.kind() == FileKind::Link {
        "target"
    } else {
        "content"
    }
}

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
    fn what_a_release_makes_keeps_its_mode_and_needs_its_folders() {
        let bundle = BundleName::os_core();
        let path: EntryPath = "/usr/share/clear/version".parse().unwrap();
        let mut merge = Merge::default();
        merge
            .add(file("/usr/share/clear/version", Owner { permissions: 0o600, ..Owner::MANIFEST }, "1"), &bundle)
            .unwrap();
        merge.put(&path, b"30".to_vec(), 0, &bundle).unwrap();
        assert_eq!(merge.find(&path).unwrap().owner.permissions, 0o600);
        assert_eq!(merge.into_nodes().len(), 4);

        let mut merge = Merge::default();
        merge.add(Node::link("/usr".parse().unwrap(), Owner::MANIFEST, 0, b"x"), &bundle).unwrap();
        let error = merge.put(&path, Vec::new(), 0, &bundle).unwrap_err();
        assert!(error.to_string().starts_with("/usr is not a directory"), "{error}");
    }
}
