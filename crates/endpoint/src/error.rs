//! Errors of the endpoint itself: its folders, options, certificates, limits.
//!
//! Faults of a server or a release are not errors: they are an exit code and problems in a [`Report`](crate::Report).

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use clearwell_format::{BundleName, Version};
use clearwell_store::Fault;

/// The endpoint cannot work: its folders, options or certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// A base URL is not one.
    #[error("\"{url}\" is not a base URL; use http://host/path or https://host/path")]
    Url {
        /// What was given.
        url: String,
    },
    /// A certificate or key for TLS cannot be used.
    #[error("cannot use {what}; expected PEM text")]
    Tls {
        /// Which of them.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder or file of the endpoint cannot be read or written.
    #[error("failed to {action} {path}")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// From the operating system.
        source: io::Error,
    },
    /// The endpoint's own records are damaged.
    #[error("the state in {path} is damaged; remove the endpoint's folder and install again")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A release that is not there.
    #[error("there is no release {version}; the newest is {newest}")]
    UnknownRelease {
        /// The version asked for.
        version: Version,
        /// The newest release.
        newest: Version,
    },
    /// A bundle that none of the releases has.
    #[error("there is no bundle {bundle} in the releases to verify")]
    UnknownBundle {
        /// The name asked for.
        bundle: BundleName,
        /// The bundles that they have.
        known: BTreeSet<BundleName>,
    },
    /// A release to update from that is not below any of those to update to.
    #[error("an update from {from} needs a higher release to update to; the highest is {to}")]
    NotEarlier {
        /// The release to update from.
        from: Version,
        /// The highest of those to update to.
        to: Version,
    },
    /// A server whose answers stall or never end.
    #[error("gave up on the server after {answers} incomplete responses in a row: {url}: {reason}")]
    Unresponsive {
        /// How many.
        answers: u32,
        /// The last of them.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The work takes longer than it may.
    #[error("gave up after {seconds} s; allow more time, or verify fewer bundles")]
    TimeLimit {
        /// The limit.
        seconds: u64,
    },
    /// Nothing is installed yet.
    #[error("nothing is installed in this endpoint; install first")]
    NotInstalled,
    /// A part of the work ended without a result.
    #[error("a task of the endpoint failed")]
    Worker(#[source] tokio::task::JoinError),
}

impl EndpointError {
    /// What kind of trouble it is, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Url { .. } | Self::Tls { .. } | Self::NotInstalled => Fault::Usage,
            Self::Folder { .. } => Fault::Disk,
            Self::State { .. } | Self::UnknownBundle { .. } => Fault::Input,
            Self::UnknownRelease { .. } | Self::NotEarlier { .. } => Fault::Version,
            Self::Unresponsive { .. } | Self::TimeLimit { .. } => Fault::Network,
            Self::Worker(_) => Fault::Internal,
        }
    }

    pub(crate) fn folder(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { action, path, source }
    }
}
