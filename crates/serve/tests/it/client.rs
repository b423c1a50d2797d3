//! A client that sends any bytes and parses responses strictly.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::Answer;

/// A connection of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Bytes to and from a server: a TCP connection, or TLS over one.
pub(crate) type Wire = Box<dyn Stream>;

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Client<S> {
    stream: S,
    read: Vec<u8>,
}

impl Client<TcpStream> {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(timeout(LIMIT, TcpStream::connect(address)).await.unwrap().unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) const fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Of which nothing was read that is not answered.
    pub(crate) fn into_stream(self) -> S {
        assert!(self.read.is_empty());
        self.stream
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(LIMIT, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Sends to a server that may have closed already; false if it has.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(LIMIT, self.stream.write_all(bytes.as_ref())).await.unwrap().is_ok()
    }

    /// Sends a request with the stock client's headers for cleartext.
    pub(crate) async fn request(&mut self, method: &str, path: &str) {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path).await;
        self.answer().await
    }

    pub(crate) async fn head(&mut self, path: &str) -> Answer {
        self.request("HEAD", path).await;
        self.answer_to_head().await
    }

    /// Reads an answer that has a body if its length says so.
    pub(crate) async fn answer(&mut self) -> Answer {
        let (status, headers) = self.header().await;
        let length = match status {
            StatusCode::NOT_MODIFIED => 0,
            _ => headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap()),
        };
        Answer { status, headers, body: self.body(length).await.into() }
    }

    /// Reads an answer that has no body whatever its length says.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        let (status, headers) = self.header().await;
        Answer { status, headers, body: bytes::Bytes::new() }
    }

    pub(crate) async fn header(&mut self) -> (StatusCode, HeaderMap) {
        let end = loop {
            match self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.more().await, "closed within a header: {:?}", String::from_utf8_lossy(&self.read)),
            }
        };
        let text: Vec<u8> = self.read.drain(..end + 4).collect();
        let text = std::str::from_utf8(&text).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.").unwrap_or_else(|| panic!("{text:?}"));
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap()));
        (status, headers.collect())
    }

    /// The next `length` bytes of a body.
    pub(crate) async fn body(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "the body ends early: {} of {length}", self.read.len());
        }
        self.read.drain(..length).collect()
    }

    /// Reads some; false at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let mut buffer = [0; 65536];
        // A reset is an end, too.
        let length = timeout(LIMIT, self.stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
        self.read.extend_from_slice(&buffer[..length]);
        length > 0
    }

    /// Reads to the end; the bytes before it.
    pub(crate) async fn end(mut self) -> Vec<u8> {
        while self.more().await {}
        self.read
    }

    /// True if the server closes without another byte.
    pub(crate) async fn closes(self) -> bool {
        self.end().await.is_empty()
    }
}
