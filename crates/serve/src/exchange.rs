//! One request and its response, from the head of the request to the last byte of the response: counted in metrics,
//! written to the access log, and part of the activity of its connection.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use clearwell_format::printable::chain;
use clearwell_http::logged_headers::LoggedHeaders;
use clearwell_http::trace_context::TraceContext;
use clearwell_metrics::{BytePath, RequestGuard, RequestKind, StatusClass};
use http::{Method, StatusCode, Version};

use crate::access::{AccessLog, Line};
use crate::admission::Ticket;
use crate::connection::Connection;
use crate::site::Site;

/// A request whose response is not complete. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: RequestGuard,
    connection: Arc<Connection>,
    line: Option<Box<(Line, Arc<AccessLog>)>>,
    /// Dropped with the last byte of the response.
    ticket: Ticket,
}

/// What the access log needs of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// As in the request line.
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    pub(crate) headers: LoggedHeaders<'a>,
    pub(crate) client: Option<IpAddr>,
}

impl Exchange {
    pub(crate) fn begin(request: RequestGuard, connection: &Arc<Connection>, version: Version) -> Self {
        connection.request_begins(version);
        Self { request, connection: Arc::clone(connection), line: None, ticket: Ticket::default() }
    }

    /// Records the status, and keeps what the access log needs if it takes this request.
    pub(crate) fn answered(
        &mut self,
        status: StatusCode,
        asked: &Asked<'_>,
        trace: Option<TraceContext>,
        log: &Arc<AccessLog>,
    ) {
        let class = StatusClass::of(status.as_u16());
        self.request.answered(class);
        if log.takes(class) {
            self.line = Some(Box::new((line(&self.connection, status, asked, trace), Arc::clone(log))));
        }
    }

    /// Keeps the ticket of the request until the response is complete.
    pub(crate) fn keep(&mut self, ticket: Ticket) {
        self.ticket = ticket;
    }

    /// The ticket of the request, for what its response body has to hold.
    pub(crate) const fn ticket(&mut self) -> &mut Ticket {
        &mut self.ticket
    }

    /// Counts bytes of the body that were handed to the transport.
    pub(crate) fn sent(&mut self, path: BytePath, bytes: u64) {
        self.request.sent(path, bytes);
    }

    /// Records that the body could not be read to its end. The connection closes, which tells the client.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        self.request.answered(StatusClass::ServerError);
        tracing::error!(error = chain(error), "an object could not be read while it was served");
    }
}

/// Records a request whose whole response, with status 200, was sent at once: all that an [`Exchange`] records, without
/// its cost. `asked` is called only if the request is logged.
#[inline]
pub(crate) fn complete<'a>(
    site: &Site,
    connection: &Connection,
    asked: impl FnOnce() -> Asked<'a>,
    kind: RequestKind,
    sent_bytes: u64,
    began: Instant,
    log: &AccessLog,
) {
    let now = Instant::now();
    let took = now.saturating_duration_since(began);
    connection.answered_at(now);
    site.metrics().http.request_at_once(kind, StatusClass::Success, sent_bytes, took);
    if log.takes(StatusClass::Success) {
        log.write(Line { sent_bytes, took, ..line(connection, StatusCode::OK, &asked(), None) });
    }
}

/// A line without the size and duration of the response.
fn line(connection: &Connection, status: StatusCode, asked: &Asked<'_>, trace: Option<TraceContext>) -> Line {
    Line {
        time: clearwell_store::clock::now(),
        client: asked.client,
        subject: connection.subject().cloned(),
        method: asked.method.clone(),
        target: asked.target.to_owned(),
        version: asked.version,
        status,
        user: asked.headers.user(),
        referer: asked.headers.referer.map(<[u8]>::to_vec),
        agent: asked.headers.agent.map(<[u8]>::to_vec),
        trace,
        sent_bytes: 0,
        took: std::time::Duration::ZERO,
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.request_ends();
        if let Some(line) = self.line.take() {
            let (mut line, log) = *line;
            line.sent_bytes = self.request.sent_bytes();
            line.took = self.request.began().elapsed();
            log.write(line);
        }
    }
}
