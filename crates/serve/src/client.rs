//! Who asks: clients by address, and what each may have at the same time.
//!
//! A client is an IPv4 address or the /64 of an IPv6 address: whoever has one address of that has all of them. Its record
//! lives while it has connections, or has asked so much lately that it has to wait; so their number is bounded by the
//! limits themselves, and by [`RECORDS`] if those are off.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records kept at most, beside those of clients that are connected.
const RECORDS: usize = 100_000;

/// Every client that is known now.
#[derive(Debug)]
pub(crate) struct Clients {
    known: Mutex<HashMap<IpAddr, Arc<Client>>>,
    began: Instant,
}

/// What is known of a client.
#[derive(Debug)]
pub(crate) struct Client {
    connections: AtomicU32,
    downloads: AtomicU32,
    /// Nanoseconds since the beginning at which all it asked so far is paid for.
    paid: AtomicU64,
}

/// How often a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds that one request costs.
    interval: u64,
    /// Nanoseconds that may be owed.
    burst: u64,
}

impl Rate {
    /// So many requests in a second, and `burst` of them at once.
    pub(crate) fn new(per_second: NonZeroU32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.get());
        Self { interval, burst: interval * u64::from(burst.max(1)) }
    }
}

/// As many connections, or downloads, as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitReached;

impl Clients {
    pub(crate) fn new() -> Self {
        Self { known: Mutex::default(), began: Instant::now() }
    }

    /// The client at an address.
    pub(crate) fn at(&self, address: IpAddr) -> Arc<Client> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = known.entry(network_of(address)).or_insert_with(|| Arc::new(Client::new()));
        Arc::clone(client)
    }

    /// True if the client may ask now, which counts; or how long it has to wait.
    pub(crate) fn ask(&self, client: &Client, rate: Rate, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let mut paid = client.paid.load(Ordering::Relaxed);
        loop {
            let after = paid.max(now) + rate.interval;
            if after > now + rate.burst {
                return Err(Duration::from_nanos(after - now - rate.burst));
            }
            match client.paid.compare_exchange_weak(paid, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => paid = other,
            }
        }
    }

    /// Forgets clients that are gone and owe nothing.
    pub(crate) fn sweep(&self) {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = known.len() > RECORDS;
        known.retain(|_, client| {
            Arc::strong_count(client) > 1 || (!is_full && client.paid.load(Ordering::Relaxed) > now)
        });
    }
}

impl Client {
    const fn new() -> Self {
        Self { connections: AtomicU32::new(0), downloads: AtomicU32::new(0), paid: AtomicU64::new(0) }
    }

    /// One more connection; it is open until the ticket is dropped. `limit` 0 is none.
    pub(crate) fn connect(self: &Arc<Self>, limit: u32) -> Result<Ticket, LimitReached> {
        Ticket::take(self, limit, |client| &client.connections)
    }

    /// One more download of a large object; it runs until the ticket is dropped. `limit` 0 is none.
    pub(crate) fn download(self: &Arc<Self>, limit: u32) -> Result<Ticket, LimitReached> {
        Ticket::take(self, limit, |client| &client.downloads)
    }
}

/// One of what a client may have so many of.
#[derive(Debug)]
pub(crate) struct Ticket {
    client: Arc<Client>,
    count: fn(&Client) -> &AtomicU32,
}

impl Ticket {
    fn take(client: &Arc<Client>, limit: u32, count: fn(&Client) -> &AtomicU32) -> Result<Self, LimitReached> {
        let ticket = Self { client: Arc::clone(client), count };
        // A ticket that is refused is dropped, and counts down again.
        let before = count(client).fetch_add(1, Ordering::Relaxed);
        if limit > 0 && before >= limit { Err(LimitReached) } else { Ok(ticket) }
    }

    /// Whose it is.
    pub(crate) const fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        (self.count)(&self.client).fetch_sub(1, Ordering::Relaxed);
    }
}

/// The addresses that are one client.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let clients = Clients::new();
        let client = clients.at(address("192.0.2.1"));
        let rate = Rate::new(NonZeroU32::new(10).unwrap(), 5);
        let start = clients.began + Duration::from_secs(100);
        for _ in 0..5 {
            assert_eq!(clients.ask(&client, rate, start), Ok(()));
        }
        assert_eq!(clients.ask(&client, rate, start), Err(Duration::from_millis(100)));
        assert_eq!(clients.ask(&client, rate, start), Err(Duration::from_millis(100)), "asking in vain costs nothing");
        assert_eq!(clients.ask(&client, rate, start + Duration::from_millis(100)), Ok(()));
        let other = clients.at(address("192.0.2.2"));
        assert_eq!(clients.ask(&other, rate, start), Ok(()));
    }

    #[test]
    fn records_live_as_long_as_they_say_something() {
        let clients = Clients::new();
        let rate = Rate::new(NonZeroU32::MIN, 1);
        let (asking, connected) = (clients.at(address("192.0.2.1")), clients.at(address("192.0.2.2")));
        assert_eq!(clients.ask(&asking, rate, Instant::now()), Ok(()));
        let ticket = connected.connect(0).unwrap();
        drop((asking, connected, clients.at(address("192.0.2.3"))));
        clients.sweep();
        let count = |clients: &Clients| clients.known.lock().unwrap().len();
        assert_eq!(count(&clients), 2);
        drop(ticket);
        clients.sweep();
        assert_eq!(count(&clients), 1);
    }

    #[test]
    fn tickets_are_given_back() {
        let client = Clients::new().at(address("::1"));
        let first = client.connect(1).unwrap();
        assert_eq!(client.connect(1).unwrap_err(), LimitReached);
        assert!(client.download(1).is_ok(), "downloads are another count");
        drop(first);
        assert!(client.connect(1).is_ok());
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        let clients = Clients::new();
        let same = |left: &str, right: &str| Arc::ptr_eq(&clients.at(address(left)), &clients.at(address(right)));
        assert!(same("2001:db8::1", "2001:db8::ffff:2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
