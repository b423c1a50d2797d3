//! The state of a connection: its client, the pointers that it sees, and its activity.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::activity::Activity;
use crate::client::{Client, ClientSlot};
use crate::pointer_pin::PointerPin;

/// A connection of a client.
#[derive(Debug)]
pub struct Connection {
    peer: Option<SocketAddr>,
    /// The client that a proxy named.
    behind_proxy: OnceLock<Box<SocketAddr>>,
    /// Counts it among the connections of its client.
    client: OnceLock<ClientSlot>,
    /// Of the certificate that the client showed.
    subject: OnceLock<Arc<str>>,
    pub(crate) pin: PointerPin,
    pub(crate) activity: Activity,
}

impl Connection {
    /// A connection that was just opened. `None` for one without a socket.
    pub fn new(peer: Option<SocketAddr>) -> Self {
        Self {
            peer,
            behind_proxy: OnceLock::new(),
            client: OnceLock::new(),
            subject: OnceLock::new(),
            pin: PointerPin::default(),
            activity: Activity::new(),
        }
    }

    /// The other end of the socket.
    pub(crate) const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The client, as far as the connection tells. `None` on a Unix socket.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.client_socket().map(|address| address.ip().to_canonical())
    }

    /// The same with its port.
    pub(crate) fn client_socket(&self) -> Option<SocketAddr> {
        self.client_behind_proxy().or(self.peer)
    }

    /// The client that the PROXY protocol named.
    pub(crate) fn client_behind_proxy(&self) -> Option<SocketAddr> {
        self.behind_proxy.get().map(|address| **address)
    }

    /// A proxy named the client that it forwards for.
    pub(crate) fn set_client_socket(&self, client: SocketAddr) {
        let _ = self.behind_proxy.set(Box::new(client));
    }

    pub(crate) fn client(&self) -> Option<&Arc<Client>> {
        self.client.get().map(ClientSlot::client)
    }

    /// Counts the connection among those of a client, as long as it is open.
    pub(crate) fn set_client(&self, slot: ClientSlot) {
        let _ = self.client.set(slot);
    }

    /// Of the client's certificate.
    pub(crate) fn subject(&self) -> Option<&Arc<str>> {
        self.subject.get()
    }

    pub(crate) fn set_subject(&self, subject: Arc<str>) {
        let _ = self.subject.set(subject);
    }

    /// See [`Activity::received`].
    pub(crate) fn received(&self) {
        self.activity.received();
    }

    /// See [`Activity::wrote`].
    pub(crate) fn wrote(&self, bytes: usize) {
        self.activity.wrote(bytes);
    }

    /// See [`Activity::answered_at`].
    pub(crate) fn answered_at(&self, now: Instant) {
        self.activity.answered_at(now);
    }

    /// See [`Activity::request_begins`].
    pub(crate) fn request_begins(&self, version: http::Version) {
        self.activity.request_begins(version.into());
    }

    /// See [`Activity::request_ends`].
    pub(crate) fn request_ends(&self) {
        self.activity.request_ends();
    }
}
