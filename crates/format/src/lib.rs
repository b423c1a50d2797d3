//! Names and bytes of the swupd protocol.
//!
//! What a manifest, a request path, a file hash or a pack member *is*, and how it looks in bytes. Everything here is
//! parsed at the edge into a type that cannot be wrong, and written back byte for byte. There is no file system and no
//! network in this crate: callers bring bytes or a [`std::io::Read`].
//!
//! | Module | Noun | Source of the rules |
//! |---|---|---|
//! | [`version`], [`format_number`] | release numbers, formats as capabilities | manifest §1 |
//! | [`bundle`], [`path`] | names that are safe to put in a path or a line | manifest §3.3, mixer workspace §4 |
//! | [`path_class`] | which paths updates install, replace and remove | manifest §3.4 |
//! | [`hash`] | the 64-digit file hash | hash §1 |
//! | [`flags`], [`manifest`], [`mom`] | manifests | manifest §1 to §4 |
//! | [`resource`] | request path to typed resource and back | content layout §1 |
//! | [`mod@pointer`] | `latest` and its kin | content layout §2 |
//! | [`pack`] | member names of packs | packs §2 |
//! | [`mod@printable`] | text of others, as a person or a log gets it | |
//! | [`archive`] | tar and compression as the client reads them | content layout §3 to §5 |

pub mod archive;
pub mod bundle;
pub mod flags;
pub mod format_number;
pub mod hash;
pub mod manifest;
pub mod mom;
pub mod pack;
pub mod path;
pub mod path_class;
pub mod pointer;
pub mod printable;
pub mod resource;
pub mod version;

pub use bundle::BundleName;
pub use flags::{Misc, Modifier, Variant};
pub use format_number::FormatNumber;
pub use hash::{FileHash, FileHasher, FileKind, Owner};
pub use manifest::{Entry, Header, Manifest, State};
pub use mom::{Mom, MomEntry, MomFlags, MomStatus};
pub use path::EntryPath;
pub use path_class::PathClass;
pub use printable::printable;
pub use resource::{ManifestName, Resource};
pub use version::Version;
