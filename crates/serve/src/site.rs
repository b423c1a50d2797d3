//! The site: turns requests into responses; everything but sockets and bytes on the wire.
//!
//! ```text
//! path -> Target -> (client's rate) -> (catalog, pin) -> ObjectMeta -> decide -> Outcome -> (objects) -> respond
//! ```

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use clearwell_format::Resource;
use clearwell_format::printable::chain;
use clearwell_format::resource::{Pointer, ResourceKind};
use clearwell_http::conditions::{Conditions, decide};
use clearwell_http::forwarded::{ForwardedClient, forwarded_for};
use clearwell_http::logged_headers::LoggedHeaders;
use clearwell_http::trace_context::TraceContext;
use clearwell_metrics::{Metrics, RequestKind};
use clearwell_store::Store;
use http::header::{CONNECTION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tracing::Instrument as _;

use crate::admission::{Limiter, Rejection};
use crate::body::{Body, Content};
use crate::catalog::{Catalog, Unserved};
use crate::client::Client;
use crate::config::ServeConfig;
use crate::connection::Connection;
use crate::error::ServeError;
use crate::exchange::{Asked, Exchange};
use crate::health::{Health, NotReady};
use crate::object::{Object, ObjectMeta};
use crate::objects::Objects;
use crate::origin::{LocalOrigin, Origin};
use crate::pointer_pin::PointerPin;
use crate::pointer_view::{PointerView, Scope};
use crate::proxied_pins::ProxiedPins;
use crate::published::PublishedPointer;
use crate::respond;
use crate::settings::Settings;
use crate::target::{BasePath, Target};

/// How the `User-Agent` of the stock client begins.
const STOCK_CLIENT: &[u8] = b"swupd-client/";

/// Answers requests from a store.
#[derive(Debug)]
pub struct Site {
    settings: ArcSwap<Settings>,
    base: BasePath,
    catalog: Arc<Catalog>,
    objects: Objects,
    health: Health,
    proxied_pins: ProxiedPins,
    pub(crate) limiter: Limiter,
    metrics: Arc<Metrics>,
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) method: &'a Method,
    /// As in the request line, for logs.
    pub(crate) target: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) version: Version,
    pub(crate) has_body: bool,
    /// The request was rejected on the fast lane already.
    pub(crate) rejection: Option<Rejection>,
}

/// The client of a request: the peer of its connection, or the client that a trusted proxy names.
#[derive(Clone, Debug)]
struct Requester {
    address: Option<IpAddr>,
    /// The other end of its connection to a proxy, if the proxy tells.
    behind_proxy: Option<SocketAddr>,
    client: Option<Arc<Client>>,
}

impl Site {
    /// A site over an open store.
    ///
    /// # Errors
    /// If pointers or releases cannot be read, or the access log cannot be opened.
    pub fn open(config: ServeConfig, store: Store) -> Result<Self, ServeError> {
        Self::over(config, Arc::new(LocalOrigin::new(store)))
    }

    /// A site over an origin.
    ///
    /// # Errors
    /// If its snapshot cannot be read, or the access log cannot be opened.
    pub fn over(config: ServeConfig, origin: Arc<dyn Origin>) -> Result<Self, ServeError> {
        let metrics = Arc::new(Metrics::new());
        Ok(Self {
            catalog: Arc::new(Catalog::open(Arc::clone(&origin), Arc::clone(&metrics))?),
            objects: Objects::new(
                origin,
                config.memory_cache.bytes(),
                config.small_object.bytes(),
                config.open_files.get(),
                Arc::clone(&metrics),
            ),
            base: config.base_path.clone(),
            health: Health::default(),
            proxied_pins: ProxiedPins::default(),
            limiter: Limiter::new(),
            settings: ArcSwap::from_pointee(Settings::of(config, Arc::clone(&metrics))?),
            metrics,
        })
    }

    /// The metrics of this site.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether clients should be sent here.
    ///
    /// # Errors
    /// The first condition that is not met.
    pub fn readiness(&self) -> Result<(), NotReady> {
        self.health.check(&self.catalog)
    }

    /// Makes the site not ready; it still answers requests.
    pub(crate) fn drain(&self) {
        self.health.drain();
    }

    /// Loads what was published since the last call, and drops the records and pins of idle clients.
    pub(crate) async fn refresh(&self) {
        self.catalog.refresh().await;
        self.catalog.show_free().await;
        self.proxied_pins.sweep(Instant::now(), self.settings.load().config.pointer_hold());
        self.limiter.sweep();
    }

    /// The metrics as Prometheus reads them, with the values of this moment.
    pub(crate) fn expose(&self) -> String {
        self.metrics.server.show_ready(self.readiness().is_ok());
        self.objects.show_queued();
        self.metrics.expose()
    }

