//! What a release is planned from: its numbers, its tree, its bundles and what applies to all of them.
//!
//! A source (a mixer workspace, plain bundle trees, a test) fills [`Inputs`]; the plan only reads them.

mod attribute_policy;
mod path_list;

use std::path::PathBuf;

use clearwell_format::{BundleName, EntryPath, FormatNumber, Version};

use crate::tree::attributes::CAPABILITY;
use crate::tree::{NodeId, Tree};

pub use attribute_policy::{AttributePolicy, InvalidPolicy, LostAttributes};
pub use path_list::PathList;

/// Everything a plan reads about the release to make.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The numbers of the release.
    pub release: Release,
    /// The merged root of all bundles.
    pub tree: Tree,
    /// The bundles, in the order of the source. Names are distinct.
    pub bundles: Vec<BundleInput>,
    /// Files that the source writes for each version, to say which one it is. Changes of these alone do not make a release.
    pub stamps: Vec<EntryPath>,
    /// Which paths count as debug information and are left out.
    pub debuginfo: DebuginfoBan,
    /// The upstream that the content was mixed from, if there is one.
    pub upstream: Option<Upstream>,
    /// What the source noticed and went on.
    pub warnings: Vec<Warning>,
}

/// The numbers of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The version to make.
    pub version: Version,
    /// The version before; `None` for the first one.
    pub previous: Option<Version>,
    /// The format of its manifests and of the pointer that will name it.
    pub format: FormatNumber,
    /// Release again what is older than this (manifest §5.5). At most the version itself.
    pub min_version: Option<Version>,
    /// `timestamp:` of every manifest, seconds since the epoch.
    pub timestamp: i64,
}

/// The default version after `version`: ten above, as mixer counts. `None` at the end of all versions.
pub fn following(version: Version) -> Option<Version> {
    version.number().checked_add(10).and_then(Version::new)
}

/// One bundle.
#[derive(Clone, Debug)]
pub struct BundleInput {
    /// Its name.
    pub name: BundleName,
    /// Its state, by its definition.
    pub status: BundleStatus,
    /// Declared includes, in order. os-core need not be among them; others may not exist.
    pub includes: Vec<BundleName>,
    /// Declared optional includes, in order.
    pub also_add: Vec<BundleName>,
    /// Its whole path list, with what included bundles list as well. Sorted, each node once.
    pub files: Vec<Listed>,
}

/// One line of a bundle's path list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The object.
    pub node: NodeId,
    /// An executable that third-party installations wrap in a script.
    pub exported: bool,
}

/// `STATUS` of a bundle's definition. Other texts mean nothing and count as [`BundleStatus::Active`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BundleStatus {
    /// An ordinary bundle.
    #[default]
    Active,
    /// Shown as such by clients, from format 27.
    Experimental,
    /// Emptied and dropped by the next format bump.
    Deprecated,
}

impl BundleStatus {
    /// Reads the text of a definition. Case counts (manifest §4).
    pub fn from_text(text: &str) -> Self {
        match text {
            "Experimental" => Self::Experimental,
            "Deprecated" => Self::Deprecated,
            _ => Self::Active,
        }
    }
}

/// Path prefixes that are left out of all manifests (manifest §5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebuginfoBan {
    /// Prefixes of the text of a path, so `/usr/lib/debug` bans `/usr/lib/debugger` too; the prefix itself stays. An
    /// empty one would ban everything and bans nothing.
    pub prefixes: Vec<Vec<u8>>,
}

impl DebuginfoBan {
    /// The default of a workspace.
    pub fn usual() -> Self {
        Self { prefixes: vec![b"/usr/lib/debug".to_vec(), b"/usr/src/debug".to_vec()] }
    }

    /// True for a path that is left out.
    pub fn bans(&self, path: &EntryPath) -> bool {
        let path = path.as_bytes();
        self.prefixes.iter().any(|prefix| !prefix.is_empty() && path.len() > prefix.len() && path.starts_with(prefix))
    }
}

/// The upstream of a mix; published with each release for people and for mixer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `upstreamurl`.
    pub url: String,
    /// `upstreamver`.
    pub version: String,
}

