//! Which pointers a connection sees from one request to the next.
//!
//! A client reads `latest` and then `latest.sig`, as two requests on one connection, and a pair that does not match is
//! a hard error for it. So the first pointer that a connection asks for pins the view that it is read from:
//!
//! - a text (`latest`, `latest_version`, `first`) is read from the pinned view for a short while, and then
//!   pins the newest again: connections of proxies live for days and must not serve outdated pointers;
//! - a signature belongs to the text read before it, so it comes from the pinned view for as long as the client
//!   may still be waiting for it.
//!
//! A new connection always sees the newest view, and so does another scope on the same connection.
//!
//! Proxies share their connections among clients, and use several for one. Of a proxy that names the connection of its
//! client, see [`ProxiedPins`](crate::proxied_pins::ProxiedPins), that connection counts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clearwell_format::resource::Pointer;

use crate::pointer_view::{PointerView, Scope};

/// How long after a text its signature is still read from the same view. The stock client gives a request up when
/// nothing came for 120 seconds; then it opens a new connection.
const SIGNATURE_HOLD: Duration = Duration::from_secs(150);

/// The view that a connection is bound to.
#[derive(Debug, Default)]
pub(crate) struct PointerPin(Mutex<Option<Box<Pinned>>>);

#[derive(Debug)]
struct Pinned {
    view: PointerView,
    since: Instant,
    /// When a text was last read from it.
    text_read: Instant,
}

impl PointerPin {
    /// The view to read `pointer` from, if the connection is bound to one of `scope`. `hold` is how long texts are read
    /// from one view.
    pub(crate) fn held(&self, scope: Scope, pointer: Pointer, now: Instant, hold: Duration) -> Option<PointerView> {
        let mut pinned = self.lock();
        let pinned = pinned.as_mut().filter(|pinned| pinned.view.scope == scope)?;
        let is_new = now.duration_since(pinned.since) < hold;
        let is_held = if pointer.is_signature() {
            is_new || now.duration_since(pinned.text_read) < SIGNATURE_HOLD
        } else {
            if is_new {
                pinned.text_read = now;
            }
            is_new
        };
        is_held.then(|| pinned.view.clone())
    }

    /// Binds the connection to `newest`, which was looked up after `now`. If another request of the connection was
    /// faster, the view of that one stays.
    pub(crate) fn bind(&self, newest: PointerView, now: Instant) -> PointerView {
        let mut pinned = self.lock();
        match &mut *pinned {
            Some(other) if other.view.scope == newest.scope && other.since >= now => other.view.clone(),
            _ => {
                let bound = Pinned { view: newest.clone(), since: Instant::now(), text_read: now };
                *pinned = Some(Box::new(bound));
                newest
            }
        }
    }

    /// True if nothing is read from the view any more.
    pub(crate) fn is_over(&self, now: Instant, hold: Duration) -> bool {
        self.lock().as_ref().is_none_or(|pinned| {
            now.duration_since(pinned.since) >= hold && now.duration_since(pinned.text_read) >= SIGNATURE_HOLD
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Pinned>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use clearwell_format::FormatNumber;
    use clearwell_metrics::Metrics;
    use clearwell_store::PointerGeneration;

    use super::*;
    use crate::origin::Snapshot;
    use crate::published::Published;

    const HOLD: Duration = Duration::from_secs(10);
    const FORMAT: FormatNumber = FormatNumber::new(30).unwrap();
    const TEXT: Pointer = Pointer::Latest(FORMAT);
    const SIGNATURE: Pointer = Pointer::LatestSignature(FORMAT);
    const SCOPE: Scope = Scope::DefaultChannel;

    fn view(number: u64) -> PointerView {
        let pointers = PointerGeneration { number, files: BTreeMap::new() };
        let snapshot = Snapshot { pointers, ..Snapshot::default() };
        PointerView { scope: SCOPE, published: Arc::new(Published::new(&snapshot, &Metrics::new().fleet)) }
    }

    #[test]
    fn texts_are_held_for_a_while_and_signatures_as_long_as_a_client_may_wait() {
        let (pin, start) = (PointerPin::default(), Instant::now());
        assert!(pin.held(SCOPE, TEXT, start, HOLD).is_none());
        assert_eq!(pin.bind(view(1), start).published.number, 1);
        let after = |seconds: u64| Instant::now() + Duration::from_secs(seconds);
        let held = |pointer, seconds| pin.held(SCOPE, pointer, after(seconds), HOLD).map(|held| held.published.number);
        assert_eq!(held(TEXT, 5), Some(1));
        assert_eq!(held(SIGNATURE, 100), Some(1));
        assert_eq!(held(TEXT, 100), None);
        assert_eq!(held(SIGNATURE, 160), None, "155 seconds after the text");
        assert_eq!([100, 160].map(|seconds| pin.is_over(after(seconds), HOLD)), [false, true]);
    }

    #[test]
    fn of_two_concurrent_requests_the_first_binds() {
        let (pin, asked) = (PointerPin::default(), Instant::now());
        assert_eq!(pin.bind(view(1), asked).published.number, 1);
        assert_eq!(pin.bind(view(2), asked).published.number, 1);
        let later = Instant::now() + Duration::from_millis(1);
        assert_eq!(pin.bind(view(2), later).published.number, 2);
    }
}
