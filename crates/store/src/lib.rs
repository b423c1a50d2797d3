//! The versioned content store: every release that a mix has made, on disk, verified.
//!
//! One process writes, any number read. A release goes through three states, each a type: a [`Draft`] takes artifacts,
//! [`Prepared`] means that all of them were read back, compared with their digests and synced, and a [`Release`] can be
//! read. Endpoints see it once [`Writer::publish`] has moved the pointers to it.
//!
//! ```
//! use clearwell_format::resource::{Artifact, Pointer};
//! use clearwell_format::{FormatNumber, Resource, Version};
//! use clearwell_store::{PointerSet, ReleaseRecord, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("store");
//! let (version, format) = (Version::new(10).unwrap(), FormatNumber::new(30).unwrap());
//! let mut writer = Store::create(&path)?.writer("example")?;
//!
//! let draft = writer.draft(version, "fingerprint of the inputs")?;
//! draft.put(&Artifact::Format, b"30")?;
//! let prepared = draft.prepare(ReleaseRecord::new(version, format, 1_700_000_000))?;
//! prepared.release()?;
//! writer.publish(&PointerSet::from([(Pointer::Latest(format), b"10".to_vec())]))?;
//!
//! let reader = Store::open(&path)?;
//! assert_eq!(reader.latest(format)?, Some(version));
//! assert_eq!(reader.read(&Resource::of(version, Artifact::Format))?, b"30");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On disk
//!
//! ```text
//! STORE/
//!   content/                        the public tree; any web server can serve it
//!     30/…                          artifacts of a release, as `clearwell_format::resource` names them
//!     version -> .pointers/00000007 switched by rename: all pointers and their signatures in one step
//!     .pointers/00000007/format30/latest …
//!   meta/
//!     layout                        "clearwell-store 1.2"
//!     releases/30.json              release record, written last
//!     index/30                      name, size and SHA-256 of every artifact
//!     remnants/20.json              record of a collected release; what is left of it is in index/20
//!     pointers/00000007             SHA-256 of each pointer of the generation
//!     staging/                      of the writer: the draft of each version (30/), scratch files, releases being collected
//!     lock                          of the one writer: its process and command
//!     check                         progress of an interrupted check
//!     backup.json                   of a backup: the store it is of, and when it was complete
//!     last-published                of a restored store: endpoints may have releases up to this version
//!     damaged/1/content/30/…        what a repair replaced; 2/, 3/, … for what was damaged again
//!     damaged/pointers-7/…          a generation of pointers before its repair
//!     cache/                        saves time, may be deleted at any time, and is when the disk is full
//!       hashes                      swupd hashes of source files by inode, size and times
//!       segments/30/<bundle>        the compressed segments of a zero pack, for the next build
//! ```
//!
//! Always true:
//! 1. A release exists for readers only once its record is on disk, and the record is written after everything it names
//!    was written, checked and synced.
//! 2. What is released never changes; artifacts may be added, never replaced.
//! 3. Readers take no lock and walk no tree: a record, an index and one symbolic link are all they read.
//!
//! # Where to look
//!
//! | Item | Noun |
//! |---|---|
//! | [`Store`] | reading: releases, artifacts, pointers |
//! | [`Writer`] | the one writer; makes drafts, moves pointers |
//! | [`Draft`], [`Prepared`], [`Release`] | the life of a version, step by step |
//! | [`Index`], [`ReleaseRecord`], [`PointerGeneration`] | the metadata on disk |
//! | [`ReleaseState`] | staged, published or retracted |
//! | [`verify`] | what can be wrong with a file: shared by the next three |
//! | [`check`] | every byte of a store, and what endpoints would notice |
//! | [`repair`] | recreating damaged files from the rest of the store |
//! | [`adopt`] | importing a tree that mixer made |
//! | [`gc`] | removing what no endpoint needs |
//! | [`backup`] | a second copy of a store, and restoring from it |
//! | [`fullfiles`] | which fullfiles endpoints need of a release |
//! | [`disk`] | every change of the file system, with a hook for faults |
//! | [`regular`] | reading of files: regular ones only, without waiting |
//! | [`fan_out`] | parallel work on many items |
//! | [`clock`] | the one place that reads the wall clock |
//!
//! A new kind of artifact: see [`verify`]. A new file below `meta/`: its path in [`Layout`], its change in
//! [`LayoutVersion`], and the drawing above.

pub mod adopt;
pub mod backup;
pub mod check;
pub mod clock;
pub mod disk;
pub mod fan_out;
pub mod fullfiles;
pub mod gc;
pub mod memory;
pub mod progress;
pub mod regular;
pub mod repair;
pub mod verify;

mod digest;
mod discard;
mod draft;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod index;
mod layout;
mod listing;
mod lock;
mod manifest_archive;
mod pointers;
mod prepared;
mod record;
mod state;
mod store;
mod throttle;
mod writer;

pub use digest::{Digest, Hasher};
pub use discard::{DiscardRefusal, Discarded};
pub use draft::{Begun, Draft, PutOutcome, Remake, Transfer};
pub use error::{Fault, StoreError};
pub use index::{ArtifactMeta, Entries, Index, IndexDamage};
pub use layout::{Layout, LayoutVersion};
pub use pointers::{PointerGeneration, PointerSet};
pub use prepared::{Prepared, Release};
pub use record::{BundleRecord, Counts, KindCounts, OtherKeys, PhaseTime, ReleaseRecord, SourceRecord};
pub use state::ReleaseState;
pub use store::Store;
pub use writer::Writer;