/// A problem that does not stop a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A bundle lists a path that the tree does not have.
    #[error("bundle {bundle} lists {path}, which is not in the tree: left out")]
    ListedPathMissing {
        /// The bundle.
        bundle: BundleName,
        /// The path as listed.
        path: String,
    },
    /// A FIFO, socket or device.
    #[error("{path} is a {kind}, which cannot be released: left out")]
    SpecialFile {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Something in the root of a bundle's tree that belongs to the build machine.
    #[error(
        "{} is left out: it belongs to a file system or version control, not to a package; a bundle that needs it must have it at another path",
        .path.display()
    )]
    LeftOut {
        /// Its location.
        path: PathBuf,
    },
    /// An extended attribute, which swupd content cannot store (hash §5).
    #[error("{}", lost_attribute(.name, .paths, *.total))]
    LostAttribute {
        /// Its name.
        name: String,
        /// The first paths that have it.
        paths: Vec<EntryPath>,
        /// How many have it.
        total: usize,
    },
    /// A name with a character that clients do not take (manifest §5.2).
    #[error("{path} has a name that clients refuse (one of ; & | * ` < > \\ \" ' or BEL): left out, with all below it")]
    IllegalName {
        /// The path.
        path: EntryPath,
    },
    /// An include of a bundle that is not in the mix.
    #[error("bundle {bundle} includes {include}, which is not in the mix: the include is dropped")]
    UnknownInclude {
        /// The bundle.
        bundle: BundleName,
        /// What it names.
        include: String,
    },
    /// An also-add of a bundle that is not in the mix.
    #[error("bundle {bundle} has also-add {also_add}, which is not in the mix: it is dropped")]
    UnknownAlsoAdd {
        /// The bundle.
        bundle: BundleName,
        /// What it names.
        also_add: String,
    },
    /// Includes or also-adds that os-core declares.
    #[error("os-core declares {} as includes or also-adds: ignored, as every bundle includes os-core", list(.bundles))]
    OsCoreIncludes {
        /// What it names, by name.
        bundles: Vec<BundleName>,
    },
    /// Bundles that include each other. What several of them list is kept in the first by name.
    #[error("the bundles {} include each other: paths that several of them list are kept in the first", list(.bundles))]
    IncludeCycle {
        /// The bundles, by name.
        bundles: Vec<BundleName>,
    },
    /// A deprecated bundle that no endpoint has (manifest §5.12).
    #[error(
        "bundle {bundle} is deprecated and not in the previous release: left out; remove it from the mix, or give it another status"
    )]
    DeprecatedBundle {
        /// The bundle.
        bundle: BundleName,
    },
    /// A link or directory with content below /V3, /V4 or /VA: only regular files have optimised builds (manifest
    /// §5.6).
    #[error("{path} is not a regular file; only those have optimised builds: left out")]
    OptimisedLink {
        /// The path.
        path: EntryPath,
    },
    /// A setting or file of the source that is not used.
    #[error("{what}")]
    Source {
        /// What was found and what was done about it.
        what: String,
    },
}

fn lost_attribute(name: &str, paths: &[EntryPath], total: usize) -> String {
    let mut text = paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = total - paths.len();
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    if name == CAPABILITY {
        return format!(
            "endpoints get {text} without file capabilities ({name}), which swupd content cannot store: programs that need \
             them fail there; use the set-user-ID bit, or set them on endpoints"
        );
    }
    format!("endpoints get {text} without extended attribute {name}, which swupd content cannot store")
}

fn list(bundles: &[BundleName]) -> String {
    bundles.iter().map(BundleName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ban_is_on_text_and_spares_the_prefix_itself() {
        let ban = DebuginfoBan::usual();
        let banned = |path: &str| ban.bans(&path.parse().unwrap());
        assert!(banned("/usr/lib/debug/x") && banned("/usr/lib/debugger") && banned("/usr/src/debug-1"));
        assert!(!banned("/usr/lib/debug") && !banned("/usr/lib/x"));
        assert!(!DebuginfoBan { prefixes: vec![Vec::new()] }.bans(&"/x".parse().unwrap()));
    }
}
