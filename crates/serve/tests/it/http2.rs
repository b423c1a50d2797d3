//! HTTP/2 abuse, frame by frame (RFC 9113): each limit is announced and enforced, and other clients are served.

use std::num::NonZeroU32;

use bytes::Bytes;
use clearwell_format::resource::Artifact;
use clearwell_serve::{Running, ServeConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::LIMIT;
use crate::fixture::{Fixture, config, connect, wait_for_metric};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PACK: &str = "/20/pack-os-core-from-15.tar";

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Clone, Debug)]
pub(crate) struct Frame {
    kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    payload: Bytes,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Bytes>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// GET, as one frame.
    pub(crate) fn get(stream: u32, path: &str) -> Self {
        Self::new(HEADERS, END_STREAM | END_HEADERS, stream, block(path))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Of RST_STREAM and GOAWAY.
    pub(crate) fn error(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The header of a GET (RFC 7541): three fields of the static table, the path as it is.
pub(crate) fn block(path: &str) -> Vec<u8> {
    // :method GET, :scheme http, :authority x, :path
    let mut block = vec![0x82, 0x86, 0x01, 1, b'x', 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block
}

/// A client that sends any frames.
pub(crate) struct FrameClient<S = TcpStream> {
    stream: S,
}

impl FrameClient {
    /// Connects and exchanges settings; what the server announces.
    async fn connect(running: &Running) -> (Self, Vec<(u16, u32)>) {
        Self::over(TcpStream::connect(running.addr().unwrap()).await.unwrap()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameClient<S> {
    /// Exchanges settings; what the server announces.
    pub(crate) async fn over(mut stream: S) -> (Self, Vec<(u16, u32)>) {
        stream.write_all(PREFACE).await.unwrap();
        let mut client = Self { stream };
        assert!(client.send(&[Frame::new(SETTINGS, 0, 0, Bytes::new())]).await);
        let settings = client.next_of(SETTINGS).await.expect("settings are the first frame").payload;
        let setting =
            |six: &[u8]| (u16::from_be_bytes([six[0], six[1]]), u32::from_be_bytes([six[2], six[3], six[4], six[5]]));
        (client, settings.chunks(6).map(setting).collect())
    }

    /// False if the server has closed.
    pub(crate) async fn send(&mut self, frames: &[Frame]) -> bool {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        timeout(LIMIT, self.stream.write_all(&bytes)).await.expect("the server reads").is_ok()
    }

    /// `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(LIMIT, self.stream.read_exact(&mut head)).await.expect("a frame, or the end").ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        timeout(LIMIT, self.stream.read_exact(&mut payload)).await.expect("a whole frame").ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame::new(head[3], head[4], stream, payload))
    }

    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

/// The server still serves, on both versions.
async fn assert_still_serving(running: &Running) {
    assert_eq!(connect(running).await.get("/20/format").await.status, 200);
    let (mut client, _) = FrameClient::connect(running).await;
    assert!(client.send(&[Frame::get(1, "/20/format")]).await);
    let answer = client.next_of(HEADERS).await.unwrap();
    assert_eq!((answer.stream, answer.payload[0]), (1, 0x88), ":status 200");
}

#[tokio::test]
async fn more_streams_than_the_limit_are_refused() {
    let fixture = Fixture::new();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &vec![7; 16 << 20]);
    let limits = ServeConfig { max_streams: NonZeroU32::new(3).unwrap(), ..config() };
    let running = fixture.serve_with(limits).await;
    let (mut client, settings) = FrameClient::connect(&running).await;
    assert!(settings.contains(&(3, 3)), "SETTINGS_MAX_CONCURRENT_STREAMS is announced: {settings:?}");
    assert!(settings.iter().any(|(name, _)| *name == 6), "SETTINGS_MAX_HEADER_LIST_SIZE is announced: {settings:?}");
    assert!(client.send(&[Frame::new(SETTINGS, ACK, 0, Bytes::new())]).await);
    // Answers that do not fit into the window stay open.
    let asked: Vec<Frame> = (0..5).map(|at| Frame::get(1 + 2 * at, PACK)).collect();
    assert!(client.send(&asked).await);
    for stream in [7, 9] {
        let refused = client.next_of(RST_STREAM).await.expect("the connection goes on");
        assert_eq!((refused.stream, refused.error()), (stream, REFUSED_STREAM));
    }
    // A stream that is reset makes room for another.
    assert!(client.send(&[Frame::new(RST_STREAM, 0, 1, 8_u32.to_be_bytes().to_vec())]).await);
    assert!(client.send(&[Frame::new(PING, 0, 0, vec![0; 8])]).await);
    client.next_of(PING).await.expect("the reset was processed");
    assert!(client.send(&[Frame::get(11, "/20/format")]).await);
    loop {
        let frame = client.next_of(HEADERS).await.expect("an answer");
        if frame.stream == 11 {
            break;
        }
    }
    drop(client);
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    assert_still_serving(&running).await;
}

#[tokio::test]
async fn a_header_list_that_is_too_large() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (mut client, _) = FrameClient::connect(&running).await;
    // 40 fields of a kilobyte, in as many frames as that takes.
    let mut block = block("/20/format");
    for _ in 0..40 {
        block.extend([0x00, 1, b'x', 0x7f, 0xe9, 0x06]);
        block.extend([b'y'; 1000]);
    }
    let mut pieces = block.chunks(16_000);
    let mut frames = vec![Frame::new(HEADERS, END_STREAM, 1, pieces.next().unwrap().to_vec())];
    frames.extend(pieces.map(|piece| Frame::new(CONTINUATION, 0, 1, piece.to_vec())));
    frames.last_mut().unwrap().flags = END_HEADERS;
    client.send(&frames).await;
    let refused = loop {
        match client.next().await {
            Some(frame) if [HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind) => break frame,
            Some(_) => {}
            None => panic!("closed without a frame"),
        }
    };
    // 431 is in no static table; what matters is that it is not 200.
    assert!(refused.kind != HEADERS || refused.payload[0] != 0x88, "{refused:?}");
    assert_still_serving(&running).await;
}

#[tokio::test]
async fn headers_that_never_end() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (mut client, _) = FrameClient::connect(&running).await;
    assert!(client.send(&[Frame::new(HEADERS, END_STREAM, 1, block("/20/format"))]).await);
    // Empty frames cost only time, unless the server counts them.
    let flood = vec![Frame::new(CONTINUATION, 0, 1, Bytes::new()); 1000];
    for _ in 0..200 {
        if !client.send(&flood).await {
            break;
        }
    }
    if let Some(goodbye) = client.next_of(GOAWAY).await {
        assert_eq!(goodbye.error(), ENHANCE_YOUR_CALM);
    }
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    assert_still_serving(&running).await;
}

#[tokio::test]
async fn streams_that_are_reset_as_fast_as_they_are_opened() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (mut client, _) = FrameClient::connect(&running).await;
    let mut stream = 1;
    for _ in 0..100 {
        let mut burst = Vec::new();
        for _ in 0..200 {
            burst.push(Frame::get(stream, PACK));
            burst.push(Frame::new(RST_STREAM, 0, stream, 8_u32.to_be_bytes().to_vec()));
            stream += 2;
        }
        if !client.send(&burst).await {
            break;
        }
    }
    if let Some(goodbye) = client.next_of(GOAWAY).await {
        assert_eq!(goodbye.error(), ENHANCE_YOUR_CALM);
    }
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    assert_still_serving(&running).await;
}

#[tokio::test]
async fn a_preface_after_a_request_is_not_a_request() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let settings = Frame::new(SETTINGS, 0, 0, Bytes::new()).bytes();
    for first in ["", "Content-Length: 0\r\n"] {
        let mut client = connect(&running).await;
        client.send(format!("GET /20/format HTTP/1.1\r\nHost: x\r\n{first}\r\n")).await;
        assert_eq!(client.answer().await.body, "30");
        client.send([PREFACE, &settings].concat()).await;
        let answer = client.end().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    }
    assert_still_serving(&running).await;
}

#[tokio::test]
async fn lines_of_a_header_are_limited() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (mut client, _) = FrameClient::connect(&running).await;
    // With the host there are as many lines as are allowed, and one more.
    for (stream, lines, is_good) in [(1, 63, true), (3, 64, false)] {
        let mut block = block("/20/format");
        for _ in 0..lines {
            block.extend([0x00, 1, b'x', 1, b'y']);
        }
        assert!(client.send(&[Frame::new(HEADERS, END_STREAM | END_HEADERS, stream, block)]).await);
        let answer = client.next_of(HEADERS).await.expect("the connection goes on");
        assert_eq!((answer.stream, answer.payload[0] == 0x88), (stream, is_good), "{lines}: {answer:?}");
    }
}

/// More than fits into the buffers of two sockets.
fn with_large_pack(limits: ServeConfig) -> (Fixture, impl Future<Output = Running>) {
    let fixture = Fixture::new();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &vec![7; 16 << 20]);
    let store = fixture.store();
    (fixture, async move { clearwell_serve::Server::bind(limits, store).await.unwrap() })
}

