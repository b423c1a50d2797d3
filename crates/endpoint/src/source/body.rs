//! The body of a response, in pieces.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{Tally, TransportError};

/// The content of an answer. Read with [`Body::chunk`] until `None`.
pub struct Body {
    kind: Kind,
    tally: Option<Arc<Tally>>,
}

enum Kind {
    Memory {
        bytes: Bytes,
        /// Ends with [`TransportError::Truncated`].
        cut: bool,
    },
    File {
        file: File,
        path: PathBuf,
    },
    Http {
        body: Incoming,
        pace: Pace,
    },
}

impl Body {
    /// No content.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Content that ends with [`TransportError::Truncated`].
    pub fn cut_off(bytes: Bytes) -> Self {
        Kind::Memory { bytes, cut: true }.into()
    }

    /// The content of an open file, from its current position.
    pub fn file(file: File, path: PathBuf) -> Self {
        Kind::File { file, path }.into()
    }

    /// The content of an HTTP answer, which has to come with `rate` bytes per second over each `patience`.
    pub(super) fn http(body: Incoming, patience: Duration, rate: u64) -> Self {
        let pace = Pace { patience, rate, began: Instant::now(), received: 0 };
        Kind::Http { body, pace }.into()
    }

    /// Counts what is read from now on.
    pub(super) fn count(&mut self, tally: Arc<Tally>) {
        self.tally = Some(tally);
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`TransportError::Truncated`] if the content ends early; other variants if it stalls or the connection fails.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        let piece = self.kind.chunk().await?;
        if let (Some(piece), Some(tally)) = (&piece, &self.tally) {
            tally.add_bytes(piece.len());
        }
        Ok(piece)
    }
}

impl Kind {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        match self {
            Self::Memory { bytes, cut } => {
                let piece = std::mem::take(bytes);
                match (piece.is_empty(), *cut) {
                    (false, _) => Ok(Some(piece)),
                    (true, true) => Err(TransportError::Truncated),
                    (true, false) => Ok(None),
                }
            }
            Self::File { file, path } => {
                let mut buffer = vec![0; CHUNK];
                match file.read(&mut buffer) {
                    Ok(0) => Ok(None),
                    Ok(count) => {
                        buffer.truncate(count);
                        Ok(Some(buffer.into()))
                    }
                    Err(source) => Err(TransportError::Read { path: path.clone(), source }),
                }
            }
            Self::Http { body, pace } => http_chunk(body, pace).await,
        }
    }
}

/// The transfer rate of a body.
struct Pace {
    patience: Duration,
    /// Bytes per second.
    rate: u64,
    /// When the current span of `patience` began.
    began: Instant,
    /// Bytes in it.
    received: u64,
}

impl Pace {
    fn deadline(&self) -> Instant {
        self.began + self.patience
    }

    /// Ends the current span.
    fn judge(&mut self) -> Result<(), TransportError> {
        let seconds = self.patience.as_secs();
        let received = std::mem::take(&mut self.received);
        self.began = Instant::now();
        match received {
            0 => Err(TransportError::Timeout { seconds }),
            _ if received < self.rate.saturating_mul(seconds) => {
                Err(TransportError::TooSlow { rate: self.rate, seconds })
            }
            _ => Ok(()),
        }
    }
}

async fn http_chunk(body: &mut Incoming, pace: &mut Pace) -> Result<Option<Bytes>, TransportError> {
    loop {
        // If the next byte is always ready, the timer is never polled: the clock is checked as well.
        if Instant::now() >= pace.deadline() {
            pace.judge()?;
        }
        let Ok(frame) = tokio::time::timeout_at(pace.deadline(), body.frame()).await else {
            continue;
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Clients ignore trailers.
                if let Ok(data) = frame.into_data() {
                    pace.received = pace.received.saturating_add(data.len() as u64);
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) if error.is_incomplete_message() => return Err(TransportError::Truncated),
            Some(Err(error)) => return Err(TransportError::Broken(error.into())),
        }
    }
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, tally: None }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Kind::Memory { bytes, cut: false }.into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

const CHUNK: usize = 256 << 10;
