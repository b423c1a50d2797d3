//! One request and its answer, from the header of the one to the last byte of the other: for metrics, for the access
//! log, and for the watch over the connection.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use clearwell_metrics::{BytePath, RequestGuard, StatusClass};
use http::header::USER_AGENT;
use http::{HeaderMap, Method, StatusCode, Version};

use crate::access::{AccessLog, Line};
use crate::client::Ticket;
use crate::connection::Connection;
use crate::trace::TraceContext;

/// Longer user agents are cut off in logs.
const AGENT_LENGTH: usize = 200;

/// A request whose answer is not complete. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: RequestGuard,
    connection: Arc<Connection>,
    line: Option<Box<(Line, Arc<AccessLog>)>>,
    /// Of those who download large objects.
    downloads: Vec<Ticket>,
}

/// What is logged of a request, apart from its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// As the request line has it.
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    pub(crate) agent: &'a [u8],
    pub(crate) client: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    pub(crate) fn agent_of(headers: &'a HeaderMap) -> &'a [u8] {
        headers.get(USER_AGENT).map(|agent| agent.as_bytes()).unwrap_or_default()
    }
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

    /// Holds what is held while a large object is on its way.
    pub(crate) fn downloads(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        self.downloads.extend(tickets);
    }

    /// So many more bytes of the body were handed over.
    pub(crate) fn sent(&mut self, path: BytePath, bytes: u64) {
        self.request.sent(path, bytes);
    }

    /// The body could not be read to its end. The connection closes, so the client sees it.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        self.request.answered(StatusClass::ServerError);
        tracing::error!(error = error as &dyn std::error::Error, "an object could not be read while it was served");
    }
}

/// A line of which the end is not known yet.
pub(crate) fn line(
    connection: &Connection,
    status: StatusCode,
    asked: &Asked<'_>,
    trace: Option<TraceContext>,
) -> Line {
    let agent = &asked.agent[..asked.agent.len().min(AGENT_LENGTH)];
    Line {
        time: std::time::SystemTime::now(),
        client: asked.client,
        subject: connection.subject().cloned(),
        method: asked.method.clone(),
        target: asked.target.to_owned(),
        version: asked.version,
        status,
        agent: String::from_utf8_lossy(agent).into_owned(),
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
