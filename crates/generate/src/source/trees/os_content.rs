//! The files that make a plain tree an operating system that can update itself (mixer workspace §5.1).
//!
//! | File of os-core | Content |
//! |---|---|
//! | `/usr/lib/os-release` | the tree's own, with `VERSION_ID` and `BUILD_ID` of the release; a short one if there is none |
//! | `/usr/share/clear/version` | the version |
//! | `/usr/share/clear/versionstamp` | the timestamp of the release; in the second half of a format bump that of the first |
//! | `/usr/share/defaults/swupd/format` | the format |
//! | `/usr/share/defaults/swupd/contenturl`, `versionurl` | where clients fetch, if that is known |
//! | `/usr/share/clear/update-ca/Swupd_Root.pem` | the certificate that signs, unless the tree has one |
//! | `/usr/share/clear/update-ca/Swupd_Root.pem.alt` | the one that signs next, while keys change, unless the tree has one |
//!
//! None ends with a line feed but `os-release` and the certificates. Each belongs to root and has mode 0644, whatever the
//! tree has. What the tree says in the first four is replaced: a client that reads another version or format there does
//! not know what it runs.

use clearwell_format::{EntryPath, FormatNumber, Version};

/// The files by which an installed system identifies itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsContent {
    /// The version. Not that of the release in the first half of a format bump (manifest §5.12).
    pub version: Version,
    /// The format that the system updates in. Not that of the release in the first half of a format bump.
    pub format: FormatNumber,
    /// `versionstamp`; `None` is the timestamp of the release. Endpoints that come through the first half of a format
    /// bump keep the one of that half, so the second half has the same.
    pub stamp: Option<Vec<u8>>,
    /// PEM of the certificate that signs.
    pub certificate: Option<Vec<u8>>,
    /// PEM of the certificate that signs next, which endpoints try when the first does not verify.
    pub next_certificate: Option<Vec<u8>>,
    /// Where content is fetched. It takes precedence over `bundles.toml`.
    pub content_url: Option<String>,
    /// Where pointers are fetched, if elsewhere.
    pub version_url: Option<String>,
}

impl OsContent {
    /// The content of an ordinary release.
    pub const fn new(version: Version, format: FormatNumber) -> Self {
        Self {
            version,
            format,
            stamp: None,
            certificate: None,
            next_certificate: None,
            content_url: None,
            version_url: None,
        }
    }
}

/// The files that differ in every version.
pub(super) fn stamps() -> Vec<EntryPath> {
    ["/usr/lib/os-release", "/usr/share/clear/version", "/usr/share/clear/versionstamp"]
        .map(|path| path.parse().expect("a path of the protocol"))
        .to_vec()
}

/// `os-release` of a version: the lines of `own` with `VERSION_ID` and `BUILD_ID` replaced or added.
pub(super) fn os_release(own: Option<&[u8]>, version: Version) -> Vec<u8> {
    let fallback = b"NAME=\"Clear Linux mix\"\nID=clear-linux-mix\nPRETTY_NAME=\"Clear Linux mix\"\n";
    let own = own.unwrap_or(fallback);
    let mut text = Vec::with_capacity(own.len() + 40);
    let keys: [&[u8]; 2] = [b"VERSION_ID=", b"BUILD_ID="];
    let mut seen = [false; 2];
    for line in own.split_inclusive(|&byte| byte == b'\n') {
        match keys.iter().position(|key| line.starts_with(key)) {
            Some(key) => {
                if !std::mem::replace(&mut seen[key], true) {
                    text.extend([keys[key], version.to_string().as_bytes(), b"\n"].concat());
                }
            }
            None => text.extend_from_slice(line),
        }
    }
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    for (key, _) in keys.iter().zip(seen).filter(|(_, seen)| !seen) {
        text.extend([*key, version.to_string().as_bytes(), b"\n"].concat());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_replaced_where_it_stands_and_added_where_not() {
        let release = |own: Option<&str>| {
            String::from_utf8(os_release(own.map(str::as_bytes), Version::new(30).unwrap())).unwrap()
        };
        assert_eq!(release(Some("ID=a\nVERSION_ID=1\nX=y\n")), "ID=a\nVERSION_ID=30\nX=y\nBUILD_ID=30\n");
        assert_eq!(release(Some("BUILD_ID=x\nID=a")), "BUILD_ID=30\nID=a\nVERSION_ID=30\n");
        assert_eq!(release(Some("VERSION_ID=1\nVERSION_ID=2\n")), "VERSION_ID=30\nBUILD_ID=30\n");
        assert_eq!(release(Some("")), "VERSION_ID=30\nBUILD_ID=30\n");
        assert!(release(None).ends_with("VERSION_ID=30\nBUILD_ID=30\n"));
    }
}
