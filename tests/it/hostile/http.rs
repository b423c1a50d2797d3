//! One request over one connection, sent exactly as given.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A response, or the part of it that arrived.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// Sends one request and reads to the end of the connection. A server that does not answer fails the test.
#[track_caller]
pub(crate) fn request(address: &str, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole header") + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse().unwrap());
    Answer { status, content_length: length, body: bytes.split_off(end) }
}

/// Repeats the request until the response has this status, for at most half a minute.
#[track_caller]
pub(crate) fn until(address: &str, path: &str, status: u16) -> Answer {
    for _ in 0..300 {
        let answer = request(address, "GET", path);
        if answer.status == status {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{path} did not become {status}");
}
