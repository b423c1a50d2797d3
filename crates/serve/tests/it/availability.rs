//! What is absent, what is not here yet, and what is damaged.

use clearwell_format::resource::Artifact;
use clearwell_serve::{NotReady, ServeConfig, Site};
use clearwell_store::Store;
use clearwell_testkit::{cut_off, flip_byte, pointers};
use http::StatusCode;

use crate::fixture::{Fixture, InMemory, config};

#[tokio::test]
async fn absent_is_404_and_not_yet_is_503() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let hash = "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062";
    for (path, status) in [
        // What a release does not have, it will never have. Clients go on at once.
        ("/20/pack-os-core-from-15.tar", 404),
        ("/20/pack-nothing-from-0.tar", 404),
        ("/20/Manifest-os-core-delta-from-10", 404),
        ("/20/Manifest.nothing.tar", 404),
        ("/20/upstreamver", 404),
        (&format!("/20/files/{hash}.tar"), 404),
        // Not a release, and below the newest: versions only go up.
        ("/1/Manifest.MoM.tar", 404),
        ("/15/Manifest.MoM.tar", 404),
        ("/15/pack-os-core-from-0.tar", 404),
        // Above the newest: another node is ahead.
        ("/21/Manifest.MoM.tar", 503),
        ("/30/pack-os-core-from-20.tar", 503),
        ("/30/Manifest-os-core-delta-from-20", 503),
        (&format!("/2147483647/files/{hash}.tar"), 503),
        // Pointers.
        ("/version/format30/latest", 200),
        ("/version/format30/first", 404),
        ("/version/format29/latest", 404),
        ("/version/format31/latest", 503),
        ("/version/format31/latest.sig", 503),
        ("/version/format31/first", 503),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = client.ask(method, path, &[]).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}");
            let retry = if status == 503 { "10" } else { "" };
            assert_eq!(answer.header("retry-after"), retry, "{path}");
            if status != 200 {
                assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
    }
}

#[tokio::test]
async fn the_signature_of_an_unsigned_release_is_404() {
    let fixture = Fixture::new();
    let mut set = pointers(clearwell_format::FormatNumber::new(31).unwrap(), fixture.newest().version);
    set.retain(|pointer, _| !pointer.to_string().ends_with(".sig"));
    fixture.store().writer("test").unwrap().publish(&set).unwrap();
    let site = fixture.site();
    let client = InMemory::new(&site);
    assert_eq!(client.status("/version/format31/latest").await, 200);
    assert_eq!(client.status("/version/format31/latest.sig").await, 404);
}

#[tokio::test]
async fn an_empty_store_is_not_ready_and_fills() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let site = Site::open(config(), store.clone()).unwrap();
    let client = InMemory::new(&site);
    assert_eq!(site.readiness(), Err(NotReady::NothingPublished));
    let ready = client.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.body[..]), (503, &b"not ready: nothing is published\n"[..]));
    assert_eq!(client.status("/healthz").await, 200);
    for path in ["/version/format30/latest", "/version/latest_version", "/version/latest_version.sig", "/10/format"] {
        assert_eq!(client.status(path).await, 503, "{path}");
    }

    let [first, _] = clearwell_testkit::sample_releases();
    let mut writer = store.writer("test").unwrap();
    first.release_in(&mut writer);
    writer.publish(&pointers(first.mom.header.format, first.version)).unwrap();

    assert_eq!(InMemory::new(&site).get("/version/latest_version").await.body, "10", "on a new connection at once");
    assert_eq!(site.readiness(), Ok(()));
    assert_eq!(client.status("/10/format").await, 200);
}

#[tokio::test]
async fn a_release_is_served_from_its_publication_on() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    assert_eq!(client.status("/30/format").await, 503);
    // It may be built again, with other bytes under the same names.
    fixture.stage(30);
    assert_eq!(client.status("/30/format").await, 503);
    assert_eq!(client.get("/version/format30/latest").await.body, "20");
    fixture.point_to(30);
    assert_eq!(client.status("/30/format").await, 200, "before this server was asked for pointers");
    assert_eq!(client.status("/30/pack-os-core-from-15.tar").await, 404);
}

