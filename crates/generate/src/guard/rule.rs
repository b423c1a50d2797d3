//! The rules by name.

use std::fmt;
use std::str::FromStr;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// A rule of the guard. Its name is what `--allow` takes and what a release record keeps; names never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant),+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

rules! {
    /// Two bundles list one path with different hashes (manifest §3.4, must-keep §8).
    ConflictingEntries = "conflicting-entries",
    /// A manifest lists one path twice (manifest §3.2).
    DuplicatePath = "duplicate-path",
    /// The optimised builds of a path are not those its modifiers promise (manifest §2.3).
    IncompleteVariants = "incomplete-variants",
    /// The directory of a listed path is in no manifest that its users have (manifest §3.4, must-keep §6).
    MissingParent = "missing-parent",
    /// A bundle does not list the file by which endpoints know that they have it (glossary "bundle", client behaviour §7).
    MissingTrackingFile = "missing-tracking-file",
    /// A bundle lists the tracking file of a bundle that it does not include (glossary "bundle").
    ForeignTrackingFile = "foreign-tracking-file",
    /// A bundle asked for a path and its users do not get it (manifest §6 quirk 4).
    LostPath = "lost-path",
    /// Bundles include each other (manifest §6 quirk 4).
    IncludeCycle = "include-cycle",
    /// A bundle includes one that the release does not have (manifest §3.4, §6 quirk 14).
    MissingInclude = "missing-include",
    /// The release has no os-core (manifest §5.1).
    MissingOsCore = "missing-os-core",
    /// A name that generators of the protocol do not list, or a path below one (manifest §5.2, §6 quirk 17).
    IllegalName = "illegal-name",
    /// A name or path that an endpoint cannot stage (manifest §3.3).
    LongName = "long-name",
    /// A path has the name under which endpoints stage another (manifest §3.3).
    StagingCollision = "staging-collision",
    /// A temporary name of the client (manifest §3.3, §6.1 quirk 25).
    StagingName = "staging-name",
    /// Content in the directories of the client's own data (client behaviour §7, content layout §8).
    ClientData = "client-data",
    /// Configuration or state is new, changed or deleted, and updates do not touch it (manifest §3.4).
    NotUpdated = "not-updated",
    /// An entry is newer than its manifest (manifest §3.2).
    EntryFromFuture = "entry-from-future",
    /// An entry changed or was deleted without a higher version, so that endpoints keep the old file (manifest §3.4).
    UnnoticedChange = "unnoticed-change",
    /// A directory with content became a file or link (manifest §6.1 quirk 25).
    DirectoryReplaced = "directory-replaced",
    /// A directory with local data is deleted or replaced (manifest §3.4).
    LocalDataMoved = "local-data-moved",
    /// A directory of the system that others cannot enter, or that every user can write (hash §1).
    DirectoryPermissions = "directory-permissions",
    /// A directory with kernels is deleted (manifest §6.1 quirk 26).
    BootRemoved = "boot-removed",
    /// A bundle that endpoints have is gone (manifest §4).
    BundleRemoved = "bundle-removed",
    /// A manifest that endpoints or generators cannot read (manifest §3.1, §3.3, must-keep §7).
    UnreadableManifest = "unreadable-manifest",
    /// Entries are not in order (manifest §4, §5.6).
    UnsortedManifest = "unsorted-manifest",
    /// A manifest is not the one that the MoM names (manifest §3.1).
    ManifestMismatch = "manifest-mismatch",
    /// The MoM names a bundle twice (manifest §4).
    DuplicateBundle = "duplicate-bundle",
    /// The MoM hides a bundle from a part of the endpoints (manifest §2.3).
    HiddenBundle = "hidden-bundle",
    /// The version is not above the one before (client behaviour §3).
    VersionNotAbove = "version-not-above",
    /// The release has none before it, and the store has (manifest §5.1, §5.4).
    SecondHistory = "second-history",
    /// An entry whose fullfile does not exist (content layout §1, must-keep §5).
    MissingFullfile = "missing-fullfile",
    /// A manifest of this release that does not exist (content layout §1).
    MissingManifest = "missing-manifest",
    /// A manifest that endpoints on an older release need does not exist (must-keep §5).
    ManifestStillNeeded = "manifest-still-needed",
    /// A bundle without zero pack (packs).
    MissingZeroPack = "missing-zero-pack",
    /// A delta pack that is not smaller than the zero pack (packs).
    UselessPack = "useless-pack",
    /// An archive that does not match its name (content layout §4, §5, must-keep §1 and §2).
    WrongArchive = "wrong-archive",
    /// An archive that names users or groups (content layout §3 trap 1).
    OwnerNames = "owner-names",
    /// A link target outside ASCII in a PAX record (content layout §3 trap 2).
    PaxLinkTarget = "pax-link-target",
    /// The MoM or a pointer is not signed (client behaviour §6, must-keep §3).
    MissingSignature = "missing-signature",
    /// A signature that endpoints refuse (client behaviour §6).
    InvalidSignature = "invalid-signature",
    /// A signature next to something that is published unsigned (manifest §6 quirk 18).
    StaleSignature = "stale-signature",
    /// A certificate that endpoints refuse (client behaviour §6).
    UnusableCertificate = "unusable-certificate",
    /// A certificate with less than 90 days left (client behaviour §6).
    CertificateExpires = "certificate-expires",
    /// A certificate with a key or a signature that may be broken (client behaviour §6).
    WeakCertificate = "weak-certificate",
    /// The certificates in the content do not verify this release (client behaviour §6, content layout §8).
    CertificateInContent = "certificate-in-content",
    /// Endpoints on earlier releases trust another certificate (client behaviour §6).
    SignerUnknown = "signer-unknown",
    /// The content names another version than the release (client behaviour §2, §3).
    VersionFile = "version-file",
    /// The time in the content is not a time, or ahead (client behaviour §6).
    VersionStamp = "version-stamp",
    /// Endpoints cannot cross from one format to the next (manifest §5.12).
    FormatBoundary = "format-boundary",
    /// A client cannot add this release as third-party repository (content layout §8).
    ThirdPartyAdd = "third-party-add",
    /// A pointer that endpoints cannot read (content layout §2).
    UnreadablePointer = "unreadable-pointer",
    /// A `latest` of several lines (content layout §2).
    MultiLineLatest = "multi-line-latest",
    /// A pointer would name an older release than it does (content layout §2).
    PointerGoesBack = "pointer-goes-back",
    /// A pointer names a release that does not exist, or one of another format (content layout §1).
    PointerTarget = "pointer-target",
    /// A pointer that was signed no longer is (client behaviour §6).
    SignatureLost = "signature-lost",
}

