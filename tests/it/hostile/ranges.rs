//! Ranges and conditions that cost a client little and could cost the server much. The cost is counted in bytes hashed
//! and bytes sent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::download::{Certificate, Download, End, Protocol};
use crate::metrics::metric;
use crate::packs::{Pack, Packs};
use crate::run::Server;
use crate::wait::until;

const HASHED: &str = "clearwell_object_hashed_bytes_total";

/// Requests the last byte of the pack, over a new connection.
fn last_byte(server: &Server, certificate: &Certificate, protocol: Protocol, pack: &Pack) {
    let outcome = Download::begin(server, certificate, protocol, &pack.path, Some("bytes=-1")).finish();
    let last = &pack.bytes[pack.bytes.len() - 1..];
    assert_eq!((outcome.status, &outcome.body[..], outcome.end), (206, last, End::Whole), "{protocol:?}");
}

#[test]
fn a_byte_each_of_more_packs_than_are_kept_open_hashes_each_pack_once() {
    let packs = Packs::new();
    let certificate = Certificate::write(packs.dir());
    // Some are verified before their first byte is sent, some while they are sent.
    let sizes: Vec<usize> = (0..12).map(|at| if at % 2 == 0 { 200_000 } else { 1_500_000 }).collect();
    let added = packs.add(&sizes);
    let server = packs.serve(&[&Certificate::OPTIONS[..], &["--open-files", "2"]].concat());
    let all: usize = sizes.iter().sum();
    for round in 0..5 {
        for pack in &added {
            last_byte(&server, &certificate, Protocol::ALL[round], pack);
        }
        assert_eq!(metric(&server, HASHED), all as u64, "after round {round}");
    }

    // The file is a new inode now: it is read once more.
    added[1].restore();
    for protocol in Protocol::ALL {
        added.iter().for_each(|pack| last_byte(&server, &certificate, protocol, pack));
    }
    assert_eq!(metric(&server, HASHED), (all + sizes[1]) as u64);
}

#[test]
fn concurrent_requests_share_one_verification() {
    let packs = Packs::new();
    let certificate = Certificate::write(packs.dir());
    let added = packs.add(&[3_000_000; 6]);
    // The first file is no longer open when the second request arrives, and its verification may still run.
    let server = packs.serve(&["--open-files", "1"]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, certificate, added) = (&server, &certificate, &added);
            scope.spawn(move || {
                for at in 0..12 {
                    last_byte(server, certificate, Protocol::Lane, &added[(at + thread) % added.len()]);
                }
            });
        }
    });
    assert_eq!(metric(&server, HASHED), 18_000_000);
}

/// Sends header lines and returns status and `Content-Length` of the response.
fn ask(server: &Server, path: &str, lines: &str) -> (u16, usize) {
    let mut stream = TcpStream::connect(&server.listen).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.len() - head)
}

#[test]
fn no_range_and_no_condition_costs_more_than_the_pack() {
    const SIZE: usize = 200_000;
    let packs = Packs::new();
    let pack = packs.add(&[SIZE]).pop().unwrap();
    let server = packs.serve(&[]);
    let etag = format!("\"{}\"", clearwell_store::Digest::of(&pack.bytes));
    let other = format!("\"{}\"", "0".repeat(64));
    let many = |one: &str, bytes: usize| one.repeat(bytes / one.len());
    let single = |count: usize| (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect::<Vec<_>>().join(",");
    let cases = [
        // Many parts, few, overlapping ones, and unsatisfiable ones.
        (format!("Range: bytes={}\r\n", single(1000)), 200),
        (format!("Range: bytes={}\r\n", single(33)), 200),
        (format!("Range: bytes={}\r\n", single(32)), 206),
        (format!("Range: bytes={}\r\n", many("0-,", 8000)), 200),
        (format!("Range: bytes={}\r\n", many("-199999,", 8000)), 200),
        ("Range: bytes=0-99999,50000-199999\r\n".to_owned(), 200),
        (format!("Range: bytes={}0-0\r\n", many("200000-,", 8000)), 206),
        (format!("Range: bytes={}\r\n", many("200000-,", 8000)), 416),
        (format!("Range: bytes={}\r\n", many(",", 8000)), 200),
        // Endless numbers.
        (format!("Range: bytes=0-{}\r\n", many("9", 8000)), 206),
        (format!("Range: bytes={}-\r\n", many("9", 8000)), 416),
        (format!("Range: bytes=-{}\r\n", many("9", 8000)), 206),
        (format!("Range: bytes={}0-0\r\n", many("0", 8000)), 206),
        // Lines that contradict each other.
        ("Range: bytes=0-0\r\nRange: bytes=1-1\r\n".to_owned(), 200),
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\nIf-Range: {other}\r\n"), 200),
        (format!("Range: bytes=0-0\r\nIf-Range: {other}\r\nIf-Range: {etag}\r\n"), 200),
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\nIf-Range: {etag}\r\n"), 200),
        // If-Range takes one strong tag, and nothing else.
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\n"), 206),
        (format!("Range: bytes=0-0\r\nIf-Range: W/{etag}\r\n"), 200),
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}, {etag}\r\n"), 200),
        ("Range: bytes=0-0\r\nIf-Range: *\r\n".to_owned(), 200),
        ("Range: bytes=0-0\r\nIf-Range:\r\n".to_owned(), 200),
        (format!("Range: bytes=0-0\r\nIf-Range: {}\r\n", many("x", 8000)), 200),
        (format!("If-Range: {other}\r\n"), 200),
        // Long lists of tags: the right one last, weak, or absent.
        (format!("If-None-Match: {}{etag}\r\n", many("\"a\",", 8000)), 304),
        (format!("If-None-Match: {}W/{etag}\r\n", many("W/\"\",", 8000)), 304),
        (format!("If-None-Match: {}\r\n", many("\"a\",", 8000)), 200),
        (format!("If-None-Match: {}\r\n", many("\"", 8000)), 200),
        (format!("If-None-Match: {}\r\n", many(", ", 8000)), 200),
        (format!("{}If-None-Match: {etag}\r\n", many("If-None-Match: \"a\"\r\n", 1000)), 304),
        (format!("If-Match: {}{etag}\r\n", many("\"a\",", 8000)), 200),
        (format!("If-Match: {}W/{etag}\r\n", many("\"a\",", 8000)), 412),
        (format!("If-Match: {}\r\nRange: bytes=0-0\r\n", many("\"a\",", 8000)), 412),
    ];
    for (lines, status) in &cases {
        let name = &lines[..lines.len().min(60)];
        let (answered, length) = ask(&server, &pack.path, lines);
        assert_eq!(answered, *status, "{name}");
        let most = match answered {
            200 => SIZE,
            // A header for each part.
            206 => SIZE + 33 * 200,
            304 => 0,
            _ => 100,
        };
        assert!(length <= most, "{length} bytes: {name}");
    }
    until(|| metric(&server, "clearwell_http_requests_in_flight") == 0);
    assert_eq!(metric(&server, HASHED), SIZE as u64);
}
