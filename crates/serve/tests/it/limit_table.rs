//! Every limit on every protocol: a row for each configuration key that is a limit, a column for each protocol.
//!
//! A cell drives its own server to the limit and checks what the configuration promises: the status, `Retry-After`, the end
//! of the connection, and the counter that reports it. Where a limit does not apply, the table says why. A key that is
//! neither in the table nor in the list of other keys fails the test.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clearwell_format::resource::Artifact;
use clearwell_serve::config::{ByteRate, ClientCertificates, KEYS};
use clearwell_serve::{Running, ServeConfig};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::client::{Client, LIMIT, Wire};
use crate::fixture::{Answer, Fixture, config, seconds, wait_for_metric};
use crate::http2::{END_STREAM, Frame, FrameClient, HEADERS, PREFACE, REFUSED_STREAM, RST_STREAM, block};
use crate::tls::{self, Certificates};

/// Large, and more than fits into the buffers of two sockets.
const PACK: &str = "/20/pack-os-core-from-15.tar";
const PACK_BYTES: usize = 16 << 20;
/// Objects that are read concurrently: more than there are readers, each large enough to keep one busy.
const READ: usize = 40;
const READ_BYTES: usize = 1 << 20;
/// Small, and cached.
const FORMAT: &str = "/20/format";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// HTTP/1.1 on the fast lane.
    Lane,
    /// HTTP/1.1 on hyper.
    Hyper,
    Http2,
    TlsHttp1,
    TlsHttp2,
}

use Protocol::{Http2, Hyper, Lane, TlsHttp1, TlsHttp2};

const PROTOCOLS: [Protocol; 5] = [Lane, Hyper, Http2, TlsHttp1, TlsHttp2];

impl Protocol {
    const fn is_tls(self) -> bool {
        matches!(self, TlsHttp1 | TlsHttp2)
    }

    const fn is_http2(self) -> bool {
        matches!(self, Http2 | TlsHttp2)
    }
}

type Cell = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A row.
struct Row {
    key: &'static str,
    /// Sets the limit, and others so that they are not reached first.
    limits: fn(ServeConfig) -> ServeConfig,
    drive: fn(Stage) -> Cell,
    /// Where it does not apply, and why.
    not_for: &'static [(Protocol, &'static str)],
}

const NO_STREAMS: &str = "HTTP/1 has one request at a time on a connection";
const NO_HANDSHAKE: &str = "cleartext connections have no handshake";

/// Limits on numbers and sizes.
const NUMBERS: &[Row] = &[
    Row {
        key: "max-connections",
        limits: |config| ServeConfig { max_connections: NonZeroUsize::MIN, ..config },
        drive: |stage| Box::pin(one_connection_too_many(stage, "connection_limit")),
        not_for: &[],
    },
    Row {
        key: "max-connections-per-address",
        limits: |config| ServeConfig { max_connections_per_address: 1, ..config },
        drive: |stage| Box::pin(one_connection_too_many(stage, "per_address_limit")),
        not_for: &[],
    },
    Row {
        key: "requests-per-second-per-address",
        limits: |config| ServeConfig {
            requests_per_second_per_address: 1,
            request_burst_per_address: NonZeroU32::MIN,
            ..config
        },
        drive: |stage| Box::pin(requests_too_often(stage, 1)),
        not_for: &[],
    },
    Row {
        key: "request-burst-per-address",
        limits: |config| ServeConfig {
            requests_per_second_per_address: 1,
            request_burst_per_address: seconds(4),
            ..config
        },
        drive: |stage| Box::pin(requests_too_often(stage, 4)),
        not_for: &[],
    },
    Row {
        key: "max-downloads",
        limits: |config| ServeConfig { max_downloads: 1, retry_after_seconds: seconds(7), ..config },
        drive: |stage| Box::pin(one_download_too_many(stage)),
        not_for: &[],
    },
    Row {
        key: "max-downloads-per-address",
        limits: |config| ServeConfig { max_downloads_per_address: 1, retry_after_seconds: seconds(7), ..config },
        drive: |stage| Box::pin(one_download_too_many(stage)),
        not_for: &[],
    },
    Row {
        key: "max-disk-queue",
        // Each of them is read, and each time.
        limits: |config| ServeConfig {
            max_disk_queue: 0,
            memory_cache: "0".parse().unwrap(),
            small_object: "1MiB".parse().unwrap(),
            retry_after_seconds: seconds(7),
            ..config
        },
        drive: |stage| Box::pin(one_reader_too_many(stage)),
        not_for: &[],
    },
    Row {
        key: "max-streams",
        limits: |config| ServeConfig { max_streams: seconds(2), ..config },
        drive: |stage| Box::pin(one_stream_too_many(stage)),
        not_for: &[(Lane, NO_STREAMS), (Hyper, NO_STREAMS), (TlsHttp1, NO_STREAMS)],
    },
    Row {
        key: "max-header",
        limits: |config| ServeConfig { max_header: "8KiB".parse().unwrap(), ..config },
        drive: |stage| Box::pin(header_too_large(stage, &[("x", 7000)], &[("x", 8500)])),
        not_for: &[],
    },
    Row {
        key: "max-header-lines",
        limits: |config| ServeConfig { max_header_lines: NonZeroUsize::new(5).unwrap(), ..config },
        // The host is a line, too.
        drive: |stage| Box::pin(header_too_large(stage, &[("x", 1); 4], &[("x", 1); 5])),
        not_for: &[],
    },
];

