//! The content of an answer, in pieces.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Tally, TransportError};

/// The content of an answer. Read with [`Body::chunk`] until it says that nothing is left.
pub struct Body {
    kind: Kind,
    tally: Option<Arc<Tally>>,
}

enum Kind {
    Memory {
        bytes: Bytes,
        /// Ends with [`TransportError::Truncated`] instead of properly.
        cut: bool,
    },
    File {
        file: File,
        path: PathBuf,
    },
    Http {
        body: Incoming,
        patience: Duration,
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

    pub(super) fn http(body: Incoming, patience: Duration) -> Self {
        Kind::Http { body, patience }.into()
    }

    /// Counts what is read from now on.
    pub(super) fn count(&mut self, tally: Arc<Tally>) {
        self.tally = Some(tally);
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`TransportError`] if the content breaks off.
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
            Self::Http { body, patience } => http_chunk(body, *patience).await,
        }
    }
}

async fn http_chunk(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, TransportError> {
    loop {
        let frame = tokio::time::timeout(patience, body.frame())
            .await
            .map_err(|_| TransportError::Timeout { seconds: patience.as_secs() })?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers say nothing to a client.
                if let Ok(data) = frame.into_data() {
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
