//! A folder with a public tree: what `file://` is to a client.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::PathBuf;

use clearwell_store::regular;

use super::{Answer, Body, Method, Request, Response, Source, Target, TransportError};

/// A public tree in a folder, made by this program or by another.
///
/// Only paths of the protocol are opened, so the folder may contain other files.
#[derive(Clone, Debug)]
pub struct TreeSource {
    root: PathBuf,
}

impl TreeSource {
    /// The tree in `root`. Nothing is opened yet; a missing folder answers 404 to all requests.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn answer(&self, request: &Request) -> Result<Response, TransportError> {
        let Target::Resource(resource) = &request.target else {
            return Ok(Response::empty(200));
        };
        let path = self.root.join(resource.to_string());
        match regular::open(&path) {
            Ok(file) => answer_from(file, path, request),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
                    || regular::is_refusal(&error) =>
            {
                Ok(Response::empty(404))
            }
            Err(source) => Err(TransportError::Read { path, source }),
        }
    }
}

impl Source for TreeSource {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move { self.answer(&request) })
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Answers with an open file, as a server would.
pub(super) fn answer_from(mut file: File, path: PathBuf, request: &Request) -> Result<Response, TransportError> {
    let failed = |source| TransportError::Read { path: path.clone(), source };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Ok(Response::empty(404));
    }
    if request.method == Method::Head {
        return Ok(Response { status: 200, length: Some(about.len()), body: Body::empty() });
    }
    let (status, start) = request.from_byte.map_or((200, 0), |start| (206, start));
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
    }
    Ok(Response { status, length: Some(about.len().saturating_sub(start)), body: Body::file(file, path) })
}