/// Limits on time. They run after the others, while the machine is less busy.
const TIMES: &[Row] = &[
    Row {
        key: "handshake-seconds",
        limits: |config| ServeConfig { handshake_seconds: NonZeroU32::MIN, ..config },
        drive: |stage| Box::pin(slow_handshake(stage)),
        not_for: &[(Lane, NO_HANDSHAKE), (Hyper, NO_HANDSHAKE), (Http2, NO_HANDSHAKE)],
    },
    Row {
        key: "header-seconds",
        limits: |config| ServeConfig { header_seconds: seconds(2), ..config },
        drive: |stage| Box::pin(slow_header(stage)),
        not_for: &[],
    },
    Row {
        key: "idle-seconds",
        limits: |config| ServeConfig { idle_seconds: seconds(2), ..config },
        drive: |stage| Box::pin(idle_too_long(stage)),
        not_for: &[],
    },
    Row {
        key: "stall-seconds",
        limits: |config| ServeConfig { stall_seconds: NonZeroU32::MIN, min_rate: ByteRate::new(0), ..config },
        drive: |stage| Box::pin(take_nothing(stage)),
        not_for: &[],
    },
    Row {
        key: "min-rate",
        limits: |config| ServeConfig { stall_seconds: NonZeroU32::MIN, min_rate: ByteRate::new(4 << 20), ..config },
        drive: |stage| Box::pin(take_too_little(stage)),
        not_for: &[],
    },
    Row {
        key: "drain-deadline-seconds",
        limits: |config| ServeConfig { drain_deadline_seconds: 1, ..config },
        drive: |stage| Box::pin(take_nothing_at_the_end(stage)),
        not_for: &[],
    },
];

/// Keys that do not limit clients.
const OTHER_KEYS: &[&str] = &[
    "listen",
    "listen-tls",
    "admin",
    "workers",
    "trusted-proxies",
    "takeover",
    "base-path",
    "tls-certificate",
    "tls-key",
    "client-certificates",
    "client-ca",
    "signing-certificate",
    "memory-cache",
    "small-object",
    "open-files",
    "whole-for-stock-client",
    "pointer-hold-seconds",
    "retry-after-seconds",
    "access-log",
    "access-log-sample",
    "access-log-format",
    "access-log-file",
    "watch-files",
    "drain-grace-seconds",
];

#[test]
fn every_key_is_listed_once() {
    let listed: Vec<&str> = NUMBERS.iter().chain(TIMES).map(|row| row.key).chain(OTHER_KEYS.iter().copied()).collect();
    let once: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(listed.len(), once.len(), "a key is listed twice");
    assert_eq!(once, KEYS.iter().map(|key| key.name).collect());
}

