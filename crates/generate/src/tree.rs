//! The tree of a release: every object of the merged root, hashed, in path order.
//!
//! ```text
//! NodeId   0      1          2             3
//! path     /bin   /usr       /usr/bin      /usr/bin/sh        sorted by bytes, as manifests are
//! ```
//!
//! Always true: paths are sorted and distinct; each hash is that of the node's kind, owner and content; a node's
//! parent, where it is in the tree, is a directory or a link to one. Bundles list their files as [`NodeId`]s, so that a
//! thousand lists of one tree do not store a path twice.
//!
//! Reading a tree from disk is [`scan`]; its files are opened by [`root_folder`].

pub mod attributes;
pub mod known;
pub mod root_folder;
pub mod scan;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use clearwell_format::{EntryPath, FileHash, FileHasher, FileKind, Owner};

use root_folder::{OpenError, RootFolder};

/// The place of a node in its [`Tree`]; orders as the paths do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The place as an index into tables about the tree.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One file, directory or link.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is installed; with `/V3`, `/V4` or `/VA` in front for an optimised build.
    pub path: EntryPath,
    /// Permission bits and numeric owners.
    pub owner: Owner,
    /// Seconds since the epoch; archives keep it, hashes do not. Times before 1970 count as 0.
    pub mtime: u64,
    /// The swupd hash.
    pub hash: FileHash,
    /// What it is.
    pub body: Body,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Body {
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Link(Box<[u8]>),
    /// A regular file of `size` bytes.
    File {
        /// Bytes.
        size: u64,
        /// Where the bytes come from.
        content: Content,
    },
}

/// Where the bytes of a file come from.
#[derive(Clone)]
pub enum Content {
    /// The file at the node's own path below this folder.
    Below(Arc<RootFolder>),
    /// These bytes.
    Memory(Arc<[u8]>),
    /// Bytes that are made when they are asked for: large or sparse samples of tests.
    Generated(Arc<dyn Generated>),
}

/// Makes the same bytes each time.
pub trait Generated: Send + Sync {
    /// A reader of the whole content.
    fn open(&self) -> Box<dyn Read + Send>;
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(root) => write!(f, "below {}", root.location().display()),
            Self::Memory(bytes) => write!(f, "{} bytes in memory", bytes.len()),
            Self::Generated(_) => f.write_str("generated"),
        }
    }
}

impl Node {
    /// A directory.
    pub fn directory(path: EntryPath, owner: Owner, mtime: u64) -> Self {
        Self { path, owner, mtime, hash: FileHash::of_directory(owner), body: Body::Directory }
    }

    /// A link.
    pub fn link(path: EntryPath, owner: Owner, mtime: u64, target: &[u8]) -> Self {
        Self { path, owner, mtime, hash: FileHash::of_link(target, owner), body: Body::Link(target.into()) }
    }

    /// A file held in memory.
    pub fn file(path: EntryPath, owner: Owner, mtime: u64, bytes: Arc<[u8]>) -> Self {
        let hash = FileHash::of_file(&bytes, owner);
        let body = Body::File { size: bytes.len() as u64, content: Content::Memory(bytes) };
        Self { path, owner, mtime, hash, body }
    }

    /// A file whose `size` bytes are made on demand; they are made once here, for the hash.
    ///
    /// # Errors
    /// If the reader fails or yields another number of bytes.
    pub fn generated(
        path: EntryPath,
        owner: Owner,
        mtime: u64,
        size: u64,
        content: Arc<dyn Generated>,
    ) -> io::Result<Self> {
        let mut hasher = FileHasher::new(owner, size);
        let mut reader = content.open();
        let mut buffer = vec![0; 1 << 20];
        let mut seen = 0;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            seen += count as u64;
        }
        if seen != size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{seen} bytes instead of {size}")));
        }
        let body = Body::File { size, content: Content::Generated(content) };
        Ok(Self { path, owner, mtime, hash: hasher.finish(), body })
    }

    /// File, directory or link.
    pub const fn kind(&self) -> FileKind {
        match self.body {
            Body::Directory => FileKind::Directory,
            Body::Link(_) => FileKind::Link,
            Body::File { .. } => FileKind::File,
        }
    }

    /// Bytes of a file, length of a link's target, 0 for a directory: what `contentsize:` adds up (manifest §5.7).
    pub const fn size(&self) -> u64 {
        match &self.body {
            Body::Directory => 0,
            Body::Link(target) => target.len() as u64,
            Body::File { size, .. } => *size,
        }
    }

    /// A reader of a file's bytes, one more than its size at most; empty for what is not a file.
    ///
    /// A file on disk may have changed since it was hashed: callers that pass the bytes on hash them again.
    ///
    /// # Errors
    /// [`OpenError::Changed`] if something else, or a file of another size, is there by now.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        let Body::File { size, content } = &self.body else {
            return Ok(Box::new(io::empty()));
        };
        Ok(match content {
            Content::Below(root) => {
                let file = root.open_file(&self.path)?;
                if file.metadata()?.len() != *size {
                    return Err(OpenError::Changed);
                }
                Box::new(file.take(size.saturating_add(1)))
            }
            Content::Memory(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
            Content::Generated(generated) => generated.open(),
        })
    }

    /// The bytes of a file, which are those that were hashed; empty for what is not a file.
    ///
    /// # Errors
    /// [`OpenError::Changed`] if they are others by now.
    pub fn read(&self) -> Result<Vec<u8>, OpenError> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        match self.body {
            Body::File { .. } if FileHash::of_file(&bytes, self.owner) != self.hash => Err(OpenError::Changed),
            _ => Ok(bytes),
        }
    }

    /// Where the object is, for messages.
    pub fn location(&self) -> Cow<'_, Path> {
        match &self.body {
            Body::File { content: Content::Below(root), .. } => root.location().join(self.path.relative()).into(),
            _ => Path::new(std::ffi::OsStr::new("/")).join(self.path.relative()).into(),
        }
    }
}

