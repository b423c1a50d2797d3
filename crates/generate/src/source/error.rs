//! Why a source cannot be used, and where to look.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::manifest::ParseError;
use clearwell_format::{BundleName, EntryPath, Version};
use clearwell_store::Fault;

use super::problems::Problems;
use crate::inputs::Warning;
use crate::tree::DuplicatePath;
use crate::tree::scan::ScanError;

/// The two lists of a bundle that name other bundles, as a sentence says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeList {
    /// `includes`.
    Includes,
    /// `also-add`.
    AlsoAdd,
}

impl fmt::Display for IncludeList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Includes => "includes",
            Self::AlsoAdd => "also-adds",
        })
    }
}

/// What is wrong with a text, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TextError {
    /// The line, counted from 1; 0 if it is not known.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl TextError {
    /// The error of the file that the text came from.
    pub(super) fn of(self, path: &Path) -> SourceError {
        SourceError::Text { path: path.to_owned(), source: self }
    }

    /// From a TOML parser's error, which knows a place in `text`.
    pub(super) fn of_toml(error: &toml::de::Error, text: &str) -> Self {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        Self { line, what: error.message().to_owned() }
    }
}

/// The line of a place in a text, counted from 1.
pub(super) fn line_of(text: &str, place: usize) -> usize {
    text.as_bytes().iter().take(place).filter(|&&byte| byte == b'\n').count() + 1
}

/// Something in a text that is not used, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextNote {
    /// The line, counted from 1; 0 if it is not known.
    pub line: usize,
    /// What it is.
    pub what: String,
}

impl TextNote {
    pub(super) const fn new(line: usize, what: String) -> Self {
        Self { line, what }
    }

    /// The warning of the file that the text came from.
    pub(super) fn of(&self, path: &Path) -> Warning {
        Warning::Source { what: format!("{}: {self}", path.display()) }
    }
}

impl fmt::Display for TextNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.what),
            line => write!(formatter, "line {line}: {}", self.what),
        }
    }
}

/// A workspace or a folder of trees cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// More than one problem.
    #[error("{0}")]
    Several(Problems),
    /// A tree cannot be scanned.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A file or folder cannot be read.
    #[error("failed to read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A text file is broken.
    #[error("{} cannot be used", .path.display())]
    Text {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: TextError,
    },
    /// The folder is not a workspace.
    #[error("{} is not a mixer workspace: it has no {missing}; name the folder that contains builder.conf", .dir.display())]
    NotAWorkspace {
        /// The folder.
        dir: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// The version has no image.
    #[error("version {version} has no image: folder {} does not exist; run mixer build bundles, or name another version", .path.display())]
    NoImage {
        /// The version.
        version: Version,
        /// The folder that is missing.
        path: PathBuf,
    },
    /// A bundle has no content.
    #[error("bundle {bundle} has neither {} nor a folder next to it; run mixer build bundles, or remove the bundle from groups.ini", .info.display())]
    NoBundle {
        /// The bundle.
        bundle: BundleName,
        /// The file that is missing.
        info: PathBuf,
    },
    /// The trees have no os-core.
    #[error("folder {} does not exist; every release needs the bundle os-core", .0.display())]
    NoOsCore(PathBuf),
    /// A folder whose name is not a bundle name.
    #[error("{} cannot be a bundle; rename it, or move it out of the folder of trees", .path.display())]
    BundleFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: clearwell_format::bundle::InvalidBundleName,
    },
    /// A link in the folder of trees that leads to nothing: a bundle that is about to be lost.
    #[error("{} is a dangling link; fix it, or remove it", .0.display())]
    DanglingLink(PathBuf),
    /// The store of a mix, or another, would be released with it.
    #[error("{} is a Clearwell store, not a bundle; move it out of the folder of trees", .0.display())]
    StoreInTrees(PathBuf),
    /// A file that is ignored because of the case of its name.
    #[error("{} is not read; rename it to {wanted}", .path.display())]
    ConfigName {
        /// The file.
        path: PathBuf,
        /// What it should be named.
        wanted: &'static str,
    },
    /// A bundle of `bundles.toml` and a folder whose names differ in case only.
    #[error("{} describes bundle {bundle}, but the folder is {}; give both the same name", .config.display(), .folder.display())]
    OtherCase {
        /// The bundle.
        bundle: BundleName,
        /// `bundles.toml`.
        config: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A bundle of `bundles.toml` without content.
    #[error("{} describes bundle {bundle}, but folder {} does not exist; create it, or give the bundle includes", .config.display(), .folder.display())]
    NoTree {
        /// The bundle.
        bundle: BundleName,
        /// `bundles.toml`.
        config: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// Two bundles disagree about a path.
    #[error(
        "{path} differs in {what} between the bundles {first} and {second}; a release has one tree, so make them the same or drop one"
    )]
    Conflict {
        /// The path.
        path: EntryPath,
        /// What differs, and how.
        what: String,
        /// The bundle that came first by name.
        first: BundleName,
        /// The other.
        second: BundleName,
    },
    /// A bundle includes one that does not exist.
    #[error("bundle {bundle} {list} {include} in {}, but that bundle does not exist; create a folder for it or drop the include", .config.display())]
    MissingInclude {
        /// The bundle.
        bundle: BundleName,
        /// How it names it.
        list: IncludeList,
        /// What it names.
        include: BundleName,
        /// `bundles.toml`.
        config: PathBuf,
    },
    /// A bundle includes itself.
    #[error("bundle {bundle} {list} itself in {}; drop the include", .config.display())]
    SelfInclude {
        /// The bundle.
        bundle: BundleName,
        /// How it names itself.
        list: IncludeList,
        /// `bundles.toml`.
        config: PathBuf,
    },
    /// Something is at the path of a file or directory that the release generates.
    #[error("{path} is not a {}, but the release has to put {needed} there; move it", if .path == .needed { "file" } else { "directory" })]
    InTheWay {
        /// What is there.
        path: EntryPath,
        /// What has to be put.
        needed: EntryPath,
    },
    /// One path came twice.
    #[error(transparent)]
    Duplicate(#[from] DuplicatePath),
    /// A manifest of an earlier release is damaged.
    #[error("{} is damaged; restore it from the machine that made it", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ParseError,
    },
    /// A manifest of an earlier release is not the one that its MoM names.
    #[error("{} is not the manifest that the MoM of its release names; restore it from the machine that made it", .path.display())]
    OtherManifest {
        /// The file.
        path: PathBuf,
    },
}

impl SourceError {
    /// The kind of fault, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Scan(error) => error.fault(),
            Self::Write { .. } => Fault::Disk,
            Self::Several(_)
            | Self::Read { .. }
            | Self::Text { .. }
            | Self::NotAWorkspace { .. }
            | Self::NoImage { .. }
            | Self::NoBundle { .. }
            | Self::NoOsCore(_)
            | Self::BundleFolder { .. }
            | Self::DanglingLink(_)
            | Self::StoreInTrees(_)
            | Self::ConfigName { .. }
            | Self::OtherCase { .. }
            | Self::NoTree { .. }
            | Self::Conflict { .. }
            | Self::MissingInclude { .. }
            | Self::SelfInclude { .. }
            | Self::InTheWay { .. }
            | Self::Duplicate(_)
            | Self::Manifest { .. }
            | Self::OtherManifest { .. } => Fault::Input,
        }
    }
}