#[tokio::test]
async fn every_limit_holds_on_every_protocol() {
    let fixture = Arc::new(with_packs());
    let certificates = Arc::new(Certificates::new());
    let tls = certificates.config(&fixture, ClientCertificates::None);
    let mut failed = Vec::new();
    for rows in [NUMBERS, TIMES] {
        let mut cells = Vec::new();
        for (row, protocol) in rows.iter().flat_map(|row| PROTOCOLS.map(|protocol| (row, protocol))) {
            if row.not_for.iter().any(|(excluded, _)| *excluded == protocol) {
                continue;
            }
            let base = if protocol.is_tls() { tls.clone() } else { config() };
            // Clients of a machine that has much to do are slow where they should not be; and a limit does not depend on
            // others that are longer.
            let patient = ServeConfig { handshake_seconds: seconds(60), header_seconds: seconds(60), ..base };
            let limits = (row.limits)(ServeConfig { workers: 1, ..patient });
            let (fixture, certificates) = (Arc::clone(&fixture), Arc::clone(&certificates));
            let cell = tokio::spawn(async move {
                let running = fixture.serve_with(limits).await;
                (row.drive)(Stage { protocol, running, certificates }).await;
            });
            cells.push((row.key, protocol, cell));
        }
        for (key, protocol, cell) in cells {
            if cell.await.is_err() {
                failed.push((key, protocol));
            }
        }
    }
    assert_eq!(failed, [], "the failures are printed above");
}

fn with_packs() -> Fixture {
    let fixture = Fixture::new();
    let (large, small) = (vec![7; PACK_BYTES], vec![7; READ_BYTES]);
    let pack = (Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &large[..]);
    fixture.extend_with((0..READ).map(|at| (Artifact::from_path(&read(at)).unwrap(), &small[..])).chain([pack]));
    fixture
}

/// One of the objects that are read concurrently.
fn read(at: usize) -> String {
    format!("pack-bundle{at}-from-15.tar")
}

/// A server with a limit, and how clients come to it.
struct Stage {
    protocol: Protocol,
    running: Running,
    certificates: Arc<Certificates>,
}

impl Stage {
    /// Connects as far as the first byte of a request.
    async fn try_connect(&self) -> std::io::Result<Wire> {
        if !self.protocol.is_tls() {
            return Ok(Box::new(TcpStream::connect(self.running.addr().unwrap()).await?));
        }
        let alpn = if self.protocol.is_http2() { "h2" } else { "http/1.1" };
        let client = self.certificates.client(&[alpn], rustls::ALL_VERSIONS, false);
        Ok(Box::new(tls::connect(&self.running, client).await?))
    }

    /// Connects, and brings the connection to where requests of this protocol are answered.
    async fn connect(&self) -> Wire {
        let wire = self.try_connect().await.unwrap();
        if self.protocol != Hyper {
            return wire;
        }
        let mut client = Client::over(wire);
        client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        client.into_stream()
    }

    async fn client(&self) -> TestClient {
        let wire = self.connect().await;
        if !self.protocol.is_http2() {
            return TestClient::One(Client::over(wire));
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire)).await.unwrap();
        TestClient::Two(sender, tokio::spawn(async move { drop(connection.await) }))
    }

    async fn ended_early(&self, reason: &str) {
        let line = format!("clearwell_http_connections_ended_early_total{{reason=\"{reason}\"}} 1");
        wait_for_metric(&self.running, &line).await;
    }

    async fn shed(&self, reason: &str, count: usize) {
        let line = format!("clearwell_http_requests_shed_total{{reason=\"{reason}\"}} {count}");
        wait_for_metric(&self.running, &line).await;
    }

    async fn becomes_empty(&self) {
        let listener = if self.protocol.is_tls() { "tls" } else { "cleartext" };
        wait_for_metric(&self.running, &format!("clearwell_http_connections_open{{listener=\"{listener}\"}} 0")).await;
        wait_for_metric(&self.running, "clearwell_http_requests_in_flight 0").await;
    }
}

/// A client of either version.
enum TestClient {
    One(Client<Wire>),
    Two(http2::SendRequest<Empty<Bytes>>, JoinHandle<()>),
}

/// An answer of which the body is not read.
enum Begun {
    One(Client<Wire>),
    Two { body: Incoming, _client: TestClient },
}