    /// The current settings.
    pub(crate) fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Replaces the configuration. The caller has checked that keys which are fixed at start have not changed.
    pub(crate) fn configure(&self, config: ServeConfig) -> Result<(), ServeError> {
        self.settings.store(Arc::new(Settings::of(config, Arc::clone(&self.metrics))?));
        Ok(())
    }

    /// Opens the file of the access log again. The open one stays if that fails.
    pub(crate) fn reopen_access_log(&self) {
        let config = self.settings().config.clone();
        if let Err(error) = self.configure(config) {
            tracing::warn!(error = chain(&error), "the access log is not reopened");
        }
    }

    /// The object with this path, if it is cached and the path is in its usual spelling.
    pub(crate) fn cached(&self, path: &str) -> Option<Arc<Object>> {
        self.objects.cached(self.base.strip(path)?.strip_prefix('/')?)
    }

    /// Answers a request that came on `connection`.
    pub async fn answer<B: http_body::Body>(
        &self,
        connection: &Arc<Connection>,
        request: &Request<B>,
    ) -> Response<Body> {
        let query = Query {
            method: request.method(),
            target: &target_of(request),
            path: request.uri().path(),
            headers: request.headers(),
            version: request.version(),
            has_body: !request.body().is_end_stream(),
            rejection: None,
        };
        let (response, exchange) = self.exchange(connection, &query, Instant::now()).await;
        response.map(|content| Body::new(content).ending(exchange))
    }

