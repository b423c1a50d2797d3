//! The end of a server.

use clearwell_format::resource::Artifact;
use clearwell_serve::{Drained, ServeConfig};

use crate::client::Client;
use crate::fixture::{Fixture, config, connect, connect_admin, wait_for_metric};

const PACK: &str = "/20/pack-os-core-from-15.tar";

fn fixture_with_a_pack() -> (Fixture, Vec<u8>) {
    let fixture = Fixture::new();
    let bytes: Vec<u8> = (0..16_u32 << 20).map(|at| (at % 251) as u8).collect();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &bytes);
    (fixture, bytes)
}

#[tokio::test]
async fn what_runs_ends_and_what_rests_closes() {
    let (fixture, bytes) = fixture_with_a_pack();
    let running = fixture.serve_with(ServeConfig { drain_grace_seconds: 1, ..config() }).await;
    let (address, admin_address) = (running.addr().unwrap(), running.admin_addr().unwrap());
    let mut resting = connect(&running).await;
    assert_eq!(resting.get("/").await.status, 200);
    let mut busy = connect(&running).await;
    busy.request("GET", PACK).await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 1").await;
    let mut admin = connect_admin(&running).await;
    assert_eq!(admin.get("/readyz").await.status, 200);

    let draining = tokio::spawn(running.drain());
    let not_ready = loop {
        let ready = admin.get("/readyz").await;
        if ready.status != 200 {
            break ready;
        }
    };
    assert_eq!((not_ready.status.as_u16(), &not_ready.body[..]), (503, &b"not ready: draining\n"[..]));
    let metrics = String::from_utf8(admin.get("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("\nclearwell_ready 0\n"), "{metrics}");
    let mut late = Client::connect(address).await;
    assert_eq!(late.get("/20/format").await.status, 200, "within the grace all is served");

    assert!(resting.closes().await);
    assert!(late.closes().await);
    assert_eq!(
        tokio::net::TcpStream::connect(address).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert!(busy.answer().await.body == bytes, "the large answer comes to its end");
    assert!(busy.closes().await);
    assert_eq!(draining.await.unwrap(), Drained { aborted: 0 });
    assert!(admin.closes().await);
    assert!(tokio::net::TcpStream::connect(admin_address).await.is_err());
}

#[tokio::test]
async fn the_deadline_ends_what_does_not_end() {
    let (fixture, _) = fixture_with_a_pack();
    let running = fixture.serve_with(ServeConfig { drain_deadline_seconds: 0, ..config() }).await;
    let mut busy = connect(&running).await;
    busy.request("GET", PACK).await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 1").await;
    assert_eq!(running.drain().await, Drained { aborted: 1 });
}

/// A client that uses its connection again just when the server stops accepting does not find it closed.
#[tokio::test]
async fn a_connection_that_rests_is_answered_once_more() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut resting = connect(&running).await;
    assert_eq!(resting.get("/20/format").await.header("connection"), "");
    let draining = tokio::spawn(running.drain());
    while resting.get("/20/format").await.header("connection") != "close" {}
    assert!(resting.closes().await);
    assert_eq!(draining.await.unwrap(), Drained { aborted: 0 });
}

/// Only requests that run are aborted, not connections that rest.
#[tokio::test]
async fn what_rests_at_the_deadline_is_not_counted() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(ServeConfig { drain_deadline_seconds: 0, ..config() }).await;
    let mut resting = connect(&running).await;
    assert_eq!(resting.get("/20/format").await.status, 200);
    assert_eq!(running.drain().await, Drained { aborted: 0 });
    assert!(resting.closes().await);
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let address = running.addr().unwrap();
    let mut client = connect(&running).await;
    assert_eq!(client.get("/").await.status, 200);
    drop(running);
    assert!(client.closes().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