impl TestClient {
    async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// With more lines: their names, and the lengths of their values.
    async fn get_with(&mut self, path: &str, lines: &[(&str, usize)]) -> Answer {
        match self {
            Self::One(client) => {
                let lines: String =
                    lines.iter().map(|(name, length)| format!("{name}: {}\r\n", "y".repeat(*length))).collect();
                // A server that refuses a header need not read all of it.
                client.try_send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await;
                client.answer().await
            }
            Self::Two(sender, _) => {
                let mut request = Request::builder().uri(format!("http://x{path}"));
                for (name, length) in lines {
                    request = request.header(*name, "y".repeat(*length));
                }
                let answering = async {
                    sender.ready().await.unwrap();
                    let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
                    let (parts, body) = answer.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    Answer { status: parts.status, headers: parts.headers, body }
                };
                timeout(LIMIT, answering).await.expect("an answer")
            }
        }
    }

    /// Asks for the pack, and reads as far as the header of the answer.
    async fn begin(mut self) -> Begun {
        let request = Request::builder().uri(format!("http://x{PACK}")).body(Empty::new()).unwrap();
        let (status, begun) = match &mut self {
            Self::One(client) => {
                client.request("GET", PACK).await;
                (client.header().await.0, None)
            }
            Self::Two(sender, _) => {
                sender.ready().await.unwrap();
                let answer = timeout(LIMIT, sender.send_request(request)).await.expect("an answer").unwrap();
                (answer.status(), Some(answer.into_body()))
            }
        };
        assert_eq!(status, 200);
        match (self, begun) {
            (Self::One(client), _) => Begun::One(client),
            (client, body) => Begun::Two { body: body.unwrap(), _client: client },
        }
    }

    /// Waits until the server ends the connection.
    async fn wait_for_end(self) {
        match self {
            Self::One(client) => assert!(client.closes().await),
            Self::Two(_sender, connection) => timeout(LIMIT, connection).await.expect("an end").unwrap(),
        }
    }
}

impl Begun {
    /// Reads some of the body; false at the end.
    async fn more(&mut self) -> bool {
        match self {
            Self::One(client) => client.more().await,
            Self::Two { body, .. } => {
                matches!(timeout(LIMIT, body.frame()).await.expect("some bytes, or the end"), Some(Ok(_)))
            }
        }
    }
}

async fn one_connection_too_many(stage: Stage, reason: &str) {
    let mut first = stage.client().await;
    assert_eq!(first.get(FORMAT).await.status, 200);
    if stage.protocol.is_tls() {
        assert!(stage.try_connect().await.is_err(), "a refused connection is closed before the handshake");
    } else {
        let mut second = Client::over(stage.try_connect().await.unwrap());
        second
            .send(match stage.protocol {
                Http2 => [PREFACE, &Frame::get(1, FORMAT).bytes()].concat(),
                Hyper => b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_vec(),
                _ => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            })
            .await;
        // The server has not read the preface yet.
        let refused = second.answer().await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "10"));
        assert!(second.closes().await);
    }
    stage.ended_early(reason).await;
    assert_eq!(first.get(FORMAT).await.status, 200, "who is in stays in");
    drop(first);
    stage.becomes_empty().await;
    assert_eq!(stage.client().await.get(FORMAT).await.status, 200, "there is room again");
}

async fn requests_too_often(stage: Stage, burst: usize) {
    let mut client = stage.client().await;
    let mut refused = 0;
    for at in 0..burst + 12 {
        let answer = client.get(FORMAT).await;
        match answer.status.as_u16() {
            200 => {}
            429 if at >= burst => {
                assert_eq!(answer.header("retry-after"), "1");
                refused += 1;
            }
            other => panic!("request {at} was answered with {other}"),
        }
    }
    assert!(refused > 0);
    stage.shed("per_address_rate", refused).await;
}

async fn one_download_too_many(stage: Stage) {
    let (first, mut second) = (stage.client().await.begin().await, stage.client().await);
    let refused = second.get(PACK).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "7"));
    assert_eq!(second.get(FORMAT).await.status, 200, "small ones are served");
    stage.shed("download_limit", 1).await;
    drop(first);
    wait_for_metric(&stage.running, "clearwell_http_requests_in_flight 0").await;
    let answer = second.get(PACK).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, PACK_BYTES), "there is room again");
}

