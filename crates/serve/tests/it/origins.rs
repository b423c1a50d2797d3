//! Origins: the same answers from each of them in each form, asked on misses only, and errors told apart.

use std::io::Write as _;
use std::sync::Arc;

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_serve::{DownloadWriter, NotReady, Running, ServeError, Server, Site};
use clearwell_store::Digest;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};

use crate::fixture::{Answer, Fixture, InMemory, config, connect, wait_for_metric};
use crate::lanes::{Implementation, connect_to};
use crate::recording::{Calls, Delivery, Failure, RecordingOrigin, Step};
use crate::wire::prior_knowledge;

/// So large that the most of it is sent without a copy.
const HUGE_BYTES: usize = 7 << 20;
const HUGE: &str = "pack-os-core-from-15.tar";

fn huge() -> (Artifact, Vec<u8>) {
    let bytes = (0..HUGE_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    (Artifact::from_path(HUGE).unwrap(), bytes)
}

/// A request of the table: method and headers.
type Asked = (&'static str, Vec<(&'static str, String)>);

/// GET, HEAD, ranges and conditions for an object.
fn table(bytes: &[u8]) -> Vec<Asked> {
    let (size, etag) = (bytes.len(), format!("\"{}\"", Digest::of(bytes)));
    let range = |range: String| vec![("range", range)];
    vec![
        ("GET", vec![]),
        ("GET", range("bytes=0-0".into())),
        ("HEAD", vec![]),
        ("GET", range(format!("bytes={}-", size / 2))),
        ("GET", range("bytes=-5".into())),
        ("GET", range(format!("bytes=1-2,{}-{}", size / 3, size / 2))),
        ("GET", range(format!("bytes={size}-"))),
        ("HEAD", range("bytes=0-0".into())),
        ("GET", vec![("if-none-match", etag.clone())]),
        ("HEAD", vec![("if-none-match", etag.clone())]),
        ("GET", vec![("if-match", "\"other\"".into())]),
        ("GET", vec![("if-range", etag), ("range", "bytes=2-9".into())]),
        ("GET", vec![("if-range", "\"other\"".into()), ("range", "bytes=2-9".into())]),
    ]
}

type Comparable = (u16, Vec<(String, String)>, bytes::Bytes);

fn comparable(answer: Answer) -> Comparable {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let mut headers: Vec<_> = answer.headers.iter().map(header).filter(|(name, _)| name != "date").collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body)
}

/// How a request reaches the server.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Lane,
    Hyper,
    Http2,
}

async fn ask(running: &Running, protocol: Protocol, path: &str, (method, headers): &Asked) -> Answer {
    let lane = match protocol {
        Protocol::Lane => Implementation::Lane,
        Protocol::Hyper => Implementation::Hyper,
        Protocol::Http2 => {
            let mut request = Request::builder().method(*method).uri(format!("http://x{path}"));
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let mut sender = prior_knowledge(running).await;
            let response = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            return Answer { status: parts.status, headers: parts.headers, body };
        }
    };
    let mut client = connect_to(running, lane).await;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
    if *method == "HEAD" { client.answer_to_head().await } else { client.answer().await }
}

/// What the suite asks: the answers do not depend on the origin.
async fn answers(running: &Running, protocol: Protocol, objects: &[(String, Vec<u8>)]) -> Vec<(String, Comparable)> {
    let mut answers = Vec::new();
    for (at, (path, bytes)) in objects.iter().enumerate() {
        let mut table = table(bytes);
        // Each object is first asked for in another way.
        let first = at % table.len();
        table.rotate_left(first);
        for asked in &table {
            let answer = ask(running, protocol, path, asked).await;
            if *asked == ("GET", vec![]) {
                assert!(answer.body == bytes[..], "{protocol:?} {path}");
            }
            answers.push((format!("{protocol:?} {path} {asked:?}"), comparable(answer)));
        }
    }
    let others =
        ["/version/format30/latest", "/version/latest_version.sig", "/20/Manifest.nothing", "/15/format", "/30/format"];
    for path in others {
        for method in ["GET", "HEAD"] {
            let answer = ask(running, protocol, path, &(method, vec![])).await;
            answers.push((format!("{protocol:?} {method} {path}"), comparable(answer)));
        }
    }
    answers
}