#[tokio::test]
async fn pings_do_not_keep_a_stalled_connection() {
    let limits = ServeConfig { stall_seconds: NonZeroU32::MIN, ..config() };
    let (_fixture, running) = with_large_pack(limits);
    let running = running.await;
    let (mut client, _) = FrameClient::connect(&running).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 0
    assert!(client.send(&[Frame::new(SETTINGS, 0, 0, vec![0, 4, 0, 0, 0, 0]), Frame::get(1, PACK)]).await);
    let ping = vec![Frame::new(PING, 0, 0, vec![0; 8]); 20];
    let mut rounds = 0;
    while client.send(&ping).await && client.next().await.is_some() {
        rounds += 1;
        assert!(rounds < 200, "it is still served");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"stall_timeout\"} 1").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
}

#[tokio::test]
async fn requests_do_not_keep_a_stalled_stream() {
    let limits = ServeConfig { stall_seconds: NonZeroU32::MIN, min_rate: "0".parse().unwrap(), ..config() };
    let (_fixture, running) = with_large_pack(limits);
    let running = running.await;
    let (mut client, _) = FrameClient::connect(&running).await;
    assert!(client.send(&[Frame::get(1, PACK)]).await);
    let mut stream = 3;
    let reset = loop {
        assert!(client.send(&[Frame::get(stream, "/20/format")]).await, "other streams of the connection advance");
        // Their window is that of the connection, which the first one has used up.
        let more = Frame::new(WINDOW_UPDATE, 0, 0, vec![0, 0, 0, 2]);
        assert!(client.send(&[more]).await);
        let frame = client.next().await.expect("the connection goes on");
        if frame.kind == RST_STREAM {
            break frame;
        }
        stream += 2;
        assert!(stream < 2001, "it is still served");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(reset.stream, 1);
}

/// Checks that conformance tools make of any server (RFC 9113): what is sent, and the error of the connection.
#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let get = |stream| Frame::get(stream, "/20/format");
    for (what, frames, error) in [
        ("5.1: DATA on an idle stream", vec![Frame::new(0, 0, 1, "x")], PROTOCOL_ERROR),
        ("5.1: RST_STREAM on an idle stream", vec![Frame::new(RST_STREAM, 0, 1, vec![0; 4])], PROTOCOL_ERROR),
        (
            "5.1: WINDOW_UPDATE on an idle stream",
            vec![Frame::new(WINDOW_UPDATE, 0, 1, vec![0, 0, 0, 1])],
            PROTOCOL_ERROR,
        ),
        ("5.1: CONTINUATION on an idle stream", vec![Frame::new(CONTINUATION, END_HEADERS, 1, "")], PROTOCOL_ERROR),
        ("5.1.1: an even stream", vec![get(2)], PROTOCOL_ERROR),
        ("6.2: HEADERS on stream 0", vec![get(0)], PROTOCOL_ERROR),
        ("6.3: PRIORITY on stream 0", vec![Frame::new(2, 0, 0, vec![0; 5])], PROTOCOL_ERROR),
        ("6.4: RST_STREAM of a wrong length", vec![get(1), Frame::new(RST_STREAM, 0, 1, "x")], FRAME_SIZE_ERROR),
        ("6.5: SETTINGS on a stream", vec![Frame::new(SETTINGS, 0, 1, "")], PROTOCOL_ERROR),
        ("6.5: SETTINGS of a wrong length", vec![Frame::new(SETTINGS, 0, 0, "xxx")], FRAME_SIZE_ERROR),
        ("6.5: an ACK with a payload", vec![Frame::new(SETTINGS, ACK, 0, vec![0; 6])], FRAME_SIZE_ERROR),
        ("6.5.2: ENABLE_PUSH of 2", vec![Frame::new(SETTINGS, 0, 0, vec![0, 2, 0, 0, 0, 2])], PROTOCOL_ERROR),
        ("6.6: PUSH_PROMISE from a client", vec![get(1), Frame::new(5, END_HEADERS, 1, vec![0; 4])], PROTOCOL_ERROR),
        ("6.7: PING on a stream", vec![Frame::new(PING, 0, 1, vec![0; 8])], PROTOCOL_ERROR),
        ("6.7: PING of a wrong length", vec![Frame::new(PING, 0, 0, "x")], FRAME_SIZE_ERROR),
        ("6.9: WINDOW_UPDATE of nothing", vec![Frame::new(WINDOW_UPDATE, 0, 0, vec![0; 4])], PROTOCOL_ERROR),
        (
            "6.9.1: a window that overflows",
            vec![Frame::new(WINDOW_UPDATE, 0, 0, vec![0x7f, 0xff, 0xff, 0xff]); 2],
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.10: HEADERS cut by a PING",
            vec![Frame::new(HEADERS, 0, 1, block("/")), Frame::new(PING, 0, 0, vec![0; 8])],
            PROTOCOL_ERROR,
        ),
    ] {
        let (mut client, _) = FrameClient::connect(&running).await;
        client.send(&frames).await;
        let goodbye = client.next_of(GOAWAY).await.unwrap_or_else(|| panic!("{what}: closed without GOAWAY"));
        // The library reports some wrong lengths as PROTOCOL_ERROR, which RFC 9113 allows.
        assert!([error, PROTOCOL_ERROR].contains(&goodbye.error()), "{what}: {}", goodbye.error());
        assert!(client.next_of(PING).await.is_none(), "{what}: then the connection closes");
    }
    assert_still_serving(&running).await;
}
