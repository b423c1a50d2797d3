//! The fast lane and hyper answer the same bytes alike: status, headers without the date, and body.
//!
//! The bytes are sent on two connections to one server. The first is on the lane as long as the lane supports its requests,
//! the second was moved to hyper before. An input that begins with `!` is sent as it is; any other describes requests in
//! lines (see [`requests`]).
#![no_main]

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use clearwell_format::Resource;
use clearwell_serve::{ServeConfig, Server};
use clearwell_store::Digest;
use clearwell_testkit::sample_store;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    let sample = SAMPLE.get_or_init(Sample::serve);
    let bytes = match input {
        [b'!', raw @ ..] => raw.to_vec(),
        lines => requests(lines, &sample.resources),
    };
    // The preface of HTTP/2 is one only at the start of a connection.
    if bytes.len() > MAX_BYTES || bytes.starts_with(b"PRI ") {
        return;
    }
    let lane = Received::of(sample.address, &[&bytes, LAST]);
    let mut hyper = Received::of(sample.address, &[MOVE_TO_HYPER, &bytes, LAST]);
    hyper.answers.remove(0);
    assert!(lane.agrees_with(&hyper), "{:?}\nthe lane: {lane:#?}\nhyper: {hyper:#?}", bytes.escape_ascii().to_string());
});

/// More than the lane's buffer. Each byte may cause thousands in the answers.
const MAX_BYTES: usize = 10 << 10;
/// Requests that an input may describe.
const MAX_REQUESTS: usize = 8;
/// Less than the time that the server allows for the header of a request.
const TIME_LIMIT: Duration = Duration::from_secs(8);

/// The lane does not support a request with this header.
const MOVE_TO_HYPER: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
/// Completes an incomplete head, and ends the connection.
const LAST: &[u8] = b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Repeated ones are more likely.
const METHODS: [&str; 8] = ["GET", "GET", "GET", "HEAD", "HEAD", "POST", "OPTIONS", "get"];
const HEADERS: [&str; 21] = [
    "Range",
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Connection",
    "Connection",
    "User-Agent",
    "Referer",
    "Authorization",
    "X-Forwarded-For",
    "traceparent",
    "Accept-Encoding",
    "Upgrade",
    "Expect",
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
];
/// Parts of header values.
const WORDS: [&str; 8] = ["close", "keep-alive", "bytes=0-", "swupd-client/7", "*", "W/", "100-continue", "chunked"];
/// Paths without an object.
const OTHER_PATHS: [&str; 8] = [
    "/",
    "/healthz",
    "/readyz",
    "/version/format30/latest",
    "/version/format30/latest.sig",
    "/version/format31/latest",
    "/1/Manifest.MoM.tar",
    "/nothing",
];

/// A path and an entity tag.
type NamedTag = (String, String);

/// The sample store on a server.
struct Sample {
    address: SocketAddr,
    resources: Vec<NamedTag>,
}

