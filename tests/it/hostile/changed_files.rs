//! Packs that are changed in place while slow clients read them, after the server has verified them: a response that
//! completes has the released bytes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use crate::download::{Certificate, Download, End, Protocol};
use crate::metrics::metric;
use crate::packs::{Pack, Packs};
use crate::run::Server;
use crate::wait::until;

/// More than the socket buffers of server and client together.
const LARGE: usize = 14 << 20;
/// Less than the socket buffer of the server.
const MIDDLE: usize = 300_000;

struct Setup {
    _packs: Packs,
    server: Server,
    certificate: Certificate,
    large: Pack,
    middle: Pack,
}

impl Setup {
    fn new() -> Self {
        let packs = Packs::new();
        let certificate = Certificate::write(packs.dir());
        let mut added = packs.add(&[LARGE, MIDDLE]);
        let server = packs.serve(&Certificate::OPTIONS);
        let (middle, large) = (added.pop().unwrap(), added.pop().unwrap());
        Self { _packs: packs, server, certificate, large, middle }
    }

    fn begin(&self, protocol: Protocol, pack: &Pack, range: Option<&str>) -> Download {
        Download::begin(&self.server, &self.certificate, protocol, &pack.path, range)
    }

    /// Returns once the check of the pack is over.
    fn check(&self, pack: &Pack) {
        let first = self.begin(Protocol::Lane, pack, Some("bytes=0-0")).finish();
        assert_eq!((first.status, &first.body[..], first.end), (206, &pack.bytes[..1], End::Whole));
    }
}

/// Another process writes into the file; the server is not told.
fn write(pack: &Pack, position: usize) {
    let file = File::options().write(true).open(pack.file()).unwrap();
    file.write_all_at(&[!pack.bytes[position]; 1], position as u64).unwrap();
}

fn write_and_set_back(pack: &Pack, position: usize) {
    let modified = fs::metadata(pack.file()).unwrap().modified().unwrap();
    write(pack, position);
    File::options().write(true).open(pack.file()).unwrap().set_modified(modified).unwrap();
}

fn write_and_link(pack: &Pack, position: usize) {
    write_and_set_back(pack, position);
    link(pack, position);
}

/// A repair in place: bytes sent in between were wrong.
fn write_twice(pack: &Pack, position: usize) {
    write(pack, position);
    let file = File::options().write(true).open(pack.file()).unwrap();
    file.write_all_at(&pack.bytes[position..=position], position as u64).unwrap();
}

fn truncate(pack: &Pack, position: usize) {
    File::options().write(true).open(pack.file()).unwrap().set_len(position as u64).unwrap();
}

fn replace(pack: &Pack, _: usize) {
    pack.replace(b"a file of another release");
}

/// As backups do that keep each state of a tree as hard links.
fn link(pack: &Pack, _: usize) {
    let link = pack.file().with_extension("backup");
    // The link of the previous case.
    let _ = fs::remove_file(&link);
    fs::hard_link(pack.file(), &link).unwrap();
}

fn unlink(pack: &Pack, _: usize) {
    fs::remove_file(pack.file()).unwrap();
}

type Change = (&'static str, fn(&Pack, usize));

const WRITES: [Change; 5] = [
    ("written to", write),
    ("written to, and its mtime set back", write_and_set_back),
    ("written to, its mtime set back, and linked", write_and_link),
    ("written to twice", write_twice),
    ("cut off", truncate),
];
const OTHERS: [Change; 3] = [("replaced", replace), ("linked", link), ("removed", unlink)];

#[test]
fn a_pack_written_to_during_a_slow_download_does_not_arrive_whole() {
    let setup = Setup::new();
    let pack = &setup.large;
    for protocol in Protocol::ALL {
        for (name, change) in WRITES {
            // Read before the change; where it happens.
            for (read, position) in [(1, LARGE - 1), (1, LARGE / 2), (1 << 20, LARGE - 300_000)] {
                let case = format!("{protocol:?}, {name} at {position} after {read} bytes");
                setup.check(pack);
                let mut download = setup.begin(protocol, pack, None);
                download.read_to(read);
                change(pack, position);
                let outcome = download.finish();
                assert_eq!((outcome.status, outcome.end), (200, End::Cut), "{case}: {outcome:?}");
                pack.restore();
            }
        }
    }
    assert_eq!(metric(&setup.server, "clearwell_object_changed_total"), 75);
}

#[test]
fn a_pack_whose_bytes_stay_arrives() {
    let setup = Setup::new();
    let pack = &setup.large;
    for protocol in Protocol::ALL {
        for (name, change) in OTHERS {
            setup.check(pack);
            let mut download = setup.begin(protocol, pack, None);
            download.read_to(1);
            change(pack, 0);
            let outcome = download.finish();
            let is_whole = (outcome.status, outcome.end) == (200, End::Whole) && outcome.body == pack.bytes;
            assert!(is_whole, "{protocol:?}, {name}: {outcome:?}");
            pack.restore();
        }
    }
    assert_eq!(metric(&setup.server, "clearwell_object_changed_total"), 0);
}

#[test]
fn what_waits_in_the_socket_does_not_change_with_the_file() {
    let setup = Setup::new();
    let pack = &setup.middle;
    for protocol in Protocol::ALL {
        for (name, change) in WRITES {
            for position in [MIDDLE / 3, MIDDLE - 1] {
                setup.check(pack);
                let sent = || metric(&setup.server, "clearwell_http_sent_bytes_total{kind=\"delta_pack\"}");
                let before = sent();
                let mut download = setup.begin(protocol, pack, None);
                if protocol == Protocol::Lane {
                    // Counted once all of it is in the kernel's buffer.
                    until(|| sent() >= before + MIDDLE as u64);
                } else {
                    download.read_to(1);
                }
                change(pack, position);
                let outcome = download.finish();
                let is_right = outcome.end == End::Cut || outcome.body == pack.bytes;
                assert!(is_right, "a damaged pack completed: {protocol:?}, {name} at {position}: {outcome:?}");
                pack.restore();
            }
        }
    }
}

#[test]
fn ranges_of_a_changed_pack_are_right_or_cut() {
    let setup = Setup::new();
    let pack = &setup.large;
    let (first, last) = (1000, LARGE - 1000);
    for protocol in Protocol::ALL {
        setup.check(pack);
        let range = format!("bytes={first}-{}", last - 1);
        let mut download = setup.begin(protocol, pack, Some(&range));
        download.read_to(1);
        write(pack, last - 5);
        let outcome = download.finish();
        assert_eq!((outcome.status, outcome.end), (206, End::Cut), "{protocol:?}: {outcome:?}");
        pack.restore();

        // Of two parts, the first is complete at the time of the change; the second is not.
        setup.check(pack);
        let range = format!("bytes=0-{},{}-{}", LARGE / 2, LARGE / 2 + 1, LARGE - 1);
        let mut download = setup.begin(protocol, pack, Some(&range));
        download.read_to(1);
        write(pack, LARGE - 5);
        let outcome = download.finish();
        assert_eq!((outcome.status, outcome.end), (206, End::Cut), "{protocol:?}: {outcome:?}");
        pack.restore();
    }
}

#[test]
fn a_changed_pack_is_checked_again_before_it_is_served_again() {
    let setup = Setup::new();
    let pack = &setup.middle;
    setup.check(pack);
    write_and_set_back(pack, MIDDLE / 2);
    let refused = setup.begin(Protocol::Lane, pack, Some("bytes=0-0")).finish();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(metric(&setup.server, "clearwell_object_damaged_total"), 1);
}
