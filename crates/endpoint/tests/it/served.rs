//! Over a socket: one connection, headers, broken bodies.

use std::sync::{Arc, Mutex};

use clearwell_endpoint::source::{HttpOptions, HttpSource, Method, Request, Source, Target, UserAgent};
use clearwell_endpoint::{Endpoint, EndpointError, Root};
use clearwell_format::Resource;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Content, four_bundles, names, options};

/// A minimal server: keeps connections, answers GET and HEAD, and records the requests.
#[derive(Clone, Default)]
struct Server {
    content: Content,
    connections: Arc<Mutex<usize>>,
    heads: Arc<Mutex<Vec<String>>>,
    /// The path whose first response is truncated.
    breaks: Arc<Mutex<Option<String>>>,
}

impl Server {
    async fn start(content: Content) -> (Self, String) {
        Self::start_with(content, None).await
    }

    async fn start_with(content: Content, tls: Option<TlsAcceptor>) -> (Self, String) {
        let server = Self { content, ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}//", listener.local_addr().unwrap());
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    *serving.connections.lock().unwrap() += 1;
                    match tls {
                        None => serving.converse(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serving.converse(stream).await;
                            }
                        }
                    }
                });
            }
        });
        (server, url)
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let mut words = head.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('/').to_owned());
            let body = self.content.0.lock().unwrap().get(&path).cloned();
            let broken = self.breaks.lock().unwrap().take_if(|broken| method == "GET" && *broken == path).is_some();
            let is_get = method == "GET";
            self.heads.lock().unwrap().push(head);
            let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            if is_get {
                answer.extend(&body[..if broken { body.len() / 2 } else { body.len() }]);
            }
            if stream.write_all(&answer).await.is_err() || broken {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_whole_life_cycle_uses_one_connection() {
    let (server, url) = Server::start(four_bundles()).await;
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut endpoint = Endpoint::open(source, Root::folder(folder.path()), options()).unwrap();
    assert!(endpoint.install(clearwell_format::Version::new(10), &names(&["big"])).await.unwrap().is_clean());
    assert!(endpoint.update(None).await.unwrap().is_clean());
    assert!(endpoint.diagnose().await.unwrap().is_clean());
    assert_eq!(*server.connections.lock().unwrap(), 1);
    let heads = server.heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.contains("user-agent: clearwell-endpoint/")), "{}", heads[0]);
    assert!(heads.iter().all(|head| !head.contains("accept-encoding") && !head.contains("upgrade")));
}

#[tokio::test]
async fn a_truncated_body_is_fetched_again() {
    let (server, url) = Server::start(four_bundles()).await;
    *server.breaks.lock().unwrap() = Some("10/pack-big-from-0.tar".to_owned());
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let mut endpoint = Endpoint::open(source, Root::Simulated, options()).unwrap();
    let report = endpoint.install(clearwell_format::Version::new(10), &names(&["big"])).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.traffic.retries, 1);
}

#[tokio::test]
async fn the_stock_client_can_be_imitated() {
    let (server, url) = Server::start(four_bundles()).await;
    let source = HttpSource::new(&HttpOptions { user_agent: UserAgent::Stock, ..HttpOptions::new(url) }).unwrap();
    let resource = Resource::from_request_path("version/latest_version").unwrap();
    let request = Request { uncached: true, from_byte: Some(5), ..Request::get(resource) };
    assert_eq!(source.send(request).await.unwrap().status, 200);
    let root = source.send(Request::head(Target::Root)).await.unwrap();
    assert_eq!((root.status, Method::Head), (404, Request::head(Target::Root).method));
    let heads = server.heads.lock().unwrap();
    for line in [
        "user-agent: swupd-client/7.0.0",
        "accept: */*",
        "connection: Upgrade, HTTP2-Settings",
        "upgrade: h2c",
        "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA",
        "cookie: request=uncached",
        "range: bytes=5-",
    ] {
        assert!(heads[0].contains(line), "{line} in {}", heads[0]);
    }
    assert!(heads[1].starts_with("HEAD / HTTP/1.1"));
}

#[tokio::test]
async fn an_absent_server_and_bad_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let mut endpoint = Endpoint::open(source, Root::Simulated, options()).unwrap();
    let report = endpoint.install(None, &[]).await.unwrap();
    assert_eq!(report.exit_code.code(), 16);
    assert_eq!(report.traffic.retries, 0, "a missing server is not retried");
    let report = endpoint.install(clearwell_format::Version::new(10), &[]).await.unwrap();
    assert_eq!(report.exit_code.code(), 4);
    for url in ["ftp://host", "host", "http://", "http://host/?query", "/path", ""] {
        assert!(matches!(HttpSource::new(&HttpOptions::new(url)), Err(EndpointError::Url { .. })), "{url}");
    }
    let options = HttpOptions { ca_pem: Some(b"no certificate".to_vec()), ..HttpOptions::new("https://host") };
    assert!(matches!(HttpSource::new(&options), Err(EndpointError::Tls { .. })));
}

/// An authority with a server's and a client's certificate, all as PEM.
struct Certificates {
    authority: String,
    server: (rcgen::Certificate, rcgen::KeyPair),
    client: String,
}

fn certificates() -> Certificates {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
    let leaf = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate, key)
    };
    let (client, key) = leaf("client");
    Certificates {
        authority: issuer.pem(),
        server: leaf("127.0.0.1"),
        client: format!("{}{}", client.pem(), key.serialize_pem()),
    }
}

fn acceptor(certificates: &Certificates, asks_for_certificate: bool) -> TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(certificates.authority.as_bytes()).unwrap()).unwrap();
    let config = match asks_for_certificate {
        false => config.unwrap().with_no_client_auth(),
        true => {
            let roots = Arc::new(roots);
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            config.unwrap().with_client_cert_verifier(verifier.unwrap())
        }
    };
    let (certificate, key) = &certificates.server;
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
}

#[tokio::test]
async fn over_tls_with_and_without_a_client_certificate() {
    let certificates = certificates();
    let ca_pem = Some(certificates.authority.clone().into_bytes());
    let client_pem = Some(certificates.client.clone().into_bytes());
    for (asked, ca_pem, client_pem, code) in [
        (false, ca_pem.clone(), None, 0),
        (false, None, None, 16),
        (true, ca_pem.clone(), client_pem, 0),
        (true, ca_pem, None, 16),
    ] {
        let (server, url) = Server::start_with(four_bundles(), Some(acceptor(&certificates, asked))).await;
        let options_ = HttpOptions { ca_pem, client_pem, ..HttpOptions::new(url) };
        let source = Arc::new(HttpSource::new(&options_).unwrap());
        let mut endpoint = Endpoint::open(source, Root::Simulated, options()).unwrap();
        let report = endpoint.install(None, &names(&["big"])).await.unwrap();
        assert_eq!(report.exit_code.code(), code, "{asked} {:?}", report.problems);
        if code == 0 {
            assert!(report.is_clean());
            assert_eq!(*server.connections.lock().unwrap(), 1);
        }
    }
}
