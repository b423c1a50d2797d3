//! The target of a request: a health probe, the root, a resource, or an unknown path.

use std::fmt;
use std::str::FromStr;

use clearwell_format::Resource;
use clearwell_metrics::RequestKind;

use crate::uri;

/// What a request path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/healthz`: whether the process is alive.
    Live,
    /// `/readyz`: whether load balancers should send clients here.
    Ready,
    /// `/`: the stock client sends a HEAD request for it before parallel downloads, and accepts any well-formed response.
    Root,
    /// A well-formed name of a resource, whether released or not.
    Resource(Resource),
    /// A path that never names anything.
    Unknown,
    /// A path with an invalid percent-encoding.
    Malformed,
}

impl Target {
    /// Parses the path of a request, without its query, in any spelling. The content tree is below `base`.
    pub(crate) fn parse(path: &str, base: &BasePath) -> Self {
        let Ok(path) = uri::normal(path) else { return Self::Malformed };
        match &*path {
            "/healthz" => return Self::Live,
            "/readyz" => return Self::Ready,
            _ => {}
        }
        match base.strip(&path) {
            None => Self::Unknown,
            Some("" | "/") => Self::Root,
            Some(path) => Resource::from_request_path(path).map_or(Self::Unknown, Self::Resource),
        }
    }

    /// The kind, as metrics count it.
    pub(crate) const fn kind(&self) -> RequestKind {
        match self {
            Self::Live | Self::Ready => RequestKind::Health,
            Self::Root => RequestKind::Root,
            Self::Resource(resource) => RequestKind::Resource(resource.kind()),
            Self::Unknown | Self::Malformed => RequestKind::Unknown,
        }
    }
}

/// The path below which the content tree is served, such as `/update`; empty if the tree is at the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(
    /// Without leading or trailing slash.
    String,
);

impl BasePath {
    /// The rest of the path after the base: empty, or with a leading slash. `None` if the path is not below the base.
    pub(crate) fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return Some(path);
        }
        let inner = path.strip_prefix('/')?.strip_prefix(self.0.as_str())?;
        (inner.is_empty() || inner.starts_with('/')).then_some(inner)
    }
}

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let inner = text.strip_prefix('/').unwrap_or(text);
        let plain = |segment: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !segment.is_empty() && segment.bytes().all(known) && segment != "." && segment != ".."
        };
        let valid = inner.is_empty() || (inner.len() < text.len() && inner.split('/').all(plain));
        valid.then(|| Self(inner.to_owned())).ok_or_else(|| InvalidBasePath(text.to_owned()))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "/{}", self.0) }
    }
}

/// Not a base path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a base path; use one such as \"/update\" (letters, digits and -._~), or leave it empty")]
pub struct InvalidBasePath(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str, base: &str) -> &'static str {
        Target::parse(path, &base.parse().unwrap()).kind().as_str()
    }

    #[test]
    fn paths_and_what_they_name() {
        for (path, expected) in [
            ("/", "root"),
            ("//", "root"),
            ("", "root"),
            ("*", "unknown"),
            ("/healthz", "health"),
            ("/readyz", "health"),
            ("/healthz/", "unknown"),
            ("/version/format30/latest", "pointer"),
            ("//version//format30//latest", "pointer"),
            ("/30/pack-os-core-from-0.tar", "zero_pack"),
            ("/../30/format", "unknown"),
            ("/30/%2e%2e/format", "unknown"),
            ("/30/%66ormat", "version_info"),
            ("/./30/Manifest.c%2B%2B.tar", "manifest"),
            ("/%68ealthz", "health"),
            ("/30%2Fformat", "unknown"),
            ("/30/format%", "unknown"),
            ("/30/", "unknown"),
            ("/favicon.ico", "unknown"),
        ] {
            assert_eq!(kind(path, ""), expected, "{path}");
        }
    }

    #[test]
    fn the_base_applies_to_the_tree_but_not_to_health() {
        for (path, expected) in [
            ("/update/30/format", "version_info"),
            ("//update//30/format", "version_info"),
            ("/./up%64ate/30/format", "version_info"),
            ("/update", "root"),
            ("/update/", "root"),
            ("/updates/30/format", "unknown"),
            ("/update30/format", "unknown"),
            ("/30/format", "unknown"),
            ("/", "unknown"),
            ("/readyz", "health"),
            ("*", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(kind(path, "/update"), expected, "{path}");
        }
        assert_eq!(kind("/a/b/30/format", "/a/b"), "version_info");
        assert_eq!(kind("//a//b//30/format", "/a/b"), "version_info");
    }

    #[test]
    fn base_paths_have_no_special_characters() {
        for good in ["", "/update", "/a/b-c/d.e"] {
            assert_eq!(good.parse::<BasePath>().unwrap().to_string(), good);
        }
        assert_eq!("/".parse(), Ok(BasePath::default()));
        for bad in ["update", "/update/", "//", "/a//b", "/../a", "/a b", "/ä", "/a?b", "http://x/"] {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }
}
