//! The site: a request in, an answer out. Everything but sockets.
//!
//! ```text
//! path -> Target -> (client's rate) -> (catalog, pin) -> ObjectMeta -> decide -> Outcome -> (objects) -> respond
//! ```

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use clearwell_format::Resource;
use clearwell_format::resource::{Pointer, ResourceKind};
use clearwell_http::conditions::{Conditions, decide};
use clearwell_http::forwarded::forwarded_for;
use clearwell_http::logged_headers::LoggedHeaders;
use clearwell_http::trace_context::TraceContext;
use clearwell_metrics::{Metrics, RequestKind, ShedReason};
use clearwell_store::Store;
use http::header::{CONNECTION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tracing::Instrument as _;

use crate::body::{Body, Content};
use crate::catalog::{Catalog, Unserved};
use crate::client::{Client, Clients, Ticket};
use crate::config::ServeConfig;
use crate::connection::Connection;
use crate::error::ServeError;
use crate::exchange::{Asked, Exchange};
use crate::health::{Health, NotReady};
use crate::object::{Object, ObjectMeta, Source};
use crate::objects::Objects;
use crate::origin::{LocalOrigin, Origin};
use crate::pointer_view::{PointerView, Scope};
use crate::respond;
use crate::settings::Settings;
use crate::target::{BasePath, Target};

/// How the stock client introduces itself.
const STOCK_CLIENT: &[u8] = b"swupd-client/";

/// Answers requests from a store.
#[derive(Debug)]
pub struct Site {
    settings: ArcSwap<Settings>,
    base: BasePath,
    catalog: Arc<Catalog>,
    objects: Objects,
    health: Health,
    clients: Clients,
    /// All clients together, for what they share.
    all_clients: Arc<Client>,
    metrics: Arc<Metrics>,
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) method: &'a Method,
    /// As the request line has it, for logs.
    pub(crate) target: &'a str,
    /// Without query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) version: Version,
    pub(crate) has_body: bool,
    /// It was counted against the rate of its client already.
    pub(crate) is_counted: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
struct Requester {
    address: Option<IpAddr>,
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
        let clients = Clients::new();
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
            all_clients: clients.at(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            clients,
            settings: ArcSwap::from_pointee(Settings::of(config, Arc::clone(&metrics))?),
            metrics,
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

    /// Takes over what was published since, and forgets clients that are gone.
    pub(crate) async fn refresh(&self) {
        self.catalog.refresh().await;
        self.clients.sweep();
    }

    /// What holds now.
    pub(crate) fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Takes over another configuration. The caller has made sure that what cannot change does not.
    pub(crate) fn configure(&self, config: ServeConfig) -> Result<(), ServeError> {
        self.settings.store(Arc::new(Settings::of(config, Arc::clone(&self.metrics))?));
        Ok(())
    }

    pub(crate) fn client_at(&self, address: IpAddr) -> Arc<Client> {
        self.clients.at(address)
    }

    /// True if the client of a connection, as the connection tells, may ask now, which counts.
    pub(crate) fn may_ask(&self, connection: &Connection, settings: &Settings, now: Instant) -> bool {
        match (settings.rate, connection.client()) {
            (Some(rate), Some(client)) => self.clients.ask(client, rate, now).is_ok(),
            _ => true,
        }
    }

    /// The object that a path names, if it is at hand and the path is written as usual.
    pub(crate) fn at_hand(&self, path: &str) -> Option<Arc<Object>> {
        self.objects.cached(self.base.strip(path)?.strip_prefix('/')?)
    }

    /// Counts a delta that a client takes.
    pub(crate) fn count_move(&self, object: &Object) {
        if let Some((from, to)) = object.leads {
            self.metrics.fleet.moves(from, to);
        }
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
            is_counted: false,
        };
        let (response, exchange) = self.exchange(connection, &query, Instant::now()).await;
        response.map(|content| Body::new(content).ending(exchange))
    }

    /// Refuses a request that is not one to be answered, which is counted and logged as others are.
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

    /// Answers a request; what is left is to send the answer, and to drop the exchange then.
    pub(crate) async fn exchange(
        &self,
        connection: &Arc<Connection>,
        query: &Query<'_>,
        began: Instant,
    ) -> (Response<Content>, Exchange) {
        let settings = self.settings.load_full();
        let target = Target::parse(query.path, &self.base);
        let mut exchange = Exchange::begin(self.metrics.http.request(target.kind(), began), connection, query.version);
        let asker = self.asker(connection, query.headers, &settings.config);
        let trace = TraceContext::of(query.headers);
        let responding = self.respond(connection, target, query, &asker, &settings, &mut exchange);
        let mut response = match &trace {
            Some(TraceContext { trace_id, parent_id, is_sampled: true }) => {
                let span =
                    tracing::info_span!("request", %trace_id, %parent_id, method = %query.method, path = query.path);
                responding.instrument(span).await
            }
            _ => responding.await,
        };
        if query.method == Method::HEAD {
            *response.body_mut() = Content::Empty;
        }
        let asked = Asked {
            method: query.method,
            target: query.target,
            version: query.version,
            headers: LoggedHeaders::of(query.headers),
            client: asker.address,
        };
        exchange.answered(response.status(), &asked, trace, &settings.access);
        (response, exchange)
    }

    /// Who asks: the client of the connection, or whom a trusted proxy names.
    fn asker(&self, connection: &Connection, headers: &HeaderMap, config: &ServeConfig) -> Requester {
        let address = connection.address();
        // Who speaks over a Unix socket was put there by the operator.
        let is_trusted = address.is_none_or(|address| config.trusted_proxies.contains(address));
        match is_trusted.then(|| forwarded_for(headers, |address| config.trusted_proxies.contains(address))).flatten() {
            Some(address) => Requester { address: Some(address), client: Some(self.clients.at(address)) },
            None => Requester { address, client: connection.client().cloned() },
        }
    }

    async fn respond(
        &self,
        connection: &Connection,
        target: Target,
        query: &Query<'_>,
        asker: &Requester,
        settings: &Settings,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        // Probes of health are neither refused nor counted: they tell of the server, whoever else asks from there.
        if let (Some(rate), Some(client)) = (settings.rate, &asker.client)
            && !query.is_counted
            && !matches!(target, Target::Live | Target::Ready)
            && let Err(wait) = self.clients.ask(client, rate, Instant::now())
        {
            self.metrics.http.shed(ShedReason::PerAddressRate);
            return closing_if_body(query, respond::too_many(in_seconds(wait)));
        }
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
                self.respond_pointer(connection, pointer, query, &settings.config).await
            }
            Target::Resource(resource) => {
                self.respond_artifact(&resource, query, asker, &settings.config, exchange).await
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
        connection: &Connection,
        pointer: Pointer,
        query: &Query<'_>,
        config: &ServeConfig,
    ) -> Response<Content> {
        let now = Instant::now();
        let scope = Scope::DefaultChannel;
        let PointerView { published, .. } = match connection.pin.held(scope, pointer, now, config.pointer_hold()) {
            Some(view) => view,
            None => connection.pin.bind(self.catalog.newest_view(scope).await, now),
        };
        match published.get(pointer) {
            Some(object) => {
                let conditions = Conditions::of(query.method, query.headers);
                let outcome = decide(&conditions, &object.meta.etag, object.meta.size);
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
        asker: &Requester,
        config: &ServeConfig,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        let mut conditions = Conditions::of(query.method, query.headers);
        let is_fullfile = resource.kind() == ResourceKind::Fullfile;
        if config.whole_for_stock_client && is_fullfile && is_stock_client(query.headers) {
            conditions = conditions.without_range();
        }
        let mut object = self.at_hand(query.path).or_else(|| self.objects.cached(&resource.to_string()));
        let meta = match &object {
            Some(object) => object.meta.clone(),
            None => match self.look_up(resource).await {
                Ok(meta) => meta,
                Err(unserved) => return respond_unserved(unserved, config),
            },
        };
        let outcome = decide(&conditions, &meta.etag, meta.size);
        if query.method == Method::HEAD || !outcome.has_body() {
            return respond::object(outcome, &meta, None);
        }
        if object.is_none() {
            object = match self.objects.read(resource, &meta, config.max_disk_queue).await {
                Ok(object) => Some(object),
                Err(unserved) => return respond_unserved(unserved, config),
            };
        }
        if let Some(object) = &object {
            match self.begin_download(object, asker.client.as_ref(), config) {
                Ok(tickets) => exchange.downloads(tickets),
                Err(TooMany) => {
                    self.metrics.http.shed(ShedReason::DownloadLimit);
                    return respond::unavailable(config.retry_after_seconds);
                }
            }
            self.count_move(object);
        }
        respond::object(outcome, &meta, object.as_deref())
    }

    /// What is held while a large object is on its way; nothing for a small one.
    pub(crate) fn begin_download(
        &self,
        object: &Object,
        client: Option<&Arc<Client>>,
        config: &ServeConfig,
    ) -> Result<Vec<Ticket>, TooMany> {
        if matches!(object.source, Source::Memory(_)) {
            return Ok(Vec::new());
        }
        let limits = [(Some(&self.all_clients), config.max_downloads), (client, config.max_downloads_per_address)];
        let tickets = limits.into_iter().filter_map(|(client, limit)| Some(client?.download(limit)));
        tickets.collect::<Result<_, _>>().map_err(|_| TooMany)
    }

    /// Size and digest of an artifact, from its index.
    async fn look_up(&self, resource: &Resource) -> Result<ObjectMeta, Unserved> {
        let Resource::Artifact { version, artifact } = resource else { return Err(Unserved::Absent) };
        if self.objects.is_refused(resource) {
            return Err(Unserved::Unavailable);
        }
        Ok(ObjectMeta::of_artifact(artifact, &self.catalog.find(*version, artifact).await?))
    }
}

fn respond_unserved(unserved: Unserved, config: &ServeConfig) -> Response<Content> {
    match unserved {
        Unserved::Absent => respond::plain(StatusCode::NOT_FOUND),
        Unserved::Unavailable => respond::unavailable(config.retry_after_seconds),
    }
}

/// What the request line had; HTTP/2 has scheme and host in fields of their own.
fn target_of<B>(request: &Request<B>) -> Cow<'_, str> {
    let uri = request.uri();
    match uri.path_and_query() {
        Some(target) if uri.scheme().is_none() || request.version() >= Version::HTTP_2 => target.as_str().into(),
        _ => uri.to_string().into(),
    }
}

/// As many large objects are on their way as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Rounded up; a client that comes back too early has come in vain.
fn in_seconds(wait: Duration) -> NonZeroU32 {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX - 1) + u32::from(wait.subsec_nanos() > 0);
    NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)
}

fn is_stock_client(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(STOCK_CLIENT))
}

/// A body that nobody reads would be taken for the next request: the connection ends with the answer.
fn closing_if_body(query: &Query<'_>, mut response: Response<Content>) -> Response<Content> {
    if query.has_body && query.version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