#[tokio::test]
async fn files_bytes_and_streams_of_every_origin_are_served_alike() {
    let fixture = Fixture::new();
    let huge = huge();
    fixture.extend(&huge.0, &huge.1);
    let newest = fixture.newest();
    let mut objects: Vec<(String, Vec<u8>)> = newest
        .artifacts
        .iter()
        .map(|(artifact, bytes)| (format!("/{}", Resource::of(newest.version, artifact.clone())), bytes.clone()))
        .collect();
    objects.push((format!("/20/{HUGE}"), huge.1.clone()));
    for protocol in [Protocol::Lane, Protocol::Hyper, Protocol::Http2] {
        let local = answers(&fixture.serve().await, protocol, &objects).await;
        for delivery in [Delivery::File, Delivery::Bytes, Delivery::Stream] {
            let origin = RecordingOrigin::new(&fixture, delivery, std::slice::from_ref(&huge));
            let running = Server::bind_over(config(), origin).await.unwrap();
            let recorded = answers(&running, protocol, &objects).await;
            for (local, recorded) in local.iter().zip(&recorded) {
                assert!(local == recorded, "{delivery:?} {}: {:?} and not {:?}", local.0, recorded.1.1, local.1.1);
            }
            let text = running.site().metrics().expose();
            assert!(text.contains("clearwell_object_damaged_total 0\n"), "{delivery:?}");
            assert!(text.contains("clearwell_object_changed_total 0\n"), "{delivery:?}");
        }
    }
}

#[tokio::test]
async fn an_origin_is_asked_on_misses_only() {
    let fixture = Fixture::new();
    for delivery in [Delivery::File, Delivery::Bytes, Delivery::Stream] {
        let origin = RecordingOrigin::new(&fixture, delivery, &[]);
        let running = Server::bind_over(config(), origin.clone()).await.unwrap();
        assert_eq!(origin.take_calls(), Calls { snapshots: 1, lookups: 0, opens: 0 }, "at the start");
        for (path, bytes) in [fixture.small(), fixture.large()] {
            let mut client = connect(&running).await;
            for _ in 0..2 {
                assert_eq!(client.head(&path).await.status, 200);
            }
            assert_eq!(origin.take_calls(), Calls { snapshots: 0, lookups: 2, opens: 0 }, "HEAD reads no bytes");
            assert!(client.get(&path).await.body == bytes);
            assert_eq!(origin.take_calls(), Calls { snapshots: 0, lookups: 1, opens: 1 }, "{delivery:?}: the miss");
            for protocol in [Protocol::Lane, Protocol::Hyper, Protocol::Http2] {
                for asked in &table(bytes) {
                    ask(&running, protocol, &path, asked).await;
                }
            }
            for _ in 0..3 {
                assert_eq!(client.get("/version/format30/latest").await.body, "20");
                assert_eq!(connect(&running).await.get("/version/format30/latest").await.body, "20");
            }
            let none = Calls { snapshots: 0, lookups: 0, opens: 0 };
            assert_eq!(origin.take_calls(), none, "{delivery:?}: hits do not reach the origin");
        }
    }
}

#[tokio::test]
async fn concurrent_requests_for_one_object_open_it_once() {
    let fixture = Fixture::new();
    for delivery in [Delivery::File, Delivery::Bytes, Delivery::Stream] {
        for (path, bytes) in [fixture.small(), fixture.large()] {
            let origin = RecordingOrigin::new(&fixture, delivery, &[]);
            let site = Arc::new(Site::over(config(), origin.clone()).unwrap());
            let mut clients = tokio::task::JoinSet::new();
            for _ in 0..30 {
                let (site, path) = (Arc::clone(&site), path.clone());
                clients.spawn(async move { InMemory::new(&site).get(&path).await.body });
            }
            assert!(clients.join_all().await.iter().all(|body| body == bytes));
            assert_eq!(origin.take_calls().opens, 1, "{delivery:?} {path}");
        }
    }
}

