//! Names and bytes of the swupd protocol.
//!
//! What a manifest, a request path, a file hash or a pack member *is*, and how it looks in bytes. Everything is parsed
//! at the edge into a type that cannot be wrong, and written back byte for byte. The crate does no I/O: callers bring
//! bytes or a [`std::io::Read`].
//!
//! A manifest is parsed, and its bytes come back:
//!
//! ```
//! use clearwell_format::{FileKind, Manifest, State};
//!
//! let hash = "06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6";
//! let text = format!(
//!     "MANIFEST\t30\nversion:\t20\nprevious:\t10\nfilecount:\t1\ntimestamp:\t1700000000\ncontentsize:\t6\n\n\
//!      F...\t{hash}\t20\t/usr/bin/hello\n"
//! );
//! let manifest = Manifest::parse(text.as_bytes())?;
//! assert_eq!(manifest.header.version.number(), 20);
//! assert_eq!(manifest.entries[0].state, State::Present { kind: FileKind::File, hash: hash.parse()? });
//! assert_eq!(manifest.to_bytes(), text.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The path of a URL becomes a resource, or nothing:
//!
//! ```
//! use clearwell_format::resource::{Artifact, Resource};
//!
//! let resource = Resource::from_request_path("/20/pack-editors-from-10.tar").ok_or("not a resource")?;
//! let Resource::Artifact { version, artifact: Artifact::Pack { bundle, from } } = resource else { unreachable!() };
//! assert_eq!((version.number(), bundle.as_str(), from.map(|from| from.number())), (20, "editors", Some(10)));
//! assert_eq!(Resource::from_request_path("/20/../etc/passwd"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A present object has a hash, which names it in manifests, fullfiles and packs:
//!
//! ```
//! use clearwell_format::{Entry, FileHash, FileKind, Owner, Version};
//!
//! let hash = FileHash::of_file(b"hello\n", Owner { permissions: 0o755, uid: 0, gid: 0 });
//! let entry = Entry::present("/usr/bin/hello".parse()?, Version::parse(b"20")?, FileKind::File, hash);
//! assert_eq!(entry.flags(), *b"F...");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | Module | Noun | Source of the rules |
//! |---|---|---|
//! | [`version`], [`format_number`] | release numbers, formats as capabilities | manifest §1 |
//! | [`bundle`], [`path`] | names that are safe to put in a path or a line | manifest §3.3, mixer workspace §4 |
//! | [`path_class`] | which paths updates install, replace and remove | manifest §3.4 |
//! | [`hash`] | the 64-digit file hash | hash §1 |
//! | [`flags`], [`manifest`], [`mom`] | manifests | manifest §1 to §4 |
//! | [`resource`] | request path to typed resource and back | content layout §1 |
//! | [`mod@pointer`] | `latest`, `latest_version`, `first` | content layout §2 |
//! | [`pack`] | member names of packs | packs §2 |
//! | [`mod@printable`] | foreign text, made safe for terminals and logs | |
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
