//! Packs: everything that endpoints need of a bundle, in one archive (packs §2 and §3).
//!
//! ```text
//! <to>/pack-<bundle>-from-0.tar        zero pack: every object of the bundle
//! <to>/pack-<bundle>-from-<from>.tar   update pack: what endpoints with version <from> lack
//!
//! inside   delta/  staged/  delta/10-20-<from>-<to> …  staged/<hash> …
//! ```
//!
//! A pack is a tar that runs through several compressed streams, one after the other; clients read them as one. Both
//! kinds of pack are built the same way:
//!
//! ```text
//! zero, update   which members are compressed together          ─┐
//!                                                                 ├─ Layout ── PackBuilder ── draft
//! whole          a small pack: members in one piece              ─┘
//! ```
//!
//! | Module | Noun |
//! |---|---|
//! | `member` | an object or a delta, as it is stored in the archive |
//! | `segment` | members that are compressed together |
//! | `shared_file` | a file whose compressed content its fullfile has too |
//! | `layout` | packs and the parts that they consist of |
//! | `zero` | the layout of zero packs: what is reused of earlier ones |
//! | `update` | the layout of update packs: what several packs have in common |
//! | `whole` | a small pack in one piece |
//! | `builder` | parts compressed in parallel, then put together |
//! | `catalogue` | the segments of a zero pack, remembered for the next release |
//! | `facts` | sizes and kinds of objects that a layout depends on |
//! | `segment_writer` | a compressor that picks its filter by the content |
//! | `xz_streams` | where the streams of an xz file are |
//!
//! Always true: bytes depend on the packs that are planned together and on the packs of earlier releases, never on the
//! number of workers. No pack is held in memory as a whole unless it is small.
//!
//! Elsewhere: which objects a pack contains is decided in `plan::packs`; which of them are sent as deltas, in `deltas`.

mod builder;
pub(crate) mod catalogue;
mod facts;
mod layout;
mod member;
mod segment;
mod segment_writer;
mod shared_file;
pub(crate) mod update;
mod whole;
mod xz_streams;
pub(crate) mod zero;

pub(crate) use builder::{Built, BuiltPart, Families, Job, PackBuilder};
pub(crate) use member::{Contents, PackedDelta};
