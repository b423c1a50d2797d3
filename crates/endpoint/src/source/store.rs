//! A store of this program, read directly.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use clearwell_format::Resource;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_store::{PointerGeneration, Store, StoreError};

use super::tree::answer_from;
use super::{Answer, Body, Method, Request, Response, Source, Target, TransportError};

/// A store, or a store with a release or pointers that are not visible yet.
///
/// A signature comes from the generation of the pointer that was asked for before it, as from a server that keeps a
/// connection to one generation.
pub struct StoreSource {
    store: Store,
    generation: Mutex<PointerGeneration>,
}

impl StoreSource {
    /// Answers from a store: only artifacts of releases exist.
    pub fn new(store: Store) -> Self {
        Self { store, generation: Mutex::default() }
    }

    fn answer(&self, request: &Request) -> Result<Response, TransportError> {
        match &request.target {
            Target::Root => Ok(Response::empty(200)),
            Target::Resource(Resource::Pointer(pointer)) => self.pointer(*pointer, request),
            // Damage of a signature is not always seen by its verification: it is compared with the index.
            Target::Resource(resource @ Resource::Artifact { artifact: Artifact::MomSignature, .. }) => {
                match self.store.read(resource) {
                    Ok(bytes) => Ok(whole(bytes.into(), request.method)),
                    Err(StoreError::NoSuchResource(_)) => Ok(Response::empty(404)),
                    Err(error) => Err(TransportError::Store(error.into())),
                }
            }
            Target::Resource(resource) => match self.store.open_artifact(resource) {
                Ok((file, _)) => answer_from(file, self.store.path(resource), request),
                Err(StoreError::NoSuchResource(_)) => Ok(Response::empty(404)),
                Err(error) => Err(TransportError::Store(error.into())),
            },
        }
    }

    fn pointer(&self, pointer: Pointer, request: &Request) -> Result<Response, TransportError> {
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if !pointer.is_signature() {
            *generation = self.store.pointers().map_err(|error| TransportError::Store(error.into()))?;
        }
        let Some(bytes) = generation.files.get(&pointer) else {
            return Ok(Response::empty(404));
        };
        Ok(whole(Bytes::copy_from_slice(bytes), request.method))
    }
}

fn whole(bytes: Bytes, method: Method) -> Response {
    let length = Some(bytes.len() as u64);
    let body = match method {
        Method::Head => Body::empty(),
        Method::Get => bytes.into(),
    };
    Response { status: 200, length, body }
}

impl Source for StoreSource {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move { self.answer(&request) })
    }

    fn is_local(&self) -> bool {
        true
    }
}
