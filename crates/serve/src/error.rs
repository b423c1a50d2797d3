//! Errors that stop a start or a reload.

use std::io;
use std::path::PathBuf;

use clearwell_metrics::ReloadKind;
use clearwell_store::{Fault, StoreError};

use crate::config::ListenAddr;
use crate::origin::OriginError;

/// The server cannot start. Each message names the key or the object, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store is not usable.
    #[error("the store cannot be served")]
    Store(#[source] StoreError),
    /// An origin other than a store is not usable.
    #[error("the origin cannot be served")]
    Origin(#[source] OriginError),
    /// No address for clients.
    #[error("listen and listen-tls are both off; give one of them an address")]
    NoListener,
    /// The server cannot listen on an address.
    #[error("{key}: cannot listen on {addr}")]
    Listen {
        /// The key.
        key: &'static str,
        /// The address.
        addr: ListenAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// A socket that systemd should have opened.
    #[error("{key}: systemd passed no socket named {name}; set FileDescriptorName={name} in its socket unit")]
    NoSystemdSocket {
        /// The key.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// A server is running, and its sockets cannot be taken over.
    #[error("takeover: failed at {}", .path.display())]
    Takeover {
        /// The takeover socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Fewer descriptors than the limits of the configuration need.
    #[error(
        "max-connections and open-files need {needed} file descriptors, but this process may open only {allowed}; raise the \
         limit (LimitNOFILE= in the unit, or ulimit -n) or lower the keys"
    )]
    TooFewDescriptors {
        /// What is needed.
        needed: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// Less memory than the configuration may need.
    #[error(
        "memory-cache and max-connections may need {needed_mib} MiB of memory, but this process may use only {allowed_mib} MiB; \
         lower the keys or raise the limit"
    )]
    TooLittleMemory {
        /// What may be needed.
        needed_mib: u64,
        /// What is allowed.
        allowed_mib: u64,
    },
    /// A value that no start can use.
    #[error("{key}: {value} {reason}")]
    Unusable {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and the remedy.
        reason: String,
    },
    /// The access log cannot be opened.
    #[error("access-log-file: failed to open {}", .path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system cannot start a thread.
    #[error("failed to start a server thread")]
    Thread(#[source] io::Error),
    /// Keys that cannot change while the server runs.
    #[error("{} cannot change while the server runs; restart it", .0.join(", "))]
    FixedKeys(Vec<&'static str>),
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
    /// A PEM file lacks the expected certificate or key.
    #[error("{key}: {} has no usable {wanted}: {reason}", .path.display())]
    Pem {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is expected in it.
        wanted: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key cannot be used together.
    #[error("tls-certificate and tls-key cannot be used together; check that the key belongs to the certificate")]
    Tls(#[source] rustls::Error),
}

impl ServeError {
    /// The kind of fault, for exit codes and retries.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Store(error) => error.fault(),
            Self::Origin(error) => error.fault(),
            Self::Listen { .. } | Self::Takeover { .. } => Fault::Network,
            Self::AccessLog { .. } => Fault::Disk,
            Self::Thread(_) => Fault::Memory,
            Self::NoListener
            | Self::NoSystemdSocket { .. }
            | Self::TooFewDescriptors { .. }
            | Self::TooLittleMemory { .. }
            | Self::Unusable { .. }
            | Self::FixedKeys(_)
            | Self::Missing { .. }
            | Self::ReadFile { .. }
            | Self::Pem { .. }
            | Self::Tls(_) => Fault::Usage,
        }
    }

    /// The label of a reload that fails with this error.
    pub(crate) const fn refused_reload(&self) -> ReloadKind {
        match self {
            Self::ReadFile { .. } | Self::Pem { .. } | Self::Tls(_) => ReloadKind::Certificates,
            Self::Missing { .. }
            | Self::Store(_)
            | Self::Origin(_)
            | Self::NoListener
            | Self::Listen { .. }
            | Self::NoSystemdSocket { .. }
            | Self::Takeover { .. }
            | Self::TooFewDescriptors { .. }
            | Self::TooLittleMemory { .. }
            | Self::Unusable { .. }
            | Self::AccessLog { .. }
            | Self::Thread(_)
            | Self::FixedKeys(_) => ReloadKind::Configuration,
        }
    }
}

impl From<OriginError> for ServeError {
    fn from(error: OriginError) -> Self {
        match error.into_store_error() {
            Ok(error) => Self::Store(error),
            Err(error) => Self::Origin(error),
        }
    }
}
