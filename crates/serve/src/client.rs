//! Clients by address, and the counts that limits compare: connections, downloads, requests.
//!
//! A client is an IPv4 address or the /64 network of an IPv6 address, since a host may use any address of its /64. A
//! record is kept while its client has connections or has to wait for its next request, so the limits bound the
//! number of records; without limits [`MAX_IDLE_RECORDS`] does.
//!
//! The rate limiter is the generic cell rate algorithm (GCRA), implemented here: its whole state is one atomic
//! integer of a record that exists anyway, whereas a crate would keep a second table of clients and another clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The largest number of records of clients without connections.
const MAX_IDLE_RECORDS: usize = 100_000;

/// The records of clients.
#[derive(Debug)]
pub(crate) struct Clients {
    records: Mutex<HashMap<IpAddr, Arc<Client>>>,
    /// What times of records are relative to.
    epoch: Instant,
}

/// The counts of a client.
#[derive(Debug)]
pub(crate) struct Client {
    connections: AtomicU32,
    downloads: AtomicU32,
    /// The theoretical arrival time of its next request, in nanoseconds since the epoch of [`Clients`].
    next_arrival: AtomicU64,
}

/// A limit on the rate of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds between requests at the full rate.
    interval: u64,
    /// Nanoseconds by which requests may be early: the burst at the full rate.
    tolerance: u64,
}

impl Rate {
    /// `per_second` requests per second, and up to `burst` of them at once.
    pub(crate) fn new(per_second: NonZeroU32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.get());
        Self { interval, tolerance: interval * u64::from(burst.max(1)) }
    }
}

/// The client has as many connections or downloads as its limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitReached;

impl Clients {
    pub(crate) fn new() -> Self {
        Self { records: Mutex::default(), epoch: Instant::now() }
    }

    /// The client with this address.
    pub(crate) fn at(&self, address: IpAddr) -> Arc<Client> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let client = records.entry(network_of(address)).or_insert_with(|| Arc::new(Client::new()));
        Arc::clone(client)
    }

    /// Counts a request of `client`.
    ///
    /// # Errors
    /// The time after which a request would succeed, if this one exceeds the rate; it is not counted then.
    pub(crate) fn charge(&self, client: &Client, rate: Rate, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        let mut next_arrival = client.next_arrival.load(Ordering::Relaxed);
        loop {
            let after = next_arrival.max(now) + rate.interval;
            if after > now + rate.tolerance {
                return Err(Duration::from_nanos(after - now - rate.tolerance));
            }
            match client.next_arrival.compare_exchange_weak(next_arrival, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => next_arrival = other,
            }
        }
    }

    /// Removes the records of clients that have no connections and need not wait.
    pub(crate) fn sweep(&self) {
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = records.len() > MAX_IDLE_RECORDS;
        records.retain(|_, client| {
            Arc::strong_count(client) > 1 || (!is_full && client.next_arrival.load(Ordering::Relaxed) > now)
        });
    }
}

impl Client {
    const fn new() -> Self {
        Self { connections: AtomicU32::new(0), downloads: AtomicU32::new(0), next_arrival: AtomicU64::new(0) }
    }

    /// Counts a connection until the slot is dropped. A `limit` of 0 means none.
    pub(crate) fn connect(self: &Arc<Self>, limit: u32) -> Result<ClientSlot, LimitReached> {
        ClientSlot::take(self, limit, |client| &client.connections)
    }

    /// Counts the download of a large object until the slot is dropped. A `limit` of 0 means none.
    pub(crate) fn download(self: &Arc<Self>, limit: u32) -> Result<ClientSlot, LimitReached> {
        ClientSlot::take(self, limit, |client| &client.downloads)
    }
}

/// One of the connections or downloads of a client. Its drop lowers the count.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    client: Arc<Client>,
    count: fn(&Client) -> &AtomicU32,
}

impl ClientSlot {
    fn take(client: &Arc<Client>, limit: u32, count: fn(&Client) -> &AtomicU32) -> Result<Self, LimitReached> {
        let slot = Self { client: Arc::clone(client), count };
        // Above the limit the slot is dropped, which lowers the count again.
        let before = count(client).fetch_add(1, Ordering::Relaxed);
        if limit > 0 && before >= limit { Err(LimitReached) } else { Ok(slot) }
    }

    /// The client that has the slot.
    pub(crate) const fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        (self.count)(&self.client).fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address that stands for all addresses of a client.
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
    fn a_burst_is_used_up_and_recovers() {
        let clients = Clients::new();
        let client = clients.at(address("192.0.2.1"));
        let rate = Rate::new(NonZeroU32::new(10).unwrap(), 5);
        let start = clients.epoch + Duration::from_secs(100);
        for _ in 0..5 {
            assert_eq!(clients.charge(&client, rate, start), Ok(()));
        }
        assert_eq!(clients.charge(&client, rate, start), Err(Duration::from_millis(100)));
        assert_eq!(
            clients.charge(&client, rate, start),
            Err(Duration::from_millis(100)),
            "a rejected request is not counted"
        );
        assert_eq!(clients.charge(&client, rate, start + Duration::from_millis(100)), Ok(()));
        let other = clients.at(address("192.0.2.2"));
        assert_eq!(clients.charge(&other, rate, start), Ok(()));
    }

    #[test]
    fn records_are_kept_while_they_matter() {
        let clients = Clients::new();
        let rate = Rate::new(NonZeroU32::MIN, 1);
        let (asking, connected) = (clients.at(address("192.0.2.1")), clients.at(address("192.0.2.2")));
        assert_eq!(clients.charge(&asking, rate, Instant::now()), Ok(()));
        let slot = connected.connect(0).unwrap();
        drop((asking, connected, clients.at(address("192.0.2.3"))));
        clients.sweep();
        let count = |clients: &Clients| clients.records.lock().unwrap().len();
        assert_eq!(count(&clients), 2);
        drop(slot);
        clients.sweep();
        assert_eq!(count(&clients), 1);
    }

    #[test]
    fn slots_are_returned_on_drop() {
        let client = Clients::new().at(address("::1"));
        let first = client.connect(1).unwrap();
        assert_eq!(client.connect(1).unwrap_err(), LimitReached);
        assert!(client.download(1).is_ok(), "downloads are counted separately");
        drop(first);
        assert!(client.connect(1).is_ok());
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let clients = Clients::new();
        let same = |left: &str, right: &str| Arc::ptr_eq(&clients.at(address(left)), &clients.at(address(right)));
        assert!(same("2001:db8::1", "2001:db8::ffff:2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
