//! A source for tests: records the requests and replaces chosen responses of another source.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Answer, Body, Method, Request, Response, Source, TransportError};

/// Wraps a source; clones share the record and the faults.
#[derive(Clone)]
pub struct Probe {
    inner: Arc<dyn Source>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    log: Vec<String>,
    faults: BTreeMap<String, Vec<Fault>>,
}

/// The replacement of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status and no content, to HEAD and GET.
    Status(u16),
    /// Status 200 and other content.
    Content(Vec<u8>),
    /// The true content, truncated to this number of bytes.
    CutAfter(usize),
    /// No answer.
    Unreachable,
    /// The true answer: spends one turn of a list of faults.
    None,
}

impl Probe {
    /// Records the requests to `inner`.
    pub fn new(inner: Arc<dyn Source>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// Replaces every answer about `path`, which is relative to the public tree (`30/Manifest.MoM.tar`).
    pub fn fault(&self, path: impl Into<String>, fault: Fault) -> &Self {
        self.faults(path, [fault])
    }

    /// Replaces the answers to GETs of `path` in turn; the last fault stays.
    pub fn faults(&self, path: impl Into<String>, faults: impl IntoIterator<Item = Fault>) -> &Self {
        let faults = faults.into_iter().collect();
        self.with(|shared| shared.faults.insert(path.into(), faults));
        self
    }

    /// Forgets the faults.
    pub fn heal(&self) {
        self.with(|shared| shared.faults.clear());
    }

    /// The requests so far, as `GET 30/Manifest.MoM.tar`, and forgets them. A range is shown behind the path.
    pub fn take_log(&self) -> Vec<String> {
        self.with(|shared| std::mem::take(&mut shared.log))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the request and returns the fault of its answer.
    fn note(&self, request: &Request) -> Fault {
        let line = match request.from_byte {
            Some(start) => format!("{request} from {start}"),
            None => request.to_string(),
        };
        self.with(|shared| {
            shared.log.push(line);
            let Some(faults) = shared.faults.get_mut(&request.target.to_string()) else {
                return Fault::None;
            };
            if request.method == Method::Get && faults.len() > 1 {
                faults.remove(0)
            } else {
                faults.first().cloned().unwrap_or(Fault::None)
            }
        })
    }

    async fn answer(&self, request: Request) -> Result<Response, TransportError> {
        let head = request.method == Method::Head;
        match self.note(&request) {
            Fault::None => self.inner.send(request).await,
            Fault::Status(status) => Ok(Response::empty(status)),
            Fault::Content(bytes) => {
                let length = Some(bytes.len() as u64);
                let body = if head { Body::empty() } else { Bytes::from(bytes).into() };
                Ok(Response { status: 200, length, body })
            }
            Fault::CutAfter(_) if head => self.inner.send(request).await,
            Fault::CutAfter(count) => {
                let mut answer = self.inner.send(request).await?;
                let mut kept = Vec::new();
                while let Some(piece) = answer.body.chunk().await? {
                    kept.extend_from_slice(&piece);
                }
                kept.truncate(count);
                Ok(Response { body: Body::cut_off(kept.into()), ..answer })
            }
            Fault::Unreachable => Err(TransportError::Connect {
                url: request.target.to_string(),
                source: "the probe simulates it".into(),
            }),
        }
    }
}

impl Source for Probe {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}
