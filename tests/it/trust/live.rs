//! Releases are published and removed by `gc` in a loop while endpoints install and update over HTTP continuously.
//!
//! A few seconds in an ordinary run; `CLEARWELL_LIVE_SECONDS` makes it minutes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use clearwell_endpoint::source::{HttpOptions, HttpSource};
use clearwell_endpoint::{Endpoint, Report, Root};
use clearwell_format::BundleName;
use clearwell_format::resource::ResourceKind;
use clearwell_serve::config::{AccessLog, Listen};
use clearwell_serve::{ServeConfig, Server};
use clearwell_store::Store;
use clearwell_store::gc::{Retention, collect};
use clearwell_store::progress::Silent;
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, pointers};

use super::setup::{checked, endpoint_options, say, scratch};

const ENDPOINTS: usize = 6;

/// A release whose files change in each version or less often.
fn release(number: u32, previous: Option<&TestRelease>) -> TestRelease {
    let text = |name: &str, version: u32| TestObject::file(name, format!("{name} of {version}\n").repeat(40));
    let tracking = |bundle: &str| TestObject::file(&format!("/usr/share/clear/bundles/{bundle}"), "");
    let folders = ["/usr", "/usr/lib", "/usr/share", "/usr/share/clear", "/usr/share/clear/bundles"];
    let mut core: Vec<TestObject> = folders.into_iter().map(TestObject::directory).collect();
    core.push(TestObject::file("/usr/lib/os-release", format!("VERSION_ID={number}\n")));
    core.extend([text("/usr/seldom", number / 50), TestObject::link("/usr/link", "seldom"), tracking("os-core")]);
    let mut editor: Vec<TestObject> =
        (0..12).map(|file| text(&format!("/usr/file-{file:02}"), number / (10 * (1 + file)))).collect();
    editor.push(tracking("editor"));
    let small = vec![text("/usr/small", number / 100), tracking("small")];
    ReleaseBuilder::new(number, previous)
        .bundle("os-core", &[], core)
        .bundle("editor", &["os-core"], editor)
        .bundle("small", &["os-core"], small)
        .build()
}

/// Publishes and removes releases until told to stop. Returns how many were published and how many removed.
fn publish_and_collect(root: &Path, mut last: TestRelease, stop: &AtomicBool) -> (u32, u64) {
    let store = Store::open(root).unwrap();
    let (mut published, mut collected) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        let next = release(last.version.number() + 10, Some(&last));
        let mut writer = store.writer("publish").unwrap();
        next.release_in(&mut writer);
        writer.publish(&pointers(next.mom.header.format, next.version)).unwrap();
        published += 1;
        let retention = Retention { grace: Duration::from_secs(2), ..Retention::new(3, SystemTime::now()) };
        // Long enough for a server that checks once per second.
        collected +=
            collect(&mut writer, &retention, Duration::from_millis(1500), &Silent).unwrap().plan.removed().number;
        last = next;
    }
    (published, collected)
}

/// An endpoint may find that there is no pack or delta from its version, and nothing else.
fn assert_succeeded(report: &Report, what: &str) {
    assert!(report.is_clean(), "{what}: {:?}", report.problems);
    for kind in ResourceKind::ALL {
        let may_lack = matches!(kind, ResourceKind::DeltaPack | ResourceKind::DeltaManifest);
        assert!(may_lack || report.traffic.gets_of(kind, 404) == 0, "{what}: 404 for {}", kind.name());
        assert_eq!(report.traffic.gets_of(kind, 503), 0, "{what}: 503 for {}", kind.name());
    }
}

async fn live(url: String, folder: &Path, until: Instant, requests: &AtomicU64) -> (u64, u64) {
    let bundles: Vec<BundleName> = ["editor", "small"].map(|name| name.parse().unwrap()).to_vec();
    let (mut installs, mut updates) = (0, 0);
    while Instant::now() < until {
        let root = tempfile::tempdir_in(folder).unwrap();
        // Each run of a client opens new connections, on which it may see newer pointers.
        let source = || Arc::new(HttpSource::new(&HttpOptions::new(url.clone())).unwrap());
        let mut endpoint = Endpoint::open(source(), Root::folder(root.path()), endpoint_options()).unwrap();
        let report = endpoint.install(None, &bundles).await.unwrap();
        assert_succeeded(&report, "install");
        requests.fetch_add(report.traffic.requests(), Ordering::Relaxed);
        installs += 1;
        // Every third endpoint skips some releases, so that `gc` removes the one that it has installed.
        let naps = if installs % 3 == 0 { 1 } else { 6 };
        for _ in 0..naps {
            tokio::time::sleep(Duration::from_millis(if naps == 1 { 9000 } else { 700 })).await;
            let before = endpoint.version();
            endpoint.set_source(source());
            let report = endpoint.update(None).await.unwrap();
            assert_succeeded(&report, &format!("update from {before:?}"));
            requests.fetch_add(report.traffic.requests(), Ordering::Relaxed);
            updates += u64::from(endpoint.version() > before);
        }
        endpoint.set_source(source());
        let report = endpoint.diagnose().await.unwrap();
        assert_succeeded(&report, "diagnose");
    }
    (installs, updates)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_update_while_releases_are_published_and_removed() {
    let seconds = std::env::var("CLEARWELL_LIVE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let folder = scratch();
    let root = folder.path().join("store");
    let store = Store::create(&root).unwrap();
    let first = release(10, None);
    let mut writer = store.writer("test").unwrap();
    first.release_in(&mut writer);
    writer.publish(&pointers(first.mom.header.format, first.version)).unwrap();
    drop(writer);

    let loopback = || Listen::at(([127, 0, 0, 1], 0).into());
    let config = ServeConfig {
        listen: loopback(),
        admin: loopback(),
        access_log: AccessLog::Off,
        drain_grace_seconds: 0,
        ..ServeConfig::default()
    };
    let running = Server::bind(config, Store::open(&root).unwrap()).await.unwrap();
    let url = format!("http://{}", running.addr().unwrap());

    let stop = Arc::new(AtomicBool::new(false));
    let requests = Arc::new(AtomicU64::new(0));
    let publisher = {
        let (stop, root) = (Arc::clone(&stop), root.clone());
        tokio::task::spawn_blocking(move || publish_and_collect(&root, first, &stop))
    };
    let until = Instant::now() + Duration::from_secs(seconds);
    let endpoints: Vec<_> = (0..ENDPOINTS)
        .map(|_| {
            let (url, folder, requests) = (url.clone(), folder.path().to_owned(), Arc::clone(&requests));
            tokio::spawn(async move { live(url, &folder, until, &requests).await })
        })
        .collect();
    let (mut installs, mut updates) = (0, 0);
    for endpoint in endpoints {
        let (installed, updated) = endpoint.await.unwrap();
        installs += installed;
        updates += updated;
    }
    stop.store(true, Ordering::SeqCst);
    let (published, collected) = publisher.await.unwrap();
    assert_eq!(running.site().metrics().objects.damaged.get(), 0, "a file was removed while a manifest named it");
    running.drain().await;
    let report = checked(&Store::open(&root).unwrap());
    assert!(report.is_sound(), "{:#?}", report.findings);
    say(&format!(
        "live: {published} releases published and {collected} artifacts collected under {installs} installs and \
         {updates} updates, {} requests",
        requests.load(Ordering::Relaxed)
    ));
    assert!(published >= 3 && collected > 0 && installs > 0 && updates > 0);
}
