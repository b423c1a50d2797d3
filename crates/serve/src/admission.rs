//! Admission: every limit on connections and requests, decided here for the fast lane, hyper and HTTP/2 alike.
//!
//! | Limit | Keys | Checked by | When it is reached |
//! |---|---|---|---|
//! | open connections | `max-connections` | [`Site::admit_connection`] | 503 and close; ended early, `connection_limit` |
//! | open connections of a client | `max-connections-per-address` | [`Site::admit_client`] | the same, `per_address_limit` |
//! | requests of a client per second | `requests-per-second-per-address`, `request-burst-per-address` | [`Site::admit`] | 429; shed, `per_address_rate` |
//! | downloads of large objects, in total and of a client | `max-downloads`, `max-downloads-per-address` | [`Site::admit_body`] | 503; shed, `download_limit` |
//! | requests that wait for the disk | `max-disk-queue` | `Objects::read` | 503; shed, `disk_queue` |
//!
//! Always true: each request is admitted once, before its object is looked up, and its body once, before it is sent.
//! Pointers are small and need no admission of their body. A rejection is counted once, where it
//! is made. The slots of a request are returned when its [`Ticket`] is dropped, at the end of the response, however that
//! ends.
//!
//! # To add a limit
//!
//! 1. Its key goes into `config.rs`, its row into the table above.
//! 2. What it counts goes into [`Client`], for each client and, as one record, for the server.
//! 3. Its check goes into the function above that has what it needs: the connection, the request, or the object. A limit
//!    that depends on the response (ranges, status) goes into [`Site::admit_body`], which is called after the conditions
//!    are decided; the fast lane sends whole objects only. A slot that the response occupies is added to the [`Ticket`].
//! 4. Its [`Rejection`] names the metric and the response.
//!
//! Nothing else changes: the fast lane and the other paths only ask for the decision and write the response. The
//! limits on time (slow headers, idle and stalled connections) are in `watcher`; those on the size of a head in
//! `connection_task`.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearwell_metrics::{EndReason, RequestKind, ShedReason};
use http::Response;

use crate::body::Content;
use crate::client::{Client, ClientSlot, Clients};
use crate::config::ServeConfig;
use crate::connection::Connection;
use crate::object::{Object, Source};
use crate::respond;
use crate::settings::Settings;
use crate::site::Site;

/// The counts that limits are compared with.
#[derive(Debug)]
pub(crate) struct Limiter {
    clients: Clients,
    /// The counts of all clients together.
    server: Arc<Client>,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        let clients = Clients::new();
        // No connection has this address.
        let server = clients.at(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self { clients, server }
    }

    /// The client with this address.
    pub(crate) fn client_at(&self, address: IpAddr) -> Arc<Client> {
        self.clients.at(address)
    }

    /// Drops the records of clients that hold nothing.
    pub(crate) fn sweep(&self) {
        self.clients.sweep();
    }
}

/// The permission to answer a request, held until the response is complete.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    /// Returned on drop.
    slots: Vec<ClientSlot>,
}

/// A limit that was reached, as far as the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The client has to wait this many seconds before its next request.
    Rate(NonZeroU32),
    /// Too many large objects are being sent.
    Downloads,
    /// Too many requests wait for the disk.
    DiskQueue,
}

impl Rejection {
    const fn reason(self) -> ShedReason {
        match self {
            Self::Rate(_) => ShedReason::PerAddressRate,
            Self::Downloads => ShedReason::DownloadLimit,
            Self::DiskQueue => ShedReason::DiskQueue,
        }
    }

    /// 429 or 503 with `Retry-After`.
    pub(crate) fn response(self, config: &ServeConfig) -> Response<Content> {
        match self {
            Self::Rate(seconds) => respond::too_many(seconds),
            Self::Downloads | Self::DiskQueue => respond::unavailable(config.retry_after_seconds),
        }
    }
}

