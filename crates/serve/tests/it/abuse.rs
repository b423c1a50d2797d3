//! Clients that exceed limits: each limit is enforced, and other clients are still served.

use std::num::NonZeroUsize;
use std::time::Duration;

use clearwell_format::resource::Artifact;
use clearwell_serve::ServeConfig;
use clearwell_serve::config::ByteRate;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::fixture::{Fixture, config, connect, seconds, wait_for_metric};

const PACK: &str = "/20/pack-os-core-from-15.tar";

/// A store with a pack that fits into no buffer between two sockets.
fn fixture_with_a_pack() -> Fixture {
    let fixture = Fixture::new();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &vec![7; 16 << 20]);
    fixture
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { max_connections_per_address: 2, ..config() }).await;
    let mut inside = [connect(&running).await, connect(&running).await];
    for client in &mut inside {
        assert_eq!(client.get("/").await.status, 200);
    }
    let mut third = connect(&running).await;
    assert_eq!(third.get("/").await.status, 503);
    assert!(third.closes().await);
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"per_address_limit\"} 1").await;
    let [first, mut second] = inside;
    drop(first);
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 1").await;
    assert_eq!(connect(&running).await.get("/").await.status, 200, "there is room again");
    assert_eq!(second.get("/").await.status, 200);
}

#[tokio::test]
async fn one_address_asks_so_often() {
    let fixture = Fixture::new();
    let (path, _) = fixture.small();
    // The request that brings a connection to the other lane counts as well.
    for prelude in ["", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"] {
        let strict =
            ServeConfig { requests_per_second_per_address: 1, request_burst_per_address: seconds(4), ..config() };
        let running = fixture.serve_with(strict).await;
        let mut client = connect(&running).await;
        if !prelude.is_empty() {
            client.send(prelude).await;
            assert_eq!(client.answer().await.status, 200);
        }
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(client.get(&path).await);
        }
        assert_eq!(answers[0].status, 200);
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert!(refused.len() >= 5, "{answers:?}");
        assert!(refused.iter().all(|answer| answer.header("retry-after") == "1"), "{refused:?}");
        assert_eq!(client.get("/healthz").await.status, 200, "load balancers are not clients");
        let mut other = connect(&running).await;
        assert_eq!(other.get("/20/format").await.status, 429, "a new connection changes nothing");
        assert!(
            running
                .site()
                .metrics()
                .expose()
                .contains("clearwell_http_requests_shed_total{reason=\"per_address_rate\"} ")
        );
    }
}

#[tokio::test]
async fn concurrent_downloads_are_limited() {
    let fixture = fixture_with_a_pack();
    for limits in
        [ServeConfig { max_downloads: 1, ..config() }, ServeConfig { max_downloads_per_address: 1, ..config() }]
    {
        let running = fixture.serve_with(limits).await;
        let mut first = connect(&running).await;
        // The object is cached now, and a request in flight keeps its slot.
        assert_eq!(first.get(PACK).await.body.len(), 16 << 20);
        wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
        first.request("GET", PACK).await;
        wait_for_metric(&running, "clearwell_http_requests_in_flight 1").await;
        let mut second = connect(&running).await;
        for _ in 0..2 {
            let refused = second.get(PACK).await;
            assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "10"));
        }
        assert_eq!(second.head(PACK).await.status, 200, "nothing is sent");
        assert_eq!(second.get("/20/format").await.status, 200, "small ones are served");
        wait_for_metric(&running, "clearwell_http_requests_shed_total{reason=\"download_limit\"} 2").await;
        assert_eq!(first.answer().await.body.len(), 16 << 20);
        wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
        assert_eq!(second.get(PACK).await.status, 200);
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_left() {
    let fixture = fixture_with_a_pack();
    let strict = ServeConfig { stall_seconds: seconds(1), min_rate: ByteRate::new(4 << 20), ..config() };
    let running = fixture.serve_with(strict).await;
    let mut stream = TcpStream::connect(running.addr().unwrap()).await.unwrap();
    let request = format!("GET {PACK} HTTP/1.1\r\nHost: x\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        let mut byte = [0; 1024];
        // Bounded; the server leaves long before.
        for _ in 0..1000 {
            if !matches!(stream.read(&mut byte).await, Ok(1..)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"stall_timeout\"} 1").await;
    dripping.abort();
    assert_eq!(connect(&running).await.get(PACK).await.body.len(), 16 << 20, "who reads is served");
}

#[tokio::test]
async fn crowds_that_rest_dawdle_or_talk_nonsense() {
    let fixture = fixture_with_a_pack();
    let limits = ServeConfig {
        max_connections: NonZeroUsize::new(500).unwrap(),
        header_seconds: seconds(2),
        idle_seconds: seconds(3),
        stall_seconds: seconds(2),
        ..config()
    };
    let running = fixture.serve_with(limits).await;
    let mut crowd = Vec::new();
    for at in 0..300 {
        let mut client = connect(&running).await;
        match at % 6 {
            // Says nothing.
            0 => {}
            // Begins a header.
            1 => client.send("GET / HT").await,
            // Begins TLS.
            2 => client.send("\u{16}\u{3}\u{1}").await,
            // Asks and rests.
            3 => assert_eq!(client.get("/20/format").await.status, 200),
            // Asks for much and takes nothing.
            4 => client.request("GET", PACK).await,
            // Asks a hundred times at once and takes nothing.
            _ => client.send("GET /20/Manifest.editor.tar HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100)).await,
        }
        crowd.push(client);
    }
    let (path, bytes) = fixture.small();
    for _ in 0..100 {
        assert_eq!(connect(&running).await.get(&path).await.body, bytes, "an honest client");
    }
    // All of the crowd are gone after a while, and nothing is left of them. Who had all answers at once rests.
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    drop(crowd);
    assert_eq!(connect(&running).await.get(&path).await.body, bytes);
}

#[tokio::test]
async fn clients_that_go_away_in_the_middle_leave_nothing() {
    let fixture = fixture_with_a_pack();
    let running = fixture.serve().await;
    for _ in 0..50 {
        let mut client = connect(&running).await;
        client.request("GET", PACK).await;
        drop(client);
    }
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
}

#[tokio::test]
async fn a_client_that_is_done_writing_gets_its_answer() {
    let fixture = fixture_with_a_pack();
    let running = fixture.serve().await;
    let mut stream = TcpStream::connect(running.addr().unwrap()).await.unwrap();
    let request = format!("GET {PACK} HTTP/1.1\r\nHost: x\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(crate::client::LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.len() > 16 << 20 && answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}
