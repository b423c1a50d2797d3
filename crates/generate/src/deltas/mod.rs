//! What endpoints on earlier releases fetch: update packs with binary deltas, and delta manifests.
//!
//! | Module | Noun |
//! |---|---|
//! | [`eligible`] | which old files every endpoint has that asks for a pack |
//! | [`sketch`] | min-hash sketches of files |
//! | `rename`, `similar` | bases by name, and by similarity |
//! | `subject` | an update pack to plan: targets and bases |
//! | `releases` | the releases of the store, as far as packs need them |
//! | `pair`, `worth` | one delta, and its estimated size in a pack |
//! | `known` | deltas of earlier packs |
//! | [`add_deltas`] | update packs and delta manifests for releases that exist already |
//! | `updates` | update packs and delta manifests of one version's folder |
//! | `choice` | the delivery of each file |
//! | `manifests` | deltas between manifests |
//! | `order` | whole files sorted so that similar ones are neighbours |
//! | `spool` | parts and deltas until their packs are written |
//! | [`report`] | how each file of a pack is sent, and why |

mod add;
pub(crate) mod choice;
pub(crate) mod content;
pub mod eligible;
mod known;
pub(crate) mod manifests;
mod order;
mod pair;
mod releases;
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
