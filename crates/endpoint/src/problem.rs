//! Faults of a release or a server that an endpoint finds.

use clearwell_format::pack::DeltaName;
use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Resource, Version};
use schemars::JsonSchema;
use serde::Serialize;

use crate::ExitCode;
use crate::report::{FaultyFile, FileFault};

/// One fault. Its text names the object; [`Problem::kind`] is for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, thiserror::Error)]
#[serde(into = "ProblemDocument")]
#[schemars(with = "ProblemDocument")]
#[non_exhaustive]
pub enum Problem {
    /// A resource could not be fetched.
    #[error("{resource} could not be fetched: {reason}")]
    Fetch {
        /// The resource.
        resource: Resource,
        /// The last status; `None` without an answer.
        status: Option<u16>,
        /// The meaning of the status, or why there is none.
        reason: String,
    },
    /// A pointer without a version.
    #[error("{resource} contains no version number")]
    Pointer {
        /// The pointer.
        resource: Resource,
    },
    /// A signature does not verify.
    #[error("the signature of {resource} does not verify: {reason}")]
    Signature {
        /// The signed resource.
        resource: Resource,
        /// Why.
        reason: String,
    },
    /// The trusted certificate itself is refused.
    #[error("the trusted certificate cannot be used: {reason}")]
    TrustAnchor {
        /// Why.
        reason: String,
    },
    /// A manifest is damaged, or not the one of the release.
    #[error("{resource} is not a usable manifest: {reason}")]
    Manifest {
        /// The archive or delta it came from.
        resource: Resource,
        /// Why.
        reason: String,
    },
    /// The MoM is of another format than the endpoint.
    #[error("the MoM of {version} has format {found}, but the endpoint expects format {expected}")]
    Format {
        /// The release.
        version: Version,
        /// In the MoM.
        found: u16,
        /// Of the endpoint.
        expected: u16,
    },
    /// A delta manifest did not produce the new manifest; the endpoint fell back to the whole one.
    #[error("{resource} does not produce the new manifest: {reason}")]
    DeltaManifest {
        /// The delta.
        resource: Resource,
        /// Why.
        reason: String,
    },
    /// A bundle is not in the MoM.
    #[error("release {version} has no bundle {bundle}")]
    NoSuchBundle {
        /// The name asked for.
        bundle: BundleName,
        /// The release.
        version: Version,
    },
    /// A bundle includes another that the release does not have; clients skip it silently (manifest §3.4).
    #[error("bundle {bundle} includes {missing}, which release {version} does not have")]
    UnknownInclude {
        /// The including bundle.
        bundle: BundleName,
        /// The unknown name.
        missing: BundleName,
        /// The release.
        version: Version,
    },
    /// A pack is damaged, or has members that do not belong in it; clients extract some of those.
    #[error("{resource} is not a usable pack: {reason}")]
    Pack {
        /// The pack.
        resource: Resource,
        /// Why.
        reason: String,
    },
    /// A member of a pack has another hash than its name; clients fetch that file individually.
    #[error("{resource} contains a file named {hash} that has another hash")]
    PackMember {
        /// The pack.
        resource: Resource,
        /// The name.
        hash: FileHash,
    },
    /// A pack lacks files; clients fetch those individually.
    #[error("{resource} lacks {count} of the files that the bundle needs; the first is {example}")]
    IncompletePack {
        /// The pack.
        resource: Resource,
        /// Number of files.
        count: usize,
        /// The first path that needs one of them.
        example: EntryPath,
    },
    /// A folder of a pack has another mode or owner than 0700 root; the stock client then loses its cache (packs §2).
    #[error("the folder {member} in {resource} does not have mode 0700 and owner root")]
    PackFolder {
        /// The pack.
        resource: Resource,
        /// The folder.
        member: String,
    },
    /// A link target outside ASCII in a PAX record, which fails in the C locale (content layout §3).
    #[error("{resource} has a link target outside ASCII in a PAX record, which clients in the C locale cannot extract")]
    PaxTarget {
        /// The archive.
        resource: Resource,
    },
    /// A delta did not produce the file it is named after; clients fetch that file individually.
    #[error("the delta from {} to {} in {resource} failed: {reason}", .delta.from, .delta.to)]
    Delta {
        /// The pack.
        resource: Resource,
        /// The base and the promised file.
        delta: Box<DeltaName>,
        /// Why.
        reason: String,
    },
    /// A fullfile is not an archive of one member with the right name, or its content has another hash.
    #[error("{resource} is not a usable fullfile: {reason}")]
    Fullfile {
        /// The fullfile.
        resource: Resource,
        /// Why.
        reason: String,
    },
    /// Two installed bundles list one path with different files. The stock client drops both entries, and at the next
    /// update deletes the path; if it is the last path, it deletes every file (manifest §3.4).
    #[error("{path} differs between the bundles {first} and {second}: clients {}", if *.empties { "delete every file" } else { "delete the path" })]
    Conflict {
        /// The path.
        path: EntryPath,
        /// One bundle.
        first: BundleName,
        /// The other.
        second: BundleName,
        /// True if the whole list of files becomes empty.
        empties: bool,
    },
    /// The folder of a path is neither listed nor on disk (manifest §3.4).
    #[error("{path} has no parent directory: no installed bundle contains {parent}")]
    NoParent {
        /// The path.
        path: EntryPath,
        /// The first missing folder.
        parent: EntryPath,
    },
    /// A file changed or was deleted while its entry's version stayed or fell: clients that have the old one keep it.
    #[error("{path} changed or was deleted, but its version went from {old} to {new}: clients keep the old file")]
    VersionNotRaised {
        /// The path.
        path: EntryPath,
        /// In the old manifest.
        old: Version,
        /// In the new one.
        new: Version,
    },
    /// A directory with something in it became another kind of file; the stock client leaves remains (manifest §6.1).
    #[error("{path} was a non-empty directory and becomes a file or link: clients leave .deleted.* behind")]
    DirectoryReplaced {
        /// The path.
        path: EntryPath,
    },
    /// A directory that leaves the release has something in it; the stock client moves it aside with everything
    /// (manifest §6.1).
    #[error("{path} is removed from the release but is not empty: clients move it aside with all its content")]
    DirectoryNotEmpty {
        /// The path.
        path: EntryPath,
    },
    /// The bundle has no tracking file: the stock client does not know that it is installed.
    #[error("bundle {bundle} does not list its tracking file {path}: clients do not see it as installed")]
    NoTrackingFile {
        /// The bundle.
        bundle: BundleName,
        /// The file that is missing.
        path: EntryPath,
    },
    /// An entry of an optimisation level that no client knows (manifest §2.3).
    #[error("{path} in bundle {bundle} has the optimisation modifier '{modifier}', which clients skip")]
    UnknownModifier {
        /// The path.
        path: EntryPath,
        /// The bundle.
        bundle: BundleName,
        /// The flag character.
        modifier: char,
    },
    /// A manifest has entries that clients accept without a defined meaning (manifest §3.2).
    #[error(
        "{resource} has entries that are not a file, a directory, a link or a deletion: {entries}, the first is {first}"
    )]
    UnusableEntry {
        /// The manifest.
        resource: Resource,
        /// Number of entries.
        entries: usize,
        /// The first of them.
        first: String,
    },
    /// A file could not be installed.
    #[error("{path} could not be installed: {reason}")]
    Install {
        /// The path.
        path: EntryPath,
        /// Why.
        reason: String,
    },
    /// An installed file differs from the manifests; `swupd diagnose` reports it.
    #[error("{} {}: clients report it until they are repaired", .0.path, match .0.fault {
        FileFault::Missing => "is missing afterwards",
        FileFault::Mismatch => "differs from the manifests afterwards",
        FileFault::Extraneous => "exists afterwards and should not",
    })]
    Faulty(FaultyFile),
    /// Endpoints follow the pointers of their format, and those do not lead to the release (manifest §5.12).
    #[error("endpoints on {from} can update to release {at} in format {format} only; no update leads to {to}")]
    NotReached {
        /// The release before.
        from: Version,
        /// The last release they reach.
        at: Version,
        /// Their format then.
        format: FormatNumber,
        /// The release that was to be reached.
        to: Version,
    },
    /// The client ended with an error that has no other problem.
    #[error("the client exits with code {}", .0.code())]
    Ended(ExitCode),
    /// The installed files name an older version than the one that was installed: the stock client stops there.
    #[error("release {expected} has version {found} in /usr/lib/os-release: clients stop updating")]
    VersionMismatch {
        /// The installed version.
        expected: Version,
        /// The version in os-release.
        found: Version,
    },
}

