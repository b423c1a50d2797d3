//! Servers that stall an endpoint or send more than any release has: `verify --url` ends and names the problem.

use std::fs;
use std::time::{Duration, Instant};

use clearwell_testkit::sample_www;

use crate::run::{Ended, clearwell};
use crate::upstream::{Answer, Upstream};

/// Verifies a sample tree with changed responses for some paths.
fn verify(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Ended, String) {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let www = sample_www(&folder.path().join("www"));
    let upstream = Upstream::start(&www.root, answer);
    let url = upstream.url();
    let args = ["verify", "--nosigcheck", "--retry-seconds", "0", "--timeout-seconds", "1", "--url", &url];
    let began = Instant::now();
    let ended = Ended::of(clearwell(folder.path(), &args).env("TMPDIR", &scratch));
    assert!(began.elapsed() < Duration::from_secs(120), "{ended:?}");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something was left behind");
    (ended, url)
}

#[test]
fn a_valid_tree_passes() {
    verify(|_| Answer::File).0.expect(0);
}

#[test]
fn bodies_larger_than_the_manifests_allow_are_refused() {
    for answer in [Answer::Endless, Answer::Declared(8 << 30), Answer::Declared(1 << 62)] {
        for part in ["pack-editor-from-0.tar", "/files/", "Manifest.MoM.tar", "Manifest.editor.tar", "/latest"] {
            let answer = answer.clone();
            let (ended, _) = verify(move |path| if path.contains(part) { answer.clone() } else { Answer::File });
            assert!(matches!(ended.code, Some(1 | 10)), "{part}: {ended:?}");
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(said.contains("is longer than"), "{part}: {said}");
        }
    }
}

#[test]
fn a_server_that_stalls_or_drips_is_abandoned() {
    for (answer, says) in [(Answer::Drip, "bytes per second"), (Answer::Silence, "no data received for 1 s")] {
        for part in ["/latest", "Manifest.MoM.tar", "Manifest.editor.tar"] {
            let answer = answer.clone();
            let (ended, _) = verify(move |path| if path.contains(part) { answer.clone() } else { Answer::File });
            let ended = ended.expect(10);
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(said.contains(says) && said.contains(part), "{part}: {said}");
        }
    }
    let (ended, url) = verify(|path| if path.contains("Manifest.MoM.tar") { Answer::Drip } else { Answer::File });
    let error = ended.expect(10).error();
    assert!(error.contains("gave up on the server") && error.contains(&url), "{error}");
}

#[test]
fn endless_headers_and_redirects_are_refused() {
    for answer in [Answer::EndlessHeader, Answer::Loop] {
        let (ended, _) = verify(move |path| if path.contains("MoM") { answer.clone() } else { Answer::File });
        assert!(matches!(ended.code, Some(1 | 10)), "{ended:?}");
    }
}

#[test]
fn the_whole_verification_has_a_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let www = sample_www(&folder.path().join("www"));
    let upstream = Upstream::start(&www.root, |path| if path.contains("MoM") { Answer::Silence } else { Answer::File });
    let url = upstream.url();
    let args = ["verify", "--nosigcheck", "--limit-seconds", "1", "--url", &url];
    let error = crate::run::run(folder.path(), &args).expect(10).error();
    assert!(error.contains("gave up after 1 s"), "{error}");
}