#[tokio::test]
async fn absent_not_yet_damaged_and_unreachable_are_told_apart() {
    let fixture = Fixture::new();
    for (path, _) in [fixture.small(), fixture.large()] {
        for step in [Step::Lookup, Step::Open] {
            for (failure, status, damaged) in [
                (Failure::Absent, 404, 0),
                (Failure::NotYet, 503, 0),
                (Failure::Damaged, 503, u64::from(step == Step::Open)),
                (Failure::Unreachable, 503, 0),
            ] {
                let origin = RecordingOrigin::new(&fixture, Delivery::Bytes, &[]);
                let site = Site::over(config(), origin.clone()).unwrap();
                let client = InMemory::new(&site);
                let context = format!("{path}: {step:?} says {failure:?}");
                origin.fail(Some((step, failure)));
                let answer = client.get(&path).await;
                assert_eq!(answer.status.as_u16(), status, "{context}");
                assert_eq!(answer.header("retry-after").is_empty(), status == 404, "{context}");
                assert_eq!(site.metrics().objects.damaged.get(), damaged, "{context}");
                origin.take_calls();
                assert_eq!(client.status(&path).await, status, "{context}");
                let Calls { lookups, opens, .. } = origin.take_calls();
                match (failure, step) {
                    (Failure::Absent | Failure::NotYet, _) => {
                        assert!(lookups + opens > 0, "{context}: asked again at once");
                        origin.fail(None);
                        assert_eq!(client.status(&path).await, 200, "{context}: it came");
                    }
                    (_, Step::Open) => assert_eq!(lookups + opens, 0, "{context}: refused for some seconds"),
                    // Asked again after a second, which may have passed.
                    (_, Step::Lookup | Step::Generation) => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_at_the_start_is_named() {
    let fixture = Fixture::new();
    let origin = RecordingOrigin::new(&fixture, Delivery::Bytes, &[]);
    origin.fail(Some((Step::Generation, Failure::Unreachable)));
    let error = Site::over(config(), origin).unwrap_err();
    assert!(matches!(error, ServeError::Origin(_)), "{error}");
    assert_eq!(error.fault(), clearwell_store::Fault::Network);
}

#[tokio::test]
async fn new_generations_are_seen_and_the_last_one_is_served_while_there_is_none() {
    let fixture = Fixture::new();
    let origin = RecordingOrigin::new(&fixture, Delivery::Bytes, &[]);
    let site = Site::over(config(), origin.clone()).unwrap();
    let latest = async || InMemory::new(&site).get("/version/format30/latest").await.body;
    assert_eq!(latest().await, "20");
    origin.publish(10);
    assert_eq!(latest().await, "10");
    assert_eq!(InMemory::new(&site).status("/20/format").await, 503, "above the newest");
    origin.publish(20);
    assert_eq!(latest().await, "20");
    origin.fail(Some((Step::Generation, Failure::Unreachable)));
    origin.publish(10);
    assert_eq!(latest().await, "20");
    assert_eq!(site.readiness(), Err(NotReady::Unreadable));
    origin.fail(None);
    assert_eq!(latest().await, "10");
    assert_eq!(site.readiness(), Ok(()));
}

/// The writer of the file that a request has opened.
async fn writer(origin: &RecordingOrigin) -> DownloadWriter {
    tokio::time::timeout(crate::client::LIMIT, async {
        loop {
            match origin.next_writer() {
                Some(writer) => return writer,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .expect("a request opens the file")
}

#[tokio::test]
async fn answers_follow_a_file_while_it_arrives() {
    let fixture = Fixture::new();
    let huge = huge();
    let path = format!("/20/{HUGE}");
    for implementation in [Implementation::Lane, Implementation::Hyper] {
        let origin = RecordingOrigin::new(&fixture, Delivery::StreamByHand, std::slice::from_ref(&huge));
        let running = Server::bind_over(config(), origin.clone()).await.unwrap();
        let (mut first, mut second) =
            (connect_to(&running, implementation).await, connect_to(&running, implementation).await);
        first.request("GET", &path).await;
        let mut writer = writer(&origin).await;
        let (begin, end) = huge.1.split_at(HUGE_BYTES / 2);
        writer.write_all(begin).unwrap();
        let (status, _) = first.header().await;
        assert_eq!(status, 200);
        // A part of what is there needs no more, and a second client the same file.
        second.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=100-199\r\n\r\n")).await;
        let (status, _) = second.header().await;
        assert_eq!(status, 206);
        writer.write_all(end).unwrap();
        writer.finish().unwrap();
        assert!(first.body(HUGE_BYTES).await == huge.1, "{implementation:?}");
        assert!(second.body(100).await == huge.1[100..200], "{implementation:?}");
        assert_eq!(origin.take_calls().opens, 1, "{implementation:?}");
        assert!(second.get(&path).await.body == huge.1, "{implementation:?}: complete by now");
        assert_eq!(origin.take_calls().opens, 0, "{implementation:?}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_arrive_as_it_should_ends_its_answers_early() {
    let fixture = Fixture::new();
    let huge = huge();
    let path = format!("/20/{HUGE}");
    for is_complete in [true, false] {
        for implementation in [Implementation::Lane, Implementation::Hyper] {
            let origin = RecordingOrigin::new(&fixture, Delivery::StreamByHand, std::slice::from_ref(&huge));
            let running = Server::bind_over(config(), origin.clone()).await.unwrap();
            let mut client = connect_to(&running, implementation).await;
            client.request("GET", &path).await;
            let mut writer = writer(&origin).await;
            if is_complete {
                let mut wrong = huge.1.clone();
                wrong[HUGE_BYTES / 2] ^= 1;
                writer.write_all(&wrong).unwrap();
                writer.finish().unwrap_err();
            } else {
                writer.write_all(&huge.1[..HUGE_BYTES / 2]).unwrap();
                drop(writer);
            }
            let received = client.end().await;
            let header = received.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
            assert!(received.len() - header < HUGE_BYTES, "{implementation:?}: not whole");
            wait_for_metric(&running, &format!("clearwell_object_damaged_total {}", u8::from(is_complete))).await;
            // The refusal follows the end of the answer. Requests before it open another file, which ends as well.
            tokio::time::timeout(crate::client::LIMIT, async {
                loop {
                    let mut client = connect(&running).await;
                    client.request("GET", &path).await;
                    drop(origin.next_writer());
                    match client.header().await {
                        (StatusCode::SERVICE_UNAVAILABLE, _) => break,
                        (status, _) => assert_eq!(status, 200),
                    }
                }
            })
            .await
            .expect("the object is refused");
            origin.take_calls();
            assert_eq!(connect(&running).await.get(&path).await.status, 503, "{implementation:?}");
            assert_eq!(origin.take_calls().opens, 0, "{implementation:?}: refused for some seconds");
        }
    }
}

#[tokio::test]
async fn a_small_object_waits_until_it_has_arrived() {
    let fixture = Fixture::new();
    let (path, bytes) = fixture.small();
    for is_whole in [true, false] {
        let origin = RecordingOrigin::new(&fixture, Delivery::StreamByHand, &[]);
        let running = Server::bind_over(config(), origin.clone()).await.unwrap();
        let mut client = connect(&running).await;
        client.request("GET", &path).await;
        let mut writer = writer(&origin).await;
        writer.write_all(if is_whole { bytes } else { &bytes[1..] }).unwrap();
        assert_eq!(writer.finish().is_ok(), is_whole);
        let answer = client.answer().await;
        assert_eq!(answer.status, if is_whole { 200 } else { 503 });
        assert!(!is_whole || answer.body == bytes);
    }
}
