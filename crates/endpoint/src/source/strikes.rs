//! When to give up a server: one that stalls, drips or never ends would otherwise hold an endpoint for as long as there are
//! files to ask for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Answers in a row that stalled or were too long. Any that came whole begins the count again.
#[derive(Debug, Default)]
pub struct Strikes {
    count: AtomicU32,
    last: Mutex<Option<Strike>>,
    out: Notify,
}

/// The answer that was one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) url: String,
    pub(crate) reason: String,
}

impl Strikes {
    /// An answer came whole.
    pub(crate) fn clear(&self) {
        self.count.store(0, Ordering::Relaxed);
    }

    /// An answer stalled or was too long.
    pub(crate) fn add(&self, url: String, reason: String) {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before.saturating_add(1) >= MOST_STRIKES {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Strike { url, reason });
            self.out.notify_one();
        }
    }

    /// The answer that was one too many, if there was one.
    pub(crate) fn last(&self) -> Option<Strike> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends when the server is to be given up.
    pub(crate) async fn out(&self) {
        while self.last().is_none() {
            self.out.notified().await;
        }
    }
}

/// As many as a request has tries.
pub(crate) const MOST_STRIKES: u32 = 4;
