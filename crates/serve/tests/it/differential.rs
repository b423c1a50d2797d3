//! The same answer however a request comes: generated requests, each sent on the lane, to hyper and over HTTP/2.
//!
//! Compared are status, body, every header but the date and those of one connection (`Connection`), and the line of the
//! access log. The generator is seeded: a failure comes again.

use std::collections::BTreeMap;

use bytes::Bytes;
use clearwell_format::resource::ResourceKind;
use clearwell_serve::config::LogFormat;
use clearwell_serve::{Running, ServeConfig};
use clearwell_store::Digest;
use http::Request;
use http_body_util::{BodyExt as _, Empty};

use crate::fixture::{Answer, Fixture, config, connect};
use crate::wire::prior_knowledge;

const REQUESTS: usize = 1500;

/// A request as it can be sent on each of the three ways.
#[derive(Debug)]
struct Asked {
    method: &'static str,
    target: String,
    host: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// What has to be the same.
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

/// Paths that are there, in the spellings of [`spell`], and others.
fn paths(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    for (path, bytes) in [
        fixture.small(),
        fixture.large(),
        fixture.artifact(|artifact| artifact.kind() == ResourceKind::Fullfile),
        fixture.artifact(|artifact| artifact.to_string() == "format"),
    ] {
        paths.push((path, bytes.to_vec()));
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
        paths.push((path.to_owned(), Vec::new()));
    }
    paths
}

/// Another spelling of a path, mostly of the same.
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

/// A value that a condition may have.
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
        // Lines that come twice have to be read in one way, too, whatever each of them says.
        if dice.chance(4) {
            fields.push(field(dice, kind, etag, size));
        }
    }
    fields
}

impl Asked {
    fn generate(dice: &mut Dice, paths: &[(String, Vec<u8>)]) -> Self {
        let (path, bytes) = &paths[dice.roll(paths.len())];
        let etag = format!("\"{}\"", Digest::of(bytes));
        Self {
            method: dice.pick(&["GET", "GET", "GET", "HEAD", "HEAD", "POST", "DELETE", "get", "QUERY"]),
            target: spell(dice, path),
            host: dice.pick(&["x", "x:8080", "[::1]:80", "other.example"]),
            fields: fields(dice, &etag, bytes.len()),
        }
    }

    /// As HTTP/1.1 with a line that brings the connection to hyper, or without.
    fn text(&self, more: &str) -> String {
        let Self { method, target, host, fields } = self;
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{more}\r\n")
    }

    fn http_2(&self) -> Request<Empty<Bytes>> {
        let uri = format!("http://{}{}", self.host, self.target);
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.fields {
            // Spaces around a value belong to the form of HTTP/1.1.
            request = request.header(*name, value.trim().as_bytes());
        }
        request.body(Empty::new()).unwrap()
    }
}

/// A server whose connections are served in turn, and logged in a file of its own.
async fn serve(fixture: &Fixture, way: &str) -> Running {
    let log = fixture.path(way);
    let logged = ServeConfig { access_log_format: LogFormat::Json, access_log_file: Some(log), ..config() };
    fixture.serve_with(ServeConfig { workers: 1, ..logged }).await
}

/// The lines of a log, without what depends on the time and the way.
fn lines(fixture: &Fixture, way: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(fixture.path(way)).unwrap();
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
async fn three_ways_and_one_answer() {
    let fixture = Fixture::new();
    let [on_lane, on_hyper, on_http_2] =
        [serve(&fixture, "lane").await, serve(&fixture, "hyper").await, serve(&fixture, "http-2").await];
    let paths = paths(&fixture);
    let mut dice = Dice(0x5eed_0001_2024_1128);
    let mut sender = prior_knowledge(&on_http_2).await;
    let (mut lane, mut hyper) = (connect(&on_lane).await, connect(&on_hyper).await);
    let mut statuses = BTreeMap::new();
    let mut all_asked = Vec::new();
    for at in 0..REQUESTS {
        let asked = Asked::generate(&mut dice, &paths);
        let mut answers = Vec::new();
        // What is not of the shape of the lane is hyper's on both; a connection that was handed over is replaced.
        for (client, running, more) in [(&mut lane, &on_lane, ""), (&mut hyper, &on_hyper, "Content-Length: 0\r\n")] {
            client.send(asked.text(more)).await;
            let answer = if asked.method == "HEAD" { client.answer_to_head().await } else { client.answer().await };
            if answer.header("connection") == "close" || (more.is_empty() && !["GET", "HEAD"].contains(&asked.method)) {
                *client = connect(running).await;
            }
            answers.push(Compared::of(&answer));
        }
        sender.ready().await.unwrap();
        let (parts, body) = sender.send_request(asked.http_2()).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        answers.push(Compared::of(&Answer { status: parts.status, headers: parts.headers, body }));
        assert_eq!(answers[0], answers[1], "{at}: the lane and hyper, {asked:?}");
        assert_eq!(answers[0], answers[2], "{at}: HTTP/1.1 and HTTP/2, {asked:?}");
        *statuses.entry(answers[0].status).or_insert(0) += 1;
        all_asked.push(asked);
    }
    for status in [200, 206, 304, 400, 404, 405, 412, 416, 503] {
        assert!(statuses.contains_key(&status), "nothing was answered with {status}: {statuses:?}");
    }
    for running in [on_lane, on_hyper, on_http_2] {
        running.drain().await;
    }
    let logs = ["lane", "hyper", "http-2"].map(|way| lines(&fixture, way));
    assert_eq!(logs.each_ref().map(Vec::len), [REQUESTS; 3]);
    for (at, asked) in all_asked.iter().enumerate() {
        assert_eq!(logs[0][at], logs[1][at], "{at}: logged by the lane and by hyper, {asked:?}");
        assert_eq!(logs[0][at], logs[2][at], "{at}: logged for HTTP/1.1 and HTTP/2, {asked:?}");
    }
}