impl Site {
    /// Admits a connection next to `open` others.
    ///
    /// # Errors
    /// [`EndReason::ConnectionLimit`].
    pub(crate) fn admit_connection(&self, open: usize) -> Result<(), EndReason> {
        if open < self.settings().config.max_connections.get() { Ok(()) } else { Err(EndReason::ConnectionLimit) }
    }

    /// Counts a connection as one of its client's; to be called once its address is known. Trusted proxies, and peers on
    /// Unix sockets, which have no address, are not limited.
    ///
    /// # Errors
    /// [`EndReason::PerAddressLimit`].
    pub(crate) fn admit_client(&self, connection: &Connection) -> Result<(), EndReason> {
        let Some(address) = connection.address() else { return Ok(()) };
        let settings = self.settings();
        let is_proxy = settings.config.trusted_proxies.contains(address);
        let limit = if is_proxy { 0 } else { settings.config.max_connections_per_address };
        let slot = self.limiter.client_at(address).connect(limit).map_err(|_| EndReason::PerAddressLimit)?;
        connection.set_client(slot);
        Ok(())
    }

    /// Admits a request of `client` for a target of this kind.
    ///
    /// Health probes are always admitted: they ask about the server, whatever else comes from that address.
    ///
    /// # Errors
    /// The limit that was reached, which is counted.
    #[inline]
    pub(crate) fn admit(
        &self,
        client: Option<&Arc<Client>>,
        kind: RequestKind,
        settings: &Settings,
        now: Instant,
    ) -> Result<Ticket, Rejection> {
        if let (Some(rate), Some(client)) = (settings.rate, client)
            && !matches!(kind, RequestKind::Health)
            && let Err(wait) = self.limiter.clients.charge(client, rate, now)
        {
            return Err(self.reject(Rejection::Rate(whole_seconds(wait))));
        }
        Ok(Ticket::default())
    }

    /// Admits the bytes of `object` as the response body of an admitted request, and counts what it tells about an
    /// endpoint.
    ///
    /// # Errors
    /// The limit that was reached, which is counted.
    #[inline]
    pub(crate) fn admit_body(
        &self,
        ticket: &mut Ticket,
        client: Option<&Arc<Client>>,
        object: &Object,
        config: &ServeConfig,
    ) -> Result<(), Rejection> {
        if matches!(object.source, Source::File(_)) {
            self.admit_download(ticket, client, config)?;
        }
        if let Some(request) = object.tells {
            self.metrics().fleet.count(request);
        }
        Ok(())
    }

    /// Admits a request for `object` as a whole: [`Site::admit`], and for GET [`Site::admit_body`].
    ///
    /// # Errors
    /// The limit that was reached, which is counted.
    #[inline]
    pub(crate) fn admit_object(
        &self,
        client: Option<&Arc<Client>>,
        object: &Object,
        is_head: bool,
        settings: &Settings,
        now: Instant,
    ) -> Result<Ticket, Rejection> {
        let mut ticket = self.admit(client, RequestKind::Resource(object.kind), settings, now)?;
        if !is_head {
            self.admit_body(&mut ticket, client, object, &settings.config)?;
        }
        Ok(ticket)
    }

    /// Large objects are sent from files, and occupy the connection for as long as the client takes to read them.
    fn admit_download(
        &self,
        ticket: &mut Ticket,
        client: Option<&Arc<Client>>,
        config: &ServeConfig,
    ) -> Result<(), Rejection> {
        let limits = [(Some(&self.limiter.server), config.max_downloads), (client, config.max_downloads_per_address)];
        for (client, limit) in limits {
            let Some(client) = client else { continue };
            ticket.slots.push(client.download(limit).map_err(|_| self.reject(Rejection::Downloads))?);
        }
        Ok(())
    }

    /// Counts a rejection.
    pub(crate) fn reject(&self, rejection: Rejection) -> Rejection {
        self.metrics().http.shed(rejection.reason());
        rejection
    }
}

/// Rounded up: a client that retries earlier is rejected again.
fn whole_seconds(wait: Duration) -> NonZeroU32 {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX - 1) + u32::from(wait.subsec_nanos() > 0);
    NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)
}
