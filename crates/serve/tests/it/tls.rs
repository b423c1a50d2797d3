//! TLS: versions, HTTP/2 by ALPN, certificates of clients, and what cannot be used.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clearwell_serve::config::{ClientCertificates, Listen};
use clearwell_serve::{Running, ServeConfig, ServeError, Server};
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;
use crate::fixture::{Fixture, config, loopback, wait_for_metric};

/// An issuer, and what it issued.
pub(crate) struct Certificates {
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: Pair,
    client: Pair,
}

struct Pair {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            Pair { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
        };
        let (server, client) = (issue("localhost"), issue("client"));
        Self { server, client, issuer }
    }

    /// Writes the files and returns a configuration that names them.
    pub(crate) fn config(&self, fixture: &Fixture, client_certificates: ClientCertificates) -> ServeConfig {
        let write = |name: &str, text: &str| -> Option<PathBuf> {
            let path = fixture.path(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        ServeConfig {
            listen: Listen::OFF,
            listen_tls: loopback(),
            tls_certificate: write("tls.pem", &self.server.certificate_pem),
            tls_key: write("tls.key", &self.server.key.serialize_pem()),
            client_certificates,
            client_ca: write("clients.pem", &self.issuer.pem()),
            signing_certificate: write("Swupd_Root.pem", &fixture.sample.anchor.pem()),
            ..config()
        }
    }

    /// What a client brings: protocols for ALPN, versions, and a certificate or none.
    pub(crate) fn client(
        &self,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
        known: bool,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut client = if known {
            let key = PrivateKeyDer::try_from(self.client.key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![self.client.certificate.clone()], key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        client.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        client
    }
}

pub(crate) async fn connect(running: &Running, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(running.tls_addr().unwrap()).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn http_1_over_both_versions() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let running = fixture.serve_with(certificates.config(&fixture, ClientCertificates::None)).await;
    assert_eq!(running.addr(), None);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [&["http/1.1"][..], &[]] {
            let stream = connect(&running, certificates.client(alpn, &[version], false)).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            let mut client = Client::over(stream);
            for (path, bytes) in [fixture.small(), fixture.large()] {
                assert_eq!(client.head(&path).await.header("content-length"), bytes.len().to_string());
                assert!(client.get(&path).await.body == bytes);
            }
            assert_eq!(client.get("/version/format30/latest").await.body, "20");
        }
    }
    wait_for_metric(&running, "clearwell_http_connections_total{listener=\"tls\"} 4").await;
    let text = running.site().metrics().expose();
    for certificate in ["tls", "signing"] {
        let name = format!("clearwell_certificate_not_after_seconds{{certificate=\"{certificate}\"}} ");
        assert!(text.lines().any(|line| line.starts_with(&name)), "{text}");
    }
}

#[tokio::test]
async fn http_2_by_alpn() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let running = fixture.serve_with(certificates.config(&fixture, ClientCertificates::None)).await;
    let client = certificates.client(&["h2", "http/1.1"], rustls::ALL_VERSIONS, false);
    let stream = connect(&running, client).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for (path, bytes) in [fixture.small(), fixture.large()] {
        let request = Request::builder().uri(format!("https://localhost{path}")).body(Empty::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        assert!(answer.into_body().collect().await.unwrap().to_bytes() == bytes);
    }
    // The server says goodbye to HTTP/2 connections as to others.
    assert_eq!(running.drain().await.aborted, 0);
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn certificates_of_clients() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let stranger = Certificates::new();
    for (wanted, without, with, with_strange) in [
        (ClientCertificates::None, true, true, true),
        (ClientCertificates::Request, true, true, false),
        (ClientCertificates::Require, false, true, false),
    ] {
        let running = fixture.serve_with(certificates.config(&fixture, wanted)).await;
        let served = async |mut client: ClientConfig, strange: bool| {
            if strange {
                let key = PrivateKeyDer::try_from(stranger.client.key.serialize_der()).unwrap();
                let chain = vec![stranger.client.certificate.clone()];
                let provider = Arc::clone(client.crypto_provider());
                let key = provider.key_provider.load_private_key(key).unwrap();
                let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
                client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
            }
            // With TLS 1.3 a client learns of its refusal when it reads.
            let Ok(stream) = connect(&running, client).await else { return false };
            let mut client = Client::over(stream);
            let requests = "GET /20/format HTTP/1.1\r\nHost: x\r\n\r\n\
                GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            client.try_send(requests).await && client.end().await.starts_with(b"HTTP/1.1 200 OK")
        };
        let client = |known| certificates.client(&[], &[&rustls::version::TLS13], known);
        assert_eq!(served(client(false), false).await, without, "{wanted:?} without");
        assert_eq!(served(client(true), false).await, with, "{wanted:?} with");
        assert_eq!(served(client(true), true).await, with_strange, "{wanted:?} with a strange one");
    }
}

#[tokio::test]
async fn each_address_may_ask_for_certificates_in_its_own_way() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let strict = ServeConfig {
        listen_tls: "127.0.0.1:0 client-certificates=require".parse().unwrap(),
        access_log_format: clearwell_serve::config::LogFormat::Json,
        access_log_file: Some(fixture.path("access.log")),
        ..certificates.config(&fixture, ClientCertificates::None)
    };
    let running = fixture.serve_with(strict).await;
    let stranger = connect(&running, certificates.client(&[], &[&rustls::version::TLS12], false)).await;
    assert!(stranger.is_err());
    let stream = connect(&running, certificates.client(&[], rustls::ALL_VERSIONS, true)).await.unwrap();
    assert_eq!(Client::over(stream).get("/20/format").await.body, "30");
    drop(running);
    let subject = "\"subject\":\"CN=";
    for _ in 0..2000 {
        if std::fs::read_to_string(fixture.path("access.log")).unwrap().contains(subject) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{}", std::fs::read_to_string(fixture.path("access.log")).unwrap());
}

#[tokio::test]
async fn sessions_are_resumed() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let running = fixture.serve_with(certificates.config(&fixture, ClientCertificates::None)).await;
    for (version, name) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        let client = certificates.client(&[], &[version], false);
        for _ in 0..2 {
            let stream = connect(&running, client.clone()).await.unwrap();
            assert_eq!(Client::over(stream).get("/20/format").await.body, "30");
        }
        for resumed in [false, true] {
            let line = format!("clearwell_http_tls_handshakes_total{{resumed=\"{resumed}\",version=\"{name}\"}} 1");
            wait_for_metric(&running, &line).await;
        }
    }
}

