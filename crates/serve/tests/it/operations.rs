//! What operators do: several addresses, proxies in front, logs, changes while the server runs, a new server for an old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clearwell_format::resource::Artifact;
use clearwell_serve::config::{AccessLog, ByteSize, Listen, LogFormat};
use clearwell_serve::{ServeConfig, ServeError, Server};
use clearwell_testkit::{flip_byte, ipv6_loopback};
use tokio::net::UnixStream;

use crate::client::Client;
use crate::fixture::{Fixture, config, connect, wait_for_metric};
use crate::lanes::{Implementation, connect_to};

/// Waits for a line in a file.
pub(crate) async fn wait_for_line(path: &std::path::Path, wanted: impl Fn(&str) -> bool) -> String {
    tokio::time::timeout(crate::client::LIMIT, async {
        loop {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if let Some(line) = text.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:?}", std::fs::read_to_string(path)))
}

#[tokio::test]
async fn several_places_at_once() {
    let fixture = Fixture::new();
    let socket = fixture.path("http.sock");
    // A socket that an earlier server left behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let second = ipv6_loopback();
    let listen: Listen = format!("127.0.0.1:0, {second}, unix:{}", socket.display()).parse().unwrap();
    let running = fixture.serve_with(ServeConfig { listen, workers: 3, ..config() }).await;
    let (path, bytes) = fixture.large();
    for _ in 0..20 {
        assert!(connect(&running).await.get(&path).await.body == bytes);
        let mut over_unix = Client::over(UnixStream::connect(&socket).await.unwrap());
        assert!(over_unix.get(&path).await.body == bytes);
        assert!(over_unix.get("/20/format").await.body == "30");
    }
    let error = Server::bind(
        ServeConfig { listen: format!("unix:{}", socket.display()).parse().unwrap(), ..config() },
        fixture.store(),
    );
    assert!(matches!(error.await, Err(ServeError::Listen { key: "listen", .. })), "a socket that is answered stays");
}

pub(crate) fn logged(fixture: &Fixture, form: LogFormat) -> ServeConfig {
    ServeConfig {
        access_log: AccessLog::Full,
        access_log_format: form,
        access_log_file: Some(fixture.path("access.log")),
        ..config()
    }
}

#[tokio::test]
async fn proxies_say_who_the_client_is() {
    let fixture = Fixture::new();
    let listen: Listen = "127.0.0.1:0 proxy-protocol".parse().unwrap();
    let running = fixture.serve_with(ServeConfig { listen, ..logged(&fixture, LogFormat::Json) }).await;
    let log = fixture.path("access.log");
    let line = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    let mut client = connect(&running).await;
    client.send(&line[..10]).await;
    client.send(format!("{}GET /20/format?one HTTP/1.1\r\nHost: x\r\n\r\n", &line[10..])).await;
    assert_eq!(client.answer().await.body, "30");
    assert_eq!(client.get("/20/format").await.body, "30");
    wait_for_line(&log, |line| line.contains("\"client\":\"192.0.2.7\"")).await;

    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    binary.extend([203, 0, 113, 9, 198, 51, 100, 1, 0, 80, 0, 80]);
    let mut client = connect(&running).await;
    client.send(&binary).await;
    assert_eq!(client.get("/20/format").await.body, "30");
    wait_for_line(&log, |line| line.contains("\"client\":\"203.0.113.9\"")).await;

    let mut stranger = connect(&running).await;
    stranger.request("GET", "/20/format").await;
    assert!(stranger.closes().await, "a connection without the PROXY header is closed");
    wait_for_metric(&running, "clearwell_http_connections_ended_early_total{reason=\"proxy_header\"} 1").await;
}

#[tokio::test]
async fn only_trusted_proxies_are_believed() {
    let fixture = Fixture::new();
    let request = "GET /20/format HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    for (trusted, client_is) in [("127.0.0.0/8", "192.0.2.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let config = ServeConfig { trusted_proxies: trusted.parse().unwrap(), ..logged(&fixture, LogFormat::Json) };
        std::fs::write(fixture.path("access.log"), "").unwrap();
        let running = fixture.serve_with(config).await;
        let mut client = connect(&running).await;
        client.send(request).await;
        assert_eq!(client.answer().await.body, "30");
        wait_for_line(&fixture.path("access.log"), |line| line.contains(&format!("\"client\":\"{client_is}\""))).await;
    }
    // Every local user may connect to a Unix socket.
    for (trusted, is_believed) in [("127.0.0.0/8", true), ("", false)] {
        let socket = fixture.path("http.sock");
        let config = ServeConfig {
            listen: format!("127.0.0.1:0, unix:{}", socket.display()).parse().unwrap(),
            trusted_proxies: trusted.parse().unwrap(),
            ..logged(&fixture, LogFormat::Json)
        };
        std::fs::write(fixture.path("access.log"), "").unwrap();
        let _running = fixture.serve_with(config).await;
        let mut client = Client::over(UnixStream::connect(&socket).await.unwrap());
        client.send(request).await;
        assert_eq!(client.answer().await.body, "30");
        let line = |line: &str| line.contains("\"client\":\"192.0.2.7\"") == is_believed;
        wait_for_line(&fixture.path("access.log"), line).await;
    }
    // And each client of a proxy has its own rate.
    let strict = ServeConfig {
        trusted_proxies: "127.0.0.0/8".parse().unwrap(),
        requests_per_second_per_address: 1,
        request_burst_per_address: crate::fixture::seconds(2),
        ..config()
    };
    let running = fixture.serve_with(strict).await;
    let mut client = connect(&running).await;
    let mut statuses = Vec::new();
    for address in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        client.send(format!("GET /20/format HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n")).await;
        statuses.push(client.answer().await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
}

#[tokio::test]
async fn the_combined_log_is_that_of_nginx_on_both_lanes() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(logged(&fixture, LogFormat::Combined)).await;
    let odd = "User-Agent: a\"b\\c\td\u{e4}\r\nReferer: \"\\\"\r\nUser-Agent: two\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n";
    let (name, seen) = ("/20/form%61t?x", "\"\\x22\\x5C\\x22\" \"a\\x22b\\x5Cc\\x09d\\xC3\\xA4\"");
    let mut expected = Vec::new();
    for implementation in [Implementation::Lane, Implementation::Hyper] {
        for (request, user, line) in [
            (
                format!("GET /20/format HTTP/1.1\r\nHost: x\r\n{odd}"),
                "bob",
                format!("\"GET /20/format HTTP/1.1\" 200 2 {seen}"),
            ),
            (format!("GET {name} HTTP/1.1\r\nHost: x\r\n"), "-", format!("\"GET {name} HTTP/1.1\" 200 2 \"-\" \"-\"")),
            (
                format!("HEAD {name} HTTP/1.1\r\nHost: x\r\nUser-Agent:\r\n"),
                "-",
                format!("\"HEAD {name} HTTP/1.1\" 200 0 \"-\" \"\""),
            ),
            (
                "GET /20/format HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n".into(),
                "-",
                "\"GET /20/format HTTP/1.1\" 206 1 \"-\" \"-\"".into(),
            ),
            ("GET /20/format HTTP/1.0\r\n".into(), "-", "\"GET /20/format HTTP/1.0\" 200 2 \"-\" \"-\"".into()),
            (
                "GET http://x/20/format HTTP/1.1\r\nHost: x\r\n".into(),
                "-",
                "\"GET http://x/20/format HTTP/1.1\" 200 2 \"-\" \"-\"".into(),
            ),
            ("GET /20/format HTTP/1.1\r\n".into(), "-", "\"GET /20/format HTTP/1.1\" 400 12 \"-\" \"-\"".into()),
            ("GET /nothing HTTP/1.1\r\nHost: x\r\n".into(), "-", "\"GET /nothing HTTP/1.1\" 404 10 \"-\" \"-\"".into()),
        ] {
            let mut client = connect_to(&running, implementation).await;
            client.send(format!("{request}Connection: close\r\n\r\n")).await;
            client.end().await;
            expected.push(format!("127.0.0.1 - {user} [] {line}"));
        }
    }
    // The request that moves a connection to hyper is logged too.
    let requests = expected.len() + expected.len() / 2;
    wait_for_metric(&running, "clearwell_http_requests_in_flight 0").await;
    let log = fixture.path("access.log");
    let all_are_there = async {
        while std::fs::read_to_string(&log).unwrap().lines().count() < requests {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::client::LIMIT, all_are_there).await.unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    let found: Vec<String> = text
        .lines()
        .filter(|line| !line.contains("/healthz"))
        .map(|line| {
            let ((before, rest), now) = (line.split_once('[').unwrap(), jiff::Zoned::now());
            let (time, behind) = rest.split_once(']').unwrap();
            let time = jiff::Zoned::strptime("%d/%b/%Y:%H:%M:%S %z", time).unwrap();
            assert!(now.duration_since(&time).as_secs().abs() < 3600 && time.offset() == now.offset(), "{line}");
            format!("{before}[]{behind}")
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn traces_go_on_in_the_log() {
    let fixture = Fixture::new();
    let running = fixture.serve_with(logged(&fixture, LogFormat::Json)).await;
    let mut client = connect(&running).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    client
        .send(format!("GET /20/format HTTP/1.1\r\nHost: x\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n"))
        .await;
    assert_eq!(client.answer().await.body, "30");
    let line = wait_for_line(&fixture.path("access.log"), |line| line.contains(trace)).await;
    assert!(line.contains("00f067aa0ba902b7"), "{line}");
}

#[tokio::test]
async fn settings_change_while_the_server_runs() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let reloader = running.reloader();
    let mut client = connect(&running).await;
    assert_eq!(client.get("/version/format31/latest").await.header("retry-after"), "10");
    let with_retry = |retry: u32| ServeConfig {
        retry_after_seconds: crate::fixture::seconds(retry),
        listen: crate::fixture::loopback(),
        ..config()
    };
    reloader.reload(with_retry(7)).unwrap();
    assert_eq!(client.get("/version/format31/latest").await.header("retry-after"), "7", "on the same connection");

    let other_port: Listen = "127.0.0.1:1".parse().unwrap();
    let refused = reloader.reload(ServeConfig { listen: other_port, memory_cache: ByteSize::new(1), ..with_retry(8) });
    let message = refused.unwrap_err().to_string();
    assert!(message.starts_with("listen, memory-cache cannot change"), "{message}");
    let nowhere = Some(fixture.path("no/such/folder/access.log"));
    assert!(reloader.reload(ServeConfig { access_log_file: nowhere, ..with_retry(8) }).is_err());
    assert_eq!(
        client.get("/version/format31/latest").await.header("retry-after"),
        "7",
        "what is refused changes nothing"
    );
    wait_for_metric(&running, "clearwell_http_reloads_total 1").await;
    wait_for_metric(&running, "clearwell_http_reloads_refused_total{kind=\"configuration\"} 2").await;
}

#[tokio::test]
async fn another_server_takes_over_without_refusing_a_client() {
    let fixture = Fixture::new();
    let (path, bytes) = fixture.small();
    let with_takeover = || ServeConfig { takeover: Some(fixture.path("takeover.sock")), workers: 2, ..config() };
    let first = fixture.serve_with(with_takeover()).await;
    let address = first.addr().unwrap();
    let mut resting = connect(&first).await;
    assert_eq!(resting.get("/").await.status, 200);

    let done = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (done, path, bytes) = (Arc::clone(&done), path.clone(), bytes.to_vec());
        async move {
            let mut served = 0;
            while !done.load(Ordering::Relaxed) {
                let mut client = Client::connect(address).await;
                client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
                assert!(client.answer().await.body == bytes);
                served += 1;
            }
            served
        }
    });
    let second = fixture.serve_with(with_takeover()).await;
    assert_eq!(second.addr(), Some(address), "the port that the kernel chose for the first");
    tokio::time::timeout(crate::client::LIMIT, first.taken_over()).await.unwrap();
    assert_eq!(first.hand_over().await.aborted, 0);
    assert!(resting.closes().await);
    // A third one, after the first is gone.
    let third = fixture.serve_with(with_takeover()).await;
    tokio::time::timeout(crate::client::LIMIT, second.taken_over()).await.unwrap();
    assert_eq!(second.hand_over().await.aborted, 0);
    assert!(connect(&third).await.get(&path).await.body == bytes);
    done.store(true, Ordering::Relaxed);
    assert!(asking.await.unwrap() > 10);
}

/// Each socket of the first has a queue of its own, in which the kernel puts connections.
#[tokio::test]
async fn every_socket_that_is_taken_over_is_accepted_from() {
    let fixture = Fixture::new();
    let with = |workers| ServeConfig { takeover: Some(fixture.path("takeover.sock")), workers, ..config() };
    let mut running = fixture.serve_with(with(5)).await;
    for workers in [1, 3, 5, 7] {
        let next = fixture.serve_with(with(workers)).await;
        assert!(next.took_over());
        tokio::time::timeout(crate::client::LIMIT, running.taken_over()).await.unwrap();
        assert_eq!(running.hand_over().await.aborted, 0);
        for _ in 0..40 {
            assert_eq!(connect(&next).await.get("/20/format").await.body, "30", "{workers} workers");
        }
        running = next;
    }
}

#[tokio::test]
async fn every_local_user_may_connect_to_a_unix_socket() {
    use std::os::unix::fs::PermissionsExt as _;

    let fixture = Fixture::new();
    let mode = |name: &str| std::fs::metadata(fixture.path(name)).unwrap().permissions().mode() & 0o777;
    let at = |name: &str| -> Listen { format!("unix:{}", fixture.path(name).display()).parse().unwrap() };
    let takeover = Some(fixture.path("takeover.sock"));
    let _running = fixture
        .serve_with(ServeConfig { listen: at("http.sock"), admin: at("admin.sock"), takeover, ..config() })
        .await;
    assert_eq!(mode("http.sock"), 0o666);
    assert_eq!(mode("admin.sock") & 0o022, 0, "metrics are for those whom the umask allows");
    assert_eq!(mode("takeover.sock"), 0o600);
}

/// The runtime of this test has one thread, and that must answer for the server before.
#[tokio::test]
async fn a_server_before_that_is_silent_holds_up_nothing_else() {
    let fixture = Fixture::new();
    let path = fixture.path("takeover.sock");
    let before = tokio::net::UnixListener::bind(&path).unwrap();
    let with_takeover = ServeConfig { takeover: Some(path), ..config() };
    let silent = async {
        let (stream, _) = tokio::time::timeout(crate::client::LIMIT, before.accept()).await.unwrap().unwrap();
        drop(stream);
    };
    let (bound, ()) = tokio::join!(Server::bind(with_takeover, fixture.store()), silent);
    assert!(matches!(bound, Err(ServeError::Takeover { .. })));
}

#[tokio::test]
async fn a_damaged_pack_is_found_while_it_is_sent() {
    let fixture = Fixture::new();
    let pack = "/20/pack-os-core-from-15.tar";
    // Above the size that is compared before the answer.
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &vec![7; 6 << 20]);
    for prelude in ["", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"] {
        flip_byte(&fixture.file_of(pack));
        let running = fixture.serve().await;
        let mut client = connect(&running).await;
        if !prelude.is_empty() {
            client.send(prelude).await;
            assert_eq!(client.answer().await.status, 200);
        }
        assert_eq!(client.head(pack).await.header("content-length"), (6 << 20).to_string(), "from the index alone");
        client.request("GET", pack).await;
        let answer = client.end().await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        assert!(answer.len() - head - 4 < 6 << 20, "it never arrives whole");
        wait_for_metric(&running, "clearwell_object_damaged_total 1").await;
        let mut client = connect(&running).await;
        assert_eq!(client.get(pack).await.status, 503);
        assert_eq!(client.head(pack).await.status, 503);
        assert_eq!(client.get("/20/format").await.status, 200);

        flip_byte(&fixture.file_of(pack));
        let repaired = fixture.serve().await;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let mut client = connect(&repaired).await;
            clients.spawn(async move { client.get(pack).await.body.len() });
        }
        assert_eq!(clients.join_all().await, [6 << 20; 20]);
    }
}

