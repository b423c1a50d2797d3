//! The operations of an endpoint, one file each.

mod bundles;
mod diagnose;
mod install;
mod place;
mod update;

use std::collections::BTreeMap;

use clearwell_format::{BundleName, EntryPath, FileHash, Mom, Version};

use crate::ExitCode;
use crate::endpoint::{Endpoint, Run, Stop};
use crate::files::Level;
use crate::manifests::Loaded;
use crate::packs::Wanted;
use crate::problem::Problem;

impl Endpoint {
    /// The installed version, or the end of the operation.
    fn installed_version(&self) -> Result<Version, Stop> {
        self.version().ok_or(Stop::Exit(ExitCode::VersionUnknown))
    }

    /// Refuses a MoM of another format, as diagnose, repair and os-install do: a test of the beginning of the text only
    /// (manifest §3.2).
    async fn check_format(&self, run: &mut Run, mom: &Mom) -> Result<(), Stop> {
        let (found, expected) = (mom.header.format, self.state.format);
        if found.to_string().starts_with(&expected.to_string()) {
            return Ok(());
        }
        // The client looks for the newest version of its format before it gives up.
        let _ = self.latest(run).await;
        let version = mom.header.version;
        run.stop(Problem::Format { version, found: found.number(), expected: expected.number() }, ExitCode::Manifest)
    }

    /// Installed bundles, the last name first: the order in which clients load them.
    fn installed_descending(&self) -> Vec<BundleName> {
        self.state.installed.iter().rev().cloned().collect()
    }

    /// Notes bundles that clients would not see as installed.
    fn check_tracking<'a>(&self, run: &mut Run, bundles: impl IntoIterator<Item = (&'a BundleName, &'a Loaded)>) {
        for (bundle, loaded) in bundles {
            let path = format!("/usr/share/clear/bundles/{bundle}");
            let Ok(path) = EntryPath::parse(path.as_bytes()) else { continue };
            // A bundle that a format bump emptied has nothing but deletions, and clients forget it.
            let mut present = loaded.manifest.present().peekable();
            if present.peek().is_some() && !present.any(|entry| entry.path == path) {
                run.note(Problem::NoTrackingFile { bundle: bundle.clone(), path });
            }
        }
    }
}

/// The zero pack of a bundle, with all files of the bundle as needed.
fn zero_pack(bundle: &BundleName, loaded: &Loaded) -> Wanted {
    let (to, rule) = (loaded.manifest.header.version, loaded.pack_rule());
    Wanted { bundle: bundle.clone(), from: None, to, needed: needed(loaded), rule }
}

fn needed(loaded: &Loaded) -> BTreeMap<FileHash, EntryPath> {
    let known = |entry: &&clearwell_format::Entry| Level::Sse.keeps(entry.modifier).is_some();
    loaded.manifest.present().filter(known).map(|entry| (entry.hash(), entry.path.clone())).collect()
}
