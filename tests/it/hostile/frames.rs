//! Frames of HTTP/2 (RFC 9113 §4.1), written by hand: libraries refuse to send these.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The largest window (RFC 9113 §6.9.1).
pub(crate) const MAXIMAL_WINDOW: u32 = (1 << 31) - 1;
/// The initial window of a connection.
const DEFAULT_WINDOW: u32 = 65_535;

/// The longest wait for bytes.
const LIMIT: Duration = Duration::from_secs(30);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A GET of `path`, or of a range of it.
pub(crate) fn get(stream: u32, path: &str, range: Option<&str>) -> Vec<u8> {
    let literal = |block: &mut Vec<u8>, name: &[u8], value: &str| {
        block.extend(name);
        // A length of seven bits (RFC 7541 §5.1).
        assert!(value.len() < 127);
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    };
    // :method GET, :scheme http; :authority, :path and range with names of the static table (RFC 7541, appendix A)
    let mut block = vec![0x82, 0x86];
    literal(&mut block, &[0x01], "localhost");
    literal(&mut block, &[0x04], path);
    if let Some(range) = range {
        literal(&mut block, &[0x0f, 50 - 15], range);
    }
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// The first bytes of a client: the preface, and SETTINGS with the window of each stream.
pub(crate) fn beginning(window: u32) -> Vec<u8> {
    let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat();
    if window > DEFAULT_WINDOW {
        bytes.extend(window_update(0, window - DEFAULT_WINDOW));
    }
    bytes
}

/// A client that does not limit itself to the rules of flow control.
pub(crate) struct RawClient {
    stream: TcpStream,
}

impl RawClient {
    /// Connects and announces a window for each stream; the connection has at least as large a one.
    pub(crate) fn connect(address: &str, window: u32) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        let mut client = Self { stream };
        client.send(&beginning(window));
        client
    }

    /// Requests each path on a separate stream.
    pub(crate) fn ask<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        let asked = (1..).step_by(2).zip(paths).flat_map(|(stream, path)| get(stream, path, None));
        self.send(&asked.collect::<Vec<u8>>());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads up to `bytes` bytes; fewer if the server closes the connection.
    pub(crate) fn read(&mut self, bytes: usize) -> usize {
        let mut buffer = vec![0; bytes];
        self.stream.read(&mut buffer).unwrap_or(0)
    }
}
