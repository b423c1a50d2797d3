//! Garbage collection: removing what endpoints no longer need.
//!
//! Releases depend on each other: an entry of a manifest points into the folder of the release in which the file last
//! changed, a MoM into that in which the bundle did. So of a release that goes, the files stay that kept releases still
//! point at. The version is then a *remnant*, not a release: its index names what is left, and its record is in
//! `meta/remnants`.
//!
//! | What stays of a release that goes | because |
//! |---|---|
//! | fullfiles that entries of kept releases point at | endpoints fetch them there |
//! | manifests and zero packs that kept MoMs point at | the same |
//! | packs and manifest deltas to these from what kept releases have | endpoints update from one kept release to another |
//! | its MoM and the manifests that it names, archives only | an endpoint that has it can still update: an update begins with the manifests of the installed version (client behaviour §3). Only with [`Retention::leave_manifests`] |
//!
//! A kept release is *trimmed*: it loses the packs for updates from releases that are gone.
//!
//! Always true: nothing that a pointer names, now or within the grace time, is touched; a file is removed only after no
//! index names it and readers were told; interrupted at any moment, every release in `meta/releases` is whole, and the
//! next collection completes the work. Planning takes no lock and changes nothing.

mod collect;
mod needs;
mod plan;
mod retention;

pub use collect::{GcReport, collect};
pub use plan::{Change, GcPlan, Outcome, plan};
pub use retention::{Reason, Retention};