    /// Rejects a request that the HTTP layer found invalid; it is counted and logged like any other.
    pub(crate) fn refuse<B>(
        &self,
        connection: &Arc<Connection>,
        request: &Request<B>,
        status: StatusCode,
    ) -> Response<Body> {
        let counted = self.metrics.http.request(RequestKind::Unknown, Instant::now());
        let mut exchange = Exchange::begin(counted, connection, request.version());
        let asked = Asked {
            method: request.method(),
            target: &target_of(request),
            version: request.version(),
            headers: LoggedHeaders::of(request.headers()),
            client: connection.address(),
        };
        exchange.answered(status, &asked, None, &self.settings.load().access);
        let mut response = respond::plain(status);
        if request.version() < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|content| Body::new(content).ending(exchange))
    }

    /// Makes the response to a request. The caller sends it, and drops the exchange after the last byte.
    pub(crate) async fn exchange(
        &self,
        connection: &Arc<Connection>,
        query: &Query<'_>,
        began: Instant,
    ) -> (Response<Content>, Exchange) {
        let settings = self.settings.load_full();
        let target = Target::parse(query.path, &self.base);
        let mut exchange = Exchange::begin(self.metrics.http.request(target.kind(), began), connection, query.version);
        let requester = self.requester(connection, query.headers, &settings.config);
        let trace = TraceContext::of(query.headers);
        let admission = match query.rejection {
            Some(rejection) => Err(rejection),
            None => self.admit(requester.client.as_ref(), target.kind(), &settings, began),
        };
        let mut response = match admission {
            Err(rejection) => closing_if_body(query, rejection.response(&settings.config)),
            Ok(ticket) => {
                exchange.keep(ticket);
                let responding = self.respond(connection, target, query, &requester, &settings, &mut exchange);
                match &trace {
                    Some(TraceContext { trace_id, parent_id, is_sampled: true }) => {
                        let (method, path) = (query.method, query.path);
                        let span = tracing::info_span!("request", %trace_id, %parent_id, %method, path);
                        responding.instrument(span).await
                    }
                    _ => responding.await,
                }
            }
        };
        if query.method == Method::HEAD {
            *response.body_mut() = Content::Empty;
        }
        let asked = Asked {
            method: query.method,
            target: query.target,
            version: query.version,
            headers: LoggedHeaders::of(query.headers),
            client: requester.address,
        };
        exchange.answered(response.status(), &asked, trace, &settings.access);
        (response, exchange)
    }

    /// The client of the connection, or the one that a trusted proxy names.
    fn requester(&self, connection: &Connection, headers: &HeaderMap, config: &ServeConfig) -> Requester {
        let address = connection.address();
        // A Unix socket is there for proxies, but every local user may connect: without the key no peer is believed.
        let proxies = &config.trusted_proxies;
        let is_trusted = address.map_or(!proxies.is_empty(), |address| proxies.contains(address));
        match is_trusted.then(|| forwarded_for(headers, |address| config.trusted_proxies.contains(address))).flatten() {
            Some(ForwardedClient { address, port }) => Requester {
                address: Some(address),
                behind_proxy: port.map(|port| SocketAddr::new(address, port)),
                client: Some(self.limiter.client_at(address)),
            },
            None => Requester {
                address,
                behind_proxy: connection.client_behind_proxy(),
                client: connection.client().cloned(),
            },
        }
    }

    async fn respond(
        &self,
        connection: &Connection,
        target: Target,
        query: &Query<'_>,
        requester: &Requester,
        settings: &Settings,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        if !matches!(*query.method, Method::GET | Method::HEAD) {
            return closing_if_body(query, respond::plain(StatusCode::METHOD_NOT_ALLOWED));
        }
        if query.has_body {
            return closing_if_body(query, respond::plain(StatusCode::PAYLOAD_TOO_LARGE));
        }
        match target {
            Target::Live => respond::text(StatusCode::OK, "alive\n"),
            Target::Ready => self.respond_ready(),
            Target::Root => respond::text(StatusCode::OK, "Clearwell\n"),
            Target::Unknown => respond::plain(StatusCode::NOT_FOUND),
            Target::Malformed => respond::plain(StatusCode::BAD_REQUEST),
            Target::Resource(Resource::Pointer(pointer)) => {
                let pin = requester.behind_proxy.and_then(|client| self.proxied_pins.at(client));
                self.respond_pointer(pin.as_deref().unwrap_or(&connection.pin), pointer, query, &settings.config).await
            }
            Target::Resource(resource) => {
                self.respond_artifact(&resource, query, requester, &settings.config, exchange).await
            }
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
        pin: &PointerPin,
        pointer: Pointer,
        query: &Query<'_>,
        config: &ServeConfig,
    ) -> Response<Content> {
        let now = Instant::now();
        let scope = Scope::DefaultChannel;
        let PointerView { published, .. } = match pin.held(scope, pointer, now, config.pointer_hold()) {
            Some(view) => view,
            None => pin.bind(self.catalog.newest_view(scope).await, now),
        };
        match published.get(pointer) {
            Some(PublishedPointer { object, reads }) => {
                let conditions = Conditions::of(query.method, query.headers);
                let outcome = decide(&conditions, &object.meta.etag, object.meta.size);
                if let Some(reads) = reads
                    && query.method == Method::GET
                {
                    reads.inc();
                }
                respond::object(outcome, &object.meta, Some(object))
            }
            None if published.may_come(pointer) => respond::unavailable(config.retry_after_seconds),
            None => respond::plain(StatusCode::NOT_FOUND),
        }
    }

    async fn respond_artifact(
        &self,
        resource: &Resource,
        query: &Query<'_>,
        requester: &Requester,
        config: &ServeConfig,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        let mut conditions = Conditions::of(query.method, query.headers);
        let is_fullfile = resource.kind() == ResourceKind::Fullfile;
        if config.whole_for_stock_client && is_fullfile && is_stock_client(query.headers) {
            conditions = conditions.without_range();
        }
        let mut object = self.cached(query.path).or_else(|| self.objects.cached(&resource.to_string()));
        let meta = match &object {
            Some(object) => object.meta.clone(),
            None => match self.look_up(resource).await {
                Ok(meta) => meta,
                Err(unserved) => return self.respond_unserved(unserved, config),
            },
        };
        let outcome = decide(&conditions, &meta.etag, meta.size);
        if query.method == Method::HEAD || !outcome.has_body() {
            return respond::object(outcome, &meta, None);
        }
        if object.is_none() {
            object = match self.objects.read(resource, &meta, config.max_disk_queue).await {
                Ok(object) => Some(object),
                Err(unserved) => return self.respond_unserved(unserved, config),
            };
        }
        if let Some(object) = &object
            && let Err(rejection) = self.admit_body(exchange.ticket(), requester.client.as_ref(), object, config)
        {
            return rejection.response(config);
        }
        respond::object(outcome, &meta, object.as_deref())
    }

    /// Size and digest of an artifact, from its index.
    async fn look_up(&self, resource: &Resource) -> Result<ObjectMeta, Unserved> {
        let Resource::Artifact { version, artifact } = resource else { return Err(Unserved::Absent) };
        if self.objects.is_refused(resource) {
            return Err(Unserved::Unavailable);
        }
        Ok(ObjectMeta::of_artifact(artifact, &self.catalog.find(*version, artifact).await?))
    }

    fn respond_unserved(&self, unserved: Unserved, config: &ServeConfig) -> Response<Content> {
        match unserved {
            Unserved::Absent => respond::plain(StatusCode::NOT_FOUND),
            Unserved::Unavailable => respond::unavailable(config.retry_after_seconds),
            Unserved::Busy => self.reject(Rejection::DiskQueue).response(config),
        }
    }
}

/// The target as in the request line. HTTP/2 has scheme and host in separate pseudo-header fields.
fn target_of<B>(request: &Request<B>) -> Cow<'_, str> {
    let uri = request.uri();
    match uri.path_and_query() {
        Some(target) if uri.scheme().is_none() || request.version() >= Version::HTTP_2 => target.as_str().into(),
        _ => uri.to_string().into(),
    }
}

fn is_stock_client(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(STOCK_CLIENT))
}

/// Closes the connection after the response if the request has a body: its unread bytes would be taken for a request.
fn closing_if_body(query: &Query<'_>, mut response: Response<Content>) -> Response<Content> {
    if query.has_body && query.version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