/// All nodes of a release. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    parents: Vec<Option<NodeId>>,
}

impl Tree {
    /// Sorts the nodes into a tree.
    ///
    /// # Errors
    /// The path, if two nodes have the same.
    pub fn new(mut nodes: Vec<Node>) -> Result<Self, DuplicatePath> {
        nodes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(DuplicatePath(pair[0].path.clone()));
        }
        let mut tree = Self { nodes, parents: Vec::new() };
        let index = tree.index();
        let parent_of = |node: &Node| {
            let path = node.path.as_bytes();
            let slash = path.iter().rposition(|&byte| byte == b'/')?;
            index.find(&path[..slash])
        };
        tree.parents = tree.nodes.iter().map(parent_of).collect();
        Ok(tree)
    }

    /// How many nodes there are.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True for a tree without nodes.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node at a place. Places come from this tree.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The place of a path.
    pub fn find(&self, path: &[u8]) -> Option<NodeId> {
        self.nodes.binary_search_by(|node| node.path.as_bytes().cmp(path)).ok().map(id)
    }

    /// All paths, for many look-ups.
    pub fn index(&self) -> PathIndex<'_> {
        PathIndex(self.nodes().map(|(id, node)| (node.path.as_bytes(), id)).collect())
    }

    /// The node of the folder that contains a node; `None` below the root and where the folder is not in the tree.
    pub fn parent(&self, of: NodeId) -> Option<NodeId> {
        self.parents[of.index()]
    }

    /// All nodes in path order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(index, node)| (id(index), node))
    }

    /// The nodes, to be merged with others.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

/// Finds nodes by path, faster than [`Tree::find`].
#[derive(Debug)]
pub struct PathIndex<'a>(HashMap<&'a [u8], NodeId>);

impl PathIndex<'_> {
    /// The place of a path.
    pub fn find(&self, path: &[u8]) -> Option<NodeId> {
        self.0.get(path).copied()
    }
}

/// Two nodes have one path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is in the tree twice")]
pub struct DuplicatePath(pub EntryPath);

fn id(index: usize) -> NodeId {
    NodeId(u32::try_from(index).expect("a tree has fewer than 2^32 nodes: manifests end at four million"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &str) -> Node {
        Node::directory(path.parse().unwrap(), Owner { permissions: 0o755, uid: 0, gid: 0 }, 0)
    }

    #[test]
    fn parents_are_found_whatever_sorts_between() {
        let tree = Tree::new(["/usr/a", "/usr", "/usr-x", "/usr/a/b", "/opt/x"].map(directory).to_vec()).unwrap();
        let parent = |path: &str| tree.parent(tree.find(path.as_bytes()).unwrap()).map(|id| tree.node(id).path.clone());
        assert_eq!(parent("/usr/a").unwrap().as_bytes(), b"/usr");
        assert_eq!(parent("/usr/a/b").unwrap().as_bytes(), b"/usr/a");
        assert_eq!(parent("/usr"), None);
        assert_eq!(parent("/opt/x"), None);
        assert!(tree.nodes().map(|(_, node)| &node.path).is_sorted());
    }

    #[test]
    fn one_path_twice_is_refused() {
        let error = Tree::new(["/a", "/b", "/a"].map(directory).to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "/a is in the tree twice");
    }
}
