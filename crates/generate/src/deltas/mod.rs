//! What endpoints on earlier releases fetch: packs with binary deltas, and deltas between manifests.
//!
//! | Module | Noun |
//! |---|---|
//! | [`eligible`] | which old files every endpoint has that asks for a pack |
//! | [`sketch`] | what a file is like, in half a kilobyte |
//! | `rename`, `similar` | bases by name, and by likeness |
//! | `subject` | a pack that is to be made: targets and bases |
//! | `history` | the releases of the store, as far as packs need them |
//! | `pair`, `worth` | one delta, and what it takes in a pack |
//! | `known` | deltas that earlier packs have |
//! | [`add_deltas`] | the same for releases that are there already |
//! | `updates` | all of it, for one version's folder |
//! | `choice` | the way of each file |
//! | `manifests` | deltas between manifests |
//! | `order` | what travels whole, side by side with what it resembles |
//! | `spool` | deltas between their making and their packs |
//! | [`report`] | how each file of a pack travels, and why |

mod add;
pub(crate) mod choice;
pub(crate) mod content;
pub mod eligible;
mod history;
mod known;
pub(crate) mod manifests;
mod order;
mod pair;
mod rename;
pub mod report;
mod similar;
pub mod sketch;
pub(crate) mod spool;
mod subject;
mod updates;
mod worth;

pub use add::{Added, DeltaOptions, Sources, add_deltas};
pub(crate) use updates::{Updates, make};
