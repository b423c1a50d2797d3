//! The fast lane and hyper give the same responses, with and without TLS: a table of requests and one of malformed input.
//!
//! A connection begins on the fast lane. A request that the lane does not support, here one with `Content-Length: 0`, moves
//! the connection to hyper, where it stays.

use clearwell_format::resource::ResourceKind;
use clearwell_serve::config::ClientCertificates;
use clearwell_serve::{Running, ServeConfig};
use clearwell_store::Digest;

use crate::client::{Client, Wire};
use crate::fixture::{Answer, Fixture, connect, loopback};
use crate::tls::{self, Certificates};

/// What serves the requests of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Implementation {
    Lane,
    Hyper,
}

use Implementation::{Hyper, Lane};

/// Moves a new connection to its implementation.
async fn bring_to(wire: Wire, implementation: Implementation) -> Client<Wire> {
    let mut client = Client::over(wire);
    if matches!(implementation, Hyper) {
        client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    client
}

pub(crate) async fn connect_to(running: &Running, implementation: Implementation) -> Client<Wire> {
    bring_to(Box::new(connect(running).await.into_stream()), implementation).await
}

/// A server with a cleartext and a TLS listener.
struct TwoListeners {
    running: Running,
    certificates: Certificates,
}

impl TwoListeners {
    async fn serve(fixture: &Fixture) -> Self {
        let certificates = Certificates::new();
        let tls = certificates.config(fixture, ClientCertificates::None);
        Self { running: fixture.serve_with(ServeConfig { listen: loopback(), ..tls }).await, certificates }
    }

    async fn connect(&self, implementation: Implementation, over_tls: bool) -> Client<Wire> {
        if !over_tls {
            return connect_to(&self.running, implementation).await;
        }
        let client = self.certificates.client(&["http/1.1"], rustls::ALL_VERSIONS, false);
        bring_to(Box::new(tls::connect(&self.running, client).await.unwrap()), implementation).await
    }
}

/// Status, headers in order of their names without the date, and body.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, &[u8]) {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let mut headers: Vec<_> = answer.headers.iter().map(header).filter(|(name, _)| name != "date").collect();
    headers.sort();
    (answer.status.as_u16(), headers, &answer.body)
}

/// RFC 9110 §13 and §14, and the contract of the server, as requests: (method, path, headers, status).
fn table(fixture: &Fixture) -> Vec<(&'static str, String, String, u16)> {
    let (small, small_bytes) = fixture.small();
    let (large, large_bytes) = fixture.large();
    let (fullfile, fullfile_bytes) = fixture.artifact(|artifact| artifact.kind() == ResourceKind::Fullfile);
    let mut table = Vec::new();
    for (path, bytes) in [(&small, small_bytes), (&large, large_bytes), (&fullfile, fullfile_bytes)] {
        let (size, etag) = (bytes.len(), format!("\"{}\"", Digest::of(bytes)));
        for (headers, status) in [
            (String::new(), 200),
            (
                "Accept: */*\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAM\r\n".into(),
                200,
            ),
            // 13.1.1 If-Match
            (format!("If-Match: {etag}\r\n"), 200),
            ("If-Match: *\r\n".into(), 200),
            ("If-Match: \"other\"\r\n".into(), 412),
            (format!("If-Match: W/{etag}\r\n"), 412),
            (format!("If-Match: \"a\", {etag}\r\n"), 200),
            (format!("If-Match: \"a\"\r\nIf-Match: {etag}\r\n"), 200),
            // 13.1.2 If-None-Match
            (format!("If-None-Match: {etag}\r\n"), 304),
            (format!("If-None-Match: W/{etag}\r\n"), 304),
            ("If-None-Match: *\r\n".into(), 304),
            ("if-none-match: \"other\"\r\n".into(), 200),
            // 13.1.3, 13.1.4: ignored, since objects have no date
            ("If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT\r\n".into(), 200),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(), 200),
            // 13.2.2 precedence
            (format!("If-Match: \"other\"\r\nIf-None-Match: {etag}\r\n"), 412),
            (format!("If-Match: {etag}\r\nIf-None-Match: {etag}\r\n"), 304),
            (format!("If-None-Match: {etag}\r\nRange: bytes=0-0\r\n"), 304),
            // 14.2 Range
            ("Range: bytes=0-0\r\n".into(), 206),
            ("Range: bytes=1-\r\n".into(), 206),
            ("Range: bytes=-5\r\n".into(), 206),
            (format!("Range: bytes=0-{}\r\n", size * 2), 206),
            ("Range: bytes=0-1, 3-4,-2\r\n".into(), 206),
            (format!("Range: bytes={size}-\r\n"), 416),
            ("Range: bytes=-0\r\n".into(), 416),
            ("Range: bytes=5-4\r\n".into(), 200),
            ("Range: bytes=a-b\r\n".into(), 200),
            ("Range: lines=0-1\r\n".into(), 200),
            ("Range: bytes=0-0\r\nRange: bytes=1-1\r\n".into(), 200),
            (format!("Range: bytes={}\r\n", "0-,".repeat(500)), 200),
            // 13.1.5 If-Range
            (format!("If-Range: {etag}\r\nRange: bytes=0-0\r\n"), 206),
            ("If-Range: \"other\"\r\nRange: bytes=0-0\r\n".into(), 200),
            (format!("If-Range: W/{etag}\r\nRange: bytes=0-0\r\n"), 200),
            ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\nRange: bytes=0-0\r\n".into(), 200),
            // The stock client's fullfiles come whole.
            ("User-Agent: swupd-client/7.0.0\r\nRange: bytes=1-\r\n".into(), if *path == fullfile { 200 } else { 206 }),
        ] {
            table.push(("GET", path.clone(), headers, status));
        }
        table.push(("HEAD", path.clone(), "Range: bytes=0-0\r\n".into(), 200));
        table.push(("HEAD", path.clone(), format!("If-None-Match: {etag}\r\n"), 304));
        table.push(("GET", format!("{path}?query"), String::new(), 200));
        table.push(("GET", path.replace('/', "//"), String::new(), 200));
    }
    for (path, status) in [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/version/format30/latest", 200),
        ("/version/format30/latest.sig", 200),
        ("/version/format31/latest", 503),
        ("/30/Manifest.MoM.tar", 503),
        ("/1/Manifest.MoM.tar", 404),
        ("/20/../20/format", 404),
        ("/20/%66ormat", 200),
        ("/20/form%zz", 400),
        ("/nothing", 404),
        ("/metrics", 404),
    ] {
        table.push(("GET", path.to_owned(), String::new(), status));
        table.push(("HEAD", path.to_owned(), String::new(), status));
    }
    table
}

