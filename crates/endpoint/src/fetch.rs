//! Requests with the retries of the stock client (client behaviour §4).
//!
//! | Outcome | What follows |
//! |---|---|
//! | 200 with the whole body | done |
//! | 403, 404, no connection, a local failure | not retried |
//! | any other status, a truncated body, a timeout | retried after a delay that doubles |
//! | 206, 416 | retried at once |
//!
//! The first request of a process is preceded by a HEAD of the same URL.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearwell_format::Resource;

use crate::problem::reason;
use crate::report::Traffic;
use crate::source::{Request, Source, Target, TransportError};
use crate::spool::{Spool, SpoolWriter};

/// Number and delays of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Retries after the first attempt.
    pub count: u32,
    /// Delay before the first retry; doubled for each further one.
    pub delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Retry {
    /// As the stock client without options: three times, after 10, 20 and 40 seconds.
    pub const STOCK: Self = Self { count: 3, delay: Duration::from_secs(10), longest_delay: Duration::from_secs(60) };
    /// As many, without delays; for tests.
    pub const AT_ONCE: Self = Self { delay: Duration::ZERO, ..Self::STOCK };
    /// No retries.
    pub const NEVER: Self = Self { count: 0, ..Self::STOCK };
}

/// A resource that could not be fetched, after all retries.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The last status; `None` without an answer.
    pub status: Option<u16>,
    pub reason: String,
}

/// Makes requests and counts them. Clones share the counts and the first request.
#[derive(Clone)]
pub(crate) struct Fetcher {
    source: Arc<dyn Source>,
    retry: Retry,
    session: Arc<Mutex<Session>>,
    memory: usize,
}

#[derive(Default)]
struct Session {
    traffic: Traffic,
    introduced: bool,
}

impl Fetcher {
    /// `memory` is the number of bytes of one download that stay in memory.
    pub(crate) fn new(source: Arc<dyn Source>, retry: Retry, memory: usize) -> Self {
        let retry = if source.is_local() { Retry::NEVER } else { retry };
        Self { source, retry, session: Arc::default(), memory }
    }

    /// Takes the counts.
    pub(crate) fn take_traffic(&self) -> Traffic {
        self.with(|session| std::mem::take(&mut session.traffic))
    }

    /// Retries so far.
    pub(crate) fn retries(&self) -> u64 {
        self.with(|session| session.traffic.retries)
    }

    /// Fetches a small resource into memory.
    pub(crate) async fn bytes(&self, resource: &Resource, limit: u64, uncached: bool) -> Result<Vec<u8>, Failed> {
        let request = Request { uncached, ..Request::get(resource.clone()) };
        self.sequential(request, limit)
            .await?
            .into_bytes()
            .map_err(|error| Failed { status: None, reason: reason(&error) })
    }

    /// Fetches a resource of any size.
    pub(crate) async fn spool(&self, resource: &Resource, limit: u64) -> Result<Spool, Failed> {
        self.sequential(Request::get(resource.clone()), limit).await
    }

    /// A HEAD request; returns the status, or `None` without an answer.
    pub(crate) async fn head(&self, target: Target) -> Option<u16> {
        self.with(|session| session.introduced = true);
        let answer = self.source.send(Request::head(target)).await;
        let status = answer.map(|answer| answer.status);
        self.with(|session| session.traffic.count_head(status.as_ref().copied().unwrap_or(0)));
        status.ok()
    }

    /// Retries until success or the last attempt; a failed body is discarded.
    async fn sequential(&self, request: Request, limit: u64) -> Result<Spool, Failed> {
        self.introduce(&request).await?;
        let mut patience = Patience::new(self.retry);
        loop {
            let mut writer = SpoolWriter::new(self.memory);
            match self.try_once(request.clone(), &mut writer, limit).await {
                Tried::Done => return finish(writer),
                tried => patience.after(tried, self).await?,
            }
        }
    }

    /// Fetches as parallel downloads do: the received part of a truncated body is kept, and the rest requested.
    pub(crate) async fn resuming(&self, resource: &Resource, limit: u64) -> Result<Spool, Failed> {
        let mut patience = Patience::new(self.retry);
        let mut writer = SpoolWriter::new(self.memory);
        loop {
            let from_byte = Some(writer.written()).filter(|written| *written > 0);
            let request = Request { from_byte, ..Request::get(resource.clone()) };
            let tried = self.try_once(request, &mut writer, limit).await;
            match tried {
                Tried::Done => return finish(writer),
                // The client treats even a correct 206 as a failure and keeps what it received (client behaviour §4).
                Tried::AtOnce { status: 206, .. } => patience.after(tried, self).await?,
                Tried::Later { status: Some(200) | None, .. } => patience.after(tried, self).await?,
                tried => {
                    writer = SpoolWriter::new(self.memory);
                    patience.after(tried, self).await?;
                }
            }
        }
    }

