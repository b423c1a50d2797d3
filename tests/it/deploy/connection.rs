//! An HTTP/1.1 client that keeps its connection, and sends and reads exactly what a test wants.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest wait for bytes.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection of a client.
pub(crate) struct Connection(BufReader<Box<dyn Stream>>);

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    /// The same; these bytes go first.
    pub(crate) fn open_with(address: SocketAddr, preface: &str) -> Self {
        let mut connection = Self::open(address);
        connection.0.get_mut().write_all(preface.as_bytes()).unwrap();
        connection
    }

    /// A connection of the client with this address of the loopback network.
    pub(crate) fn from(client: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from((client, 0))).unwrap();
        connect(&socket, &address).unwrap();
        Self::of(socket.into())
    }

    /// A connection with TLS to `updates.example.org`, whose certificate is this one (PEM).
    pub(crate) fn open_tls(address: SocketAddr, certificate: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = "updates.example.org".try_into().unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(BufReader::new(Box::new(StreamOwned::new(session, stream))))
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    /// A response to GET.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// A response to a request with these header lines.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, lines: &[&str]) -> Answer {
        self.try_ask(method, path, lines).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same; the connection may end, as it may between two requests.
    pub(crate) fn try_ask(&mut self, method: &str, path: &str, lines: &[&str]) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: updates.example.org\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let has_body = method != "HEAD" && status != 304;
        let body = if has_body { self.body(&headers)? } else { Vec::new() };
        Ok(Answer { status, headers, body })
    }

    fn body(&mut self, headers: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
        if let Some(length) = headers.get("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body)?;
            return Ok(body);
        }
        assert_eq!(headers.get("transfer-encoding").map(String::as_str), Some("chunked"), "{headers:?}");
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            self.0.read_exact(&mut chunk)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
}

impl Answer {
    /// A header; empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
