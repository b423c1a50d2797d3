//! Sources of content: the requests of an endpoint and the implementations that answer them.
//!
//! | Source | Answers from |
//! |---|---|
//! | [`HttpSource`] | a server, over http or https |
//! | [`TreeSource`] | a folder with a public tree, made by this program or by another |
//! | [`StoreSource`] | a store, or a store with a release that is not visible yet |
//! | [`Probe`] | another source; records the requests and replaces chosen responses; for tests |
//!
//! A source answers with a status and a body, as a server does; the caller interprets the status, in one place.

mod body;
mod counted;
mod http;
mod probe;
mod store;
mod strikes;
mod tree;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use clearwell_format::Resource;

pub use body::Body;
pub(crate) use counted::{Counted, Tally};
pub use http::{HttpOptions, HttpSource, UserAgent};
pub use probe::{Fault, Probe};
pub use store::StoreSource;
pub use strikes::Strikes;
pub(crate) use strikes::{MOST_STRIKES, Strike};
pub use tree::TreeSource;

/// Answers the requests of an endpoint.
pub trait Source: Send + Sync {
    /// Answers one request.
    ///
    /// # Errors
    /// [`TransportError`] without any answer; every status is an answer.
    fn send(&self, request: Request) -> Answer<'_>;

    /// The location of a target, for messages.
    fn locate(&self, target: &Target) -> String {
        target.to_string()
    }

    /// Counts the answers that stall, if the caller gives up on such servers.
    fn strikes(&self) -> Option<&Strikes> {
        None
    }

    /// True if failed requests are never retried, as for `file://` (client behaviour §4).
    fn is_local(&self) -> bool {
        false
    }
}

/// The future of an answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HEAD or GET.
    pub method: Method,
    /// The target.
    pub target: Target,
    /// First byte wanted, when an interrupted download goes on.
    pub from_byte: Option<u64>,
    /// Asks caches to stay aside, as for pointers that are read into memory (client behaviour §1).
    pub uncached: bool,
}

impl Request {
    /// A plain GET.
    pub fn get(resource: Resource) -> Self {
        Self { method: Method::Get, target: Target::Resource(resource), from_byte: None, uncached: false }
    }

    /// A HEAD.
    pub fn head(target: Target) -> Self {
        Self { method: Method::Head, target, from_byte: None, uncached: false }
    }
}

impl fmt::Display for Request {
    /// As a line of a server's log: `GET 30/Manifest.MoM.tar`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Head => "HEAD",
            Method::Get => "GET",
        };
        write!(f, "{method} {}", self.target)
    }
}

/// HEAD or GET, the methods of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Only status and length.
    Head,
    /// The content.
    Get,
}

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The content URL itself, which clients probe before parallel downloads.
    Root,
    /// A file of the public tree.
    Resource(Resource),
}

impl From<Resource> for Target {
    fn from(resource: Resource) -> Self {
        Self::Resource(resource)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("/"),
            Self::Resource(resource) => resource.fmt(f),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status; 200 and 404 for sources other than servers.
    pub status: u16,
    /// `Content-Length`, if stated.
    pub length: Option<u64>,
    /// The content; empty for HEAD.
    pub body: Body,
}

impl Response {
    /// An answer without content.
    pub fn empty(status: u16) -> Self {
        Self { status, length: Some(0), body: Body::empty() }
    }
}

/// No answer, or a truncated one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The server cannot be reached: name, connection or TLS.
    #[error("cannot connect to {url}; check the address, that the server runs, and its certificate")]
    Connect {
        /// The URL.
        url: String,
        /// From the client library.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection failed after it was established.
    #[error("the connection failed")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body is shorter than its declared length.
    #[error("the response is truncated")]
    Truncated,
    /// No data within the timeout.
    #[error("no data received for {seconds} s")]
    Timeout {
        /// The timeout.
        seconds: u64,
    },
    /// The body is slower than the limit.
    #[error("less than {rate} bytes per second for {seconds} s")]
    TooSlow {
        /// The lowest accepted rate.
        rate: u64,
        /// The timeout.
        seconds: u64,
    },
    /// A file of a local source cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// From the operating system.
        source: std::io::Error,
    },
    /// The store cannot answer.
    #[error("the store cannot be read")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More bytes than the limit for such an object.
    #[error("the response is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// Received data cannot be stored.
    #[error("failed to store a download; free space in the folder for temporary files")]
    Keep(#[source] std::io::Error),
}

impl TransportError {
    /// True for failures that clients retry: all but an unreachable server and a local failure (client behaviour §4).
    pub fn is_retried(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Truncated | Self::Timeout { .. } | Self::TooSlow { .. } => true,
            Self::Connect { .. } | Self::Read { .. } | Self::Store(_) | Self::TooLong { .. } | Self::Keep(_) => false,
        }
    }

    /// True for answers that would block an endpoint without a limit.
    pub(crate) const fn is_strike(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::TooSlow { .. } | Self::TooLong { .. })
    }
}
