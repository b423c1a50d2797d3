//! The MoM, the manifest of manifests: which version of which bundle belongs to a release (manifest §4).
//!
//! Same grammar as a bundle manifest, with bundle names in place of paths. It is the one manifest that is signed; all
//! others are trusted through the hashes in it.

use crate::flags::{EntryKind, Flags, Misc, Modifier, Status};
use crate::manifest::{Header, Ignored, ParseError, Verbatim, parse_mom, write};
use crate::{BundleName, FileHash, Version};

/// A manifest of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mom {
    /// The lines above the blank one.
    pub header: Header,
    /// The lines below it.
    pub entries: Vec<MomEntry>,
    verbatim: Option<Box<Verbatim>>,
}

/// One bundle of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomEntry {
    /// The four flag bytes: `M...`, or `Me..` for an experimental bundle.
    pub flags: Flags,
    /// Hash of the bundle's manifest as a file with [`crate::Owner::MANIFEST`].
    pub hash: FileHash,
    /// The version, and so the folder, of the bundle's manifest.
    pub version: Version,
    /// The bundle.
    pub bundle: BundleName,
}

impl MomEntry {
    /// An entry as generators write it.
    pub fn new(bundle: BundleName, version: Version, hash: FileHash, experimental: bool) -> Self {
        let status = if experimental { Status::Experimental } else { Status::Present };
        let flags = Flags { kind: EntryKind::Manifest, status, modifier: Modifier::NONE, misc: Misc::None };
        Self { flags, hash, version, bundle }
    }

    /// True for what a client takes as a bundle: of type `M`, and neither deleted nor ghosted (manifest §2.1, §3.2).
    pub fn is_bundle(&self) -> bool {
        self.flags.kind == EntryKind::Manifest && matches!(self.flags.status, Status::Present | Status::Experimental)
    }
}

impl Mom {
    /// A new MoM.
    pub const fn new(header: Header, entries: Vec<MomEntry>) -> Self {
        Self { header, entries, verbatim: None }
    }

    /// Reads what the stock client reads, and keeps what it needs to write it back byte for byte.
    ///
    /// # Errors
    /// The first thing wrong, with its line.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse_mom(text)
    }

    pub(crate) fn read(header: Header, entries: Vec<MomEntry>, text: &[u8], ignored: Ignored) -> Self {
        let verbatim = Verbatim::of(text, ignored, |out| write::anew(&header, &entries, out));
        Self { header, entries, verbatim }
    }

    /// The MoM's bytes: those that were read, or what the reference writes if there are none or the MoM was changed
    /// since.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::text(&self.header, &self.entries, self.verbatim.as_deref())
    }

    /// What was read without becoming header or entry.
    pub fn ignored(&self) -> &Ignored {
        self.verbatim.as_ref().map_or(Ignored::NONE, |verbatim| &verbatim.ignored)
    }

    /// The bundles of the release.
    pub fn bundles(&self) -> impl Iterator<Item = &MomEntry> {
        self.entries.iter().filter(|entry| entry.is_bundle())
    }

    /// The entry of one bundle.
    pub fn bundle(&self, name: &BundleName) -> Option<&MomEntry> {
        self.bundles().find(|entry| entry.bundle == *name)
    }
}
