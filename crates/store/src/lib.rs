//! The versioned content store: every release a mix ever made, on disk, verified.
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
//!     remnants/20.json              record of a release that was collected; what is left of it is in index/20
//!     pointers/00000007             SHA-256 of each pointer of the generation
//!     damaged/…                     what a repair replaced
//!     check                         how far an interrupted check came
//!     staging/                      drafts and scratch of the writer
//!     lock                          held by the one writer
//! ```
//!
//! Always true:
//! 1. A release exists for readers only once its record is on disk, and the record is written after everything it names
//!    was written, checked and synced.
//! 2. What is released never changes; artifacts may be added, never replaced.
//! 3. Readers take no lock and walk no tree: a record, an index and one symbolic link tell them everything.
//!
//! | Type | Noun |
//! |---|---|
//! | [`Store`] | reading: releases, artifacts, pointers |
//! | [`Writer`] | the one writer; makes drafts, moves pointers |
//! | [`Draft`], [`Prepared`], [`Release`] | the life of a version, step by step |
//! | [`Index`], [`ReleaseRecord`], [`PointerGeneration`] | what is on disk beside the artifacts |
//! | [`ReleaseState`] | whether endpoints may have a release |
//! | [`adopt`] | taking over a tree that mixer made |
//! | [`check`] | every byte, and what it promises; and repairing it |
//! | [`gc`] | removing what no endpoint needs any more |
//! | [`fullfiles`] | which fullfiles endpoints need of a release |
//! | [`disk`] | every change of the file system, with a hook for faults |
//! | [`fan_out`] | work on many items with all processors |
//! | [`clock`] | the one place that reads the wall clock |
//! | [`regular`] | reading of files: regular ones only, without waiting |

pub mod adopt;
pub mod check;
pub mod clock;
pub mod disk;
pub mod fan_out;
pub mod fullfiles;
pub mod gc;
pub mod memory;
pub mod progress;
pub mod regular;

mod content;
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

pub use content::ContentProblem;
pub use digest::{Digest, Hasher};
pub use discard::{Discarded, Obstacle};
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
