//! Request path to typed resource and back: the only place that knows the shape of URLs (content layout §1).
//!
//! ```text
//! version/format<F>/latest(.sig)   version/format<F>/first   version/latest_version(.sig)   version/formatstaging/latest(.sig)
//! <ver>/Manifest.<name>(.tar)      <ver>/Manifest.MoM.sig    <ver>/Manifest-<b>-delta-from-<old>
//! <ver>/files/<hash>.tar           <ver>/pack-<b>-from-<old>.tar
//! <ver>/delta/10-20-<from>-<to>    <ver>/format   <ver>/mixer-src-version   <ver>/upstreamurl   <ver>/upstreamver
//! ```
//!
//! The grammar is closed: `..`, escapes and stray names never become a resource. To add a kind of artifact, add a
//! variant to [`Artifact`]; the compiler then names each place that has to know it.

mod artifact;
mod kind;
mod pointer;

use std::fmt;

pub use artifact::{Artifact, ManifestName};
pub use kind::ResourceKind;
pub use pointer::Pointer;

use crate::Version;

/// What a path of the public tree names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `version/…`: changes with each publication.
    Pointer(Pointer),
    /// `<ver>/…`: never changes once released.
    Artifact {
        /// The folder.
        version: Version,
        /// The file in it.
        artifact: Artifact,
    },
}

impl Resource {
    /// An artifact in the folder of `version`.
    pub const fn of(version: Version, artifact: Artifact) -> Self {
        Self::Artifact { version, artifact }
    }

    /// Reads the path of a request: without scheme, host and query. Slashes in front and double slashes collapse;
    /// percent escapes are not part of the grammar.
    pub fn from_request_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let resource = match (parts.next()?, parts.next()?, parts.next()) {
            ("version", name, file) => Self::Pointer(Pointer::parse(name, file)?),
            (version, name, file) => Self::of(version.parse().ok()?, Artifact::parse(name, file)?),
        };
        // A slash at the end names a folder, and folders are not resources.
        (parts.next().is_none() && !path.ends_with('/')).then_some(resource)
    }

    /// The version in whose folder the resource is; `None` for a pointer.
    pub const fn version(&self) -> Option<Version> {
        match self {
            Self::Pointer(_) => None,
            Self::Artifact { version, .. } => Some(*version),
        }
    }

    /// The kind, for counting.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Pointer(_) => ResourceKind::Pointer,
            Self::Artifact { artifact, .. } => artifact.kind(),
        }
    }
}

impl fmt::Display for Resource {
    /// The path below the root of the public tree, without a slash in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) => pointer.fmt(f),
            Self::Artifact { version, artifact } => write!(f, "{version}/{artifact}"),
        }
    }
}

#[cfg(test)]
mod tests;