async fn one_reader_too_many(stage: Stage) {
    let mut clients = Vec::new();
    for _ in 0..READ {
        clients.push(stage.client().await);
    }
    let mut refused = 0;
    // There are fewer readers. If they were faster than the requests came, all ask again.
    for _ in 0..100 {
        let mut asking = JoinSet::new();
        for (at, mut client) in clients.drain(..).enumerate() {
            asking.spawn(async move { (client.get(&format!("/20/{}", read(at))).await, client) });
        }
        while let Some(asked) = asking.join_next().await {
            let (answer, client) = asked.unwrap();
            match answer.status.as_u16() {
                200 => assert_eq!(answer.body.len(), READ_BYTES),
                503 => {
                    assert_eq!(answer.header("retry-after"), "7");
                    refused += 1;
                }
                other => panic!("answered with {other}"),
            }
            clients.push(client);
        }
        if refused > 0 {
            break;
        }
    }
    assert!(refused > 0);
    stage.shed("disk_queue", refused).await;
    assert_eq!(clients[0].get(FORMAT).await.status, 200, "there is room again");
}

async fn one_stream_too_many(stage: Stage) {
    let (mut client, settings) = FrameClient::over(stage.connect().await).await;
    assert!(settings.contains(&(3, 2)), "SETTINGS_MAX_CONCURRENT_STREAMS is announced: {settings:?}");
    // Answers that do not fit into the window stay open.
    assert!(client.send(&[Frame::get(1, PACK), Frame::get(3, PACK), Frame::get(5, PACK)]).await);
    let refused = client.next_of(RST_STREAM).await.expect("the connection goes on");
    assert_eq!((refused.stream, refused.error()), (5, REFUSED_STREAM));
}

async fn header_too_large(stage: Stage, good: &[(&str, usize)], bad: &[(&str, usize)]) {
    let mut client = stage.client().await;
    assert_eq!(client.get_with(FORMAT, good).await.status, 200);
    assert_eq!(client.get_with(FORMAT, bad).await.status, 431);
    if stage.protocol.is_http2() {
        assert_eq!(client.get(FORMAT).await.status, 200, "a stream is refused, not its connection");
    } else {
        client.wait_for_end().await;
    }
}

async fn slow_handshake(stage: Stage) {
    let mut client = Client::connect(stage.running.tls_addr().unwrap()).await;
    client.send("\u{16}\u{3}\u{1}").await;
    assert!(client.closes().await);
    stage.ended_early("tls_handshake").await;
}

async fn slow_header(stage: Stage) {
    if stage.protocol.is_http2() {
        let (mut client, _) = FrameClient::over(stage.connect().await).await;
        // Without END_HEADERS.
        assert!(client.send(&[Frame::new(HEADERS, END_STREAM, 1, block(FORMAT))]).await);
        while client.next().await.is_some() {}
    } else {
        let mut client = Client::over(stage.connect().await);
        client.send("GET / HTTP/1.1\r\nX-").await;
        assert!(client.closes().await);
    }
    stage.ended_early("header_timeout").await;
    stage.becomes_empty().await;
}

async fn idle_too_long(stage: Stage) {
    let mut client = stage.client().await;
    assert_eq!(client.get(FORMAT).await.status, 200);
    client.wait_for_end().await;
    stage.ended_early("idle_timeout").await;
    stage.becomes_empty().await;
}

async fn take_nothing(stage: Stage) {
    let begun = stage.client().await.begin().await;
    stage.ended_early("stall_timeout").await;
    stage.becomes_empty().await;
    drop(begun);
}

async fn take_too_little(stage: Stage) {
    let mut begun = stage.client().await.begin().await;
    let dripping = tokio::spawn(async move {
        // Bounded; the server leaves long before.
        for _ in 0..1000 {
            if !begun.more().await {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    stage.ended_early("stall_timeout").await;
    stage.becomes_empty().await;
    dripping.abort();
}

async fn take_nothing_at_the_end(stage: Stage) {
    let begun = stage.client().await.begin().await;
    assert_eq!(stage.running.drain().await.aborted, 1);
    drop(begun);
}
