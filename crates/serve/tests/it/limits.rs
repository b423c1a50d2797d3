//! Clients that are slow, many, or large.

use std::num::NonZeroUsize;

use clearwell_format::resource::Artifact;
use clearwell_serve::ServeConfig;

use crate::fixture::{Fixture, config, connect, seconds, wait_for_metric};

#[tokio::test]
async fn a_header_that_does_not_come_to_an_end() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { header_seconds: seconds(1), ..config() }).await;
    let mut dawdler = connect(&running).await;
    dawdler.send("GET / HTTP/1.1\r\nX-").await;
    let silent = connect(&running).await;
    let mut second = connect(&running).await;
    assert_eq!(second.get("/").await.status, 200);
    second.send("GET").await;
    assert!(dawdler.closes().await);
    assert!(silent.closes().await);
    assert!(second.closes().await, "on a later request too");
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"header_timeout\"} 3").await;
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
}

#[tokio::test]
async fn a_header_that_drips_is_not_saved_by_its_bytes() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { header_seconds: seconds(1), ..config() }).await;
    let stream = tokio::net::TcpStream::connect(running.addr().unwrap()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let drip = tokio::spawn(async move {
        // Bounded; the server closes long before.
        for _ in 0..400 {
            if tokio::io::AsyncWriteExt::write_all(&mut write, b"X").await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(crate::client::LIMIT, tokio::io::AsyncReadExt::read_to_end(&mut read, &mut rest));
    // An end or a reset, and nothing before it.
    let _end_or_reset = ended.await.unwrap();
    assert!(rest.is_empty());
    drip.abort();
}

#[tokio::test]
async fn a_connection_rests_only_so_long() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { idle_seconds: seconds(1), ..config() }).await;
    let mut client = connect(&running).await;
    assert_eq!(client.get("/").await.status, 200);
    assert!(client.closes().await);
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"idle_timeout\"} 1").await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left() {
    let fixture = Fixture::new();
    let pack = Artifact::from_path("pack-os-core-from-15.tar").unwrap();
    // More than fits into the buffers of two sockets.
    fixture.extend(&pack, &vec![7; 16 << 20]);
    let running = fixture.serve_with(ServeConfig { stall_seconds: seconds(1), ..config() }).await;
    let mut client = connect(&running).await;
    client.request("GET", "/20/pack-os-core-from-15.tar").await;
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"stall_timeout\"} 1").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    drop(client);
}

#[tokio::test]
async fn more_connections_than_allowed() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { max_connections: NonZeroUsize::MIN, ..config() }).await;
    let mut first = connect(&running).await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = connect(&running).await;
    let refused = second.get("/").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "10"));
    assert!(second.closes().await);
    assert_eq!(first.get("/").await.status, 200, "who is in stays in");
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"connection_limit\"} 1").await;
    drop(first);
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    assert_eq!(connect(&running).await.get("/").await.status, 200, "there is room again");
}

#[tokio::test]
async fn headers_that_are_too_large() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    for request in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(300)),
    ] {
        let mut client = connect(&running).await;
        client.send(&request).await;
        let text = String::from_utf8(client.end().await).unwrap();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 ") || text.starts_with("HTTP/1.1 414 "), "{text}");
    }
    assert_eq!(connect(&running).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_bomb_of_ranges_costs_one_whole() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (path, bytes) = fixture.large();
    let mut client = connect(&running).await;
    let range = "0-,".repeat(2000);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n")).await;
    let answer = client.answer().await;
    assert!(answer.status == 200 && answer.body == bytes);
}

#[tokio::test]
async fn a_download_that_is_refused_is_counted_once() {
    let fixture = Fixture::new();
    let pack = Artifact::from_path("pack-os-core-from-15.tar").unwrap();
    // More than fits into the buffers of two sockets.
    fixture.extend(&pack, &vec![7; 16 << 20]);
    let limits = ServeConfig { requests_per_second_per_address: 1, request_burst_per_address: seconds(4), ..config() };
    let running = fixture.serve_with(ServeConfig { max_downloads_per_address: 1, ..limits }).await;
    let path = "/20/pack-os-core-from-15.tar";
    let mut first = connect(&running).await;
    first.request("GET", path).await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 1").await;
    let mut second = connect(&running).await;
    for request in 2..=4 {
        assert_eq!(second.get(path).await.status, 503, "request {request} of 4");
    }
    drop(first);
}

#[tokio::test]
async fn probes_of_health_are_not_counted() {
    let fixture = Fixture::new();
    let limits = ServeConfig { requests_per_second_per_address: 1, request_burst_per_address: seconds(2), ..config() };
    let running = fixture.serve_with(limits).await;
    let mut client = connect(&running).await;
    for _ in 0..20 {
        assert_eq!(client.get("/healthz").await.status, 200);
        assert_eq!(client.head("/readyz").await.status, 200);
    }
    // Through hyper, too.
    for _ in 0..20 {
        client.send("GET http://x/readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(client.get("/20/format").await.status, 200);
    assert_eq!(client.get("/20/format").await.status, 200);
    let mut refused = false;
    for _ in 0..10 {
        refused |= client.get("/20/format").await.status == 429;
    }
    assert!(refused, "others are counted");
    assert_eq!(client.get("/healthz").await.status, 200, "and probes still answered");
}
