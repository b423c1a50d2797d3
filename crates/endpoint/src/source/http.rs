//! A server, over http or https, as the stock client speaks to it (client behaviour §1).
//!
//! One source is one client: its sequential requests share one connection, so give each simulated endpoint its own.
//! Redirects are not followed and no content coding is asked for, as the client does neither.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, COOKIE, HeaderValue, RANGE, UPGRADE, USER_AGENT};
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Answer, Body, Method, Request, Response, Source, Target, TransportError};
use crate::EndpointError;

/// The address of a server and the options of its client.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Base of everything but `version/` and `<version>/format`.
    pub content_url: String,
    /// Base of `version/…`.
    pub version_url: String,
    /// PEM text of the authorities to trust for TLS, instead of those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM text with a client certificate and its key.
    pub client_pem: Option<Vec<u8>>,
    /// The headers that identify the endpoint.
    pub user_agent: UserAgent,
    /// Timeout of a connection.
    pub connect_timeout: Duration,
    /// Timeout of the next piece of an answer.
    pub idle_timeout: Duration,
    /// Fewest bytes per second of a body, over the time of `idle_timeout`; 0 for any.
    pub lowest_rate: u64,
}

impl HttpOptions {
    /// One URL for both bases, the system's authorities, and the timeouts of the stock client.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        Self {
            content_url: url.clone(),
            version_url: url,
            ca_pem: None,
            client_pem: None,
            user_agent: UserAgent::Honest,
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            lowest_rate: 1,
        }
    }
}

/// The headers that identify an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserAgent {
    /// As this program.
    #[default]
    Honest,
    /// With the headers of the stock client, its upgrade offer on cleartext included: a server then treats
    /// the endpoint as a stock client. An accepted upgrade is not supported.
    Stock,
}

impl UserAgent {
    const fn header(self) -> HeaderValue {
        match self {
            Self::Honest => HeaderValue::from_static(concat!("clearwell-endpoint/", env!("CARGO_PKG_VERSION"))),
            Self::Stock => HeaderValue::from_static("swupd-client/7.0.0"),
        }
    }
}

/// A server.
pub struct HttpSource {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    content_url: String,
    version_url: String,
    user_agent: UserAgent,
    idle_timeout: Duration,
    lowest_rate: u64,
}

impl HttpSource {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`EndpointError::Url`] and [`EndpointError::Tls`].
    pub fn new(options: &HttpOptions) -> Result<Self, EndpointError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(options)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector);
        // Longer than any pause of an endpoint between two requests: the connection is kept, as the client keeps it.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(120))
            .build(https);
        Ok(Self {
            client,
            content_url: base(&options.content_url)?,
            version_url: base(&options.version_url)?,
            user_agent: options.user_agent,
            idle_timeout: options.idle_timeout,
            lowest_rate: options.lowest_rate,
        })
    }

    fn url(&self, target: &Target) -> String {
        match target {
            Target::Root => format!("{}/", self.content_url),
            Target::Resource(resource) if resource.version().is_none() => format!("{}/{resource}", self.version_url),
            Target::Resource(resource) => format!("{}/{resource}", self.content_url),
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, TransportError> {
        let url = self.url(&request.target);
        let method = match request.method {
            Method::Head => http::Method::HEAD,
            Method::Get => http::Method::GET,
        };
        let mut message = http::Request::builder()
            .method(method)
            .uri(&url)
            .header(USER_AGENT, self.user_agent.header())
            .header(ACCEPT, "*/*");
        if self.user_agent == UserAgent::Stock && url.starts_with("http:") {
            message = message
                .header(CONNECTION, "Upgrade, HTTP2-Settings")
                .header(UPGRADE, "h2c")
                .header("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
        }
        if request.uncached {
            message = message.header(COOKIE, "request=uncached");
        }
        if let Some(start) = request.from_byte {
            message = message.header(RANGE, format!("bytes={start}-"));
        }
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| TransportError::Connect { url: url.clone(), source };
        let message = message.body(Empty::new()).map_err(|error| unreachable(error.into()))?;
        let answer = tokio::time::timeout(self.idle_timeout, self.client.request(message))
            .await
            .map_err(|_| TransportError::Timeout { seconds: self.idle_timeout.as_secs() })?
            .map_err(|error| {
                if error.is_connect() { unreachable(error.into()) } else { TransportError::Broken(error.into()) }
            })?;
        let status = answer.status().as_u16();
        let length = answer.headers().get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
        Ok(Response { status, length, body: Body::http(answer.into_body(), self.idle_timeout, self.lowest_rate) })
    }
}

impl Source for HttpSource {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }

    fn locate(&self, target: &Target) -> String {
        self.url(target)
    }
}

/// A base URL without slashes at its end.
fn base(url: &str) -> Result<String, EndpointError> {
    let trimmed = url.trim_end_matches('/');
    let uri: http::Uri = trimmed.parse().map_err(|_| EndpointError::Url { url: url.to_owned() })?;
    match (uri.scheme_str(), uri.host(), uri.query()) {
        (Some("http" | "https"), Some(_), None) => Ok(trimmed.to_owned()),
        _ => Err(EndpointError::Url { url: url.to_owned() }),
    }
}

fn tls(options: &HttpOptions) -> Result<rustls::ClientConfig, EndpointError> {
    let mut roots = rustls::RootCertStore::empty();
    match &options.ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| tls_error("the trusted authorities", error))?;
                roots.add(certificate).map_err(|error| tls_error("the trusted authorities", error))?;
            }
            if roots.is_empty() {
                return Err(EndpointError::Tls {
                    what: "the trusted authorities",
                    source: "no certificate in it".into(),
                });
            }
        }
        // A system without authorities is fine until https is used.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_error("TLS", error))?
        .with_root_certificates(roots);
    let Some(pem) = &options.client_pem else {
        return Ok(config.with_no_client_auth());
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| tls_error("the client certificate", error))?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| tls_error("the client's key", error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| tls_error("the client certificate", error))
}

fn tls_error(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> EndpointError {
    EndpointError::Tls { what, source: source.into() }
}
