//! Paths of entries: absolute, normal, and safe in a manifest line.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// An absolute path below the root of an installed system, as raw bytes (manifest §1).
///
/// Starts with `/`; no empty, `.` or `..` component; no NUL, TAB or LF; at most 4095 bytes. Never `/` itself. Orders
/// by bytes, as manifests do. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(Arc<[u8]>);

impl EntryPath {
    /// The longest path, in bytes: the client's PATH_MAX with its terminator.
    pub const MAX_LENGTH: usize = 4095;

    /// Checks and keeps a path.
    pub fn parse(path: &[u8]) -> Result<Self, InvalidPath> {
        let invalid = |reason| {
            let shown = &path[..path.len().min(200)];
            Err(InvalidPath { path: shown.escape_ascii().to_string(), reason })
        };
        let Some(relative) = path.strip_prefix(b"/") else {
            return invalid("it does not start with a slash");
        };
        if path.iter().any(|byte| matches!(byte, 0 | b'\t' | b'\n')) {
            return invalid("it contains a TAB, a line feed or a NUL, which a manifest line cannot contain");
        }
        if path.len() > Self::MAX_LENGTH {
            return invalid("it is longer than 4095 bytes");
        }
        if relative.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
            return invalid("it has an empty, . or .. component");
        }
        Ok(Self(path.into()))
    }

    /// The path's bytes, with the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path without its leading slash, to be joined to a root folder.
    pub fn relative(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0[1..]))
    }

    /// The last component.
    pub fn base_name(&self) -> &[u8] {
        self.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// The containing folder; `None` directly below the root.
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|&byte| byte == b'/')?;
        (slash > 0).then(|| Self(self.0[..slash].into()))
    }

    /// True for `ancestor` itself and for everything below it.
    pub fn is_within(&self, ancestor: &[u8]) -> bool {
        self.0.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl std::borrow::Borrow<[u8]> for EntryPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl std::str::FromStr for EntryPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

/// Not a path that a manifest may list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path \"{path}\" cannot be released: {reason}")]
pub struct InvalidPath {
    path: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_harm_are_refused() {
        for good in ["/usr", "/usr/bin/a b", "/é", "/..a/b..", "/VAR/f"] {
            assert_eq!(EntryPath::parse(good.as_bytes()).unwrap().as_bytes(), good.as_bytes());
        }
        let long = format!("/{}", "a".repeat(4095));
        for bad in ["", "/", "usr", "//usr", "/usr/", "/usr//bin", "/./a", "/a/..", "/a\tb", "/a\nb", "/a\0", &long] {
            assert!(EntryPath::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parents_and_ancestors() {
        let path: EntryPath = "/usr/bin/hello".parse().unwrap();
        assert_eq!(path.parent().unwrap().as_bytes(), b"/usr/bin");
        assert_eq!("/usr".parse::<EntryPath>().unwrap().parent(), None);
        assert_eq!(path.base_name(), b"hello");
        assert!(path.is_within(b"/usr/bin") && path.is_within(b"/usr/bin/hello"));
        assert!(!path.is_within(b"/usr/bi"));
    }
}
