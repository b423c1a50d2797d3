//! Collecting what no endpoint needs any more.
//!
//! Releases lean on each other: an entry of a manifest points into the folder of the release in which the file last
//! changed, a MoM into that in which the bundle did. So a release that goes leaves behind what the kept ones still point
//! at; the version is then no release any more but a *remnant*: its index names what is left, and its record lies in
//! `meta/remnants`.
//!
//! | Of a release that goes stays | because |
//! |---|---|
//! | fullfiles that entries of kept releases point at | endpoints fetch them there |
//! | manifests and packs for new installations that kept MoMs point at | the same |
//! | packs and manifest deltas to these from what kept releases have | endpoints update from one kept release to another |
//! | its MoM and the manifests that it names, archives only | an endpoint that sits on it can still update: an update begins with the manifests of the installed version (client behaviour §3). Only with [`Retention::leave_manifests`] |
//!
//! Of a kept release, packs for updates from releases that are gone go too.
//!
//! Always true: nothing that a pointer names, now or within the grace time, is touched; a file goes only after no index
//! names it and readers were told; stopped at any moment, every release in `meta/releases` is whole, and the next
//! collection ends what was begun. Planning takes no lock and changes nothing.

mod collect;
mod needs;
mod plan;
mod retention;

pub use collect::{GcReport, collect};
pub use plan::{Change, Fate, GcPlan, plan};
pub use retention::{Reason, Retention};
