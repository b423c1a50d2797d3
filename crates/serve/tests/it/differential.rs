//! The same request has the same effect on every path: generated requests, each sent to the fast lane, to hyper and over
//! HTTP/2, with and without TLS.
//!
//! Compared are status, body, and every header but `Date` and those of one connection (`Connection`); at the end the line
//! of the access log for each request, and the counters that do not depend on how bytes are sent. The generator is seeded,
//! so that a failure can be repeated.

use std::collections::BTreeMap;

use bytes::Bytes;
use clearwell_format::resource::ResourceKind;
use clearwell_serve::config::{ClientCertificates, LogFormat};
use clearwell_serve::{Running, ServeConfig};
use clearwell_store::Digest;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::client::{Client, Wire};
use crate::fixture::{Answer, Fixture, config, connect, wait_for_metric};
use crate::tls::{self, Certificates};

const REQUESTS: usize = 1000;
/// Objects that requests name more often than other paths.
const OBJECTS: usize = 5;

/// A request that can be sent on each path.
#[derive(Debug)]
struct Asked {
    method: &'static str,
    target: String,
    host: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// The part of a response that is compared.
#[derive(Debug, PartialEq)]
struct Compared {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    body: Bytes,
}

impl Compared {
    fn of(answer: &Answer) -> Self {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &answer.headers {
            if !["date", "connection"].contains(&name.as_str()) {
                headers.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
            }
        }
        Self { status: answer.status.as_u16(), headers, body: answer.body.clone() }
    }
}

/// Numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

/// Paths of [`OBJECTS`] objects with their bytes, and other paths.
fn urls(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let mut urls = Vec::new();
    for (path, bytes) in [
        fixture.small(),
        fixture.large(),
        fixture.artifact(|artifact| artifact.kind() == ResourceKind::Fullfile),
        fixture.artifact(|artifact| artifact.to_string() == "format"),
        fixture.artifact(|artifact| artifact.kind() == ResourceKind::DeltaPack),
    ] {
        urls.push((path, bytes.to_vec()));
    }
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/version/format30/latest",
        "/version/format30/latest.sig",
        "/version/format31/latest",
        "/30/Manifest.MoM.tar",
        "/1/Manifest.MoM.tar",
        "/20/../20/format",
        "/20/form%zz",
        "/20/format%00",
        "/nothing",
    ] {
        urls.push((path.to_owned(), Vec::new()));
    }
    urls
}

/// Another spelling of a path, in most cases of the same resource.
fn spell(dice: &mut Dice, path: &str) -> String {
    match dice.roll(12) {
        0 => path.replace('/', "//"),
        1 => path.replace("/2", "/./2"),
        2 => path.replace('f', "%66").replace('M', "%4D"),
        3 => format!("{path}?x=%zz&y"),
        4 => format!("{path}?"),
        5 => format!("{path}/"),
        6 => path.replacen('.', "%2E", 1),
        7 => path.replacen("/20", "%2F20", 1).replacen("%2F", "/%2F", 1),
        _ => path.to_owned(),
    }
}

/// A value for a conditional header.
fn etags(dice: &mut Dice, etag: &str) -> String {
    match dice.roll(8) {
        0 | 1 => etag.to_owned(),
        2 => format!("W/{etag}"),
        3 => "*".to_owned(),
        4 => "\"other\"".to_owned(),
        5 => format!("\"a\", {etag} ,\"b\""),
        6 => "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
        _ => String::new(),
    }
}

fn range(dice: &mut Dice, size: usize) -> String {
    let at = |dice: &mut Dice| dice.roll(size.max(1) * 5 / 4 + 1);
    match dice.roll(12) {
        0 => format!("bytes={}-", at(dice)),
        1 => format!("bytes=-{}", at(dice)),
        2 => format!("bytes={}-{}", at(dice), at(dice)),
        3 => format!("bytes={}-{}, -{}", at(dice), at(dice), at(dice)),
        4 => format!("bytes=0-0,{}-,,5-6", at(dice)),
        5 => format!("Bytes = {}-{}", at(dice), at(dice)),
        6 => format!("bytes={}-{}\t", at(dice), u128::MAX),
        7 => "lines=0-1".to_owned(),
        8 => "bytes=a-b".to_owned(),
        9 => String::new(),
        10 => format!("bytes={}", "0-,".repeat(at(dice).min(300))),
        _ => "bytes=0-0".to_owned(),
    }
}

