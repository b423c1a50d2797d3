//! One request and its answer, from the header of the one to the last byte of the other: for metrics, for the access
//! log, and for the watch over the connection.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clearwell_metrics::{RequestGuard, StatusClass};
use http::header::USER_AGENT;
use http::{Request, StatusCode};

use crate::config::AccessLog;
use crate::connection::Connection;

/// Longer user agents are cut off in logs.
const AGENT_LENGTH: usize = 200;

/// A request whose answer is not complete. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: RequestGuard,
    connection: Arc<Connection>,
    line: Option<Box<Line>>,
}

/// What the access log says of a request.
#[derive(Debug)]
struct Line {
    method: String,
    path: String,
    agent: String,
    version: http::Version,
    status: StatusCode,
}

impl Exchange {
    pub(crate) fn begin(request: RequestGuard, connection: &Arc<Connection>, version: http::Version) -> Self {
        connection.request_begins(version);
        Self { request, connection: Arc::clone(connection), line: None }
    }

    /// The status is known; if the request is to be logged, what is needed for that is kept.
    pub(crate) fn answered<B>(&mut self, status: StatusCode, request: &Request<B>, log: &AccessLogger) {
        let class = StatusClass::of(status.as_u16());
        self.request.answered(class);
        if log.takes(class) {
            let agent = request.headers().get(USER_AGENT).map(|agent| agent.as_bytes()).unwrap_or_default();
            self.line = Some(Box::new(Line {
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                agent: String::from_utf8_lossy(&agent[..agent.len().min(AGENT_LENGTH)]).into_owned(),
                version: request.version(),
                status,
            }));
        }
    }

    /// So many more bytes of the body were handed over.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.request.sent(bytes);
    }

    /// The body could not be read to its end. The connection closes, so the client sees it.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        self.request.answered(StatusClass::ServerError);
        tracing::error!(error = error as &dyn std::error::Error, "an object could not be read while it was served");
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.request_ends();
        if let Some(line) = &self.line {
            tracing::info!(
                target: "clearwell::access",
                peer = self.connection.peer().map(tracing::field::display),
                method = line.method,
                path = line.path,
                version = ?line.version,
                status = line.status.as_u16(),
                bytes = self.request.sent_bytes(),
                microseconds = u64::try_from(self.request.began().elapsed().as_micros()).unwrap_or(u64::MAX),
                agent = ?line.agent,
            );
        }
    }
}

/// Decides which requests are logged.
#[derive(Debug)]
pub(crate) struct AccessLogger {
    which: AccessLog,
    sample: NonZeroU32,
    seen: AtomicU32,
}

impl AccessLogger {
    pub(crate) const fn new(which: AccessLog, sample: NonZeroU32) -> Self {
        Self { which, sample, seen: AtomicU32::new(0) }
    }

    fn takes(&self, class: StatusClass) -> bool {
        match self.which {
            AccessLog::Off => false,
            AccessLog::Full => true,
            AccessLog::Sampled => {
                class == StatusClass::ServerError
                    || self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample.get())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_in_so_many_and_every_failure() {
        let three = NonZeroU32::new(3).unwrap();
        let taken = |which, class| {
            let logger = AccessLogger::new(which, three);
            (0..9).filter(|_| logger.takes(class)).count()
        };
        assert_eq!(taken(AccessLog::Sampled, StatusClass::Success), 3);
        assert_eq!(taken(AccessLog::Sampled, StatusClass::ClientError), 3);
        assert_eq!(taken(AccessLog::Sampled, StatusClass::ServerError), 9);
        assert_eq!(taken(AccessLog::Off, StatusClass::ServerError), 0);
        assert_eq!(taken(AccessLog::Full, StatusClass::Success), 9);
    }
}
