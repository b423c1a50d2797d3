//! Readiness of the server.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::catalog::Catalog;
use crate::pointer_view::Scope;

/// What keeps the server from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It is draining.
    Draining,
    /// The pointers in the store cannot be read.
    Unreadable,
    /// Nothing was published yet.
    NothingPublished,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining",
            Self::Unreadable => "the pointers cannot be read",
            Self::NothingPublished => "nothing is published",
        })
    }
}

/// The part of readiness that depends on the process.
#[derive(Debug, Default)]
pub(crate) struct Health {
    draining: AtomicBool,
}

impl Health {
    /// From now on the server is not ready.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Ready, or what is missing.
    pub(crate) fn check(&self, catalog: &Catalog) -> Result<(), NotReady> {
        if self.draining.load(Ordering::Relaxed) {
            Err(NotReady::Draining)
        } else if !catalog.is_readable() {
            Err(NotReady::Unreadable)
        } else if catalog.view(Scope::DefaultChannel).published.is_empty() {
            Err(NotReady::NothingPublished)
        } else {
            Ok(())
        }
    }
}
