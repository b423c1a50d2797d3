//! A folder that holds a public tree: what `file://` is to a client.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::PathBuf;

use super::{Answer, Body, Method, Request, Response, Source, Target, TransportError};

/// A public tree in a folder, made by this program or by another.
///
/// Only paths of the protocol are ever opened, so the folder may hold anything beside.
#[derive(Clone, Debug)]
pub struct TreeSource {
    root: PathBuf,
}

impl TreeSource {
    /// The tree in `root`. Nothing is opened yet; a missing folder answers 404 to everything.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn answer(&self, request: &Request) -> Result<Response, TransportError> {
        let Target::Resource(resource) = &request.target else {
            return Ok(Response::empty(200));
        };
        let path = self.root.join(resource.to_string());
        file_answer(path, request)
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

/// Answers with a file: 404 if there is none, as a server would.
pub(super) fn file_answer(path: PathBuf, request: &Request) -> Result<Response, TransportError> {
    let failed = |source| TransportError::Read { path: path.clone(), source };
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Response::empty(404));
        }
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Ok(Response::empty(404));
    }
    if request.method == Method::Head {
        return Ok(Response { status: 200, length: Some(about.len()), body: Body::empty() });
    }
    let start = request.from_byte.unwrap_or(0);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
    }
    let (status, length) =
        if request.from_byte.is_some() { (206, about.len().saturating_sub(start)) } else { (200, about.len()) };
    Ok(Response { status, length: Some(length), body: Body::file(file, path) })
}
