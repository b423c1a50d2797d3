//! HTTP on the wire.

use bytes::Bytes;
use clearwell_serve::Running;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::fixture::{Fixture, connect, connect_admin, wait_for_metric};

/// What libcurl sends with each cleartext request of the stock client.
const UPGRADE: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";

#[tokio::test]
async fn an_update_as_the_stock_client_asks_for_it() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut client = connect(&running).await;
    let mut ask = async |method: &str, path: &str| {
        let headers = format!("Host: x\r\nUser-Agent: swupd-client/7.0.0\r\nAccept: */*\r\n{UPGRADE}");
        client.send(format!("{method} {path} HTTP/1.1\r\n{headers}\r\n")).await;
        if method == "HEAD" { client.answer_to_head().await } else { client.answer().await }
    };
    let head = ask("HEAD", "/version/format30/latest").await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, "2"));
    assert_eq!(ask("GET", "/version/format30/latest").await.body, "20");
    assert_eq!(ask("GET", "/version/format30/latest.sig").await.status, 200);
    for (artifact, bytes) in &fixture.newest().artifacts {
        let path = format!("/20/{artifact}");
        let head = ask("HEAD", &path).await;
        assert_eq!(head.header("content-length"), bytes.len().to_string(), "{path}");
        assert!(ask("GET", &path).await.body == bytes[..], "{path}");
    }
    assert_eq!(ask("GET", "/20/pack-os-core-from-5.tar").await.status, 404);
    assert_eq!(ask("HEAD", "/").await.status, 200);
    assert_eq!(ask("GET", "/version/format30/latest").await.body, "20", "all on one connection");
}

#[tokio::test]
async fn requests_in_advance_are_answered_in_order() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut client = connect(&running).await;
    let ((large, large_bytes), (small, small_bytes)) = (fixture.large(), fixture.small());
    let mut requests = String::new();
    for _ in 0..5 {
        for (method, path) in [("GET", large.as_str()), ("HEAD", &large), ("GET", "/nothing"), ("GET", &small)] {
            requests += &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    }
    client.send(&requests).await;
    for _ in 0..5 {
        assert!(client.answer().await.body == large_bytes);
        assert_eq!(client.answer_to_head().await.header("content-length"), large_bytes.len().to_string());
        assert_eq!(client.answer().await.status, 404);
        assert!(client.answer().await.body == small_bytes);
    }
}

#[tokio::test]
async fn the_last_answer_comes_whole_and_the_connection_ends_with_it() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    for (path, bytes) in [fixture.small(), fixture.large()] {
        // Read from disk, then from the cache.
        for _ in 0..2 {
            for method in ["GET", "HEAD"] {
                let mut client = connect(&running).await;
                client.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
                let answer = if method == "HEAD" { client.answer_to_head().await } else { client.answer().await };
                assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"));
                assert_eq!(answer.header("content-length"), bytes.len().to_string());
                assert!(method == "HEAD" || answer.body == bytes);
                assert!(client.closes().await);
            }
        }
    }
}

#[tokio::test]
async fn old_and_unusual_requests() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (path, bytes) = fixture.small();

    let mut client = connect(&running).await;
    client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
    let answer = client.answer().await;
    assert!(answer.status == 200 && answer.body == bytes && answer.header("content-length") == bytes.len().to_string());
    assert!(client.closes().await, "HTTP/1.0 without keep-alive");

    let mut client = connect(&running).await;
    client.send(format!("GET http://elsewhere:80{path}?query HTTP/1.1\r\nHost: elsewhere\r\n\r\n")).await;
    assert_eq!(client.answer().await.body, bytes);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(client.answer().await.body, bytes);
    assert!(client.closes().await);

    let mut client = connect(&running).await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 405);
    client.send("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 405);
}

#[tokio::test]
async fn bodies_of_requests_are_refused() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (path, _) = fixture.small();
    for (method, status) in [("GET", 413), ("HEAD", 413), ("POST", 405)] {
        for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
            let mut client = connect(&running).await;
            client
                .send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{body}GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
                .await;
            let answer = if method == "HEAD" { client.answer_to_head().await } else { client.answer().await };
            assert_eq!((answer.status.as_u16(), answer.header("connection")), (status, "close"), "{method} {body}");
            assert!(client.closes().await, "nothing behind a body is taken for a request");
        }
    }
    let mut client = connect(&running).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_told_so_and_closed() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    for nonsense in [
        "\u{16}\u{3}\u{1}nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
    ] {
        let mut client = connect(&running).await;
        client.send(nonsense).await;
        let text = String::from_utf8(client.end().await).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 "), "{nonsense:?}: {text:?}");
    }
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"protocol_error\"} 7").await;
}

pub(crate) async fn prior_knowledge(running: &Running) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(running.addr().unwrap()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    // Ends with the server or the sender, and how does not matter here.
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http_2_with_prior_knowledge() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut sender = prior_knowledge(&running).await;
    let mut answers = Vec::new();
    for (artifact, bytes) in &fixture.newest().artifacts {
        for method in ["GET", "HEAD"] {
            let uri = format!("http://x/20/{artifact}");
            let request = Request::builder().method(method).uri(uri).body(Empty::new()).unwrap();
            sender.ready().await.unwrap();
            answers.push((method, bytes, sender.send_request(request)));
        }
    }
    for (method, bytes, answer) in answers {
        let (head, body) = answer.await.unwrap().into_parts();
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.headers["content-length"], bytes.len().to_string());
        let body = body.collect().await.unwrap().to_bytes();
        assert!(if method == "HEAD" { body.is_empty() } else { body == bytes[..] });
    }
    let post = Request::builder().method("POST").uri("http://x/20/format").body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(post).await.unwrap().status(), 405);
}

