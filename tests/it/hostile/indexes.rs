//! Indexes that are changed from outside while a server reads them: by a restore, by `rsync --inplace`, by hand.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::{request, until};
use crate::mix::Mix;
use crate::run::Server;

/// Paths whose response depends on the index: these objects are not cached in memory.
fn fullfiles(mix: &Mix) -> Vec<(String, u64)> {
    let files = fs::read_dir(mix.path("store/content/10/files")).unwrap();
    let path = |name: String| format!("/10/files/{name}");
    files
        .map(|file| file.unwrap())
        .map(|file| (path(file.file_name().into_string().unwrap()), file.metadata().unwrap().len()))
        .collect()
}

#[test]
fn a_server_survives_every_change_of_an_index_and_serves_again_once_it_is_whole() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &[]);
    let (index, files) = (mix.path("store/meta/index/10"), fullfiles(&mix));
    let whole = fs::read(&index).unwrap();
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let never = "/10/pack-editor-from-5.tar";
    let ask = || {
        // Bounded, in case the other side of the test fails.
        let began = Instant::now();
        while !stop.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(120) {
            for (path, size) in &files {
                let answer = request(&server.listen, "HEAD", path);
                match answer.status {
                    200 => assert_eq!(answer.content_length, Some(*size), "{path}"),
                    status => assert_eq!(status, 503, "{path}"),
                }
                let status = request(&server.listen, "GET", never).status;
                assert!([404, 503].contains(&status), "{status}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    // Another index of the same length: valid, but of another release.
    let mut other = whole.clone();
    other[12] ^= 1;
    let in_place = |bytes: &[u8]| fs::write(&index, bytes).unwrap();
    let renamed = |bytes: &[u8]| {
        let next = index.with_extension("next");
        fs::write(&next, bytes).unwrap();
        fs::rename(next, &index).unwrap();
    };
    let changes: [&dyn Fn(); 7] = [
        &|| in_place(&whole),
        &|| in_place(&whole[..whole.len() / 2]),
        &|| in_place(b""),
        &|| in_place(&other),
        &|| in_place(&vec![0; whole.len()]),
        &|| in_place(&[&whole[..], &whole[..]].concat()),
        &|| fs::File::options().write(true).open(&index).unwrap().set_len(41).unwrap(),
    ];
    std::thread::scope(|scope| {
        let askers = [scope.spawn(ask), scope.spawn(ask)];
        for change in changes {
            change();
            let before = answers.load(Ordering::Relaxed);
            // Requests that started after the change.
            while answers.load(Ordering::Relaxed) < before + 6 && askers.iter().all(|asker| !asker.is_finished()) {
                std::thread::yield_now();
            }
        }
        until(&server.listen, &files[0].0, 503);
        in_place(&whole);
        until(&server.listen, &files[0].0, 200);
        renamed(&whole);
        until(&server.listen, never, 404);
        stop.store(true, Ordering::Relaxed);
    });
    for (path, size) in &files {
        assert_eq!(request(&server.listen, "GET", path).body.len() as u64, *size);
    }
}

#[test]
fn a_damaged_index_is_counted_until_it_is_whole() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &[]);
    let (index, files) = (mix.path("store/meta/index/10"), fullfiles(&mix));
    let whole = fs::read(&index).unwrap();
    let damaged = |number: u32| {
        let metrics = request(&server.admin, "GET", "/metrics").body;
        let metrics = String::from_utf8(metrics).unwrap();
        assert!(metrics.contains(&format!("clearwell_store_damaged_indexes {number}\n")), "{metrics}");
    };
    until(&server.listen, &files[0].0, 200);
    damaged(0);
    fs::write(&index, &whole[..whole.len() - 1]).unwrap();
    until(&server.listen, &files[1].0, 503);
    damaged(1);
    fs::write(&index, &whole).unwrap();
    until(&server.listen, &files[1].0, 200);
    damaged(0);
}
