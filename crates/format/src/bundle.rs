//! Bundle names: safe in a line, in a file name and in a URL.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a bundle: one or more of `A-Z a-z 0-9 - _ + .` (mixer workspace §4).
///
/// Never `MoM` or `full`, which name other manifests; never `.`, `..` or a name ending in `.tar` or `.sig`, which would
/// make two resources of one path. At most 200 bytes, so that every artifact named after it fits a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleName(Arc<str>);

impl BundleName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 200;

    /// The bundle that every other bundle includes.
    pub fn os_core() -> Self {
        Self("os-core".into())
    }

    /// The deprecated bundle that once carried a search index (content layout §7).
    pub fn index() -> Self {
        Self("os-core-update-index".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a name from bytes.
    pub fn parse(name: &[u8]) -> Result<Self, InvalidBundleName> {
        let invalid = |reason| InvalidBundleName {
            name: String::from_utf8_lossy(&name[..name.len().min(80)]).into_owned(),
            reason,
        };
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(byte);
        let text = match std::str::from_utf8(name) {
            Ok(text) if !text.is_empty() && name.iter().all(legal) => text,
            _ => return Err(invalid("use letters, digits, and - _ + . only")),
        };
        match text {
            "MoM" | "full" => Err(invalid("the name is taken by a manifest of the protocol")),
            "." | ".." => Err(invalid("the name is a folder")),
            _ if text.ends_with(".tar") || text.ends_with(".sig") => {
                Err(invalid("a name ending in .tar or .sig would be taken for another file"))
            }
            _ if text.len() > Self::MAX_LENGTH => Err(invalid("a name has at most 200 bytes")),
            _ => Ok(Self(text.into())),
        }
    }
}

impl FromStr for BundleName {
    type Err = InvalidBundleName;

    fn from_str(text: &str) -> Result<Self, InvalidBundleName> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for BundleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BundleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not a bundle name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not a bundle name: {reason}")]
pub struct InvalidBundleName {
    name: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_harm_are_refused() {
        for good in ["os-core", "c++", "a.b_c", "Z", "python3-basic"] {
            assert_eq!(good.parse::<BundleName>().unwrap().as_str(), good);
        }
        for bad in ["", "MoM", "full", ".", "..", "a/b", "a b", "a\tb", "a\n", "naïve", "x.tar", "MoM.sig"] {
            assert!(bad.parse::<BundleName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(200).parse::<BundleName>().is_ok());
        assert!("a".repeat(201).parse::<BundleName>().is_err());
    }
}