#[tokio::test]
async fn artifacts_that_are_added_to_a_release_are_found() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let path = "/20/pack-os-core-from-15.tar";
    assert_eq!(client.status(path).await, 404);
    let pack = Artifact::from_path("pack-os-core-from-15.tar").unwrap();
    fixture.extend(&pack, b"a pack");
    // A new connection that asks for pointers makes the server load them; without one it does so each second.
    assert_eq!(InMemory::new(&site).status("/version/format30/latest").await, 200);
    assert_eq!(client.get(path).await.body, "a pack");
}

#[tokio::test]
async fn damaged_objects_are_not_sent() {
    let fixture = Fixture::new();
    let (small, small_bytes) = fixture.small();
    let (large, large_bytes) = fixture.large();
    for (path, bytes) in [(&small, small_bytes), (&large, large_bytes)] {
        for damage in [flip_byte, cut_off, |path: &std::path::Path| std::fs::remove_file(path).unwrap()] {
            let file = fixture.file_of(path);
            damage(&file);
            let site = fixture.site();
            let client = InMemory::new(&site);
            let answer = client.get(path).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(answer.header("retry-after"), "10");
            for (method, headers) in [("HEAD", &[][..]), ("GET", &[("range", "bytes=0-0")][..]), ("GET", &[][..])] {
                assert_eq!(client.ask(method, path, headers).await.status.as_u16(), 503, "{method}");
            }
            let text = site.metrics().expose();
            assert!(text.contains("clearwell_object_damaged_total 1\n"), "read once, not for each request: {text}");
            assert_eq!(client.status("/20/Manifest.MoM.tar").await, 200, "other objects are served");
            assert_eq!(site.readiness(), Ok(()));

            std::fs::write(&file, bytes).unwrap();
            let repaired = fixture.site();
            assert_eq!(InMemory::new(&repaired).get(path).await.body, bytes);
        }
    }
}

#[tokio::test]
async fn a_large_object_that_is_damaged_after_it_was_read() {
    let fixture = Fixture::new();
    let site = fixture.site();
    let client = InMemory::new(&site);
    let (path, bytes) = fixture.large();
    assert_eq!(client.get(&path).await.body, bytes);
    flip_byte(&fixture.file_of(&path));
    assert_eq!(client.status(&path).await, 503);
}

#[tokio::test]
async fn a_damaged_index_is_503_and_not_404() {
    let fixture = Fixture::new();
    flip_byte(&fixture.path("store/meta/index/20"));
    let site = fixture.site();
    let client = InMemory::new(&site);
    assert_eq!(client.status("/20/format").await, 503);
    assert_eq!(client.status("/10/format").await, 200);
    assert_eq!(client.get("/version/format30/latest").await.body, "20");
}

#[tokio::test]
async fn pointers_that_cannot_be_read_any_more_are_still_served() {
    let fixture = Fixture::new();
    let site = fixture.site();
    std::fs::remove_file(fixture.path("store/content/version")).unwrap();
    std::fs::write(fixture.path("store/content/version"), "not a link").unwrap();
    let client = InMemory::new(&site);
    assert_eq!(client.get("/version/format30/latest").await.body, "20");
    assert_eq!(site.readiness(), Err(NotReady::Unreadable));
    assert_eq!(client.status("/readyz").await, 503);
    assert_eq!(client.status("/20/format").await, 200);
}

#[tokio::test]
async fn the_tree_can_be_served_below_a_path() {
    let fixture = Fixture::new();
    let below = ServeConfig { base_path: "/update".parse().unwrap(), ..config() };
    let site = Site::open(below, fixture.store()).unwrap();
    let client = InMemory::new(&site);
    assert_eq!(client.get("/update/version/format30/latest").await.body, "20");
    assert_eq!(client.status("/update/").await, 200);
    assert_eq!(client.status("/version/format30/latest").await, 404);
    assert_eq!(client.status("/readyz").await, 200);
}
