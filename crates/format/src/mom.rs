//! The MoM, the manifest of manifests: which version of which bundle belongs to a release (manifest §4).
//!
//! Same grammar as a bundle manifest, with bundle names instead of paths. It is the one manifest that is signed; all
//! others are trusted through the hashes in it.

use crate::flags::{Misc, Modifier, flag_byte};
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
    /// The four flag bytes.
    pub flags: MomFlags,
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
        let status = if experimental { MomStatus::Experimental } else { MomStatus::Listed };
        let flags = MomFlags { kind: MomKind::Manifest, status, modifier: Modifier::NONE, misc: Misc::None };
        Self { flags, hash, version, bundle }
    }

    /// True for an entry that clients treat as a bundle: of type `M`, neither deleted nor ghosted (manifest §2.1,
    /// §3.2).
    pub fn is_bundle(&self) -> bool {
        self.flags.kind == MomKind::Manifest && matches!(self.flags.status, MomStatus::Listed | MomStatus::Experimental)
    }

    /// True for a bundle that clients show as experimental.
    pub fn is_experimental(&self) -> bool {
        self.flags.status == MomStatus::Experimental
    }
}

/// The four flag bytes of a MoM entry (manifest §2): `M...`, or `Me..` for an experimental bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MomFlags {
    /// Byte 1.
    pub kind: MomKind,
    /// Byte 2.
    pub status: MomStatus,
    /// Byte 3. Generators write `.`: a client without that build does not see the bundle.
    pub modifier: Modifier,
    /// Byte 4.
    pub misc: Misc,
}

impl MomFlags {
    pub(crate) const fn parse(bytes: [u8; 4]) -> Self {
        Self {
            kind: MomKind::parse(bytes[0]),
            status: MomStatus::parse(bytes[1]),
            modifier: Modifier::parse(bytes[2]),
            misc: Misc::parse(bytes[3]),
        }
    }

    /// The flags of an entry that a later MoM takes over: without the mark of a rename, as the reference does.
    #[must_use]
    pub const fn carried(self) -> Self {
        Self { misc: self.misc.carried(), ..self }
    }

    /// The four bytes.
    pub const fn to_bytes(self) -> [u8; 4] {
        [self.kind.to_byte(), self.status.to_byte(), self.modifier.to_byte(), self.misc.to_byte()]
    }
}

/// Byte 1 of a MoM entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MomKind {
    /// `M`, a bundle.
    Manifest,
    /// `I`, an iterative manifest; deprecated, clients skip it.
    IterativeManifest,
    /// Any other byte; clients skip it.
    Other,
}

flag_byte!(MomKind: Manifest = b'M', IterativeManifest = b'I', Other = b'.'; other: Other);

/// Byte 2 of a MoM entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MomStatus {
    /// `.`, and any other byte that is not below.
    Listed,
    /// `e`, shown as experimental; otherwise as `.`.
    Experimental,
    /// `d`; clients skip it.
    Deleted,
    /// `g`; clients skip it.
    Ghosted,
}

flag_byte!(MomStatus: Listed = b'.', Experimental = b'e', Deleted = b'd', Ghosted = b'g'; other: Listed);

impl Mom {
    /// A new MoM.
    pub const fn new(header: Header, entries: Vec<MomEntry>) -> Self {
        Self { header, entries, verbatim: None }
    }

    /// Parses what the stock client accepts, and keeps the text where this writer would write other bytes.
    ///
    /// # Errors
    /// The first error, with its line.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse_mom(text)
    }

    pub(crate) fn read(header: Header, entries: Vec<MomEntry>, text: &[u8], ignored: Ignored) -> Self {
        let verbatim = Verbatim::of(text, ignored, |out| write::canonical(&header, &entries, out));
        Self { header, entries, verbatim }
    }

    /// The bytes of the MoM: those that were parsed, or what the reference writes if it is new or was changed.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::text(&self.header, &self.entries, self.verbatim.as_deref())
    }

    /// The lines that became neither header nor entry.
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
