//! When to give up on a server: one that stalls or sends endless responses would otherwise block an endpoint once for
//! each file.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Answers in a row that stalled or were too long. A complete answer resets the count.
#[derive(Debug, Default)]
pub struct Strikes {
    count: AtomicU32,
    last: Mutex<Option<Strike>>,
    out: Notify,
}

/// The last answer of the count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) url: String,
    pub(crate) reason: String,
}

impl Strikes {
    /// A complete answer.
    pub(crate) fn clear(&self) {
        self.count.store(0, Ordering::Relaxed);
    }

    /// A stalled or too long answer.
    pub(crate) fn add(&self, url: String, reason: String) {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before.saturating_add(1) >= MOST_STRIKES {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Strike { url, reason });
            self.out.notify_one();
        }
    }

    /// The last answer, if the limit was reached.
    pub(crate) fn last(&self) -> Option<Strike> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Completes when the limit is reached.
    pub(crate) async fn out(&self) {
        while self.last().is_none() {
            self.out.notified().await;
        }
    }
}

/// The number of attempts of a request.
pub(crate) const MOST_STRIKES: u32 = 4;
