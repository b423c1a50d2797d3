//! Pointers during publications: a connection sees a matching pair, and a new one sees the newest.

use std::sync::atomic::{AtomicBool, Ordering};

use clearwell_serve::{ServeConfig, Site};
use clearwell_sign::verify;

use crate::fixture::{Fixture, InMemory, config, connect};

const LATEST: &str = "/version/format30/latest";
const SIGNATURE: &str = "/version/format30/latest.sig";

#[tokio::test]
async fn a_publication_between_latest_and_its_signature() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let anchor = &fixture.sample.anchor;
    let mut early = connect(&running).await;
    assert_eq!(early.get(LATEST).await.body, "20");

    fixture.publish(30);

    let signature = early.get(SIGNATURE).await.body;
    verify(b"20", &signature, anchor, None).unwrap();
    assert_eq!(early.get(LATEST).await.body, "20", "held for a while");
    assert_eq!(early.get("/30/format").await.status, 200, "content is not pinned");

    let mut late = connect(&running).await;
    assert_eq!(late.get(LATEST).await.body, "30");
    verify(b"30", &late.get(SIGNATURE).await.body, anchor, None).unwrap();
    assert_eq!(late.get("/version/latest_version").await.body, "30");
}

#[tokio::test]
async fn the_staging_pointer_is_a_pair_like_others() {
    const STAGING: &str = "/version/formatstaging/latest";
    const STAGING_SIGNATURE: &str = "/version/formatstaging/latest.sig";
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut early = connect(&running).await;
    for path in [STAGING, STAGING_SIGNATURE] {
        assert_eq!(early.get(path).await.status, 404, "{path}: absent, so that clients do not retry");
    }
    fixture.stage(30);
    fixture.stage_to(30);
    let mut client = connect(&running).await;
    assert_eq!((client.get(STAGING).await.body, client.get(LATEST).await.body), ("30".into(), "20".into()));
    fixture.stage(40);
    fixture.stage_to(40);
    let head = client.head(STAGING_SIGNATURE).await;
    let signature = client.get(STAGING_SIGNATURE).await;
    assert_eq!(head.header("content-length"), signature.body.len().to_string());
    assert_eq!(
        (signature.header("cache-control"), signature.header("content-type")),
        ("no-cache", "application/octet-stream")
    );
    verify(b"30", &signature.body, &fixture.sample.anchor, None).unwrap();
    assert_eq!(connect(&running).await.get(STAGING).await.body, "40");
}

#[tokio::test]
async fn a_long_connection_sees_new_pairs() {
    let fixture = Fixture::new();
    let impatient = ServeConfig { pointer_hold_seconds: 0, ..config() };
    let site = Site::open(impatient, fixture.store()).unwrap();
    let proxy = InMemory::new(&site);
    assert_eq!(proxy.get(LATEST).await.body, "20");
    fixture.publish(30);
    verify(b"20", &proxy.get(SIGNATURE).await.body, &fixture.sample.anchor, None).unwrap();
    assert_eq!(proxy.ask("HEAD", LATEST, &[]).await.status, 200);
    assert_eq!(proxy.get(LATEST).await.body, "30");
    verify(b"30", &proxy.get(SIGNATURE).await.body, &fixture.sample.anchor, None).unwrap();
}

/// A proxy with connections of its own, each used for both clients, while a release is published in between.
#[tokio::test]
async fn a_client_behind_a_proxy_sees_a_pair_on_different_connections() {
    let fixture = Fixture::new();
    let trusting = ServeConfig { trusted_proxies: "127.0.0.0/8".parse().unwrap(), ..config() };
    let running = fixture.serve_with(trusting).await;
    let mut pool = [connect(&running).await, connect(&running).await];
    let clients = ["192.0.2.7:4001", "192.0.2.7:4002", "[2001:db8::7]:4001"];
    for client in clients {
        let via = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n");
        pool[0].send(via(LATEST)).await;
        assert_eq!(pool[0].answer().await.body, "20");
    }
    fixture.publish(30);
    pool[1].send(format!("GET {LATEST} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7:4003\r\n\r\n")).await;
    assert_eq!(pool[1].answer().await.body, "30");
    for client in clients {
        let request = format!("GET {SIGNATURE} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n");
        pool[1].send(request).await;
        verify(b"20", &pool[1].answer().await.body, &fixture.sample.anchor, None).unwrap();
    }
}

/// The same with the PROXY protocol: a proxy opens a connection for each request.
#[tokio::test]
async fn a_client_that_the_proxy_protocol_names_sees_a_pair_on_different_connections() {
    let fixture = Fixture::new();
    let running =
        fixture.serve_with(ServeConfig { listen: "127.0.0.1:0 proxy-protocol".parse().unwrap(), ..config() }).await;
    let connect = async |port: u16| {
        let mut client = connect(&running).await;
        client.send(format!("PROXY TCP4 192.0.2.7 198.51.100.1 {port} 443\r\n")).await;
        client
    };
    assert_eq!(connect(4001).await.get(LATEST).await.body, "20");
    fixture.publish(30);
    assert_eq!(connect(4002).await.get(LATEST).await.body, "30");
    verify(b"20", &connect(4001).await.get(SIGNATURE).await.body, &fixture.sample.anchor, None).unwrap();
}

/// Otherwise a client could fill the memory of the server.
#[tokio::test]
async fn a_client_that_is_not_a_trusted_proxy_names_no_connection() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut client = connect(&running).await;
    let mut ask = async |port: u16, path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7:{port}\r\n\r\n")).await;
        client.answer().await.body
    };
    assert_eq!(ask(1, LATEST).await, "20");
    fixture.publish(30);
    assert_eq!(ask(2, LATEST).await, "20", "its own connection is pinned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_ever_sees_a_pointer_with_the_signature_of_another() {
    let fixture = Fixture::new();
    // Without a hold each text is the newest: the hardest case.
    let running = fixture.serve_with(ServeConfig { pointer_hold_seconds: 0, ..config() }).await;
    let done = AtomicBool::new(false);
    let (pairs, newest) = tokio::join!(
        async {
            let mut client = connect(&running).await;
            let mut pairs = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let text = client.get(LATEST).await.body;
                pairs.push((text, client.get(SIGNATURE).await.body));
                if pairs.len() % 7 == 0 {
                    client = connect(&running).await;
                }
            }
            pairs
        },
        async {
            let mut newest = 20;
            for _ in 0..8 {
                newest += 10;
                tokio::task::block_in_place(|| fixture.publish(newest));
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            done.store(true, Ordering::Relaxed);
            newest
        }
    );
    for (text, signature) in &pairs {
        verify(text, signature, &fixture.sample.anchor, None).unwrap();
    }
    let mut seen: Vec<_> = pairs.iter().map(|(text, _)| text.clone()).collect();
    assert!(seen.is_sorted_by_key(|text| std::str::from_utf8(text).unwrap().parse::<u32>().unwrap()), "never back");
    seen.dedup();
    assert!(seen.len() > 1, "publications happened meanwhile");
    assert_eq!(connect(&running).await.get(LATEST).await.body, newest.to_string());
}

#[tokio::test]
async fn the_server_loads_new_pointers_without_a_request() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    fixture.publish(30);
    crate::fixture::wait_for_metric(&running, "clearwell_released_version{format=\"30\"} 30").await;
    crate::fixture::wait_for_metric(&running, "clearwell_pointer_generation{format=\"30\"} 3").await;
    crate::fixture::wait_for_metric(&running, "clearwell_store_releases 3").await;
}