impl Sample {
    fn serve() -> Self {
        let sample = sample_store(&std::env::temp_dir().join(format!("clearwell-lane-{}", std::process::id())));
        let newest = &sample.releases[1];
        let objects = newest.artifacts.iter().map(|(artifact, bytes)| {
            let path = format!("/{}", Resource::of(newest.version, artifact.clone()));
            (path, format!("\"{}\"", Digest::of(bytes)))
        });
        let others = OTHER_PATHS.map(|path| (path.to_owned(), "\"other\"".to_owned()));
        let resources = objects.chain(others).collect();
        let settings = [
            ("listen", "127.0.0.1:0"),
            ("admin", "127.0.0.1:0"),
            ("workers", "1"),
            ("max-connections-per-address", "0"),
            ("max-downloads-per-address", "0"),
        ];
        let config = ServeConfig::layered("", settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let running = runtime.block_on(Server::bind(config, sample.store)).unwrap();
        let address = running.addr().unwrap();
        // Both last as long as the process; the server has its own threads.
        std::mem::forget((running, runtime));
        Self { address, resources }
    }
}

/// The requests that `lines` describe, without the end of the last head.
///
/// The first byte of a line selects a header (`a` to `u`), whose value follows; or a new request, for which three bytes
/// follow: method, resource, place in the path. The rest of the line is inserted there. If the third byte is not ASCII, it
/// replaces a byte of the path.
///
/// In a value `~` stands for the entity tag of the resource, and each byte from 0xc0 for one of [`WORDS`].
fn requests(lines: &[u8], resources: &[NamedTag]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut tag = None;
    let mut left = MAX_REQUESTS;
    for line in lines.split(|&byte| byte == b'\n') {
        let Some((selector, rest)) = line.split_first() else { continue };
        let header = usize::from(selector & 31).checked_sub(1).and_then(|at| HEADERS.get(at));
        match (header, tag, rest) {
            (Some(header), Some(tag), value) => {
                text.extend_from_slice(header.as_bytes());
                text.extend_from_slice(b": ");
                for byte in value {
                    text.extend_from_slice(match byte {
                        b'~' => tag,
                        0xc0.. => WORDS[usize::from(*byte) % WORDS.len()].as_bytes(),
                        _ => std::slice::from_ref(byte),
                    });
                }
                text.extend_from_slice(b"\r\n");
            }
            (None, _, [method, resource, place, inserted @ ..]) if left > 0 => {
                if tag.is_some() {
                    text.extend_from_slice(b"\r\n");
                }
                left -= 1;
                let (path, own_tag) = &resources[usize::from(*resource) % resources.len()];
                tag = Some(own_tag.as_bytes());
                let (before, after) = path.as_bytes().split_at(usize::from(place & 127) % (path.len() + 1));
                let after = if place.is_ascii() { after } else { after.get(1..).unwrap_or_default() };
                let method = METHODS[usize::from(*method) % METHODS.len()].as_bytes();
                let end: &[u8] = b" HTTP/1.1\r\nHost: x\r\n";
                text.extend([method, b" ", before, inserted, after, end].concat());
            }
            _ => {}
        }
    }
    text
}

/// All answers on a connection.
#[derive(Debug)]
struct Received {
    answers: Vec<Answer>,
    /// The server closed the connection before it had read all bytes. The end of what it sent may be lost.
    was_reset: bool,
}

impl Received {
    /// Sends `pieces` on a new connection, and reads until the server closes it.
    fn of(address: SocketAddr, pieces: &[&[u8]]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        stream.set_write_timeout(Some(TIME_LIMIT)).unwrap();
        // Fails if the server has closed the connection after the first bytes.
        let _ = stream.write_all(&pieces.concat());
        let mut bytes = Vec::new();
        let was_reset = match stream.read_to_end(&mut bytes) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
            Err(error) => {
                panic!("the connection did not end: {error}, sent {:?}", pieces.concat().escape_ascii().to_string())
            }
        };
        Self { answers: answers(&bytes), was_reset }
    }

    fn agrees_with(&self, other: &Self) -> bool {
        let (shorter, longer) = if self.answers.len() <= other.answers.len() { (self, other) } else { (other, self) };
        if shorter.answers == longer.answers {
            return true;
        }
        let Some((last, before)) = shorter.answers.split_last() else { return shorter.was_reset };
        let same = &longer.answers[before.len()];
        (self.was_reset || other.was_reset)
            && longer.answers.starts_with(before)
            && last.head == same.head
            && (last.body.starts_with(&same.body) || same.body.starts_with(&last.body))
    }
}

/// An answer to a request.
#[derive(PartialEq)]
struct Answer {
    /// Sorted lines, without the date.
    head: Vec<String>,
    body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = &self.body[..self.body.len().min(400)];
        writeln!(f, "{:#?} {} bytes: {}", self.head, self.body.len(), begin.escape_ascii())
    }
}

/// Divides a stream of answers where a status line begins. No object of the sample store contains one.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    // The answer to a request of HTTP/1.0 has its version.
    const STATUS_LINE: &[u8] = b"HTTP/1.";
    let find = |text: &[u8], bytes: &[u8]| bytes.windows(text.len()).position(|part| part == text);
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let length = find(STATUS_LINE, &bytes[1..]).map_or(bytes.len(), |at| at + 1);
        let (answer, rest) = bytes.split_at(length);
        bytes = rest;
        // Without one the connection was reset within the head.
        let Some(head_length) = find(b"\r\n\r\n", answer) else { break };
        let (head, body) = answer.split_at(head_length + 4);
        let head = String::from_utf8_lossy(head);
        let mut head: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
        head.sort();
        answers.push(Answer { head, body: body.to_vec() });
    }
    answers
}
