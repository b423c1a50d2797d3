//! A source whose responses are counted as they arrive: for progress, and to give up on a server; reports count
//! separately.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Answer, Method, Request, Source, Strikes, Target};

/// Answers and bytes received so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    answers: AtomicU64,
    bytes: AtomicU64,
    pub(crate) strikes: Strikes,
}

impl Tally {
    /// Takes the counts of answers with content, and of bytes, since they were last taken.
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.answers.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed))
    }

    pub(super) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Another source, counted.
pub(crate) struct Counted {
    source: Arc<dyn Source>,
    tally: Arc<Tally>,
}

impl Counted {
    pub(crate) fn new(source: Arc<dyn Source>, tally: Arc<Tally>) -> Self {
        Self { source, tally }
    }
}

impl Source for Counted {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let is_content = request.method == Method::Get;
            let mut answer = self.source.send(request).await?;
            self.tally.answers.fetch_add(u64::from(is_content), Ordering::Relaxed);
            answer.body.count(Arc::clone(&self.tally));
            Ok(answer)
        })
    }

    fn locate(&self, target: &Target) -> String {
        self.source.locate(target)
    }

    fn strikes(&self) -> Option<&Strikes> {
        (!self.is_local()).then_some(&self.tally.strikes)
    }

    fn is_local(&self) -> bool {
        self.source.is_local()
    }
}