    /// The first request of a process is preceded by a HEAD; any status will do.
    async fn introduce(&self, request: &Request) -> Result<(), Failed> {
        if self.with(|session| std::mem::replace(&mut session.introduced, true)) {
            return Ok(());
        }
        let head = Request { uncached: request.uncached, ..Request::head(request.target.clone()) };
        let answer = self.source.send(head).await;
        self.with(|session| session.traffic.count_head(answer.as_ref().map_or(0, |answer| answer.status)));
        answer.map(drop).map_err(|error| Failed { status: None, reason: reason(&error) })
    }

    /// The next request is the first of a new process.
    pub(crate) fn restart(&self) {
        self.with(|session| session.introduced = false);
    }

    async fn try_once(&self, request: Request, writer: &mut SpoolWriter, limit: u64) -> Tried {
        let Target::Resource(resource) = request.target.clone() else {
            unreachable!("only resources are fetched");
        };
        let resumed = request.from_byte.is_some();
        let mut answer = match self.source.send(request).await {
            Ok(answer) => answer,
            Err(error) => {
                self.with(|session| session.traffic.count_get(&resource, 0, 0));
                self.strike(&resource, Some(&error));
                return Tried::without_answer(None, &error);
            }
        };
        let status = answer.status;
        let received = match status {
            200 | 206 => {
                if status == 200 && resumed {
                    // A server that ignores the range sends everything.
                    *writer = SpoolWriter::new(self.memory);
                }
                // An answer that says that it is too long need not be read to find out.
                match answer.length.map(|length| length.saturating_add(writer.written())).filter(|end| *end > limit) {
                    Some(_) => Err(TransportError::TooLong { limit }),
                    None => receive(&mut answer.body, writer, limit).await,
                }
            }
            _ => Ok(0),
        };
        self.strike(&resource, received.as_ref().err());
        let bytes = received.as_ref().copied().unwrap_or(0);
        self.with(|session| session.traffic.count_get(&resource, status, bytes));
        let problem = || match status {
            300..400 => format!("status {status}; clients do not follow redirects"),
            _ => format!("status {status}"),
        };
        match (status, received) {
            (_, Err(error)) => Tried::without_answer(Some(status), &error),
            (200, Ok(_)) => Tried::Done,
            (206 | 416, Ok(_)) => Tried::AtOnce { status, reason: problem() },
            (403 | 404, Ok(_)) => Tried::Never { status: Some(status), reason: problem() },
            (_, Ok(_)) => Tried::Later { status: Some(status), reason: problem() },
        }
    }

    /// Counts an answer for or against the server.
    fn strike(&self, resource: &Resource, error: Option<&TransportError>) {
        let Some(strikes) = self.source.strikes() else { return };
        match error {
            None => strikes.clear(),
            Some(error) if error.is_strike() => {
                strikes.add(self.source.locate(&resource.clone().into()), reason(error))
            }
            Some(_) => {}
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        act(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn finish(writer: SpoolWriter) -> Result<Spool, Failed> {
    writer.finish().map_err(|error| Failed { status: None, reason: reason(&error) })
}

async fn receive(body: &mut crate::source::Body, writer: &mut SpoolWriter, limit: u64) -> Result<u64, TransportError> {
    let mut received = 0;
    while let Some(piece) = body.chunk().await? {
        let count = piece.len() as u64;
        received += count;
        if writer.written().saturating_add(count) > limit {
            return Err(TransportError::TooLong { limit });
        }
        writer.write(&piece).map_err(TransportError::Keep)?;
    }
    Ok(received)
}

/// The outcome of one attempt.
enum Tried {
    Done,
    AtOnce { status: u16, reason: String },
    Later { status: Option<u16>, reason: String },
    Never { status: Option<u16>, reason: String },
}

impl Tried {
    fn without_answer(status: Option<u16>, error: &TransportError) -> Self {
        let reason = reason(error);
        if error.is_retried() { Self::Later { status, reason } } else { Self::Never { status, reason } }
    }
}

/// The remaining retries.
struct Patience {
    retry: Retry,
    left: u32,
    delay: Duration,
}

impl Patience {
    const fn new(retry: Retry) -> Self {
        Self { retry, left: retry.count, delay: retry.delay }
    }

    /// Waits for the next attempt, or gives up.
    async fn after(&mut self, tried: Tried, fetcher: &Fetcher) -> Result<(), Failed> {
        let (wait, status, reason) = match tried {
            Tried::Done => return Ok(()),
            Tried::Never { status, reason } => return Err(Failed { status, reason }),
            Tried::AtOnce { status, reason } => (false, Some(status), reason),
            Tried::Later { status, reason } => (true, status, reason),
        };
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Failed { status, reason });
        };
        self.left = left;
        fetcher.with(|session| session.traffic.retries += 1);
        if !wait {
            // After such an answer the client has no more delays in this loop.
            self.delay = Duration::ZERO;
        } else if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
            self.delay = (self.delay * 2).min(self.retry.longest_delay);
        }
        Ok(())
    }
}