#[tokio::test]
async fn no_session_is_resumed_where_clients_show_certificates() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    for wanted in [ClientCertificates::Request, ClientCertificates::Require] {
        let running = fixture.serve_with(certificates.config(&fixture, wanted)).await;
        for (version, name) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
            let client = certificates.client(&[], &[version], true);
            for _ in 0..3 {
                let stream = connect(&running, client.clone()).await.unwrap();
                assert_eq!(Client::over(stream).get("/20/format").await.body, "30");
            }
            let line = format!("clearwell_http_tls_handshakes_total{{resumed=\"false\",version=\"{name}\"}} 3");
            wait_for_metric(&running, &line).await;
        }
    }
}

#[tokio::test]
async fn a_client_whose_certificate_ends_or_whose_issuer_goes_is_no_longer_let_in() {
    let fixture = Fixture::new();
    let mut certificates = Certificates::new();
    let lasts = std::time::Duration::from_secs(3);
    let mut params = CertificateParams::new(["client".to_owned()]).unwrap();
    let ends = std::time::SystemTime::now() + lasts;
    params.not_after = ends.into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &certificates.issuer).unwrap();
    let brief = Pair { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key };
    let lasting = std::mem::replace(&mut certificates.client, brief);
    let config = certificates.config(&fixture, ClientCertificates::Require);
    let running = fixture.serve_with(config.clone()).await;
    let is_let_in = async |client: &ClientConfig| {
        let Ok(stream) = connect(&running, client.clone()).await else { return false };
        let mut client = Client::over(stream);
        client.try_send("GET /20/format HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
            && client.end().await.starts_with(b"HTTP/1.1 200 OK")
    };
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let brief = versions.map(|version| certificates.client(&[], &[version], true));
    certificates.client = lasting;
    let lasting = versions.map(|version| certificates.client(&[], &[version], true));
    for client in brief.iter().chain(&lasting) {
        assert!(is_let_in(client).await);
    }
    // The time in a certificate is in whole seconds.
    while std::time::SystemTime::now() < ends + std::time::Duration::from_secs(1) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for client in &brief {
        assert!(!is_let_in(client).await, "with a certificate that has ended");
    }
    std::fs::write(fixture.path("clients.pem"), Certificates::new().issuer.pem()).unwrap();
    assert!(is_let_in(&lasting[0]).await && is_let_in(&lasting[1]).await);
    running.reloader().reload(config).unwrap();
    for client in &lasting {
        assert!(!is_let_in(client).await, "with a certificate whose issuer is trusted no longer");
    }
}

