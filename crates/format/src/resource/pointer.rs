//! The names of pointers: the files below `version/`. Their content is [`crate::pointer`].

use std::fmt;

use crate::FormatNumber;

/// A file below `version/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pointer {
    /// `format<F>/latest`: the newest release of a format.
    Latest(FormatNumber),
    /// `format<F>/latest.sig`.
    LatestSignature(FormatNumber),
    /// `format<F>/first`: the oldest release of a format.
    First(FormatNumber),
    /// `latest_version`: the newest release of any format.
    LatestVersion,
    /// `latest_version.sig`.
    LatestVersionSignature,
    /// `formatstaging/latest`: what clients with `-F staging` take, whatever its format (client behaviour §2).
    Staging,
    /// `formatstaging/latest.sig`.
    StagingSignature,
}

impl Pointer {
    /// Parses the two parts of a path that follow `version/`.
    pub(super) fn parse(name: &str, below: Option<&str>) -> Option<Self> {
        match (name, below) {
            ("latest_version", None) => Some(Self::LatestVersion),
            ("latest_version.sig", None) => Some(Self::LatestVersionSignature),
            ("formatstaging", Some("latest")) => Some(Self::Staging),
            ("formatstaging", Some("latest.sig")) => Some(Self::StagingSignature),
            (folder, Some(file)) => {
                let format = folder.strip_prefix("format")?.parse().ok()?;
                match file {
                    "latest" => Some(Self::Latest(format)),
                    "latest.sig" => Some(Self::LatestSignature(format)),
                    "first" => Some(Self::First(format)),
                    _ => None,
                }
            }
            (_, None) => None,
        }
    }

    /// The format whose clients read it; `None` for the pointers of all formats.
    pub const fn format(self) -> Option<FormatNumber> {
        match self {
            Self::Latest(format) | Self::LatestSignature(format) | Self::First(format) => Some(format),
            Self::LatestVersion | Self::LatestVersionSignature | Self::Staging | Self::StagingSignature => None,
        }
    }

    /// The signature of a pointer; `None` for `first`, which has none, and for signatures.
    pub const fn signature(self) -> Option<Self> {
        match self {
            Self::Latest(format) => Some(Self::LatestSignature(format)),
            Self::LatestVersion => Some(Self::LatestVersionSignature),
            Self::Staging => Some(Self::StagingSignature),
            Self::First(_) | Self::LatestSignature(_) | Self::LatestVersionSignature | Self::StagingSignature => None,
        }
    }

    /// The pointer that a signature signs; `None` for other pointers.
    pub const fn signed(self) -> Option<Self> {
        match self {
            Self::LatestSignature(format) => Some(Self::Latest(format)),
            Self::LatestVersionSignature => Some(Self::LatestVersion),
            Self::StagingSignature => Some(Self::Staging),
            Self::Latest(_) | Self::LatestVersion | Self::Staging | Self::First(_) => None,
        }
    }

    /// True for the signature of another pointer.
    pub const fn is_signature(self) -> bool {
        self.signed().is_some()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(format) => write!(f, "version/format{format}/latest"),
            Self::LatestSignature(format) => write!(f, "version/format{format}/latest.sig"),
            Self::First(format) => write!(f, "version/format{format}/first"),
            Self::LatestVersion => f.write_str("version/latest_version"),
            Self::LatestVersionSignature => f.write_str("version/latest_version.sig"),
            Self::Staging => f.write_str("version/formatstaging/latest"),
            Self::StagingSignature => f.write_str("version/formatstaging/latest.sig"),
        }
    }
}