impl Rule {
    /// True if a maintainer may overrule the refusal: the harm depends on the fleet, or no alternative exists. What would
    /// break every endpoint is never allowable.
    pub const fn allowable(self) -> bool {
        match self {
            // Endpoints install these names; only other generators skip them.
            Self::IllegalName
            // Harmless without a path that is staged under the name.
            | Self::StagingName
            // Updates work; diagnose and repair do not.
            | Self::ForeignTrackingFile
            // No endpoint may be on the retracted release.
            | Self::UnnoticedChange
            // Endpoints may be meant to start with third-party repositories.
            | Self::ClientData
            // Bundles of an appliance are never removed.
            | Self::IncludeCycle
            // Endpoints that have the directory from elsewhere install the path.
            | Self::MissingParent
            // Harmless as long as no endpoint relies on the content of the missing bundle.
            | Self::MissingInclude
            // The update ends with an error, but what it should install is there.
            | Self::DirectoryReplaced
            // Local data is moved, not lost.
            | Self::LocalDataMoved
            // A system without other users.
            | Self::DirectoryPermissions
            // No publication could restore the old manifest.
            | Self::ManifestStillNeeded
            // Endpoints that get their certificate with -C ignore the content's; those that were off during a key rotation
            // may have to be left behind.
            | Self::CertificateInContent
            | Self::SignerUnknown
            // Content that is not a whole system need not contain these files.
            | Self::VersionFile
            | Self::FormatBoundary
            // A mix that starts over, for endpoints that are installed again.
            | Self::SecondHistory
            // `--incremental` reads several lines, and not every repository is a third-party one.
            | Self::MultiLineLatest
            // A fleet that runs with --nosigcheck does not notice.
            | Self::SignatureLost
            // Retracting a release: endpoints that installed it stay where they are.
            | Self::PointerGoesBack => true,
            Self::ConflictingEntries
            | Self::DuplicatePath
            | Self::IncompleteVariants
            | Self::MissingTrackingFile
            | Self::LostPath
            | Self::MissingOsCore
            | Self::LongName
            | Self::StagingCollision
            | Self::NotUpdated
            | Self::EntryFromFuture
            | Self::BootRemoved
            | Self::BundleRemoved
            | Self::UnreadableManifest
            | Self::UnsortedManifest
            | Self::ManifestMismatch
            | Self::DuplicateBundle
            | Self::HiddenBundle
            | Self::VersionNotAbove
            | Self::MissingFullfile
            | Self::MissingManifest
            | Self::MissingZeroPack
            | Self::UselessPack
            | Self::WrongArchive
            | Self::OwnerNames
            | Self::PaxLinkTarget
            | Self::MissingSignature
            | Self::InvalidSignature
            | Self::StaleSignature
            | Self::UnusableCertificate
            | Self::CertificateExpires
            | Self::WeakCertificate
            | Self::VersionStamp
            | Self::ThirdPartyAdd
            | Self::UnreadablePointer
            | Self::PointerTarget => false,
        }
    }