fn field(dice: &mut Dice, kind: usize, etag: &str, size: usize) -> (&'static str, String) {
    match kind {
        0 | 1 => ("range", range(dice, size)),
        2 => ("if-match", etags(dice, etag)),
        3 => ("if-none-match", etags(dice, etag)),
        4 => ("if-range", etags(dice, etag)),
        5 => ("user-agent", dice.pick(&["swupd-client/7.0.0", "curl/8.0", "", "x swupd-client/"]).to_owned()),
        6 => ("accept-encoding", dice.pick(&["gzip, br", "identity;q=0", "*"]).to_owned()),
        7 => ("if-modified-since", "Sun, 06 Nov 2044 08:49:37 GMT".to_owned()),
        8 => ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        9 => ("x-forwarded-for", dice.pick(&["192.0.2.1", "nonsense", "10.0.0.1, 192.0.2.7"]).to_owned()),
        10 => ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        11 => ("accept", "*/*".to_owned()),
        12 => ("authorization", dice.pick(&["Basic dXNlcjpwYXNz", "Basic Ym9iOnNlY3JldA==", "Bearer x"]).to_owned()),
        _ => ("referer", dice.pick(&["http://x/\u{e4}", "http://y/", ""]).to_owned()),
    }
}

fn fields(dice: &mut Dice, etag: &str, size: usize) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    for _ in 0..dice.roll(5) {
        let kind = dice.roll(14);
        fields.push(field(dice, kind, etag, size));
        // Repeated headers have to be interpreted in the same way too.
        if dice.chance(4) {
            fields.push(field(dice, kind, etag, size));
        }
    }
    fields
}

