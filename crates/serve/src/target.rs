//! What a request asks for: health, the root, a resource, or nothing that has a name here.

use std::fmt;
use std::str::FromStr;

use clearwell_format::Resource;
use clearwell_metrics::RequestKind;

use crate::uri;

/// What a request path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/healthz`: is the process alive?
    Live,
    /// `/readyz`: shall clients be sent here?
    Ready,
    /// `/`: clients ask for its HEAD before parallel downloads; any well-formed answer does.
    Root,
    /// A resource, released or not.
    Resource(Resource),
    /// Nothing, ever.
    Unknown,
    /// Not a path: it has a broken escape.
    Malformed,
}

impl Target {
    /// Reads the path of a request, without query, in any spelling. `base` is the path below which the content tree is
    /// shown.
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

    /// The kind, for counting.
    pub(crate) const fn kind(&self) -> RequestKind {
        match self {
            Self::Live | Self::Ready => RequestKind::Health,
            Self::Root => RequestKind::Root,
            Self::Resource(resource) => RequestKind::Resource(resource.kind()),
            Self::Unknown | Self::Malformed => RequestKind::Unknown,
        }
    }
}

/// A path in front of the content tree, such as `/update`; empty if the tree is at the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(
    /// Without slashes around it.
    String,
);

impl BasePath {
    /// What stands behind the base: empty, or with a slash in front. `None` if the path lies elsewhere.
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
#[error("\"{0}\" is not a base path; write it like \"/update\", of letters, digits and -._~, or leave it empty")]
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
    fn a_base_stands_in_front_of_the_tree_and_not_of_health() {
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
    fn bases_are_plain_paths() {
        for good in ["", "/update", "/a/b-c/d.e"] {
            assert_eq!(good.parse::<BasePath>().unwrap().to_string(), good);
        }
        assert_eq!("/".parse(), Ok(BasePath::default()));
        for bad in ["update", "/update/", "//", "/a//b", "/../a", "/a b", "/ä", "/a?b", "http://x/"] {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }
}