#[tokio::test]
async fn http_2_sees_pairs_of_pointers() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut sender = prior_knowledge(&running).await;
    let mut get = async |path: &str| {
        let request = Request::builder().uri(format!("http://x{path}")).body(Empty::new()).unwrap();
        sender.ready().await.unwrap();
        sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(get("/version/format30/latest").await, "20");
    fixture.publish(30);
    let signature = get("/version/format30/latest.sig").await;
    clearwell_sign::verify(b"20", &signature, &fixture.sample.anchor, None).unwrap();
}

/// What a stock client requests in an installation and in an update: client behaviour §3.
#[tokio::test]
async fn what_endpoints_do_is_counted() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let mut client = connect(&running).await;
    for path in [
        "/version/format30/latest",
        "/version/format30/latest.sig",
        "/version/latest_version",
        "/10/Manifest.MoM.tar",
        "/20/Manifest.MoM.tar",
        "/20/Manifest.MoM",
        "/20/Manifest.MoM.sig",
        "/20/pack-os-core-from-0.tar",
        "/20/pack-editor-from-0.tar",
        "/20/pack-os-core-from-10.tar",
    ] {
        // A HEAD comes before, and tells nothing more. The second GET is answered from memory.
        assert_eq!(client.head(path).await.status, 200, "{path}");
        for _ in 0..2 {
            assert_eq!(client.get(path).await.status, 200, "{path}");
        }
    }
    for path in ["/version/format31/latest", "/15/Manifest.MoM.tar", "/15/pack-os-core-from-0.tar"] {
        assert_ne!(client.get(path).await.status, 200, "{path}");
    }
    let text = running.site().metrics().expose();
    let found: Vec<&str> = text.lines().filter(|line| line.starts_with("clearwell_fleet_")).collect();
    let expected = [
        "clearwell_fleet_deltas_total{from=\"10\",to=\"20\"} 2",
        "clearwell_fleet_deltas_total{from=\"other\",to=\"other\"} 0",
        "clearwell_fleet_installations_total{version=\"20\"} 2",
        "clearwell_fleet_installations_total{version=\"other\"} 0",
        "clearwell_fleet_latest_reads_total{format=\"30\"} 2",
        "clearwell_fleet_latest_version_reads_total 2",
        "clearwell_fleet_moms_total{version=\"10\"} 2",
        "clearwell_fleet_moms_total{version=\"20\"} 2",
        "clearwell_fleet_moms_total{version=\"other\"} 0",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_admin_address_shows_metrics_and_health() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let (path, bytes) = fixture.small();
    let mut client = connect(&running).await;
    assert_eq!(client.get(&path).await.body, bytes);
    let mut admin = connect_admin(&running).await;
    assert_eq!(admin.get("/healthz").await.status, 200);
    assert_eq!(admin.get("/readyz").await.body, "ready\n");
    assert_eq!(admin.get("/20/format").await.status, 404);
    assert_eq!(connect(&running).await.get("/metrics").await.status, 404, "not for clients");
    // Requests are counted once their answer is sent.
    wait_for_metric(&running, "clearwell_http_requests_total{kind=\"unknown\",class=\"4xx\"} 1").await;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    wait_for_metric(&running, "# TYPE clearwell_store_free_bytes gauge").await;
    let metrics = admin.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let ask = |accept: &str| format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
    for accept in ["application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "*/*"] {
        admin.send(ask(accept)).await;
        let answer = admin.answer().await;
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8",
            "the only format: {accept}"
        );
    }
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "clearwell_http_requests_total{kind=\"manifest\",class=\"2xx\"} 1",
        "clearwell_http_requests_total{kind=\"unknown\",class=\"4xx\"} 1",
        "clearwell_released_version{format=\"30\"} 20",
        "clearwell_pointer_generation{format=\"30\"} 2",
        "clearwell_ready 1",
        "clearwell_http_connections_limit 8192",
        "clearwell_object_reads_queued 0",
        "clearwell_store_releases 2",
        "clearwell_http_requests_in_flight 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let size = text.lines().find_map(|line| line.strip_prefix("clearwell_store_size_bytes ")).unwrap();
    let expected: usize =
        fixture.sample.releases.iter().flat_map(|release| release.artifacts.values()).map(Vec::len).sum();
    assert_eq!(size, expected.to_string());
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse::<i64>().unwrap();
    assert!(value("clearwell_store_free_bytes ") > 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let age = now.cast_signed() - value("clearwell_released_timestamp_seconds{format=\"30\"} ");
    assert!((0..3600).contains(&age), "published {age} s ago");
    let head = admin.head("/metrics").await;
    assert_eq!(head.status, 200);
    assert_eq!(admin.get("/healthz").await.body, "alive\n", "nothing came behind the HEAD");
}