    /// Reads what a maintainer wants to overrule.
    ///
    /// # Errors
    /// For a name that is not a rule, and for a rule that cannot be overruled.
    pub fn parse_allowed(name: &str) -> Result<Self, InvalidRule> {
        let rule: Self = name.parse()?;
        if rule.allowable() { Ok(rule) } else { Err(InvalidRule::NotAllowable(rule)) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(name: &str) -> Result<Self, InvalidRule> {
        let found = Self::ALL.iter().find(|rule| rule.name() == name);
        found.copied().ok_or_else(|| InvalidRule::Unknown(name.to_owned()))
    }
}

/// Not a rule that can be overruled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// No rule has the name.
    #[error("\"{0}\" is not a rule that can be overruled; these are: {list}", list = allowable_names())]
    Unknown(String),
    /// The rule has no exceptions.
    #[error("the rule {0} cannot be overruled, because endpoints would be harmed; fix the finding")]
    NotAllowable(Rule),
}

fn allowable_names() -> String {
    let names: Vec<&str> = Rule::ALL.iter().filter(|rule| rule.allowable()).map(|rule| rule.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_kebab_case_and_come_back() {
        for &rule in Rule::ALL {
            assert_eq!(rule.name().parse::<Rule>(), Ok(rule));
            assert!(rule.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{rule}");
        }
        let allowable: Vec<_> = Rule::ALL.iter().filter(|rule| rule.allowable()).collect();
        assert_eq!(allowable.len(), 20);
    }

    #[test]
    fn only_few_rules_may_be_allowed() {
        assert_eq!(Rule::parse_allowed("directory-replaced"), Ok(Rule::DirectoryReplaced));
        assert_eq!(
            Rule::parse_allowed("conflicting-entries"),
            Err(InvalidRule::NotAllowable(Rule::ConflictingEntries))
        );
        let unknown = Rule::parse_allowed("everything").unwrap_err().to_string();
        assert!(unknown.contains("\"everything\"") && unknown.contains("directory-replaced"), "{unknown}");
    }
}
