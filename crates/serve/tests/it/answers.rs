//! What is answered: headers and bytes, in memory.

use std::sync::Arc;

use clearwell_format::Resource;
use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_serve::config::ByteSize;
use clearwell_serve::{ServeConfig, Site};
use clearwell_store::Digest;
use http::StatusCode;

use crate::fixture::{Fixture, InMemory, config};

#[tokio::test]
async fn every_artifact_is_whole_and_may_be_cached_forever() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    for release in fixture.sample.releases.iter() {
        for (artifact, bytes) in &release.artifacts {
            let path = format!("/{}", Resource::of(release.version, artifact.clone()));
            // From the index, from disk, and from the cache.
            let before = client.ask("HEAD", &path, &[]).await;
            let cold = client.get(&path).await;
            let warm = client.get(&path).await;
            let after = client.ask("HEAD", &path, &[]).await;
            for answer in [&before, &cold, &warm, &after] {
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                assert_eq!(answer.header("content-length"), bytes.len().to_string());
                assert_eq!(answer.header("etag"), format!("\"{}\"", Digest::of(bytes)));
                assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
                assert_eq!(answer.header("accept-ranges"), "bytes");
                assert_eq!(answer.headers, cold.headers, "HEAD has the headers of GET");
            }
            assert!(cold.body == bytes[..] && warm.body == bytes[..], "{path}");
            assert!(before.body.is_empty() && after.body.is_empty());
            let text = matches!(artifact, Artifact::Manifest(_)) || artifact.kind() == ResourceKind::VersionInfo;
            let expected = if text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
            assert_eq!(cold.header("content-type"), expected, "{path}");
        }
    }
}

#[tokio::test]
async fn pointers_are_revalidated_each_time() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    for path in ["/version/format30/latest", "/version/latest_version"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"20"[..]));
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("etag"), format!("\"{}\"", Digest::of(b"20")));
        assert_eq!(client.ask("HEAD", path, &[]).await.headers, answer.headers);

        let signature = client.get(&format!("{path}.sig")).await;
        clearwell_sign::verify(b"20", &signature.body, &fixture.sample.anchor, None).unwrap();

        let again = client.ask("GET", path, &[("if-none-match", answer.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.header("etag"), answer.header("etag"));
        assert_eq!(again.header("cache-control"), "no-cache");
        assert!(!again.headers.contains_key("content-type"));
    }
}

#[tokio::test]
async fn one_part_and_many_of_small_and_large_objects() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    for (path, bytes) in [fixture.small(), fixture.large()] {
        let size = bytes.len();
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-99", 10..100),
            ("bytes=100-", 100..size),
            ("bytes=-7", size - 7..size),
            ("bytes=50-99999999", 50..size),
        ] {
            let answer = client.ask("GET", &path, &[("range", range)]).await;
            assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(answer.header("content-length"), expected.len().to_string());
            let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            assert_eq!(answer.header("content-range"), content_range);
            assert_eq!(answer.header("etag"), format!("\"{}\"", Digest::of(bytes)));
            assert!(answer.body == bytes[expected], "{range}");
        }

        let answer = client.ask("GET", &path, &[("range", "bytes=0-3, -4, 20-29")]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(
            parts_of(&answer.body, answer.header("content-type")),
            [
                (format!("bytes 0-3/{size}"), bytes[..4].to_vec()),
                (format!("bytes {}-{}/{size}", size - 4, size - 1), bytes[size - 4..].to_vec()),
                (format!("bytes 20-29/{size}"), bytes[20..30].to_vec()),
            ]
        );

        let answer = client.ask("GET", &path, &[("range", &format!("bytes={size}-"))]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(answer.header("content-range"), format!("bytes */{size}"));

        let etag = format!("\"{}\"", Digest::of(bytes));
        for (validator, status) in [(etag.as_str(), 206), ("\"other\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)] {
            let headers = [("range", "bytes=0-0"), ("if-range", validator)];
            assert_eq!(client.ask("GET", &path, &headers).await.status.as_u16(), status, "{validator}");
        }

        let head = client.ask("HEAD", &path, &[("range", "bytes=0-0")]).await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, size.to_string().as_str()));
    }
}

/// Reads a multipart body as strictly as it is written: (content range, bytes) of each part.
fn parts_of(body: &[u8], content_type: &str) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut parts = Vec::new();
    let mut rest = body;
    let mut delimiter = format!("--{boundary}");
    loop {
        rest = rest.strip_prefix(delimiter.as_bytes()).unwrap();
        if rest == b"--\r\n" {
            return parts;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let header = std::str::from_utf8(&rest[..end]).unwrap();
        let range = header.split("\r\n").find_map(|line| line.strip_prefix("Content-Range: ")).unwrap();
        let (first, last) = range["bytes ".len()..].split_once('/').unwrap().0.split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap();
        parts.push((range.to_owned(), rest[end + 4..end + 4 + length].to_vec()));
        rest = &rest[end + 4 + length..];
        delimiter = format!("\r\n--{boundary}");
    }
}