#[tokio::test]
async fn requests_have_the_same_response_on_each_path() {
    let fixture = Fixture::new();
    let server = TwoListeners::serve(&fixture).await;
    for (method, path, headers, status) in table(&fixture) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        // Read from disk on the first connection, cached on the others.
        let mut answers = Vec::new();
        for (implementation, over_tls) in [(Lane, false), (Hyper, false), (Lane, true), (Hyper, true), (Lane, false)] {
            let mut client = server.connect(implementation, over_tls).await;
            client.send(&request).await;
            let answer = if method == "HEAD" { client.answer_to_head().await } else { client.answer().await };
            assert_eq!(answer.status.as_u16(), status, "{implementation:?}, TLS: {over_tls}, {request}");
            assert!(answer.headers.contains_key("date"));
            // The connection stays open.
            assert_eq!(client.get("/healthz").await.status, 200, "{implementation:?}, TLS: {over_tls}, {request}");
            answers.push(answer);
        }
        for answer in &answers[1..] {
            assert_eq!(comparable(&answers[0]), comparable(answer), "{request}");
        }
    }
}

/// Everything until the server closes, without dates.
async fn all_of(mut client: Client<Wire>, bytes: &str) -> String {
    client.send(bytes).await;
    let text = String::from_utf8_lossy(&client.end().await).into_owned();
    let mut lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    // The order of headers is compared only if there are several responses.
    if lines.iter().filter(|line| line.starts_with("HTTP/1.1")).count() == 1 {
        let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
        lines[..end].sort_unstable();
    }
    lines.join("\r\n")
}

/// Malformed requests, and bytes that could be taken for two requests: bytes, and the status of the first response.
const MALFORMED: &[(&str, u16)] = &[
    // request lines
    ("GET\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: x\r\n\r\n", 400),
    ("G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /a\"<>b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ("GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("\u{16}\u{3}\u{1}\u{2}hello\r\n\r\n", 400),
    ("get / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    ("GET nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    // header lines
    ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n", 400),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ("GET / HTTP/1.1\nHost: x\nConnection: close\n\n", 200),
    // lengths and codings: a body is never taken for the next request
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhelloGET /nothing HTTP/1.1\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 413),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        413,
    ),
    // garbage after a valid request
    ("HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n\0\0\0\0\r\n\r\n", 404),
    ("GET /20/format HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /20/format HTTP/1.1\r\nHost: x\r\n\r\n", 200),
];

#[tokio::test]
async fn malformed_input_has_the_same_response_on_each_path() {
    let fixture = Fixture::new();
    let server = TwoListeners::serve(&fixture).await;
    for (bytes, status) in MALFORMED {
        let lane = all_of(server.connect(Lane, false).await, bytes).await;
        for (implementation, over_tls) in [(Hyper, false), (Lane, true), (Hyper, true)] {
            let other = all_of(server.connect(implementation, over_tls).await, bytes).await;
            assert_eq!(lane, other, "{implementation:?}, TLS: {over_tls}, {bytes:?}");
        }
        let first = lane.lines().find_map(|line| line.strip_prefix("HTTP/1.1 ")).unwrap_or_default();
        assert!(first.starts_with(&status.to_string()), "{bytes:?}: {lane}");
    }
    assert_eq!(connect(&server.running).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_head_may_arrive_in_any_pieces() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (path, bytes) = fixture.small();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    for cut in (1..request.len()).step_by(7) {
        let mut client = connect(&running).await;
        client.send(&request[..cut]).await;
        tokio::task::yield_now().await;
        client.send(&request[cut..]).await;
        assert!(client.answer().await.body == bytes[1..], "{cut}");
        assert!(client.answer().await.body == bytes, "{cut}");
    }
}

#[tokio::test]
async fn header_limits_apply_on_both_paths() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    for implementation in [Lane, Hyper] {
        for request in [
            format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(64)),
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        ] {
            let mut client = connect_to(&running, implementation).await;
            // The server may close before it has read all of it.
            let _ = client.try_send(&request).await;
            let text = String::from_utf8(client.end().await).unwrap();
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{implementation:?} {text}");
        }
        let mut client = connect_to(&running, implementation).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(60))).await;
        assert_eq!(client.answer().await.status, 200, "{implementation:?}");
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(12_000))).await;
        assert_eq!(client.answer().await.status, 200, "{implementation:?}");
    }
}
