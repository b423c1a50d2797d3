//! Mixed load for a while: well-behaved clients on both lanes and over HTTP/2, slow ones, ones that disconnect, invalid
//! requests, publications, reloads. Well-behaved clients see no error, and memory stays flat.
//!
//! Short in CI; `CLEARWELL_SOAK_SECONDS=600` makes it long. It runs in a separate process, so that the memory of
//! other tests is not measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clearwell_format::resource::Artifact;
use clearwell_serve::ServeConfig;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::fixture::{Fixture, config, wait_for_metric};

const PACK: &str = "/20/pack-os-core-from-15.tar";
const PACK_BYTES: usize = 4 << 20;

fn seconds() -> u64 {
    std::env::var("CLEARWELL_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(4)
}

/// Resident memory of this process, which is the server and its clients, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn everything_at_once() {
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", "soak::alone", "--include-ignored", "--nocapture"]);
    let output = alone.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "everything_at_once runs it in a separate process"]
async fn alone() {
    let fixture = Fixture::new();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &vec![7; PACK_BYTES]);
    let calm = ServeConfig { max_connections_per_address: 0, ..config() };
    let running = fixture
        .serve_with(ServeConfig { access_log: clearwell_serve::config::AccessLog::Sampled, ..calm.clone() })
        .await;
    let address = running.addr().unwrap();
    let (small, small_bytes) = fixture.small();
    let (large, large_bytes) = fixture.large();
    let end = Instant::now() + Duration::from_secs(seconds());
    let served = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();

    for worker in 0..8 {
        let (small, large, served) = (small.clone(), large.clone(), Arc::clone(&served));
        let (small_bytes, large_bytes) = (small_bytes.to_vec(), large_bytes.to_vec());
        tasks.spawn(async move {
            // At least once, however slow the machine is.
            loop {
                let mut client = Client::connect(address).await;
                if worker % 2 == 1 {
                    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
                    assert_eq!(client.answer().await.status, 200);
                }
                for _ in 0..20 {
                    let latest = client.get("/version/format30/latest").await;
                    assert_eq!(latest.status, 200);
                    assert_eq!(client.get("/version/format30/latest.sig").await.status, 200);
                    assert!(client.get(&small).await.body == small_bytes);
                    assert_eq!(client.head(PACK).await.header("content-length"), PACK_BYTES.to_string());
                    assert!(client.get(&large).await.body == large_bytes);
                    served.fetch_add(5, Ordering::Relaxed);
                }
                assert_eq!(client.get(PACK).await.body.len(), PACK_BYTES);
                assert_eq!(client.get("/20/pack-os-core-from-5.tar").await.status, 404);
                if Instant::now() >= end {
                    return;
                }
            }
        });
    }
    // HTTP/2 with prior knowledge.
    let (path, bytes, counted) = (small.clone(), small_bytes.to_vec(), Arc::clone(&served));
    tasks.spawn(async move {
        while Instant::now() < end {
            let stream = TcpStream::connect(address).await.unwrap();
            let handshake = hyper::client::conn::http2::handshake::<_, _, Empty<bytes::Bytes>>(
                TokioExecutor::new(),
                TokioIo::new(stream),
            );
            let (mut sender, connection) = handshake.await.unwrap();
            let driver = tokio::spawn(connection);
            for _ in 0..50 {
                let request = http::Request::get(format!("http://x{path}")).body(Empty::new()).unwrap();
                let body = sender.send_request(request).await.unwrap().into_body();
                assert!(body.collect().await.unwrap().to_bytes() == bytes);
                counted.fetch_add(1, Ordering::Relaxed);
            }
            drop(sender);
            driver.await.unwrap().unwrap();
        }
    });
    // Slow readers, and clients that disconnect during an answer.
    for hurry in [true, false] {
        tasks.spawn(async move {
            while Instant::now() < end {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("GET {PACK} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
                let mut piece = [0; 4096];
                for _ in 0..if hurry { 1 } else { 50 } {
                    assert!(stream.read(&mut piece).await.unwrap() > 0);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
    }
    // Invalid requests.
    tasks.spawn(async move {
        while Instant::now() < end {
            let mut client = Client::connect(address).await;
            let _ = client.try_send("GET / HTTP/1.1\r\nHost : x\r\n\r\n").await;
            client.end().await;
        }
    });

    // Publications and reloads, on this task.
    let reloader = running.reloader();
    let (mut version, mut warm_mib) = (20, None);
    let begun = Instant::now();
    while Instant::now() < end {
        if version < 200 {
            version += 10;
            tokio::task::block_in_place(|| fixture.publish(version));
        }
        reloader.reload(calm.clone()).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if warm_mib.is_none() && begun.elapsed() > Duration::from_secs(seconds() / 4) {
            warm_mib = Some(resident_mib());
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let grown = resident_mib().saturating_sub(warm_mib.expect("the machine stood still for the whole time"));
    assert!(served.load(Ordering::Relaxed) >= 8 * 100);
    assert!(grown < 64, "{grown} MiB more than after a quarter of the time");
    wait_for_metric(&running, "clearwell_http_connections_open{listener=\"cleartext\"} 0").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    let text = running.site().metrics().expose();
    let failed = |line: &&str| line.contains("class=\"5xx\"") && !line.ends_with(" 0");
    assert_eq!(text.lines().find(failed), None);
}
