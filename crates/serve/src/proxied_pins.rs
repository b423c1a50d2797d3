//! The pins of clients behind proxies, by the connection of the client to its proxy.
//!
//! ```text
//! client 192.0.2.7:47011 --- proxy --- connection 1 ---- latest       \
//!                                 \--- connection 2 ---- latest.sig   /  one pin: 192.0.2.7:47011
//! ```
//!
//! The PROXY protocol names that connection, and so does an entry of `X-Forwarded-For` with a port. A pin is kept while a
//! client may still read from it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pointer_pin::PointerPin;

/// The largest number of pins: some 20 MB of memory.
const MAX_PINS: usize = 100_000;

/// The pins by address and port of the client.
#[derive(Debug, Default)]
pub(crate) struct ProxiedPins(Mutex<HashMap<SocketAddr, Arc<PointerPin>>>);

impl ProxiedPins {
    /// The pin of a client's connection. `None` for a new one while there are [`MAX_PINS`]: the caller then uses the pin
    /// of the proxy's connection.
    pub(crate) fn at(&self, client: SocketAddr) -> Option<Arc<PointerPin>> {
        let mut pins = self.lock();
        match pins.get(&client) {
            Some(pin) => Some(Arc::clone(pin)),
            None if pins.len() >= MAX_PINS => None,
            None => Some(Arc::clone(pins.entry(client).or_default())),
        }
    }

    /// Removes the pins that are not in use and whose time is over.
    pub(crate) fn sweep(&self, now: Instant, hold: Duration) {
        self.lock().retain(|_, pin| Arc::strong_count(pin) > 1 || !pin.is_over(now, hold));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<PointerPin>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointer_view::{PointerView, Scope};

    #[test]
    fn pins_are_kept_while_they_are_used() {
        let pins = ProxiedPins::default();
        let client = |port| SocketAddr::from(([192, 0, 2, 7], port));
        let used = pins.at(client(1)).unwrap();
        assert!(Arc::ptr_eq(&used, &pins.at(client(1)).unwrap()));
        let read = pins.at(client(2)).unwrap();
        read.bind(PointerView { scope: Scope::DefaultChannel, published: Arc::default() }, Instant::now());
        drop((read, pins.at(client(3))));
        let sweep_after = |seconds| {
            pins.sweep(Instant::now() + Duration::from_secs(seconds), Duration::from_secs(10));
            let mut ports: Vec<u16> = pins.lock().keys().map(SocketAddr::port).collect();
            ports.sort_unstable();
            ports
        };
        assert_eq!(sweep_after(100), [1, 2], "3 was never bound");
        assert_eq!(sweep_after(160), [1]);
        drop(used);
        assert_eq!(sweep_after(0), [0; 0]);
    }

    #[test]
    fn the_number_of_pins_is_limited() {
        let pins = ProxiedPins::default();
        let client = |number: u32| SocketAddr::from((number.to_be_bytes(), 1));
        assert!((0..MAX_PINS as u32).all(|number| pins.at(client(number)).is_some()));
        assert!(pins.at(client(MAX_PINS as u32)).is_none());
        assert!(pins.at(client(7)).is_some(), "known ones are found");
    }
}
