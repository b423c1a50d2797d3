//! How the stock client would have ended (client behaviour §5).

use schemars::JsonSchema_repr;
use serde::{Serialize, Serializer};

/// The exit code of the stock client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema_repr)]
#[repr(u8)]
pub enum ExitCode {
    /// Success, or nothing to do.
    Success = 0,
    /// A negative answer: no update, or something is wrong with the installed files.
    Negative = 1,
    /// The bundle is required by others.
    RequiredBundle = 2,
    /// The bundle does not exist.
    InvalidBundle = 3,
    /// The MoM could not be fetched or verified.
    Mom = 4,
    /// A bundle manifest could not be loaded while includes were resolved.
    RecurseManifest = 8,
    /// A file could not be staged.
    Stage = 10,
    /// The bundle is not installed.
    NotInstalled = 13,
    /// A bundle manifest could not be loaded.
    Manifest = 14,
    /// The server version could not be determined.
    Server = 16,
    /// Files could not be downloaded.
    Download = 17,
    /// The installed version is not known.
    VersionUnknown = 20,
    /// A signature or the trusted certificate.
    Signature = 21,
    /// The installed version and the installed files contradict each other.
    Unexpected = 27,
    /// Not every file could be installed or repaired.
    Verify = 35,
}

impl ExitCode {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// True for 0.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success)
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}