#[tokio::test]
async fn the_size_of_a_store_grows_with_what_is_added() {
    let fixture = Fixture::new();
    let running = fixture.serve().await;
    let size = || {
        let text = running.site().metrics().expose();
        let line = text.lines().find_map(|line| line.strip_prefix("clearwell_store_size_bytes ")).unwrap().to_owned();
        line.parse::<u64>().unwrap()
    };
    let before = size();
    fixture.extend(&Artifact::from_path("pack-os-core-from-15.tar").unwrap(), &[7; 1000]);
    wait_for_metric(&running, &format!("clearwell_store_size_bytes {}", before + 1000)).await;
}

#[test]
fn a_configuration_is_checked_without_listening() {
    let fixture = Fixture::new();
    Server::check(&config(), fixture.store()).unwrap();
    for (bad, word) in [
        (ServeConfig { listen: Listen::OFF, ..config() }, "listen"),
        (ServeConfig { listen_tls: crate::fixture::loopback(), ..config() }, "tls-certificate"),
        (ServeConfig { max_connections: std::num::NonZeroUsize::MAX, ..config() }, "LimitNOFILE"),
        (ServeConfig { memory_cache: ByteSize::new(1 << 60), ..config() }, "memory-cache"),
        (ServeConfig { access_log_format: LogFormat::Combined, ..config() }, "access-log-file"),
    ] {
        let error = Server::check(&bad, fixture.store()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
