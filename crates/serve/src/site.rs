//! The site: a request in, an answer out. Everything but sockets.
//!
//! ```text
//! path -> Target -> (catalog, pin) -> ObjectMeta -> decide -> Outcome -> (objects) -> respond
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use clearwell_format::Resource;
use clearwell_format::resource::{Artifact, Pointer, ResourceKind};
use clearwell_metrics::Metrics;
use clearwell_store::{Store, StoreError};
use http::header::{CONNECTION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::body::{Body, Content};
use crate::catalog::{Catalog, Found};
use crate::config::ServeConfig;
use crate::connection::Connection;
use crate::decide::{Conditions, Outcome, decide};
use crate::exchange::{AccessLogger, Exchange};
use crate::health::{Health, NotReady};
use crate::object::ObjectMeta;
use crate::objects::{Objects, Refused};
use crate::respond;
use crate::target::Target;

/// How the stock client introduces itself.
const STOCK_CLIENT: &[u8] = b"swupd-client/";

/// Answers requests from a store.
#[derive(Debug)]
pub struct Site {
    config: ServeConfig,
    pointer_hold: Duration,
    catalog: Arc<Catalog>,
    objects: Objects,
    health: Health,
    log: AccessLogger,
    metrics: Arc<Metrics>,
}

impl Site {
    /// A site over an open store.
    ///
    /// # Errors
    /// If pointers or releases cannot be read.
    pub fn open(config: ServeConfig, store: Store) -> Result<Self, StoreError> {
        let metrics = Arc::new(Metrics::new());
        Ok(Self {
            pointer_hold: config.pointer_hold(),
            catalog: Arc::new(Catalog::open(store.clone(), Arc::clone(&metrics))?),
            objects: Objects::new(
                store,
                config.memory_cache.bytes(),
                config.small_object.bytes(),
                config.open_files.get(),
                Arc::clone(&metrics),
            ),
            health: Health::default(),
            log: AccessLogger::new(config.access_log, config.access_log_sample),
            metrics,
            config,
        })
    }

    /// The figures of this site.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Ready, or what is missing.
    ///
    /// # Errors
    /// What keeps the site from being ready.
    pub fn readiness(&self) -> Result<(), NotReady> {
        self.health.check(&self.catalog)
    }

    /// From now on the site is not ready; it still answers.
    pub(crate) fn drain(&self) {
        self.health.drain();
    }

    /// Takes over what was published since.
    pub(crate) async fn refresh(&self) {
        self.catalog.refresh().await;
    }

    pub(crate) const fn config(&self) -> &ServeConfig {
        &self.config
    }

    /// Answers a request that came on `connection`.
    pub async fn answer<B: http_body::Body>(
        &self,
        connection: &Arc<Connection>,
        request: &Request<B>,
    ) -> Response<Body> {
        let target = Target::parse(request.uri().path(), &self.config.base_path);
        let mut exchange = Exchange::begin(self.metrics.http.request(target.kind()), connection, request.version());
        let mut response = self.respond(connection, target, request).await;
        if request.method() == Method::HEAD {
            *response.body_mut() = Content::Empty;
        }
        exchange.answered(response.status(), request, &self.log);
        response.map(|content| Body::new(content).ending(exchange))
    }

    async fn respond<B: http_body::Body>(
        &self,
        connection: &Connection,
        target: Target,
        request: &Request<B>,
    ) -> Response<Content> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return closing_if_body(request, respond::plain(StatusCode::METHOD_NOT_ALLOWED));
        }
        if !request.body().is_end_stream() {
            return closing_if_body(request, respond::plain(StatusCode::PAYLOAD_TOO_LARGE));
        }
        match target {
            Target::Live => respond::text(StatusCode::OK, "alive\n"),
            Target::Ready => self.respond_ready(),
            Target::Root => respond::text(StatusCode::OK, "Clearwell\n"),
            Target::Unknown => respond::plain(StatusCode::NOT_FOUND),
            Target::Resource(Resource::Pointer(pointer)) => {
                self.respond_pointer(connection, pointer, request.method(), request.headers()).await
            }
            Target::Resource(resource) => self.respond_artifact(&resource, request.method(), request.headers()).await,
        }
    }

    pub(crate) fn respond_ready(&self) -> Response<Content> {
        match self.readiness() {
            Ok(()) => respond::text(StatusCode::OK, "ready\n"),
            Err(missing) => respond::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")),
        }
    }

    async fn respond_pointer(
        &self,
        connection: &Connection,
        pointer: Pointer,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response<Content> {
        let now = Instant::now();
        let published = match connection.pin.held(pointer, now, self.pointer_hold) {
            Some(published) => published,
            None => connection.pin.bind(self.catalog.newest_published().await, now),
        };
        match published.get(pointer) {
            Some(object) => {
                let outcome = decide(&Conditions::of(method, headers), &object.meta.etag, object.meta.size);
                respond::object(outcome, &object.meta, Some(object))
            }
            None if published.may_come(pointer) => respond::unavailable(self.config.retry_after_seconds),
            None => respond::plain(StatusCode::NOT_FOUND),
        }
    }

    async fn respond_artifact(&self, resource: &Resource, method: &Method, headers: &HeaderMap) -> Response<Content> {
        let mut conditions = Conditions::of(method, headers);
        if self.config.whole_for_stock_client && resource.kind() == ResourceKind::Fullfile && is_stock_client(headers) {
            conditions = conditions.whole();
        }
        if let Some(object) = self.objects.at_hand(resource) {
            let outcome = decide(&conditions, &object.meta.etag, object.meta.size);
            return respond::object(outcome, &object.meta, Some(&object));
        }
        let meta = match self.look_up(resource).await {
            Ok(meta) => meta,
            Err(response) => return response,
        };
        let outcome = decide(&conditions, &meta.etag, meta.size);
        if method == Method::HEAD || !has_bytes(&outcome) {
            return respond::object(outcome, &meta, None);
        }
        match self.objects.read(resource, &meta).await {
            Ok(object) => respond::object(outcome, &object.meta, Some(&object)),
            Err(Refused) => respond::unavailable(self.config.retry_after_seconds),
        }
    }

    /// What the index says of an artifact, or the answer that there is none.
    async fn look_up(&self, resource: &Resource) -> Result<ObjectMeta, Response<Content>> {
        let unavailable = || respond::unavailable(self.config.retry_after_seconds);
        let Resource::Artifact { version, artifact } = resource else {
            return Err(respond::plain(StatusCode::NOT_FOUND));
        };
        if self.objects.is_refused(resource) {
            return Err(unavailable());
        }
        match self.find(*version, artifact).await {
            Found::Artifact(meta) => Ok(ObjectMeta::of_artifact(artifact, &meta)),
            Found::Never => Err(respond::plain(StatusCode::NOT_FOUND)),
            Found::NotYet => Err(unavailable()),
            Found::Trouble(error) => {
                self.objects.refuse(resource, &error);
                Err(unavailable())
            }
        }
    }

    async fn find(&self, version: clearwell_format::Version, artifact: &Artifact) -> Found {
        self.catalog.find(version, artifact).await
    }
}

const fn has_bytes(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Whole | Outcome::Part(_) | Outcome::Parts(_) => true,
        Outcome::NotModified | Outcome::PreconditionFailed | Outcome::RangeUnsatisfiable => false,
    }
}

fn is_stock_client(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(STOCK_CLIENT))
}

/// A body that nobody reads would be taken for the next request: the connection ends with the answer.
fn closing_if_body<B: http_body::Body>(request: &Request<B>, mut response: Response<Content>) -> Response<Content> {
    if !request.body().is_end_stream() && request.version() < http::Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
