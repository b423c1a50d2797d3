//! What stops an endpoint for reasons of its own.
//!
//! What a server or a release does wrong is no error here: it is an exit code and problems in a [`Report`](crate::Report).

use std::io;
use std::path::PathBuf;

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
    /// Nothing is installed yet.
    #[error("nothing is installed in this endpoint; install first")]
    NotInstalled,
    /// A part of the work ended without a result.
    #[error("a worker of the endpoint failed")]
    Worker(#[source] tokio::task::JoinError),
}

impl EndpointError {
    pub(crate) fn folder(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { action, path, source }
    }
}
