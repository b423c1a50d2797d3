//! The input of the guard.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};
use std::sync::Arc;

use clearwell_format::resource::Pointer;
use clearwell_format::{BundleName, EntryPath, FormatNumber, Mom, Resource, Version, pointer};
use clearwell_sign::{Dates, Trust, TrustAnchor, VerifyError};

use super::EarlierEntries;
use crate::plan::ReleaseManifests;
use crate::tree::Tree;

/// A release and what it is compared with. Only [`Context::release`] is required; each rule uses what is given.
pub struct Context<'a> {
    /// The release that is to become visible: manifests that it adds and those that it carries over.
    pub release: ReleaseManifests,
    /// The release it was planned from.
    pub previous: Option<ReleaseManifests>,
    /// The MoMs of all releases that the store keeps, older and newer ones, without this one.
    pub kept: BTreeMap<Version, &'a Mom>,
    /// What endpoints may have installed. Empty: not known.
    pub earlier_entries: Arc<EarlierEntries>,
    /// Paths that each bundle lists in its inputs, as far as they are in the tree. Empty: not known.
    pub wanted: BTreeMap<BundleName, BTreeSet<&'a EntryPath>>,
    /// The tree that the release was planned from; `None` where it is not known.
    pub tree: Option<&'a Tree>,
    /// Whether and by whom the release is signed.
    pub signing: Signing<'a>,
    /// The store as it would be with this release; `None` as long as nothing is made.
    pub store: Option<Stored<'a>>,
    /// The pointers, when they are about to move.
    pub pointers: Option<PointerMove>,
}

impl Context<'_> {
    /// A release of which only the manifests are known, unsigned.
    pub fn new(release: ReleaseManifests) -> Self {
        Self {
            release,
            previous: None,
            kept: BTreeMap::new(),
            earlier_entries: Arc::default(),
            wanted: BTreeMap::new(),
            tree: None,
            signing: Signing::Off,
            store: None,
            pointers: None,
        }
    }

    /// True if endpoints have the release already, and only signatures are renewed.
    pub(super) fn is_pointed_at(&self) -> bool {
        let header = &self.release.mom.header;
        let latest = self.pointers.as_ref().and_then(|pointers| pointers.before.get(&Pointer::Latest(header.format)));
        latest.is_some_and(|text| pointer::parse(text) == Some(header.version))
    }
}

impl Context<'_> {
    /// Why an endpoint refuses `latest` of the release's format as it would be. `None` also if it is not the signer's,
    /// which is another finding.
    pub(super) fn pointer_refused(&self, trust: &Trust) -> Option<VerifyError> {
        let (Signing::On { anchor, now }, Some(pointers)) = (self.signing, &self.pointers) else { return None };
        let refused = |trust| PointerMove::latest_refused(&pointers.after, self.release.mom.header.format, trust, now);
        refused(&Trust::from(anchor.clone())).map_or_else(|| refused(trust), |_| None)
    }
}

/// How a release is signed.
#[derive(Clone, Copy)]
pub enum Signing<'a> {
    /// Not at all; endpoints need `--nosigcheck`.
    Off,
    /// With the first certificate of a PEM file.
    On {
        /// The PEM file of the signer.
        anchor: &'a TrustAnchor,
        /// Unix seconds at which certificates must be valid.
        now: i64,
    },
}

/// Artifacts, of this release and of all that are kept.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// Where they are read.
    pub artifacts: &'a dyn Artifacts,
    /// Those that this release adds. Their archives are read and every member is hashed.
    pub made: &'a [Resource],
}

/// A store, seen together with a draft that is not yet visible.
pub trait Artifacts: Sync {
    /// Size in bytes; `None` if the store does not have the artifact.
    fn size(&self, resource: &Resource) -> Option<u64>;

    /// Opens an artifact for reading.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none, or the error of reading it.
    fn open(&self, resource: &Resource) -> io::Result<Box<dyn BufRead + Send + '_>>;
}

/// All pointers of a store, before and after a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointerMove {
    /// The current ones.
    pub before: BTreeMap<Pointer, Vec<u8>>,
    /// The new ones, including those that do not change.
    pub after: BTreeMap<Pointer, Vec<u8>>,
}

impl PointerMove {
    /// The version that `latest` of a format names before.
    pub(super) fn latest_before(&self, format: FormatNumber) -> Option<Version> {
        pointer::parse(self.before.get(&Pointer::Latest(format))?)
    }

    /// True if `latest` of a format or its signature changes.
    pub(super) fn moves_latest(&self, format: FormatNumber) -> bool {
        let moves = |pointer: Pointer| self.before.get(&pointer) != self.after.get(&pointer);
        let latest = Pointer::Latest(format);
        moves(latest) || latest.signature().is_some_and(moves)
    }

    /// Why an endpoint refuses `latest` of a format in a set of pointers; `None` also where there is none, or none that is
    /// signed.
    pub(crate) fn latest_refused(
        pointers: &BTreeMap<Pointer, Vec<u8>>,
        format: FormatNumber,
        trust: &Trust,
        now: i64,
    ) -> Option<VerifyError> {
        let latest = Pointer::Latest(format);
        let (text, signature) = (pointers.get(&latest)?, pointers.get(&latest.signature()?)?);
        // Clients pass over the end of certificates here.
        trust.verify(text, signature, Dates::Begun(now), now).err()
    }
}
