//! A bundle's path list, converted from text to nodes.

use clearwell_format::BundleName;

use super::{Listed, Warning};
use crate::tree::PathIndex;

/// Paths with their export marks, in any order. Of a path that was added twice the last mark counts.
#[derive(Clone, Debug, Default)]
pub struct PathList(Vec<(Vec<u8>, bool)>);

impl PathList {
    /// Adds a path.
    pub fn add(&mut self, path: impl Into<Vec<u8>>, exported: bool) {
        self.0.push((path.into(), exported));
    }

    /// Finds the nodes of the paths. What the tree does not have is left out with a warning (manifest §5.2 rule 1).
    pub fn resolve(mut self, tree: &PathIndex<'_>, bundle: &BundleName, warnings: &mut Vec<Warning>) -> Vec<Listed> {
        // Stable, so that the last of equal paths stays last, and reversed, so that it is the one that is kept.
        self.0.reverse();
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.0.dedup_by(|(a, _), (b, _)| a == b);
        let mut files = Vec::with_capacity(self.0.len());
        for (path, exported) in self.0 {
            match tree.find(&path) {
                Some(node) => files.push(Listed { node, exported }),
                None => warnings.push(Warning::ListedPathMissing {
                    bundle: bundle.clone(),
                    path: String::from_utf8_lossy(&path).into_owned(),
                }),
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, Tree};

    #[test]
    fn the_last_mark_counts_and_missing_paths_are_told() {
        let owner = clearwell_format::Owner { permissions: 0o755, uid: 0, gid: 0 };
        let nodes = ["/a", "/b"].map(|path| Node::directory(path.parse().unwrap(), owner, 0));
        let tree = Tree::new(nodes.to_vec()).unwrap();
        let mut list = PathList::default();
        for (path, exported) in [("/b", true), ("/c", false), ("/a", false), ("/b", false)] {
            list.add(path, exported);
        }
        let mut warnings = Vec::new();
        let files = list.resolve(&tree.index(), &BundleName::os_core(), &mut warnings);
        let expected = ["/a", "/b"].map(|path| Listed { node: tree.find(path.as_bytes()).unwrap(), exported: false });
        assert_eq!(files, expected);
        assert_eq!(warnings.len(), 1);
    }
}