impl Problem {
    /// Its kind, for machines.
    pub const fn kind(&self) -> ProblemKind {
        match self {
            Self::Fetch { .. } => ProblemKind::Fetch,
            Self::Pointer { .. } => ProblemKind::Pointer,
            Self::Signature { .. } => ProblemKind::Signature,
            Self::TrustAnchor { .. } => ProblemKind::TrustAnchor,
            Self::Manifest { .. } => ProblemKind::Manifest,
            Self::Format { .. } => ProblemKind::Format,
            Self::DeltaManifest { .. } => ProblemKind::DeltaManifest,
            Self::NoSuchBundle { .. } => ProblemKind::NoSuchBundle,
            Self::UnknownInclude { .. } => ProblemKind::UnknownInclude,
            Self::Pack { .. } => ProblemKind::Pack,
            Self::PackMember { .. } => ProblemKind::PackMember,
            Self::IncompletePack { .. } => ProblemKind::IncompletePack,
            Self::PackFolder { .. } => ProblemKind::PackFolder,
            Self::PaxTarget { .. } => ProblemKind::PaxTarget,
            Self::Delta { .. } => ProblemKind::Delta,
            Self::Fullfile { .. } => ProblemKind::Fullfile,
            Self::Conflict { .. } => ProblemKind::Conflict,
            Self::NoParent { .. } => ProblemKind::NoParent,
            Self::VersionNotRaised { .. } => ProblemKind::VersionNotRaised,
            Self::DirectoryReplaced { .. } => ProblemKind::DirectoryReplaced,
            Self::DirectoryNotEmpty { .. } => ProblemKind::DirectoryNotEmpty,
            Self::NoTrackingFile { .. } => ProblemKind::NoTrackingFile,
            Self::UnknownModifier { .. } => ProblemKind::UnknownModifier,
            Self::UnusableEntry { .. } => ProblemKind::UnusableEntry,
            Self::Install { .. } => ProblemKind::Install,
            Self::Faulty(_) => ProblemKind::Faulty,
            Self::NotReached { .. } => ProblemKind::NotReached,
            Self::Ended(_) => ProblemKind::Ended,
            Self::VersionMismatch { .. } => ProblemKind::VersionMismatch,
        }
    }
}

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A file could not be fetched.
    Fetch,
    /// A pointer contains no version number.
    Pointer,
    /// A signature does not verify.
    Signature,
    /// The trusted certificate is refused.
    TrustAnchor,
    /// A manifest is damaged, or is not the one of the release.
    Manifest,
    /// The MoM has another format than the endpoint expects.
    Format,
    /// A manifest delta does not produce the new manifest.
    DeltaManifest,
    /// The release does not have the bundle.
    NoSuchBundle,
    /// A bundle includes a bundle that the release does not have.
    UnknownInclude,
    /// A pack is damaged, or has unexpected members.
    Pack,
    /// A file in a pack does not match its hash.
    PackMember,
    /// A pack lacks files of its bundle.
    IncompletePack,
    /// A folder in a pack has another mode or owner than 0700 and root.
    PackFolder,
    /// An archive has a link target outside ASCII in a PAX record.
    PaxTarget,
    /// A delta does not produce the new file.
    Delta,
    /// A fullfile is damaged, or does not match its hash.
    Fullfile,
    /// Two bundles list one path with different files.
    Conflict,
    /// The directory of a path is in no installed bundle.
    NoParent,
    /// A path changed or was deleted without a higher version.
    VersionNotRaised,
    /// A directory with content becomes a file or link.
    DirectoryReplaced,
    /// A directory with content is deleted.
    DirectoryNotEmpty,
    /// A bundle does not list its tracking file.
    NoTrackingFile,
    /// An entry has an optimisation modifier that no client knows.
    UnknownModifier,
    /// A manifest has entries that are not a file, a directory, a link or a deletion.
    UnusableEntry,
    /// A file could not be installed.
    Install,
    /// An installed file differs from the manifests.
    Faulty,
    /// The pointers do not lead from the earlier release to the later one.
    NotReached,
    /// The client ends with an error code that has no other problem.
    Ended,
    /// The installed files name an older version than the release.
    VersionMismatch,
}

/// A problem as JSON.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct ProblemDocument {
    /// The kind of problem.
    problem: ProblemKind,
    /// The problem in one line, with its object.
    message: String,
}

impl From<Problem> for ProblemDocument {
    fn from(problem: Problem) -> Self {
        Self { problem: problem.kind(), message: problem.to_string() }
    }
}

/// The text for the `reason` of a problem.
pub(crate) use clearwell_format::printable::chain as reason;
