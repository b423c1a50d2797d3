//! One request and its answer, from the header of the one to the last byte of the other: for metrics, for the access
//! log, and for the activity of its connection.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use clearwell_format::printable::chain;
use clearwell_http::logged_headers::LoggedHeaders;
use clearwell_http::trace_context::TraceContext;
use clearwell_metrics::{BytePath, RequestGuard, StatusClass};
use http::{Method, StatusCode, Version};

use crate::access::{AccessLog, Line};
use crate::client::Ticket;
use crate::connection::Connection;

/// A request whose answer is not complete. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: RequestGuard,
    connection: Arc<Connection>,
    line: Option<Box<(Line, Arc<AccessLog>)>>,
    /// Of the download of a large object.
    downloads: Vec<Ticket>,
}

/// What is logged of a request, apart from its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// As the request line has it.
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    pub(crate) headers: LoggedHeaders<'a>,
    pub(crate) client: Option<IpAddr>,
}

impl Exchange {
    pub(crate) fn begin(request: RequestGuard, connection: &Arc<Connection>, version: Version) -> Self {
        connection.request_begins(version);
        Self { request, connection: Arc::clone(connection), line: None, downloads: Vec::new() }
    }

    /// The status is known; if the request is to be logged, what is needed for that is kept.
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

    /// Keeps the tickets of a download until it ends.
    pub(crate) fn downloads(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        self.downloads.extend(tickets);
    }

    /// `bytes` more of the body were sent.
    pub(crate) fn sent(&mut self, path: BytePath, bytes: u64) {
        self.request.sent(path, bytes);
    }

    /// The body could not be read to its end. The connection closes, so the client sees it.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        self.request.answered(StatusClass::ServerError);
        tracing::error!(error = chain(error), "an object could not be read while it was served");
    }
}

/// A line whose size and duration are not known yet.
pub(crate) fn line(
    connection: &Connection,
    status: StatusCode,
    asked: &Asked<'_>,
    trace: Option<TraceContext>,
) -> Line {
    Line {
        time: std::time::SystemTime::now(),
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
