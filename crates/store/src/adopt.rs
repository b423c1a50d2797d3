//! Importing a tree that mixer made, so that a store begins with the releases that endpoints have.
//!
//! ```text
//! WWW/version/format30/latest …   checked against their signatures, published last
//! WWW/10/…                        checked, then stored as release 10
//! WWW/20/…                        and so on, in order of version
//! ```
//!
//! What is checked: the signature of each MoM and pointer (if the caller brings what clients trust), the hash of each
//! bundle manifest against its MoM, plain files against their archives, each fullfile decompressed and hashed, each
//! whole member of each pack hashed, each delta applied and its result hashed. A delta whose base is neither in the
//! tree nor in the store is adopted without applying it: clients check the result before they use it.
//!
//! Always true: nothing below WWW is changed; what is damaged is neither copied nor indexed; a version without a usable
//! MoM is not adopted. Run again, it adopts new releases, adds artifacts that are new or were repaired, and compares
//! the rest.
//!
//! [`verify`](crate::verify) judges what is wrong with a file; here is what follows for the file, the release or
//! the pointer.

mod finding;
mod fullfiles;
mod manifests;
mod pointers;
mod rebuild;
mod release;
mod source;

use std::path::Path;

use clearwell_format::Version;
use clearwell_sign::Trust;

use crate::progress::{Meter, Phase, Progress};
use crate::verify::Anchors;
use crate::{Counts, StoreError, Transfer, Writer};

pub use finding::{Finding, Severity};
pub use pointers::{AdoptedPointer, SignatureState};
pub(crate) use rebuild::rebuild;

/// Choices for [`adopt`].
#[derive(Clone, Debug, Default)]
pub struct AdoptOptions {
    /// How files come into the store.
    pub transfer: Transfer,
    /// The certificates that clients trust. Without them signatures are adopted without a check.
    pub trust: Option<Trust>,
}

/// The outcome of an adoption.
#[derive(Debug, Default)]
pub struct AdoptReport {
    /// Releases that are new in the store.
    pub adopted: Vec<Version>,
    /// Releases that the store had, which got more artifacts.
    pub extended: Vec<Version>,
    /// Releases that the store had with all of their artifacts.
    pub unchanged: Vec<Version>,
    /// Versions that are not adopted; the findings say why.
    pub refused: Vec<Version>,
    /// Artifacts that were stored.
    pub stored: Counts,
    /// The pointers of the tree that the store has now, those that it had before among them.
    pub pointers: Vec<AdoptedPointer>,
    /// The generation of pointers that was published; `None` if they stayed.
    pub generation: Option<u64>,
    /// Everything that is wrong, by version and path.
    pub findings: Vec<Finding>,
}

/// The releases of a tree: its numbered folders, ascending.
///
/// # Errors
/// [`StoreError::NoTree`] if the folder does not exist, [`StoreError::NotContent`] if nothing there looks like a
/// release, [`StoreError::Io`] or [`StoreError::NotPermitted`] if the folder cannot be listed.
pub fn versions(www: &Path) -> Result<Vec<Version>, StoreError> {
    source::versions(www)
}

/// Takes over the tree `www`, which has `version/` and a numbered folder for each release.
///
/// # Errors
/// Those of [`versions`], [`StoreError::Cancelled`], and those of the disk ([`Fault::Disk`](crate::Fault::Disk)): a
/// full disk, missing permissions, failed reads and writes. Releases that were finished before the error stay. What is
/// wrong with the tree is not an error but a [`Finding`].
pub fn adopt(
    www: &Path,
    writer: &mut Writer,
    options: &AdoptOptions,
    progress: &dyn Progress,
) -> Result<AdoptReport, StoreError> {
    let versions = source::versions(www)?;
    let meters =
        Meters { read: Meter::begin(progress, Phase::Read, 0, 0), store: Meter::begin(progress, Phase::Store, 0, 0) };
    let mut measured = Vec::new();
    for version in &versions {
        let release = source::measure(&source::artifacts(www, *version)?.0);
        meters.expect(release);
        measured.push(release);
    }
    let anchors = Anchors::from(options.trust.as_ref());
    let mut report = AdoptReport::default();
    let mut all = Counts::default();
    for (version, release) in versions.into_iter().zip(measured) {
        progress.go_on()?;
        release::adopt(www, version, writer, options, &anchors, &meters, &mut report)?;
        all = Counts { number: all.number + release.number, bytes: all.bytes + release.bytes };
        meters.reach(all);
    }
    meters.read.finish();
    meters.store.finish();
    fullfiles::look_for_fullfiles(writer.store(), &mut report, progress)?;
    report.findings.sort_by_cached_key(|finding| (finding.version(), finding.defect.path.clone()));
    report.findings.extend(source::strays(www)?.into_iter().map(Finding::from));
    pointers::adopt(www, writer, &anchors, &mut report)?;
    Ok(report)
}

/// The phases of an adoption. Both go through all files of the tree, in turns for each release.
struct Meters<'p> {
    read: Meter<'p>,
    store: Meter<'p>,
}

impl Meters<'_> {
    fn expect(&self, more: Counts) {
        [&self.read, &self.store].iter().for_each(|meter| meter.expect(more.number, more.bytes));
    }

    /// This much is done, including what needed no reading or storing.
    fn reach(&self, all: Counts) {
        [&self.read, &self.store].iter().for_each(|meter| meter.reach(all.number, all.bytes));
    }
}