impl Asked {
    fn generate(dice: &mut Dice, paths: &[(String, Vec<u8>)]) -> Self {
        // Half of the requests are for objects, where conditions and ranges matter.
        let choices = if dice.chance(2) { OBJECTS } else { paths.len() };
        let (path, bytes) = &paths[dice.roll(choices)];
        let etag = format!("\"{}\"", Digest::of(bytes));
        Self {
            method: dice
                .pick(&["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "HEAD", "POST", "get", "QUERY"]),
            target: spell(dice, path),
            host: dice.pick(&["x", "x:8080", "[::1]:80", "other.example"]),
            fields: fields(dice, &etag, bytes.len()),
        }
    }

    /// As HTTP/1.1; `more` may be a line that moves the connection to hyper.
    fn text(&self, more: &str) -> String {
        let Self { method, target, host, fields } = self;
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{more}\r\n")
    }

    fn http_2(&self, scheme: &str) -> Request<Empty<Bytes>> {
        let uri = format!("{scheme}://{}{}", self.host, self.target);
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.fields {
            // Space around a value is syntax of HTTP/1.1.
            request = request.header(*name, value.trim().as_bytes());
        }
        request.body(Empty::new()).unwrap()
    }
}

/// The paths: name, implementation, TLS.
const PATHS: [(&str, Implementation, bool); 6] = [
    ("lane", Implementation::Lane, false),
    ("hyper", Implementation::Hyper, false),
    ("http-2", Implementation::Http2, false),
    ("tls-lane", Implementation::Lane, true),
    ("tls-hyper", Implementation::Hyper, true),
    ("tls-http-2", Implementation::Http2, true),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Implementation {
    Lane,
    Hyper,
    Http2,
}

/// A server that serves one path only, with its own access log, and a connection to it.
struct Path<'a> {
    name: &'static str,
    implementation: Implementation,
    /// For TLS.
    certificates: Option<&'a Certificates>,
    running: Running,
    connection: Connection,
}

enum Connection {
    Http1(Client<Wire>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl<'a> Path<'a> {
    async fn open(
        fixture: &Fixture,
        certificates: &'a Certificates,
        (name, implementation, over_tls): (&'static str, Implementation, bool),
    ) -> Self {
        let base = if over_tls { certificates.config(fixture, ClientCertificates::None) } else { config() };
        let config = ServeConfig {
            access_log_format: LogFormat::Json,
            access_log_file: Some(fixture.path(name)),
            // Lines are in the order of requests.
            workers: 1,
            ..base
        };
        let running = fixture.serve_with(config).await;
        let certificates = over_tls.then_some(certificates);
        let connection = connect_on(&running, implementation, certificates).await;
        Self { name, implementation, certificates, running, connection }
    }

    async fn ask(&mut self, asked: &Asked) -> Compared {
        let client = match &mut self.connection {
            Connection::Http1(client) => client,
            Connection::Http2(sender) => {
                sender.ready().await.unwrap();
                let request = asked.http_2(if self.certificates.is_some() { "https" } else { "http" });
                let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                return Compared::of(&Answer { status: parts.status, headers: parts.headers, body });
            }
        };
        let is_lane = self.implementation == Implementation::Lane;
        client.send(asked.text(if is_lane { "" } else { "Content-Length: 0\r\n" })).await;
        let answer = if asked.method == "HEAD" { client.answer_to_head().await } else { client.answer().await };
        // A request that the lane does not support moves the connection to hyper: the next one needs a new connection.
        let left_lane = is_lane && !["GET", "HEAD"].contains(&asked.method);
        if left_lane || answer.header("connection") == "close" {
            self.connection = connect_on(&self.running, self.implementation, self.certificates).await;
        }
        Compared::of(&answer)
    }

    /// The counters that have to be equal. Not among them: connections and durations, and bytes by the way they are sent.
    async fn counters(&self) -> Vec<String> {
        wait_for_metric(&self.running, "clearwell_http_requests_in_flight 0").await;
        let families = [
            "clearwell_http_requests_total{",
            "clearwell_http_requests_shed_total{",
            "clearwell_http_sent_bytes_total{",
            "clearwell_http_request_duration_seconds_count",
            "clearwell_fleet_deltas_total{",
            "clearwell_fleet_installations_total{",
            "clearwell_fleet_latest_reads_total{",
            "clearwell_fleet_latest_version_reads_total",
            "clearwell_fleet_moms_total{",
            "clearwell_object_lookups_total{",
            "clearwell_object_hashed_bytes_total",
        ];
        let text = self.running.site().metrics().expose();
        for family in families {
            assert!(text.lines().any(|line| line.starts_with(family)), "{family} is exposed");
        }
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| families.iter().any(|family| line.starts_with(family)))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }
}

async fn connect_on(
    running: &Running,
    implementation: Implementation,
    certificates: Option<&Certificates>,
) -> Connection {
    let is_http2 = implementation == Implementation::Http2;
    let wire: Wire = match certificates {
        None => Box::new(connect(running).await.into_stream()),
        Some(certificates) => {
            let alpn = if is_http2 { "h2" } else { "http/1.1" };
            let client = certificates.client(&[alpn], rustls::ALL_VERSIONS, false);
            Box::new(tls::connect(running, client).await.unwrap())
        }
    };
    if !is_http2 {
        return Connection::Http1(Client::over(wire));
    }
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    Connection::Http2(sender)
}

/// The lines of an access log without times and the version of HTTP.
fn log_lines(fixture: &Fixture, name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(fixture.path(name)).unwrap();
    let line = |line| {
        let mut line: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
        for key in ["time", "microseconds", "version"] {
            line.remove(key).expect(key);
        }
        line.into()
    };
    text.lines().map(line).collect()
}

#[tokio::test]
async fn every_path_gives_the_same_response_log_line_and_counters() {
    let fixture = Fixture::new();
    let certificates = Certificates::new();
    let mut paths = Vec::new();
    for path in PATHS {
        paths.push(Path::open(&fixture, &certificates, path).await);
    }
    let urls = urls(&fixture);
    let mut dice = Dice(0x5eed_0001_2024_1128);
    let mut statuses = BTreeMap::new();
    let mut all_asked = Vec::new();
    for at in 0..REQUESTS {
        let asked = Asked::generate(&mut dice, &urls);
        let expected = paths[0].ask(&asked).await;
        for path in &mut paths[1..] {
            assert_eq!(path.ask(&asked).await, expected, "{at}: {} and the lane, {asked:?}", path.name);
        }
        *statuses.entry(expected.status).or_insert(0) += 1;
        all_asked.push(asked);
    }
    for status in [200, 206, 304, 400, 404, 405, 412, 416, 503] {
        assert!(statuses.contains_key(&status), "no response has status {status}: {statuses:?}");
    }
    let expected = paths[0].counters().await;
    for path in &paths[1..] {
        assert_eq!(path.counters().await, expected, "counters of {} and of the lane", path.name);
    }
    for path in paths {
        path.running.drain().await;
    }
    let expected = log_lines(&fixture, PATHS[0].0);
    assert_eq!(expected.len(), REQUESTS);
    for (name, ..) in &PATHS[1..] {
        let lines = log_lines(&fixture, name);
        assert_eq!(lines.len(), REQUESTS, "{name}");
        for ((line, expected), asked) in lines.iter().zip(&expected).zip(&all_asked) {
            assert_eq!(line, expected, "logged on {name} and on the lane, {asked:?}");
        }
    }
}