#[tokio::test]
async fn the_stock_client_gets_fullfiles_whole() {
    let fixture = Fixture::new();
    let (fullfile, bytes) = fixture.artifact(|artifact| artifact.kind() == ResourceKind::Fullfile);
    let (pack, _) = fixture.large();
    let stock = ("user-agent", "swupd-client/7.0.0");
    let other = ("user-agent", "curl/8.0");

    let site = fixture.site();
    let client = InMemory::new(&site);
    let behind = format!("bytes={}-", bytes.len());
    for (path, agent, range, status) in [
        (&fullfile, stock, "bytes=10-", 200),
        (&fullfile, stock, behind.as_str(), 200),
        (&fullfile, other, "bytes=10-", 206),
        (&fullfile, other, behind.as_str(), 416),
        (&pack, stock, "bytes=10-", 206),
    ] {
        let answer = client.ask("GET", path, &[agent, ("range", range)]).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {agent:?} {range}");
        if status == 200 {
            assert_eq!(answer.body, bytes);
        }
    }

    let literal = Site::open(ServeConfig { whole_for_stock_client: false, ..config() }, fixture.store()).unwrap();
    let answer = InMemory::new(&literal).ask("GET", &fullfile, &[stock, ("range", "bytes=10-")]).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
}

#[tokio::test]
async fn conditions_on_artifacts() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let (path, bytes) = fixture.small();
    let etag = format!("\"{}\"", Digest::of(bytes));
    // Before and after the object is cached.
    for _ in 0..2 {
        for method in ["GET", "HEAD"] {
            let fresh = client.ask(method, &path, &[("if-none-match", &etag)]).await;
            assert_eq!((fresh.status, fresh.body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(fresh.header("etag"), etag);
            let failed = client.ask(method, &path, &[("if-match", "\"other\"")]).await;
            assert_eq!(failed.status, StatusCode::PRECONDITION_FAILED);
        }
        assert_eq!(client.get(&path).await.body, bytes);
    }
}

#[tokio::test]
async fn methods_other_than_get_and_head_are_405() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let (path, _) = fixture.small();
    for path in [path.as_str(), "/", "/nothing", "/healthz"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get"] {
            let answer = client.ask(method, path, &[]).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_root_answers_so_that_clients_keep_their_connection() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let (get, head) = (client.get("/").await, client.ask("HEAD", "/", &[]).await);
    assert_eq!((get.status, head.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(get.headers, head.headers);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let (path, bytes) = fixture.small();
    assert_eq!(InMemory::new(&site).get(&format!("{path}?x=../../meta/lock&y")).await.body, bytes);
}

#[tokio::test]
async fn hostile_paths_name_nothing() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    for path in [
        "/../meta/layout",
        "/20/../../meta/layout",
        "/20/..%2f..%2fmeta/layout",
        "/%2e%2e/meta/layout",
        "/meta/layout",
        "/meta/index/20",
        "/.pointers/00000002/format30/latest",
        "/version/../.pointers",
        "/20",
        "/20/",
        "/20/files/",
        "/20/../20/format",
        "/20/format/",
        "/20//format//",
        "/020/format",
        "/20/format%00",
        "/20/Manifest.os-core.tar%0d%0aX:%20y",
        "/20/Manifest.%256fs-core.tar",
        "/20%2fformat",
        "//etc/passwd",
        "/version/format30/latest/../latest",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(client.get("//20//format").await.body, "30", "double slashes collapse");
}

#[tokio::test]
async fn objects_are_served_without_room_to_keep_them() {
    let fixture = Fixture::new();
    let tight = ServeConfig {
        memory_cache: ByteSize::new(0),
        open_files: std::num::NonZeroUsize::MIN,
        small_object: ByteSize::new(1000),
        ..config()
    };
    let site = Site::open(tight, fixture.store()).unwrap();
    let client = InMemory::new(&site);
    for _ in 0..2 {
        for (artifact, bytes) in &fixture.newest().artifacts {
            assert_eq!(client.get(&format!("/20/{artifact}")).await.body, bytes, "{artifact}");
        }
    }
    assert!(site.metrics().expose().contains("clearwell_object_cached_bytes 0\n"));
}

#[tokio::test]
async fn cached_objects_are_not_read_again() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let (path, bytes) = fixture.small();
    let client = InMemory::new(&site);
    for _ in 0..20 {
        assert_eq!(client.get(&path).await.body, bytes);
        let _gone_the_first_time = std::fs::remove_file(fixture.file_of(&path));
    }
    let text = site.metrics().expose();
    assert!(text.contains("clearwell_object_lookups_total{result=\"miss\"} 1\n"), "{text}");
    assert!(text.contains("clearwell_object_lookups_total{result=\"hit\"} 19\n"), "{text}");
    let sent = format!("clearwell_http_sent_bytes_total{{kind=\"manifest\"}} {}\n", 20 * bytes.len());
    assert!(text.contains(&sent), "{text}");
}

#[tokio::test]
async fn concurrent_clients_get_the_same_object() {
    let fixture = Fixture::new();
    let site = Arc::new(fixture.site());
    let (path, bytes) = fixture.large();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (site, path) = (Arc::clone(&site), path.clone());
        clients.spawn(async move { InMemory::new(&site).get(&path).await.body });
    }
    let bodies = clients.join_all().await;
    assert!(bodies.iter().all(|body| body == bytes));
}
