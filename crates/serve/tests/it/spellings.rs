//! One URI in many spellings: the same answer on both lanes and over HTTP/2, from one place in the cache, as one kind.

use bytes::Bytes;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, ManifestName, Resource, Version};
use clearwell_serve::config::LogFormat;
use clearwell_testkit::{ReleaseBuilder, TestObject};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};

use crate::fixture::{Fixture, connect, wait_for_metric};
use crate::lanes::{Implementation, connect_to};
use crate::operations::{logged, wait_for_line};
use crate::wire::prior_knowledge;

const PLAIN: &str = "/30/Manifest.c++.tar";

/// Targets, and the status of their answers: 200 is that of [`PLAIN`]. The statuses are nginx's for the same tree, but
/// for those that say why not.
const TARGETS: &[(&str, u16)] = &[
    (PLAIN, 200),
    ("/30/Manifest.c%2B%2B.tar", 200),
    ("/30/Manifest.c%2b+.tar", 200),
    ("/30/Manifest%2Ec++.tar", 200),
    ("/30/%4Danifest.c++.t%61r", 200),
    ("/%33%30/Manifest.c++.tar", 200),
    ("//30//Manifest.c%2B%2B.tar", 200),
    ("/./30/Manifest.c++.tar", 200),
    ("/30/%2e/Manifest.c++.tar", 200),
    ("/30/Manifest.c++.tar?", 200),
    ("/30/Manifest.c%2B%2B.tar?x=%zz", 200),
    // A slash that is escaped separates nothing (RFC 3986 §2.2); nginx takes it for one.
    ("/30%2FManifest.c++.tar", 404),
    ("/%2F30/Manifest.c++.tar", 404),
    // Two dots lead nowhere; nginx follows them within the tree.
    ("/30/../30/Manifest.c++.tar", 404),
    ("/30/%2e%2e/30/Manifest.c++.tar", 404),
    ("/30/.%2E/30/Manifest.c++.tar", 404),
    ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ("/30/Manifest.c%252B%252B.tar", 404),
    ("/30/Manifest.c%25.tar", 404),
    ("/30/Manifest.c++.tar/", 404),
    ("/30/Manifest.c++.tar/.", 404),
    ("/30/Manifest.c++.tar%20", 404),
    ("/30/Manifest.c++.tar%3Fx", 404),
    ("/30/Manifest.c++.tar%23x", 404),
    ("/30/Manifest.c++.tar%0a", 404),
    ("/30%5CManifest.c++.tar", 404),
    // No name has it; nginx refuses it.
    ("/30/Manifest.c++.tar%00", 404),
    ("/30/Manifest.c%C3%A4.tar", 404),
    ("/30/Manifest.c%FF.tar", 404),
    ("/30/Manifest.c++.tar%", 400),
    ("/30/Manifest.c++.tar%2", 400),
    ("/30/Manifest.c%zz.tar", 400),
    ("/30/Manifest.c%2G.tar", 400),
    ("/%", 400),
    ("/version/format%330/latest", 200),
    ("/%76ersion/./format30//latest%2Esig", 200),
    ("/%68ealthz", 200),
    ("/%2e", 200),
];

/// The sample with a release 30 whose bundles have names that some clients escape.
fn fixture() -> (Fixture, Vec<u8>) {
    let fixture = Fixture::new();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/os-release", "VERSION_ID=30\n")];
    let release = ReleaseBuilder::new(30, Some(fixture.newest()))
        .bundle("os-core", &[], os_core)
        .bundle("c++", &["os-core"], vec![TestObject::file("/usr/c++", "compiler")])
        .build();
    release.release_in(&mut fixture.store().writer("test").unwrap());
    fixture.point_to(30);
    let name = ManifestName::Bundle("c++".parse::<BundleName>().unwrap());
    let artifact = Artifact::ManifestTar(name);
    assert_eq!(format!("/{}", Resource::of(Version::new(30).unwrap(), artifact.clone())), PLAIN);
    (fixture, release.artifacts[&artifact].clone())
}

#[tokio::test]
async fn both_lanes_and_http_2_agree() {
    let (fixture, bytes) = fixture();
    let running = fixture.serve().await;
    let mut sender = prior_knowledge(&running).await;
    for (target, status) in TARGETS {
        let is_plain = target.contains("Manifest") && *status == 200;
        for implementation in [Implementation::Lane, Implementation::Hyper] {
            let mut client = connect_to(&running, implementation).await;
            let answer = client.get(target).await;
            assert_eq!(answer.status, *status, "{implementation:?} {target}");
            assert!(!is_plain || answer.body == bytes, "{implementation:?} {target}");
            let head = client.head(target).await;
            assert_eq!((head.status, head.header("content-length")), (answer.status, answer.header("content-length")));
            assert_eq!(head.header("etag"), answer.header("etag"), "{implementation:?} {target}");
            assert_eq!(client.get("/healthz").await.status, StatusCode::OK, "the connection goes on after {target}");
        }
        for method in ["GET", "HEAD"] {
            let request = Request::builder().method(method).uri(format!("http://x{target}"));
            sender.ready().await.unwrap();
            let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), *status, "HTTP/2 {method} {target}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(!is_plain || body == if method == "GET" { &bytes[..] } else { &[] }, "HTTP/2 {method} {target}");
        }
    }
}

#[tokio::test]
async fn the_absolute_form_names_the_same() {
    let (fixture, bytes) = fixture();
    let running = fixture.serve().await;
    for implementation in [Implementation::Lane, Implementation::Hyper] {
        for target in [
            "http://x/30/Manifest.c++.tar",
            "HTTP://other:80//30/Manifest.c%2B%2B.tar?x",
            "http://x/./30/Manifest.c%2b+.tar",
        ] {
            let mut client = connect_to(&running, implementation).await;
            assert!(client.get(target).await.body == bytes, "{implementation:?} {target}");
        }
        for (target, status) in [("http://x", 200), ("http://x/30/%2e%2e/30/format", 404), ("http://x/30/form%", 400)] {
            assert_eq!(
                connect_to(&running, implementation).await.get(target).await.status,
                status,
                "{implementation:?} {target}"
            );
        }
    }
}

#[tokio::test]
async fn every_spelling_is_one_object_of_one_kind_and_is_logged_as_it_came() {
    let (fixture, bytes) = fixture();
    let running = fixture.serve_with(logged(&fixture, LogFormat::Json)).await;
    let spellings: Vec<&str> = TARGETS
        .iter()
        .filter(|(target, status)| target.contains("/Manifest") && *status == 200)
        .map(|(target, _)| *target)
        .collect();
    for target in &spellings {
        assert!(connect(&running).await.get(target).await.body == bytes, "{target}");
        wait_for_line(&fixture.path("access.log"), |line| line.contains(&format!("\"path\":\"{target}\""))).await;
    }
    // A request is counted after its line.
    let requests = format!("clearwell_http_requests_total{{kind=\"manifest\",class=\"2xx\"}} {}", spellings.len());
    for line in [requests.as_str(), "clearwell_object_lookups_total{result=\"miss\"} 1"] {
        wait_for_metric(&running, line).await;
    }
}
