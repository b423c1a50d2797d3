//! Load over HTTP/1.1: one thread, one loop over epoll, one request at a time on each connection.
//!
//! Responses are read as cheaply as possible: only status and length of the header are parsed, and large bodies are
//! discarded in the kernel.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{RecvFlags, recv};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::corpus::Random;
use crate::machine;
use crate::workload::Sample;

/// The requests, and the server that gets them.
pub(crate) struct Plan<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) pids: &'a [u32],
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) connections: usize,
    pub(crate) requests: Vec<Request>,
    pub(crate) pace: Pace,
    pub(crate) time: Duration,
}

/// When the next request is sent.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// As soon as the previous response is complete.
    Peak,
    /// Requests per second, independent of the responses; time spent waiting for a connection is part of the latency.
    Rate(f64),
    /// On a new connection, as soon as the previous one is closed.
    NewConnection,
    /// Each connection sends one request and is then idle.
    Once,
}

/// A request, ready to be sent.
pub(crate) struct Request {
    bytes: Vec<u8>,
    is_head: bool,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, headers: &str) -> Self {
        Self { bytes: format!("{method} {path} HTTP/1.1\r\n{headers}\r\n").into_bytes(), is_head: method == "HEAD" }
    }
}

/// Connections that are opened concurrently: more would overflow the queue of a listener.
const OPENING: usize = 100;
/// From this size on, a body is discarded without copying it.
const LARGE_BYTES: u64 = 64 << 10;

pub(crate) fn drive(plan: &Plan<'_>) -> Sample {
    let mut load = Load {
        plan,
        poll: Poll::new().expect("epoll"),
        connections: Vec::new(),
        resting: VecDeque::new(),
        opening: 0,
        random: Random(0x5eed),
        buffer: vec![0; 256 << 10],
        sample: Sample::default(),
    };
    load.open_all();
    load.sample = Sample::default();
    if plan.pace != Pace::Once {
        load.measure();
    }
    load.sample.resident_mib = machine::resident_mib(plan.pids);
    load.sample.latencies.sort_unstable();
    load.sample
}

struct Load<'a> {
    plan: &'a Plan<'a>,
    poll: Poll,
    connections: Vec<Connection>,
    /// Connections without a request to send.
    resting: VecDeque<usize>,
    opening: usize,
    random: Random,
    buffer: Vec<u8>,
    sample: Sample,
}

impl Load<'_> {
    /// Opens every connection and sends one request on each.
    fn open_all(&mut self) {
        let mut events = Events::with_capacity(1024);
        let mut answered = 0;
        while answered < self.plan.connections {
            while self.connections.len() < self.plan.connections && self.opening < OPENING {
                let token = self.connections.len();
                let request = self.random.below(self.plan.requests.len());
                self.connections.push(Connection::open(self.plan, &self.poll, token, request));
                self.opening += 1;
            }
            self.poll.poll(&mut events, Some(Duration::from_secs(5))).expect("epoll");
            assert!(!events.is_empty(), "no answer within 5 seconds; {answered} connections were answered");
            for event in &events {
                let token = event.token().0;
                // Answered before; the server has closed the connection since, as `Pace::NewConnection` asks it to.
                if self.connections[token].left == Some(0) {
                    continue;
                }
                if let Some(step) = self.step(token) {
                    assert!(step != Step::Failed, "the first request on a connection failed");
                    self.opening -= 1;
                    answered += 1;
                    self.resting.push_back(token);
                }
            }
        }
    }

    fn measure(&mut self) {
        let (begun, cpu) = (Instant::now(), machine::cpu(self.plan.pids));
        let end = begun + self.plan.time;
        let mut events = Events::with_capacity(1024);
        let mut arrivals = 0_u64;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let timeout = match self.plan.pace {
                Pace::Rate(rate) => {
                    while let Some(token) = self.resting.pop_front() {
                        let due = begun + Duration::from_secs_f64(arrivals as f64 / rate);
                        if due > now {
                            self.resting.push_front(token);
                            break;
                        }
                        arrivals += 1;
                        self.ask(token, due);
                    }
                    Duration::ZERO
                }
                _ => {
                    while let Some(token) = self.resting.pop_front() {
                        self.ask(token, Instant::now());
                    }
                    Duration::from_millis(100)
                }
            };
            self.poll.poll(&mut events, Some(timeout)).expect("epoll");
            for event in &events {
                let token = event.token().0;
                match self.step(token) {
                    None => {}
                    Some(Step::Answered) => self.resting.push_back(token),
                    Some(Step::Failed) => {
                        self.sample.errors += 1;
                        self.reopen(token);
                    }
                }
            }
        }
        self.sample.elapsed = begun.elapsed();
        self.sample.cpu = machine::cpu(self.plan.pids) - cpu;
    }

    fn ask(&mut self, token: usize, asked: Instant) {
        if self.plan.pace == Pace::NewConnection {
            return self.reopen(token);
        }
        let request = self.random.below(self.plan.requests.len());
        self.connections[token].ask(&self.plan.requests[request], request, asked);
    }

    fn reopen(&mut self, token: usize) {
        let request = self.random.below(self.plan.requests.len());
        self.connections[token] = Connection::open(self.plan, &self.poll, token, request);
    }

    /// Continues a connection; `Some` when its response is complete.
    fn step(&mut self, token: usize) -> Option<Step> {
        let connection = &mut self.connections[token];
        let before = connection.body_bytes;
        let step = connection.step(self.plan, &mut self.buffer);
        self.sample.bytes += connection.body_bytes - before;
        if step == Some(Step::Answered) {
            self.sample.requests += 1;
            self.sample.latencies.push(connection.asked.elapsed().as_micros() as u32);
        }
        step
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Answered,
    Failed,
}

struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Not sent yet: the connection is being opened.
    unsent: Option<usize>,
    is_head: bool,
    asked: Instant,
    head: Vec<u8>,
    /// Remaining bytes of the body; `None` while the header is incomplete.
    left: Option<u64>,
    body_bytes: u64,
}

impl Connection {
    fn open(plan: &Plan<'_>, poll: &Poll, token: usize, request: usize) -> Self {
        let asked = Instant::now();
        let mut stream = TcpStream::connect(plan.address).expect("a socket");
        poll.registry().register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE).expect("epoll");
        let tls = plan.tls.as_ref().map(|config| {
            let name = ServerName::try_from("localhost").expect("a name");
            Box::new(ClientConnection::new(Arc::clone(config), name).expect("a client"))
        });
        Self { stream, tls, unsent: Some(request), is_head: false, asked, head: vec![], left: None, body_bytes: 0 }
    }

    fn ask(&mut self, request: &Request, _: usize, asked: Instant) {
        self.asked = asked;
        self.is_head = request.is_head;
        self.left = None;
        match &mut self.tls {
            None => {
                // A few hundred bytes fit into the buffer; if the server has closed the connection, reading reports it.
                let _ = self.stream.write(&request.bytes);
            }
            Some(tls) => {
                tls.writer().write_all(&request.bytes).expect("memory");
                while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
            }
        }
    }

    fn step(&mut self, plan: &Plan<'_>, buffer: &mut [u8]) -> Option<Step> {
        match self.try_step(plan, buffer) {
            Ok(step) => step,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => None,
            Err(_) => Some(Step::Failed),
        }
    }

    fn try_step(&mut self, plan: &Plan<'_>, buffer: &mut [u8]) -> io::Result<Option<Step>> {
        if let Some(tls) = &mut self.tls {
            while tls.is_handshaking() {
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
                if !tls.is_handshaking() {
                    break;
                }
                if tls.read_tls(&mut self.stream)? == 0 {
                    return Ok(Some(Step::Failed));
                }
                tls.process_new_packets().map_err(io::Error::other)?;
            }
        }
        if let Some(request) = self.unsent {
            self.stream.peer_addr()?;
            self.unsent = None;
            let asked = self.asked;
            self.ask(&plan.requests[request], request, asked);
        }
        let closes = plan.pace == Pace::NewConnection;
        loop {
            if closes && self.left == Some(0) {
                return Ok(Some(Step::Answered));
            }
            let is_large = self.tls.is_none() && self.left.is_some_and(|left| left > LARGE_BYTES);
            let length = if is_large {
                let (_, length) = recv(&self.stream, &mut *buffer, RecvFlags::TRUNC)?;
                let left = self.left.unwrap_or_default();
                self.left = Some(left.saturating_sub(length as u64));
                self.body_bytes += length as u64;
                length
            } else {
                let length = self.stream.read(buffer)?;
                self.take(&buffer[..length])?;
                length
            };
            if length == 0 {
                return Ok(Some(Step::Failed));
            }
            if self.left == Some(0) {
                return Ok(Some(Step::Answered));
            }
            if length < buffer.len() && self.tls.is_none() {
                return Ok(None);
            }
        }
    }

    /// Bytes that came from the socket.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(mut tls) = self.tls.take() else { return self.take_plain(bytes) };
        let mut plain = [0; 16 << 10];
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            while let Ok(length @ 1..) = tls.reader().read(&mut plain) {
                self.take_plain(&plain[..length])?;
            }
        }
        self.tls = Some(tls);
        Ok(())
    }

    fn take_plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        let body = match self.left {
            Some(left) => {
                self.left = Some(left.saturating_sub(bytes.len() as u64));
                bytes.len()
            }
            None => {
                self.head.extend_from_slice(bytes);
                let Some(end) = find(&self.head, b"\r\n\r\n") else { return Ok(()) };
                let length = content_length(&self.head[..end]).ok_or(ErrorKind::InvalidData)?;
                let body = self.head.len() - end - 4;
                self.left = Some(if self.is_head { 0 } else { length.saturating_sub(body as u64) });
                self.head.clear();
                body
            }
        };
        self.body_bytes += body as u64;
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The `Content-Length` of a successful response.
fn content_length(head: &[u8]) -> Option<u64> {
    let is_good = head.starts_with(b"HTTP/1.1 200 ") || head.starts_with(b"HTTP/1.1 206 ");
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case(b"content-length:")))?;
    is_good.then(|| std::str::from_utf8(&line[15..]).ok()?.trim().parse().ok()).flatten()
}
