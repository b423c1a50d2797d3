//! Downloads that a test reads at its own pace, over each protocol of the server.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::frames::{DATA, END_STREAM, GOAWAY, HEADERS, MAXIMAL_WINDOW, RST_STREAM, beginning, get};
use crate::run::Server;

/// The longest wait for a byte.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The protocol, and the part of the server that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, answered by the fast lane.
    Lane,
    /// HTTP/1.1 that the fast lane leaves to hyper.
    Hyper,
    /// Cleartext HTTP/2 with prior knowledge.
    Http2,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    TlsHttp2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 5] = [Self::Lane, Self::Hyper, Self::Http2, Self::Tls, Self::TlsHttp2];

    const fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::TlsHttp2)
    }
}

/// A self-signed certificate for `localhost`.
pub(crate) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Writes `tls.pem` and `tls.key` into a folder.
    pub(crate) fn write(folder: &Path) -> Self {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("tls.pem"), pair.cert.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
        Self(pair.cert.der().clone())
    }

    /// Options of `serve` that use it.
    pub(crate) const OPTIONS: [&'static str; 6] =
        ["--listen-tls", "127.0.0.1:0", "--tls-cert", "tls.pem", "--tls-key", "tls.key"];

    fn connect(&self, address: &str, alpn: &[u8]) -> Stream {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        Box::new(StreamOwned::new(client, socket(address)))
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}
type Stream = Box<dyn ReadWrite>;

/// A socket with a small receive buffer.
fn socket(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 * 1024).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// A response in progress.
pub(crate) struct Download {
    stream: Stream,
    protocol: Protocol,
    /// Read but not parsed.
    unread: Vec<u8>,
    status: Option<u16>,
    /// The length of an HTTP/1.1 body, once the header was read.
    length: Option<usize>,
    body: Vec<u8>,
    end: Option<End>,
}

/// The result of a download.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Complete by the rules of the protocol.
    Whole,
    /// Cut off.
    Cut,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes, {:?}", self.status, self.body.len(), self.end)
    }
}

impl Download {
    /// Asks for `path`, or a range of it.
    pub(crate) fn begin(
        server: &Server,
        certificate: &Certificate,
        protocol: Protocol,
        path: &str,
        range: Option<&str>,
    ) -> Self {
        let tls = || server.listen_tls.as_deref().unwrap();
        let mut stream: Stream = match protocol {
            Protocol::Lane | Protocol::Hyper | Protocol::Http2 => Box::new(socket(&server.listen)),
            Protocol::Tls => certificate.connect(tls(), b"http/1.1"),
            Protocol::TlsHttp2 => certificate.connect(tls(), b"h2"),
        };
        if protocol.is_http2() {
            stream.write_all(&[beginning(MAXIMAL_WINDOW), get(1, path, range)].concat()).unwrap();
        } else {
            // The fast lane leaves targets with a scheme to hyper.
            let base = if protocol == Protocol::Hyper { "http://localhost" } else { "" };
            let range = range.map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
            write!(stream, "GET {base}{path} HTTP/1.1\r\nHost: localhost\r\n{range}\r\n").unwrap();
        }
        stream.flush().unwrap();
        Self { stream, protocol, unread: Vec::new(), status: None, length: None, body: Vec::new(), end: None }
    }

    /// Reads until `bytes` bytes of the body have arrived, or it ends.
    pub(crate) fn read_to(&mut self, bytes: usize) {
        let mut room = vec![0; 64 * 1024];
        while self.end.is_none() && self.body.len() < bytes {
            match self.stream.read(&mut room) {
                // A reset, or TLS that ends without a close_notify, is an end too; a timeout is not.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("{:?}: nothing came within {TIMEOUT:?}", self.protocol)
                }
                Ok(0) | Err(_) => self.end = Some(End::Cut),
                Ok(length) => {
                    self.unread.extend_from_slice(&room[..length]);
                    if self.protocol.is_http2() { self.take_frames() } else { self.take_bytes() }
                }
            }
        }
    }

    /// Reads to the end.
    pub(crate) fn finish(mut self) -> Outcome {
        self.read_to(usize::MAX);
        Outcome { status: self.status.unwrap_or(0), body: self.body, end: self.end.unwrap() }
    }

    fn take_bytes(&mut self) {
        if self.length.is_none() {
            let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") else { return };
            let head: Vec<u8> = self.unread.drain(..end + 4).collect();
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            self.status = head.split(' ').nth(1).unwrap().parse().ok();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            self.length = Some(length.unwrap().parse().unwrap());
        }
        self.body.append(&mut self.unread);
        if Some(self.body.len()) >= self.length {
            self.end = Some(End::Whole);
        }
    }

    fn take_frames(&mut self) {
        while self.end.is_none() && self.unread.len() >= 9 {
            let length = u32::from_be_bytes([0, self.unread[0], self.unread[1], self.unread[2]]) as usize;
            if self.unread.len() < 9 + length {
                return;
            }
            let frame: Vec<u8> = self.unread.drain(..9 + length).collect();
            let (kind, flags, payload) = (frame[3], frame[4], &frame[9..]);
            match kind {
                DATA => self.body.extend_from_slice(payload),
                HEADERS => self.status = Some(status_of(payload)),
                RST_STREAM | GOAWAY => self.end = Some(End::Cut),
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                self.end = Some(End::Whole);
            }
        }
    }
}

/// The first field is `:status`: an entry of the static table, or a literal value.
fn status_of(block: &[u8]) -> u16 {
    let block = match block {
        [update, rest @ ..] if update & 0xe0 == 0x20 => rest,
        all => all,
    };
    match block[0] {
        0x88 => 200,
        0x8a => 206,
        0x8d => 404,
        _ => 503,
    }
}
