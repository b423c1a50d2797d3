//! What keeps the server from starting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clearwell_store::StoreError;

/// The server cannot start. Each message names the key or the object, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store is not usable.
    #[error("the store cannot be served")]
    Store(#[from] StoreError),
    /// No address for clients.
    #[error("listen and listen-tls are both off; give one of them an address")]
    NoListener,
    /// An address cannot be taken.
    #[error("{key}: cannot listen on {address}")]
    Listen {
        /// The key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// TLS needs a key that is not set.
    #[error("{missing} is not set, and {needed_by} needs it")]
    Missing {
        /// The key that is not set.
        missing: &'static str,
        /// The key that needs it.
        needed_by: &'static str,
    },
    /// A PEM file cannot be read.
    #[error("{key}: failed to read {}", .path.display())]
    ReadFile {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A PEM file does not have what it should.
    #[error("{key}: {} has no usable {wanted}: {reason}", .path.display())]
    Pem {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not make a TLS server.
    #[error("tls-certificate and tls-key cannot be used together; are they a pair?")]
    Tls(#[source] rustls::Error),
}