#[tokio::test]
async fn a_preface_counts_for_nothing_where_alpn_did_not_say_so() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let running = fixture.serve_with(certificates.config(&fixture, ClientCertificates::None)).await;
    for alpn in [&["http/1.1"][..], &[]] {
        let stream = connect(&running, certificates.client(alpn, rustls::ALL_VERSIONS, false)).await.unwrap();
        let mut client = Client::over(stream);
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await;
        let answer = client.end().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    }
}

#[tokio::test]
async fn certificates_change_while_connections_go_on() {
    let fixture = Fixture::new();
    let (first, second) = (Certificates::new(), Certificates::new());
    let config = first.config(&fixture, ClientCertificates::None);
    let running = fixture.serve_with(config.clone()).await;
    let client = |certificates: &Certificates| certificates.client(&[], rustls::ALL_VERSIONS, false);
    let mut early = Client::over(connect(&running, client(&first)).await.unwrap());
    assert_eq!(early.get("/20/format").await.body, "30");

    // Written by `config` into the same files.
    let _same = second.config(&fixture, ClientCertificates::None);
    running.reloader().reload(config.clone()).unwrap();
    assert_eq!(early.get("/20/format").await.body, "30");
    assert!(connect(&running, client(&first)).await.is_err());
    let mut late = Client::over(connect(&running, client(&second)).await.unwrap());
    assert_eq!(late.get("/20/format").await.body, "30");

    std::fs::write(fixture.path("tls.pem"), "junk").unwrap();
    let refused = running.reloader().reload(config).unwrap_err().to_string();
    assert!(refused.contains("tls-certificate") && refused.contains("tls.pem"), "{refused}");
    let mut later = Client::over(connect(&running, client(&second)).await.unwrap());
    assert_eq!(later.get("/20/format").await.body, "30");
    wait_for_metric(&running, "clearwell_http_reloads_refused_total{kind=\"certificates\"} 1").await;
}

#[tokio::test]
async fn cleartext_on_the_tls_port_harms_nobody() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let running = fixture.serve_with(certificates.config(&fixture, ClientCertificates::None)).await;
    let mut client = Client::connect(running.tls_addr().unwrap()).await;
    client.request("GET", "/").await;
    client.end().await;
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"tls_handshake\"} 1").await;
    let stream = connect(&running, certificates.client(&[], rustls::ALL_VERSIONS, false)).await.unwrap();
    assert_eq!(Client::over(stream).get("/").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_before_anything_listens() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let good = || certificates.config(&fixture, ClientCertificates::Require);
    let junk = fixture.path("junk.pem");
    std::fs::write(&junk, "junk").unwrap();
    let other_key = fixture.path("other.key");
    std::fs::write(&other_key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let missing = Some(fixture.path("missing.pem"));
    let junk = Some(junk);
    for (config, words) in [
        (ServeConfig { listen_tls: Listen::OFF, ..good() }, &["listen", "listen-tls", "off"][..]),
        (ServeConfig { tls_certificate: None, ..good() }, &["tls-certificate is not set", "listen-tls"]),
        (ServeConfig { tls_key: None, ..good() }, &["tls-key is not set", "listen-tls"]),
        (ServeConfig { client_ca: None, ..good() }, &["client-ca is not set", "client-certificates"]),
        (ServeConfig { tls_certificate: missing.clone(), ..good() }, &["tls-certificate", "missing.pem"]),
        (ServeConfig { tls_certificate: junk.clone(), ..good() }, &["tls-certificate", "junk.pem", "certificate"]),
        (ServeConfig { tls_key: junk.clone(), ..good() }, &["tls-key", "junk.pem", "private key"]),
        (ServeConfig { client_ca: junk.clone(), ..good() }, &["client-ca", "junk.pem"]),
        (ServeConfig { signing_certificate: junk.clone(), ..good() }, &["signing-certificate", "junk.pem"]),
        (ServeConfig { tls_key: Some(other_key.clone()), ..good() }, &["tls-certificate and tls-key", "used together"]),
    ] {
        let error = Server::bind(config, fixture.store()).await.unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let taken = Listen::at(running.addr().unwrap());
    let error = Server::bind(ServeConfig { listen: taken.clone(), ..config() }, fixture.store()).await.unwrap_err();
    assert!(matches!(&error, ServeError::Listen { key: "listen", .. }), "{error}");
    let error = Server::bind(ServeConfig { admin: taken, ..config() }, fixture.store()).await.unwrap_err();
    assert!(matches!(&error, ServeError::Listen { key: "admin", .. }), "{error}");
}
